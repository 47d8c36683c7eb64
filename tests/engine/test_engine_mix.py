"""Rows of other sources are trained on beside the run's own: as many as planned, none that is held out."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune.data.mix.split import split
from tuiftune.data.read.load import load
from tuiftune.jobs.prepare import prepare
from tuiftune.preset.file import loads
from tuiftune.runs.reports.report import markdown
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine


def test_a_mixture_is_trained_on_as_planned(
    engine: Engine, data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    held = split(load(str(data)), 0.2, 42)[1]
    leaks = [
        {"prompt": example.prompt[0].content, "completion": example.reference or ""} for example in held[:3]
    ]
    fresh = [{"prompt": f"Say {number}.", "completion": str(number)} for number in range(10)]
    long = [{"prompt": f"Say {number}. " * 60, "completion": str(number)} for number in range(4)]
    tiny.write_rows(tmp_path / "general.jsonl", [*leaks, *fresh, *long])
    text = f"""
model: {{base: '{model}'}}
data: {{train: '{data}', eval: 0.2, max_length: 64, mix: [{{path: general.jsonl, weight: 1.5}}]}}
method: {{technique: lora}}
training: {{epochs: 1.0, effective_batch: 8, micro_batch: 4}}
evaluation: {{rows: 0}}
run: {{save_every: 4}}
"""
    prepared = prepare(loads(text, "mixed.yaml"), tmp_path / "runs", preflight=True)
    plan = prepared.plan().document
    (source,) = plan["resolved"]["data"]["mix"]
    assert source == {"path": str(tmp_path / "general.jsonl"), "weight": 1.5, "share": None}
    planned = plan["data"]["rows"]
    assert 64 + 15 - 2 <= planned <= 64 + 15 + 2  # of 21 rows those that keep a trained token
    assert [portion["left_out"] for portion in plan["data"]["portions"]] == [0, 3]

    from tuiftune.engine.evaluation.answers import room
    from tuiftune.engine.model.tokenizer import RowTokenizer

    tokenizer = RowTokenizer(tiny.make_tokenizer(), max_length=64, loss_on="assistant", place="")
    assert plan["resolved"]["evaluation"]["max_new_tokens"] == sum(room(held, tokenizer))

    monkeypatch.chdir("/")
    assert engine.train(prepared.path) == 0
    (start,) = tiny.events(prepared.path, "start")
    assert (start["rows_train"], start["total_steps"]) == (planned, plan["time"]["steps"])
    assert start["predicted_seconds"] == plan["time"]["seconds"] > 0
    report = markdown(prepared)
    assert "general.jsonl × 1.5, 21 rows per epoch" in report
    assert re.search(r"Preflight check on the longest rows: \d+ MiB device, [\d.]+ [MG]iB predicted", report)
    assert "general.jsonl × 1.5: 21 rows" in (prepared.path / "result" / "README.md").read_text()


def test_another_mixture_is_another_run(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    general = tiny.write_rows(tmp_path / "general.jsonl", tiny.rows(40))
    run = make_run(data__mix=[{"path": str(general), "weight": 1.0}], data__eval=0.0, evaluation__rows=0)
    assert engine.train(run) == 0
    assert tiny.events(run, "start")[0]["rows_train"] == 120
    (run / "result" / "result.json").unlink()
    plan = json.loads((run / "plan.json").read_text())
    plan["resolved"]["data"]["mix"][0]["weight"] = 2.0
    (run / "plan.json").write_text(json.dumps(plan))
    assert engine.train(run, "--resume") == 2
    assert "general.jsonl × 1, is" in tiny.events(run, "end")[-1]["why"].replace("['", "").replace("']", "")


@pytest.mark.long
def test_each_source_is_evaluated_by_itself(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """Rows of another kind are held out, never trained on, and told before, during and after."""
    rows = [{"prompt": f"Say {number}.", "completion": f"Here: {number}."} for number in range(24)]
    general = tiny.write_rows(tmp_path / "general.jsonl", rows)
    changes = {"training__max_steps": 24, "run__save_every": 12, "evaluation__rows": 8}
    replayed, alone = (
        make_run(data__mix=[{"path": str(general), "weight": weight}], data__mix_eval=8, **changes)
        for weight in (2.0, 0.07)
    )
    found = []
    for run in (replayed, alone):
        assert engine.train(run) == 0, (run / "engine.log").read_text()[-2000:]
        result = json.loads((run / "result" / "result.json").read_text())
        ((name, before),) = result["before"]["sources"].items()
        after = result["after"]["sources"][name]
        assert name == str(general)
        assert 0 <= after["exact_match"] <= 1
        told = [event["sources"][name] for event in tiny.events(run, "eval")]
        assert (told[0], told[-1]) == (before["loss"], after["loss"])
        assert f"{general}: loss" in markdown(RunDir.open(run))
        found.append((before["loss"], after["loss"]))
    assert tiny.events(replayed, "start")[0]["rows_train"] == 64 + 2 * 16
    assert tiny.events(alone, "start")[0]["rows_train"] == 64 + 1
    assert found[0][0] == found[1][0]
    assert found[0][1] < found[1][1], "replay keeps what the other rows would take away"
    for key, said in (("data__eval", "there are none"), ("data__mix_eval", "it has 24")):
        bad = {"data__mix_eval": 8, key: 0.0 if key == "data__eval" else 24}
        run = make_run(data__mix=[{"path": str(general), "weight": 1.0}], **bad)
        assert engine.train(run) == 2
        assert said in tiny.events(run, "end")[-1]["why"]


@pytest.mark.parametrize("layout", ["two", "single messages"])
def test_the_run_reads_its_rows_as_the_plan_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    """With the detected format in place of `auto` a third of the rows was lost, single messages were refused,
    and many rows were read and kept twice."""
    from tuiftune.engine.training import rows, settings

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if layout == "two":
        lines: list[Any] = [
            {"prompt": f"p{n}", "completion": f"c{n}"}
            if n % 3 == 0
            else {
                "messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]
            }
            for n in range(60)
        ]
    else:
        roles = ("user", "assistant")
        lines = [
            {"conversation_id": n // 2, "role": roles[n % 2], "content": f"text {n}"} for n in range(120)
        ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    preset = loads(f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {path}, eval: 0.1}}\n", "mine.yaml")
    run = prepare(preset, tmp_path / "runs")
    report: Any = SimpleNamespace(phase=lambda *_, **__: None)
    examples = rows.load(settings.read(run).preset, report, lambda: None)
    assert len(examples.train) + len(examples.held_out) == 60
