"""A run as the base model of another one: the directory of the model that it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.models import download
from tuiftune.printable import printable
from tuiftune.runs.store.find import find

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

MERGED = ("exports", "merged")  # where an adapter stands in its base model, within a run


def model_of(name: str) -> Path:
    """Return the directory of the whole model of a run: its result, or its adapter merged into its base.

    UserError if there is no such run, it has no result or a reward model, or its adapter was not merged.
    """
    run = find(name)
    if run.result() is None:
        raise UserError(
            "the run has no result to begin with", place=_place(run), remedy=f"`tuiftune status {run.name}`"
        )
    if (stage := run.planned().stage) is not None and stage.scores:
        raise scores_only(_place(run))
    if is_whole(run):
        return run.result_path / "model"
    merged = run.path.joinpath(*MERGED)
    if paths.is_file(merged / "config.json"):
        return merged
    raise UserError(
        "the run's result is an adapter, and a run begins with a whole model",
        place=_place(run),
        remedy=f"merge it into its base model: tuiftune export {run.name} --to merged",
    )


def scores_only(place: str) -> UserError:
    """For a reward model as a base model."""
    return UserError(
        "it is a reward model, which scores answers and writes none",
        place=place,
        remedy="begin with the model that it was trained from; as a reward, name it under method.rewards",
    )


def bring(run: RunDir, *, base: bool = False) -> None:
    """Bring what a run's result is loaded with onto this machine: the base model that its adapter belongs to,
    and of a whole result the base model's tokenizer alone, unless the `base` model itself is asked.

    UserError if it can't be had.
    """
    model = run.plan().preset(printable(str(run.plan_path))).model
    if base or not is_whole(run):
        download.require_base(run.name, model.base)
    download.bring(model.base, model.revision, weights=base or not is_whole(run))


def is_whole(run: RunDir) -> bool:
    """Return True if the run came to a whole model, not to an adapter."""
    model = run.result_path / "model"
    return paths.is_file(model / "config.json") and not paths.is_file(model / "adapter_config.json")


def _place(run: RunDir) -> str:
    return f"model.base: run:{printable(run.name)}"
