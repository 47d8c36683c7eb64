"""An export as it was asked for, and as it was found possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.deploy.base import Facts, Form, Target
    from tuiftune.runs.store.directory import RunDir


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export as it was asked for.

    Attributes:
        target: key of the target.
        quantize: key of its precision; None: the target's own.
        output: directory to write to; None: in the run's directory.
        verify: answer the evaluation rows from what was written.
        base: directory of the base model, where it was moved.
        options: what a target takes in addition, by name.
    """

    target: str
    quantize: str | None = None
    output: Path | None = None
    verify: bool = True
    base: Path | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """An export that was found possible."""

    run: RunDir
    wanted: Wanted
    target: Target
    form: Form
    facts: Facts
    place: Path

    @property
    def staged(self) -> Path:
        """Where it is written until it is whole."""
        return self.place.with_name(f".{self.place.name}.partial")
