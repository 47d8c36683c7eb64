"""A run's result as a person reads it: on a wide terminal, a narrow one, and redirected."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from tuiftune.cli.result import show
from tuiftune.runs.store.directory import RunDir

RESULT = {
    "before": {"loss": 8.0, "perplexity": 2981.0, "exact_match": 0.0, "interval": [0.0, 0.057], "rows": 64},
    "after": {"loss": 0.04, "perplexity": 1.04, "exact_match": 0.9375, "interval": [0.85, 0.975], "rows": 64},
    "samples": [
        {"prompt": "Where is order 1234?", "reference": "delivery | normal | trace order 1234",
         "before": "I am tracing the parcel.", "after": "delivery | normal | trace order 1234"},
        {"prompt": "Hi \x1b[2J there", "reference": "cards | low | block card 77",
         "before": "", "after": "cards | high | block card 77"},
    ],
    "model": "MODEL",
    "technique": "lora",
    "trainable": 163_840,
    "parameters": 1_049_728,
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "demo"
    (path / "result").mkdir(parents=True)
    (path / "plan.json").write_text("{}")
    (path / "result" / "result.json").write_text(
        json.dumps(RESULT | {"model": str(path / "result" / "model")})
    )
    return RunDir.open(path)


def drawn(run: RunDir, width: int, *, terminal: bool) -> str:
    file = io.StringIO()
    show(run, Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("terminal", [True, False])
def test_scores_answers_and_the_next_steps_are_shown(run, width, terminal):
    text = drawn(run, width, terminal=terminal)
    for words in (
        "eval loss",
        "0.04",
        "perplexity",
        "2981",
        "94%",
        "60 of 64",
        "85–98%",
        "tuiftune report demo",
    ):
        assert words in text
    assert "result/model" in text
    assert "\x1b[2J" not in text
    assert "high" in text
    assert "reference: " in text


def test_answers_stand_side_by_side_on_a_terminal_of_80_columns(run):
    lines = drawn(run, 80, terminal=True).splitlines()
    assert max(map(len, lines[: lines.index("Next steps")])) <= 80 or "result/model" in max(lines, key=len)
    head = next(line for line in lines if line.startswith("prompt"))
    assert "before" in head
    assert "after" in head


def test_a_score_that_did_not_rise_is_not_praised(run):
    document = RESULT | {"after": RESULT["before"], "samples": []}
    (run.result_path / "result.json").write_text(json.dumps(document))
    text = drawn(run, 80, terminal=False)
    assert "✓" not in text
    assert "The same questions" not in text


def test_without_held_out_rows_only_what_was_measured_is_shown(run):
    nothing = {"loss": None, "perplexity": None, "exact_match": None, "interval": None, "rows": 0}
    (run.result_path / "result.json").write_text(
        json.dumps(RESULT | {"before": nothing, "after": nothing, "samples": []})
    )
    text = drawn(run, 80, terminal=False)
    assert "eval loss" not in text
    assert "exact match" not in text
    assert "result/model" not in text.splitlines()[0]
