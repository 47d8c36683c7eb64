"""What a stage is: a value that the preset, the data, the plan and the engine ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.options import Option
    from tuiftune.techniques.base import Technique


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of training. `does` says it in a few words; `options` are the keys it adds to `method`."""

    key: str
    name: str
    order: int
    does: str
    options: tuple[Option, ...] = ()

    def refuses(self, technique: Technique) -> str | None:
        """Why it cannot run with a technique, in words that follow its name; None where it can."""
        del technique
        return None
