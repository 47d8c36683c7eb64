"""A finished run's scores, measured again by a process of their own, are those of the run to the bit."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import UserError
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

CHANGES: dict[str, dict[str, Any]] = {
    "dora": {"method__technique": "dora", "method__dropout": 0.1},
    "full packed": {
        "method__technique": "full",
        "model__dtype": "bfloat16",
        "data__packing": True,
        "training__learning_rate": 0.002,
    },
}


@pytest.mark.parametrize("kind", CHANGES)
def test_they_are_those_of_the_run(kind: str, engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**CHANGES[kind])
    assert engine.train(run) == 0
    log = (run / "events.jsonl").read_bytes()
    code, said = engine.run("score", run)
    assert code == 0, said
    found = json.loads(said.splitlines()[-1])
    result = json.loads((run / "result" / "result.json").read_text())
    result["after"].pop("leakage")
    result["after"].pop("loss_parts")
    assert found == {key: result[key] for key in ("before", "after")}
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    assert json.loads(engine.run("score", run)[1].splitlines()[-1]) == found, "by the result alone"
    assert found["before"]["loss"] != found["after"]["loss"]
    assert (run / "events.jsonl").read_bytes() == log


def test_a_run_without_a_result_is_refused(make_run: Callable[..., Path]) -> None:
    from tuiftune.engine.jobs.score import scores

    run = make_run()
    with pytest.raises(UserError, match="no result yet"):
        scores(RunDir.open(run))
