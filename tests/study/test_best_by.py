"""What `evaluation.best_by` takes, and what it refuses before a run is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuiftune import stages
from tuiftune.errors import UserError
from tuiftune.evaluate import best_by
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.jobs.prepare import ready

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.preset.schema import Preset

PAIRS = [Pair("it is 1", "it is 1"), Pair("2", "it is 2")]


def resolved(preset: Preset, name: str) -> best_by.BestBy:
    changed = preset.with_values({"evaluation.best_by": name})
    return best_by.resolve(changed, stages.every()[changed.method.stage])


def test_metrics_of_loss_measures_and_answers(preset: Preset) -> None:
    loss = resolved(preset, "loss")
    assert (loss.name, loss.of({"loss": 2.0}), loss.rank(2.0)) == ("eval loss", 2.0, 2.0)
    exact = resolved(preset, "exact_match")
    assert exact.of({}, PAIRS) == 0.5
    assert exact.rank(0.5) == -0.5
    assert 0 < (resolved(preset, "chrf").of({}, PAIRS) or 0) < 100
    pairs = resolved(preset, "rewards/accuracies")
    assert (pairs.higher, pairs.of({"rewards/accuracies": 0.7})) == (True, 0.7)


def test_what_cannot_choose_is_refused_in_a_line(preset: Preset, root: Path) -> None:
    for name, changes, words in (
        ("exact", {}, "unknown metric. Use one of: loss, exact_match"),
        ("perplexity", {}, "cannot choose a checkpoint"),
        ("regex", {}, "its argument is missing"),
        ("exact_match", {"evaluation.rows": 0}, "because evaluation.rows is 0"),
        ("exact_match", {"evaluation.score": "none"}, "because evaluation.score is none"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            resolved(preset.with_values(changes), name)
        assert caught.value.place == f"evaluation.best_by: {name}"
    with pytest.raises(UserError, match="unknown metric"):
        ready(preset.with_values({"evaluation.best_by": "exact"}), root)
