"""Where the model of a run is, for rooms below the one that knows runs: `run:NAME` as a base model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "run:"
_finders: list[Callable[[str], Path]] = []


def look_up_by(find: Callable[[str], Path]) -> None:
    """Let `find` say where the model of a run is: the command line does, which knows runs."""
    _finders[:] = [find]


def find(name: str) -> Path:
    """Return the directory of a run's whole model. UserError if there is none."""
    if not _finders:
        raise UserError(
            f"the run {name} can't be looked up here", place="model.base", remedy="name its model's directory"
        )
    return _finders[0](name)
