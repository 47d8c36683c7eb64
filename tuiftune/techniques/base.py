"""What a technique is: a value that the preset, the plan, the advice and the engine ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.options import Option


@dataclass(frozen=True, slots=True)
class Technique:
    """One way to change a base model's weights.

    `does` says it in a few words, after its key. `options` are the keys it adds to the preset's `method`;
    `unused` are those it accepts beside them and makes no use of, so that switching to it keeps a preset
    valid. `automatic`: the plan may choose it for `auto`.
    """

    key: str
    name: str
    order: int
    does: str
    adapters: bool
    options: tuple[Option, ...] = ()
    unused: tuple[Option, ...] = ()
    automatic: bool = False

    @property
    def accepted(self) -> tuple[Option, ...]:
        """The options that may stand beside it in a preset."""
        return (*self.options, *self.unused)
