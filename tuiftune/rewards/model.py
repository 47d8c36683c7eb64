"""The number of a reward model, such as the result of a run of the stage reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.rewards.base import Asked, Reward

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILES = ("config.json", "adapter_config.json")


@dataclass(frozen=True, slots=True)
class OfModel:
    """A reward model by its directory. The engine loads it before anything is scored."""

    path: Path
    place: str

    def __call__(self, asked: Sequence[Asked]) -> list[float]:
        raise RuntimeError(f"the reward model in {self.path} was not loaded")


def _make(given: Mapping[str, Any], place: str) -> OfModel:
    named = str(given["path"])
    directory = paths.absolute(named)
    inside = directory / "result" / "model"  # of a run
    for found in (directory, inside):
        if any(paths.is_file(found / name) for name in FILES):
            return OfModel(found, f"{place}: {printable(named)}")
    raise UserError(
        f"there is no model in {printable(named)}",
        place=place,
        remedy="name the directory of a run of the stage reward, or of a model with one label",
    )


MODEL = Reward(
    "model",
    70,
    "the number of a reward model, such as the result of a run of the stage reward",
    _make,
    {"path": "the directory of the run, or of the model"},
    needs=("path",),
)
