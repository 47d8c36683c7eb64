"""A run's measurements as a table: nothing measured is lost, nothing repeated counts twice."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars
import pytest

from tuiftune.errors import UserError
from tuiftune.runs.log.writer import serialize
from tuiftune.runs.reports import metrics_table
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = Path(__file__).parents[1] / "fixtures"


def recorded(name: str) -> tuple[RunDir, list[dict[str, Any]]]:
    run = RunDir(RECORDED / name)
    return run, [json.loads(line) for line in run.events_path.read_text().splitlines()]


def exported(run: RunDir) -> list[dict[str, str]]:
    file = io.StringIO()
    metrics_table.write_csv(metrics_table.Table.of(run), file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


@pytest.mark.parametrize("name", ["h200-lora", "demo"])
def test_every_measurement_of_a_recorded_run_is_in_the_table(name: str) -> None:
    run, events = recorded(name)
    table = exported(run)
    for kind in metrics_table.KINDS:
        assert len([row for row in table if row["type"] == kind]) == sum(e["type"] == kind for e in events)
    steps = [event for event in events if event["type"] == "step"]
    rows = [row for row in table if row["type"] == "step"]
    assert [(int(row["step"]), float(row["loss"]), float(row["lr"])) for row in rows] == [
        (event["step"], event["loss"], event["lr"]) for event in steps
    ]
    state = RunState()
    for event in events:
        state.fold(event)
    seconds = [float(row["seconds"]) for row in table]
    assert seconds == sorted(seconds)
    assert state.seconds_curve.last is not None
    assert float(rows[-1]["seconds"]) == pytest.approx(state.seconds_curve.last[1], abs=0.001)
    if name == "h200-lora":
        gpu = [row for row in table if row["type"] == "gpu"]
        seen = [event["gpus"][0]["power_w"] for event in events if event["type"] == "gpu"]
        assert [float(row["gpu0_power_w"]) for row in gpu] == seen


def test_the_three_forms_hold_the_same(tmp_path: Path) -> None:
    run, _ = recorded("h200-qlora")
    counts = [
        metrics_table.export(run, tmp_path / f"to/metrics{suffix}") for suffix in metrics_table.SUFFIXES
    ]
    assert len(set(counts)) == 1
    from_csv = list(csv.DictReader((tmp_path / "to/metrics.csv").open()))
    from_json = [json.loads(line) for line in (tmp_path / "to/metrics.jsonl").read_text().splitlines()]
    from_parquet = polars.read_parquet(tmp_path / "to/metrics.parquet").to_dicts()
    assert len(from_csv) == len(from_json) == len(from_parquet) == counts[0]
    for row, same, again in zip(from_csv, from_json, from_parquet, strict=True):
        assert {name: str(value) for name, value in same.items() if value != ""} == {
            name: cell for name, cell in row.items() if cell
        }
        assert {name: value for name, value in again.items() if value is not None} == pytest.approx(same)
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == [
        "metrics.csv",
        "metrics.jsonl",
        "metrics.parquet",
    ]


def test_steps_that_a_resume_repeats_are_written_once(new_run: Callable[..., RunDir]) -> None:
    run = new_run()
    steps = [*range(1, 11), *range(5, 9), *range(7, 13)]
    with run.events_path.open("wb") as file:
        for seq, step in enumerate(steps, 1):
            line = {"v": 1, "seq": seq, "t": float(seq), "type": "step", "step": step, "loss": seq / 10}
            file.write(serialize(line))
            if step == 8:
                file.write(serialize({**line, "type": "eval", "when": "during"}))
        file.write(b'{"v":1,"type":"step","step":13')  # still being written
    table = exported(run)
    rows = [(int(row["step"]), float(row["loss"])) for row in table if row["type"] == "step"]
    state = RunState()
    for seq, step in enumerate(steps, 1):
        state.fold({"v": 1, "seq": seq, "t": float(seq), "type": "step", "step": step, "loss": seq / 10})
    assert rows == state.curves["loss"].points()
    assert [row["step"] for row in table if row["type"] == "eval"] == ["8"], "that of the last passage"


def test_what_cannot_be_written_is_said_and_the_old_file_stays(
    new_run: Callable[..., RunDir], tmp_path: Path
) -> None:
    run, _ = recorded("demo")
    with pytest.raises(UserError, match="not a supported table format"):
        metrics_table.export(run, tmp_path / "metrics.xls")
    with pytest.raises(UserError, match="no metrics yet"):
        metrics_table.export(new_run(), tmp_path / "metrics.csv")
    (tmp_path / "file").write_text("old")
    with pytest.raises(UserError, match="cannot be written"):
        metrics_table.export(run, tmp_path / "file" / "metrics.csv")
    assert (tmp_path / "file").read_text() == "old"
    taken = tmp_path / "taken.csv"
    taken.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        metrics_table.export(run, taken)
    shutil.rmtree(taken)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".taken")]
