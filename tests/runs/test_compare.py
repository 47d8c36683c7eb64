"""Runs side by side: what differs, what came of it, how sure that is; and the two commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuiftune.errors import UserError
from tuiftune.runs.reports.compare import compare
from tuiftune.runs.reports.compare_table import rows, sentences
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir

RECORDED = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, RunDir]:
    for name in ("h200-lora", "h200-qlora", "h200-two", "demo"):
        shutil.copytree(RECORDED / name, tmp_path / "runs" / name)
    return {path.name: RunDir(path) for path in (tmp_path / "runs").iterdir()}


def edited(run: RunDir, file: str, change: Any) -> None:
    path = run.path / file
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_two_recorded_runs_differ_in_the_one_setting(recorded: dict[str, RunDir]) -> None:
    found = compare([recorded["h200-lora"], recorded["h200-qlora"]])
    assert [(one.key, one.values) for one in found.settings] == [("method.technique", ("lora", "qlora"))]
    lora, qlora = found.runs
    result = recorded["h200-lora"].result() or {}
    assert lora.eval_after == result["after"]["loss"]
    assert lora.interval == pytest.approx(tuple(result["after"]["interval"]), abs=1e-4)
    assert lora.usd == pytest.approx(4.015 * lora.seconds / 3600, rel=1e-4)
    assert qlora.memory_peak is not None
    assert lora.memory_peak is not None
    assert qlora.memory_peak < lora.memory_peak
    table = {row.label: row for row in rows(found)}
    assert table["eval loss after"].best == 0
    assert table["memory, peak"].best == 1
    assert table["exact match after"].best is None, "an interval is shown, no winner claimed"
    assert "could be chance" in sentences(found)[0]


def test_an_option_that_a_technique_does_not_use_has_no_value_there(recorded: dict[str, RunDir]) -> None:
    def full(plan: Any) -> None:
        plan["resolved"]["method"] |= {"technique": "full", "rank": 64}

    edited(recorded["h200-qlora"], "plan.json", full)
    found = compare([recorded["h200-lora"], recorded["h200-qlora"]])
    differ = {one.key: one.values for one in found.settings}
    assert differ["method.technique"] == ("lora", "full")
    assert differ["method.rank"][1] is None, "full fine-tuning has no rank"
    assert differ["method.rank"][0]


def test_what_is_not_comparable_is_said_and_nobody_leads(recorded: dict[str, RunDir]) -> None:
    found = compare([recorded["demo"], recorded["h200-lora"]])
    assert any("not comparable" in remark for remark in found.remarks)
    assert any("base models differ" in remark for remark in found.remarks)
    assert all(row.best is None for row in rows(found))


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("method", "stage", "dpo", "method.stage"),
        ("method", "beta", 0.5, "method.beta"),
        ("data", "reasoning", "mask", "data.reasoning"),
        ("data", "max_length", 99, "data.max_length"),
        ("training", "learning_rate", 1.0, ""),
    ],
)
def test_losses_of_another_kind_are_said_not_to_be_comparable(
    recorded: dict[str, RunDir], section: str, key: str, value: Any, named: str
) -> None:
    edited(recorded["h200-qlora"], "plan.json", lambda plan: plan["resolved"][section].update({key: value}))
    found = compare([recorded["h200-lora"], recorded["h200-qlora"]])
    said = [remark for remark in found.remarks if "not comparable" in remark]
    assert said == (
        [f"eval losses with another {named} are not of one kind and not comparable"] if named else []
    )
    table = {row.label: row for row in rows(found)}
    assert table["eval loss after"].best == (None if named else 0)


@pytest.mark.parametrize("file", [False, True])
def test_another_seed_holds_out_other_rows_but_of_a_file(recorded: dict[str, RunDir], file: bool) -> None:
    for number, name in enumerate(("h200-lora", "h200-qlora")):

        def seeded(plan: Any, number: int = number) -> None:
            plan["resolved"]["training"]["seed"] = number
            plan["resolved"]["data"] |= {"eval": "held.jsonl"} if file else {}

        edited(recorded[name], "plan.json", seeded)
    found = compare([recorded["h200-lora"], recorded["h200-qlora"]])
    assert any("training.seed differs" in remark for remark in found.remarks) is not file
    assert {row.label: row for row in rows(found)}["eval loss after"].best == (0 if file else None)


def test_the_same_rows_are_paired_by_mcnemar(recorded: dict[str, RunDir]) -> None:
    first, second = recorded["h200-lora"], recorded["h200-qlora"]
    path = second.result_path / "samples.jsonl"
    answered = [json.loads(line) for line in path.read_text().splitlines()]
    for row in answered[:10]:
        row["matched_after"] = True
    path.write_text("".join(json.dumps(row) + "\n" for row in answered) + "not json\n")
    (pair,) = compare([first, second]).pairs
    assert (pair.rows, pair.gained, pair.lost) == (16, 10, 0)
    assert pair.p == pytest.approx(2 / 2**10)


def test_damaged_and_missing_parts_leave_gaps(recorded: dict[str, RunDir]) -> None:
    (recorded["h200-lora"].path / "result" / "result.json").write_text("{")
    (recorded["h200-lora"].path / "events.jsonl").unlink()
    found = compare([recorded["h200-lora"], recorded["h200-qlora"]])
    assert found.runs[0].eval_after is None
    assert {row.label: row for row in rows(found)}["eval loss after"].cells[0] == "—"


def test_one_run_alone_is_refused(recorded: dict[str, RunDir]) -> None:
    with pytest.raises(UserError, match="two different runs"):
        compare([recorded["demo"], recorded["demo"]])


def test_the_commands(recorded: dict[str, RunDir], tmp_path: Path) -> None:
    def tuiftune(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(RECORDED.parents[1]), "TERM": "dumb"}
        command = [sys.executable, "-m", "tuiftune", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    told = tuiftune("compare", "h200-lora", "h200-qlora")
    assert told.returncode == 0, told.stderr
    assert "method.technique: h200-lora: lora; h200-qlora: qlora" in told.stdout
    document = json.loads(tuiftune("compare", "h200-lora", "h200-qlora", "--json").stdout)
    assert document["settings"] == [{"key": "method.technique", "values": ["lora", "qlora"]}]
    alone = tuiftune("compare", "demo")
    assert alone.returncode == 2
    assert "Name two different runs" in alone.stderr
    written = tuiftune("metrics", "demo", "-o", "demo.csv")
    assert "Wrote demo.csv (251 rows)" in written.stderr
    assert (tmp_path / "demo.csv").read_text() == tuiftune("metrics", "demo").stdout
    assert tuiftune("metrics", "demo", "-o", "demo.txt").returncode == 2


def test_a_run_on_two_gpus_has_the_curves_of_both(recorded: dict[str, RunDir]) -> None:
    state = RunState()
    for line in recorded["h200-two"].events_path.read_bytes().splitlines():
        state.fold(json.loads(line))
    assert sorted(gpu.index for gpu in state.gpus) == [0, 1]
    assert state.end is not None
    assert state.end.state == "done"
