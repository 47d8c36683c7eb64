"""A metric is an entry in one file: that alone brings it into the log, onto a chart and into the table."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import metrics
from tuiftune.metrics.metric import BY_STEP
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter, serialize
from tuiftune.runs.reports import compare_table, metrics_table
from tuiftune.runs.reports.compare import compare
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.kit.chart.curves import CURVES, Source, available, drawing
from tuiftune.tui.kit.chart.lens import Lens
from tuiftune.tui.kit.glyphs import UNICODE

if TYPE_CHECKING:
    from pathlib import Path

NEW_FILE = """
from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("margin", logged="odds/margins", better="higher", smoothed=True,
           chart="margin", title="reward margin", dashboard=True, compared=True, always=True),
)
"""
PROGRAM = """
import importlib.util, json, sys
spec = importlib.util.find_spec("tuiftune.metrics")
spec.submodule_search_locations.append(sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["tuiftune.metrics"] = module
spec.loader.exec_module(module)
import tuiftune
tuiftune.metrics = module

from pathlib import Path
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.reports.metrics_table import Table, write_csv
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir
from tuiftune.tui.kit.chart.curves import Source, available, drawing
from tuiftune.tui.kit.chart.lens import Lens
from tuiftune.tui.kit.glyphs import UNICODE

run = RunDir(Path(sys.argv[2]))
writer = EventWriter(run.events_path)
for step in range(1, 11):
    logs = {"loss": 1.0, "grad_norm": 0.5, "learning_rate": 1e-4, "odds/margins": step / 10}
    writer.emit("step", step=step, **module.forwarded(logs))
state = RunState()
for event in EventReader(run.events_path).poll():
    state.fold(event)
curve = next(curve for curve in available([state]) if curve.heading == "reward margin")
drawn = drawing(curve, [Source("run", state)], Lens(), UNICODE)
json.dump({"events": run.events_path.read_text(), "points": list(drawn.layers[0].ys),
           "legend": [entry[1] for entry in drawn.legend],
           "columns": Table.of(run).columns,
           "torch": "torch" in sys.modules}, sys.stdout)
"""
LOGS = {"loss": 1.0, "grad_norm": 0.5, "learning_rate": 1e-4, "epoch": 0.1, "num_tokens": 77.0}


def test_a_metric_added_in_one_file_is_logged_drawn_and_exported(tmp_path: Path) -> None:
    files, run = tmp_path / "files", tmp_path / "run"
    files.mkdir()
    run.mkdir()
    (files / "margin.py").write_text(NEW_FILE)
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(files), str(run)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert '"margin":0.1' in found["events"].splitlines()[0]
    assert "odds/margins" not in found["events"], "it has a name of its own"
    assert found["points"] == [step / 10 for step in range(1, 11)]
    assert found["legend"] == ["raw", "smooth"]
    assert "margin" in found["columns"]
    assert not found["torch"]


def test_every_finite_number_of_the_trainers_logs_is_told() -> None:
    told = metrics.forwarded(
        {**LOGS, "odds/margins": 0.25, "kl": float("nan"), "note": "words", "flag": True, "type": 3.0}
    )
    assert told == {"loss": 1.0, "lr": 1e-4, "grad_norm": 0.5, "odds/margins": 0.25}
    assert metrics.forwarded({"loss": float("nan")})["loss"] is not None, "the log says what it was"


def run_with(path: Path, name: str, margin: float) -> RunDir:
    run = RunDir(path / name)
    run.path.mkdir(parents=True)
    (run.path / "plan.json").write_text("{}")
    writer = EventWriter(run.events_path)
    for step in range(1, 101):
        spike = 90.0 if step == 50 else margin
        writer.emit("step", step=step, **metrics.forwarded({**LOGS, "odds/margins": spike}))
        if step % 20 == 0:
            writer.emit("eval", step=step, loss=1.0, when="during", **{"odds/margins": margin + 1})
    writer.close()
    return run


@pytest.mark.parametrize("thin", [False, True])
def test_a_number_that_no_file_knows_is_shown_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thin: bool
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("tuiftune.runs.log.reader.THIN_BYTES", 1024)
    monkeypatch.setattr("tuiftune.runs.log.reader.WHOLE_BYTES", 64)
    run = run_with(tmp_path, "one", 0.5)
    state, reader = RunState(), EventReader(run.events_path)
    events = reader.poll(thin=thin)
    assert (len(events) < 60) == thin
    for event in events:
        state.fold(event)
    assert state.values["odds/margins"] == 0.5
    assert (50.0, 90.0) in state.curves["odds/margins"].points(), "its extremes are kept"
    curve = next(curve for curve in available([state]) if curve.chart == "odds/margins")
    drawn = drawing(curve, [Source("one", state)], Lens(), UNICODE)
    assert [entry[1] for entry in drawn.legend] == ["raw", "smooth", "eval"]
    assert state.curves["eval_odds/margins"].points()[-1] == (100.0, 1.5)
    file = io.StringIO()
    metrics_table.write_csv(metrics_table.Table.of(run), file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["odds/margins"] for row in rows if row["type"] == "step"][48:51] == ["0.5", "90.0", "0.5"]
    assert {row["eval_odds/margins"] for row in rows if row["type"] == "eval"} == {"1.5"}


def test_it_is_compared_too(tmp_path: Path) -> None:
    rows = compare_table.rows(compare([run_with(tmp_path, "one", 0.5), run_with(tmp_path, "two", 0.25)]))
    found = next(row for row in rows if row.label == "odds/margins")
    assert [round(float(cell), 2) for cell in found.cells] == [0.5, 0.25]
    assert found.best is None, "which way is better is not known"


def test_a_resume_drops_what_was_seen_of_it_behind_the_checkpoint() -> None:
    state = RunState()
    steps: list[tuple[int, float]] = [(step, 1.0) for step in range(1, 9)] + [(5, 2.0), (6, 2.0)]
    for seq, (step, value) in enumerate(steps):
        state.fold({"seq": seq, "t": float(seq), "type": "step", "step": step, "loss": 1.0, "kl": value})
    assert state.curves["kl"].points()[-2:] == [(5.0, 2.0), (6.0, 2.0)]
    assert len(state.curves["kl"]) == 6


def test_a_log_full_of_names_stays_small(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    lines: list[dict[str, Any]] = [
        {"type": "step", "step": step, "loss": 1.0, f"name{step}": 1.0, "\x1b[31m": 1, "x" * 99: 2}
        for step in range(1, 500)
    ]
    run.events_path.write_bytes(b"".join(map(serialize, lines)))
    state = RunState()
    for event in EventReader(run.events_path).poll():
        state.fold(event)
    assert len(state.unregistered) == metrics.MOST_UNREGISTERED
    assert all(name.startswith("name") for name in state.unregistered)
    assert len(metrics_table.Table.of(run).columns) < 200
    assert state.step == 499


def test_a_name_that_is_taken_displaces_nothing(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    taken = {
        "device": 7.0,
        "seconds": 8.0,
        "eval_loss": 9.0,
        "when": 1.0,
        "gpu0_throttle": 2.0,
        "x_throttle": 3.0,
    }
    lines: list[dict[str, Any]] = [
        {"t": 1.0, "type": "step", "step": 1, "loss": 1.0, **metrics.forwarded({**LOGS, **taken})},
        {"t": 2.0, "type": "eval", "step": 1, "loss": 0.5, "when": "during"},
        {"t": 3.0, "type": "memory", "device": 5},
    ]
    run.events_path.write_bytes(b"".join(map(serialize, lines)))
    state = RunState()
    for event in lines:
        state.fold(event)
    assert state.curves["eval_loss"].points() == [(1.0, 0.5)]
    assert state.values["step.eval_loss"] == 9.0
    assert metrics_table.export(run, tmp_path / "all.parquet") == 3
    columns = metrics_table.Table.of(run).columns
    assert len(set(columns)) == len(columns)
    rows = list(metrics_table.Table.of(run).rows())
    assert (rows[0]["seconds"], rows[0]["step.seconds"], rows[0]["x_throttle"]) == (0.0, 8.0, 3.0)
    assert (rows[1]["when"], rows[2]["device"]) == ("during", 5.0)


def test_the_entries_are_sound() -> None:
    names = [metric.name for metric in metrics.METRICS]
    assert len(set(names)) == len(names)
    titled = [metric.chart for metric in CURVES]
    assert len(set(titled)) == len(titled), "a chart is opened once"
    assert {metric.chart for metric in metrics.METRICS if metric.chart} == set(titled)
    assert all(metric.label for metric in metrics.METRICS if metric.chart and metric.event in BY_STEP)
    assert [curve.chart for curve in CURVES[:4]] == ["loss", "lr", "grad", "speed"]
