"""Which rows an evaluation uses, and what is said of them."""

from __future__ import annotations

from pathlib import Path

from tuiftune.jobs.evaluating import rows_of
from tuiftune.runs.store.directory import RunDir

DEMO = RunDir(Path(__file__).parent.parent / "fixtures" / "demo")


def test_rows_that_the_runs_own_score_left_out_are_told() -> None:
    """`evaluation.rows` of the demo is 100, and it has 101 evaluation rows."""
    every = rows_of(None, DEMO, None)
    assert len(every.questions) == 101
    assert any("100 of these 101 rows" in note for note in every.notes)
    assert not any("of these" in note for note in rows_of(None, DEMO, 100).notes)
    assert not any("of these" in note for note in rows_of("builtin:tickets", DEMO, None).notes)
