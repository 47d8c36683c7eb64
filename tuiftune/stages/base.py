"""What a stage is: a value that the preset, the data, the plan and the engine ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.options import Option
    from tuiftune.techniques.base import Technique


@dataclass(frozen=True, slots=True)
class AdapterRate:
    """A stage's own peak learning rate with LoRA, whatever the model; full fine-tuning takes a tenth."""

    value: float
    within: tuple[float, float]
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of training. `does` says it in a few words; `options` are the keys it adds to `method`.

    Attributes:
        formats: row formats it takes.
        own: those of them that are recognized as its.
        needs: what a row must have, and `remedy`: what to do where it has not.
        defaults: its own for dotted preset keys that are left out.
        rate: its usual learning rate over that of the technique, for the reason `why_rate`.
        adapter_rate: its usual learning rate with LoRA, if that does not follow supervised fine-tuning's.
        packs: several rows share a sequence, where the model keeps them apart.
        splits: what is longer than max_length becomes several rows, and is not truncated.
        answers: its rows have reference answers, which generated ones are compared with.
    """

    key: str
    name: str
    order: int
    does: str
    options: tuple[Option, ...] = ()
    formats: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    needs: str = ""
    remedy: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    why_rate: str = ""
    adapter_rate: AdapterRate | None = None
    packs: bool = False
    splits: bool = False
    answers: bool = True

    def refuses(self, technique: Technique) -> str | None:
        """Why it cannot run with a technique, in words that follow its name; None where it can."""
        del technique
        return None

    def check_rows(self, format: str, place: str = "", remedy: str = "") -> None:  # noqa: A002
        """UserError where it does not take rows of a format."""
        if format not in self.formats:
            said = f"these are {format} rows, and {self.does} needs {self.needs}"
            raise UserError(said, place=place, remedy=remedy or self.remedy)
