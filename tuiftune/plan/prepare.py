"""From the name of a preset to its plan on this machine: read, override, look at model, data and hardware."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.preset.schema import YOURS
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.facts import DataFacts
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset


NO_DATA = "no data file yet"  # stands in `data.train` where neither preset nor data was named


def prepare(name_or_path: str | None, overrides: Sequence[str], gpu: str | None = None) -> Plan:
    """Plan a preset file, a shipped one, or tuiftune's defaults on the built-in model where None is named.

    The file that a shipped preset names stands for the user's: without it, that is a note. UserError for any
    other data that is missing, or faulty.
    """
    from tuiftune.hardware.detect import detect
    from tuiftune.models.resolve import resolve
    from tuiftune.plan.resolve import make_plan
    from tuiftune.preset import file, shipped

    preset = neutral() if name_or_path is None else file.load(shipped.find(name_or_path))
    if overrides:
        preset = file.override(preset, list(overrides))
    model = resolve(preset.model.base, preset.model.revision)
    facts, missing = facts_of(preset, model)
    made = make_plan(preset, detect(), model, facts, gpu=gpu)
    return replace(made, notes=(*made.notes, missing)) if missing else made


def neutral() -> Preset:
    """Every setting at its default: only what has to be named is, and nothing of it is the user's."""
    from tuiftune.models.resolve import BUILTIN
    from tuiftune.preset.schema import Preset

    preset = Preset.model_validate({"model": {"base": BUILTIN}, "data": {"train": NO_DATA}})
    return preset.from_others(dict.fromkeys(preset.given(), "tuiftune default"))


def facts_of(preset: Preset, model: BaseModel) -> tuple[DataFacts | None, str]:
    """What the training data is, or None and why: there is none yet."""
    from tuiftune.data.measure import measure
    from tuiftune.data.mix.sources import Mix
    from tuiftune.data.read import load

    data = preset.data
    if data.train == NO_DATA:
        return None, "planned without data: name yours with --set data.train=FILE."
    if preset.origin("data.train") != YOURS and not data.mix and _absent(data.train):
        file = printable(str(data.train))
        return None, f"planned without data: {file} stands for yours; name it with --set data.train=FILE."
    dataset = load.load(data.train, format=data.format, columns=data.columns, system=data.system)
    return measure(dataset, model, data.eval, mix=Mix.of(data), seed=preset.training.seed), ""


def _absent(train: str | list[str]) -> bool:
    return isinstance(train, str) and ":" not in train and not paths.exists(paths.given(train))
