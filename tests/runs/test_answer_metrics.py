"""The report scores the answers of a run by the metrics that suit them, as `tuiftune evaluate` does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuiftune.runs.reports import answer_metrics
from tuiftune.runs.reports.report import markdown
from tuiftune.runs.store.directory import create

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ["refund", "card", "login"]


def test_the_metrics_of_a_run_are_in_its_report(tmp_path: Path) -> None:
    run = create(tmp_path, "one", "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\n", {"resolved": {}})
    assert answer_metrics.section(run) == []
    rows = [
        {
            "row": n,
            "prompt": f"mail {n}",
            "reference": LABELS[n % 3],
            "before": "refund",
            "after": LABELS[n % 3] + ("." if n % 2 else "") if n < 27 else "card",
        }
        for n in range(30)
    ]
    (run.result_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = answer_metrics.measured(run)
    assert found is not None
    task, before, after, missing = found
    assert (task.kind, missing) == ("labels", [])
    assert (before.main.value, after.main.value) == (1 / 3, 28 / 30)
    assert after.scores["exact_match"].value != after.main.value, "labels are compared without punctuation"
    text = markdown(run)
    assert "Main metric: accuracy, because 3 short answers repeat over 30 rows" in text
    assert "| accuracy | 33.3% (95% CI 19.2% to 51.2%) | 93.3% (95% CI 78.7% to 98.2%) | +60.0 points" in text
    assert "| macro F1 |" in text


def test_what_was_concluded_is_in_the_report(tmp_path: Path) -> None:
    from tuiftune.runs.store import conclusions

    run = create(tmp_path, "one", "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\n", {"resolved": {}})
    assert "## Decided" not in markdown(run)
    conclusions.keep(
        run, "decision", {"decision": {"says": "Fine-tune: it is.", "rows_used": "test rows, used once"}}
    )
    conclusions.keep(run, "benchmark", {"forgetting": None})
    condition = {"key": "min-gain", "wanted": "a gain", "measured": "+1 point", "met": False}
    conclusions.keep(run, "ship", {"ship": False, "conditions": [condition]})
    text = markdown(run)
    assert "**Decision** (test rows, used once): Fine-tune: it is." in text
    assert "**DON'T SHIP**" in text
    assert "- a gain: not met. +1 point" in text
    (run.result_path / "ship.json").write_text("torn {")
    assert "SHIP" not in markdown(run)
