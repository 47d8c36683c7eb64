"""`tuiftune decide --more-data`: the curve over the number of rows, drawn for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.text import Text

from tuiftune.cli import study_view, terminal
from tuiftune.errors import UserError
from tuiftune.figures import duration, plural
from tuiftune.jobs.more_data import label, prepare_curve
from tuiftune.jobs.study import standing
from tuiftune.printable import printable
from tuiftune.runs.state.narrate import figure
from tuiftune.runs.store.find import find

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.jobs.more_data import MoreData
    from tuiftune.preset.schema import Preset

MINUTES = 10.0
CELLS = 32


def more_data(
    data: str | None,
    run: str | None,
    model: str | None,
    *,
    share: float,
    minutes: float | None,
    json: bool,
    runs: Path | None,
) -> None:
    """Measure and print the curve. UserError for what names nothing to train."""
    preset = _preset(data, run, model, share, runs)
    curve = prepare_curve(preset, runs, minutes=minutes or MINUTES, say=terminal.say)
    study = curve.study
    terminal.say(f"{len(study.trials)} runs of {study.steps} steps, in {study.directory}")
    with study_view.watching() as watch:
        made = curve.run(watch)
    if json:
        terminal.write_json(made.document(), "more-data")
    else:
        _show(made)
    if all(point.loss is None for point in made.points):
        raise typer.Exit(1)


def _preset(data: str | None, run: str | None, model: str | None, share: float, runs: Path | None) -> Preset:
    from tuiftune.preset.schema import Preset

    if run is not None:
        preset = find(run.removeprefix("run:"), runs).preset
        return preset if model is None else preset.with_values({"model.base": model})
    if data is None or model is None:
        raise UserError(
            "names nothing to train", place="--more-data", remedy="add --run RUN, or DATA --model M"
        )
    return Preset.model_validate(
        {"name": "more-data", "model": {"base": model}, "data": {"train": data, "eval": share}}
    )


def _show(made: MoreData) -> None:
    console = terminal.out()
    console.print(Text(printable(made.says), style="bold"), soft_wrap=True)
    losses = [point.loss for point in made.points if point.loss is not None]
    base = standing.base_loss(made.study) or max(losses, default=0.0)
    lowest = min(losses, default=base)
    for point in made.points:
        gain = 0.0
        if point.loss is not None and lowest < base:
            gain = (base - point.loss) / (base - lowest)
        change = ""
        if point.gained is not None and point.interval is not None:
            low, high = point.interval
            change = f"fell by {point.gained:.3g} (95% CI {low:.3g} to {high:.3g})"
        line = f"{label(point):>18}  {terminal.bar(gain, CELLS)}  {figure(point.loss):>8}  {change}"
        console.print(Text(printable(line)), soft_wrap=True)
    words = f"{made.study.steps} steps each, {plural(len(made.study.seeds), 'seed')}"
    tail = f"{words}, the best checkpoint of each; {duration(made.study.seconds)} of training."
    console.print(Text(tail, style="dim"), soft_wrap=True)
    for note in made.notes:
        console.print(Text(printable(note)), soft_wrap=True)
