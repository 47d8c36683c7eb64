"""From the name of a preset to its plan on this machine: read, override, look at model, data and hardware."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.facts import DataFacts
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset


def prepare(name_or_path: str, overrides: Sequence[str], gpu: str | None = None) -> Plan:
    """Plan a preset file (or a shipped one). Missing data is a note, faulty data a UserError."""
    from tuiftune.hardware.detect import detect
    from tuiftune.models.resolve import resolve
    from tuiftune.plan.resolve import make_plan
    from tuiftune.preset import file, shipped

    preset = file.load(shipped.find(name_or_path))
    if overrides:
        preset = file.override(preset, list(overrides))
    model = resolve(preset.model.base, preset.model.revision)
    facts, missing = facts_of(preset, model)
    made = make_plan(preset, detect(), model, facts, gpu=gpu)
    return replace(made, notes=(*made.notes, missing)) if missing else made


def facts_of(preset: Preset, model: BaseModel) -> tuple[DataFacts | None, str]:
    """What the training data is, or None and why where the file is not there."""
    from tuiftune.data import load
    from tuiftune.data.measure import measure
    from tuiftune.data.mix import Mix

    data = preset.data
    mix = Mix.of(data)
    try:
        dataset = load.load(data.train, format=data.format, columns=data.columns, system=data.system)
        return measure(dataset, model, data.eval, mix=mix, seed=preset.training.seed), ""
    except UserError as error:
        train = [data.train] if isinstance(data.train, str) else data.train
        if not _absent([*train, *(source.path for source in mix.sources)]):
            raise
        return None, f"planned without data: {error.message}."


def _absent(names: list[str]) -> bool:

    return any(
        not any(sign in name for sign in "*?[") and ":" not in name and paths.gone(os.path.expanduser(name))
        for name in names
    )
