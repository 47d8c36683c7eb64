"""Answers generated at each evaluation: kept beside the log, never in it, and training doesn't notice."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

import pytest
import tiny

from tuiftune.runs.store import samples
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine


def weights(run: Path, step: int) -> dict[str, str]:
    folder = run / "checkpoints" / f"checkpoint-{step}"
    names = ("adapter_model.safetensors", "optimizer.pt", "rng_state.pth")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_answers_change_from_evaluation_to_evaluation(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(training__max_steps=100, run__save_every=25, method__rank=16)
    assert engine.train(run) == 0
    seen = samples.read(RunDir(run))
    assert [(one.step, one.when) for one in seen.rounds] == [
        (0, "before"), (25, "during"), (50, "during"), (75, "during"), (100, "during"), (100, "after"),
    ]  # fmt: skip
    result = json.loads((run / "result" / "result.json").read_text())
    assert [(row["prompt"], row["reference"]) for row in result["samples"]] == list(seen.questions)
    assert [row["after"] for row in result["samples"]] == list(seen.rounds[-1].answers)
    assert [reference for _, reference in seen.questions] == list(seen.rounds[-1].answers), (
        "it has learnt them"
    )
    changes = seen.changes(0)
    assert len(changes) >= 2
    assert changes[0].first.when == "before"
    assert not changes[-1].cut
    told = [event for event in tiny.events(run, "samples") if event["when"] == "during"]
    assert [event["step"] for event in told] == [25, 50, 75, 100]
    assert all(event["seconds"] > 0 and event["count"] == 3 for event in told)
    log = (run / "events.jsonl").read_text() + (run / "engine.log").read_text()
    for prompt, reference in seen.questions:
        assert prompt not in log
        assert reference not in log
    waits = [step["data_wait"] for step in tiny.events(run, "step")]
    assert all(0 <= wait <= 1 for wait in waits)


@pytest.mark.long
def test_training_is_the_same_to_the_bit_without_them(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {"method__dropout": 0.1, "training__max_steps": 12}
    with_them, without = make_run(**changes), make_run(**changes, evaluation__samples=0)
    assert engine.train(with_them) == 0
    assert engine.train(without) == 0
    assert weights(with_them, 12) == weights(without, 12)
    assert (with_them / samples.FILE).exists()
    assert not (without / samples.FILE).exists()


def test_they_are_off_where_evaluation_is(engine: Engine, make_run: Callable[..., Path]) -> None:
    for changes in ({"data__eval": 0.0}, {"evaluation__score": "none"}):
        run = make_run(**changes)
        assert engine.train(run) == 0
        assert not (run / samples.FILE).exists()
        assert not tiny.events(run, "samples")


def test_what_fails_here_only_ends_the_samples(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / samples.FILE).mkdir()
    assert engine.train(run) == 0
    (warning,) = [event for event in tiny.events(run, "warning") if event["code"] == "samples_off"]
    assert samples.FILE in warning["message"]
    assert (run / "result" / "result.json").exists()


def test_a_stop_or_the_clock_ends_a_generation() -> None:
    import torch

    from tuiftune.engine.evaluation.samples import Bound

    ids = torch.zeros((3, 5), dtype=torch.long)
    asked: list[str] = []
    bound = Bound(time.monotonic() + 3600, lambda: asked[0] if asked else None)
    assert not bound(ids, None).any()
    asked.append("stop")
    assert bound(ids, None).tolist() == [True] * 3
    assert bound.asked
    late = Bound(time.monotonic(), lambda: None)
    assert late(ids, None).all()
    assert late.late
    assert not late.asked


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / samples.FILE
    samples.append(path, {"questions": [{"row": 1, "prompt": "p", "reference": "r"}]})
    samples.append(path, {"step": 8, "when": "during", "answers": ["old"], "cut": [True], "seconds": 1})
    with path.open("ab") as file:
        file.write(b'not json\n[1]\n{"step":"x","when":"during","answers":[]}\n{"questions":[{}]}\n')
    samples.append(path, {"step": 4, "when": "during", "answers": ["a"], "cut": [False], "seconds": 1})
    samples.append(path, {"step": 8, "when": "during", "answers": ["a"], "cut": [False], "seconds": 1})
    with path.open("ab") as file:
        file.write(b'{"step":12,"when":"during","answers":["unfin')
    seen = samples.read(RunDir(tmp_path))
    assert seen.questions == (("p", "r"),)
    assert [(one.step, one.answers) for one in seen.rounds] == [(4, ("a",)), (8, ("a",))]
    (change,) = seen.changes(0)
    assert (change.first.step, change.last.step, change.times) == (4, 8, 2)
    assert samples.read(RunDir(tmp_path / "nowhere")) == samples.NONE
