"""The best checkpoint by a metric of the answers, measured at evaluations of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import tiny

from tuiftune.runs.reports.report import markdown
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

BY = {"evaluation__best_by": "exact_match", "evaluation__samples": 0}


def test_the_best_checkpoint_is_that_of_the_best_answers(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(**BY, evaluation__every=8, run__save_every=16, training__max_steps=32, evaluation__rows=8)
    assert engine.train(run) == 0
    seen = [event for event in tiny.events(run, "eval") if event["when"] == "during"]
    assert [event["step"] for event in seen] == [8, 16, 24, 32]
    best = max(seen, key=lambda event: (event["exact_match"], -event["loss"]))
    assert best["exact_match"] > seen[0]["exact_match"]
    result = json.loads((run / "result" / "result.json").read_text())
    assert (result["best_step"], result["best_by"]) == (best["step"], "exact_match")
    assert result["best_value"] == best["exact_match"] == result["after"]["exact_match"]
    assert result["course"] == [[event["step"], event["exact_match"]] for event in seen]
    assert {event["step"] for event in tiny.events(run, "checkpoint")} == {8, 16, 24, 32}
    follower = Follower(RunDir(run))
    follower.refresh()
    assert follower.state.best is not None
    assert follower.state.best.step == best["step"]
    assert f"The best checkpoint is that at step {best['step']}: exact match" in markdown(RunDir(run))


@pytest.mark.long
def test_a_run_whose_answers_do_not_improve_stops_early(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(**BY, evaluation__every=2, training__learning_rate=1e-9, training__early_stopping=2)
    assert engine.train(run) == 0
    (warned,) = [event for event in tiny.events(run, "warning") if event["code"] == "early_stop"]
    assert warned["message"].startswith("exact match has not improved for 2 evaluations")
    assert [event["step"] for event in tiny.events(run, "eval") if event["when"] == "during"] == [2, 4, 6]
