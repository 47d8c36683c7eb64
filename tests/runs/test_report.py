"""Statistics against published figures, and a report that shows what was measured and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tuiftune.errors import UserError
from tuiftune.evaluate.statistics import in_words, mcnemar, wilson
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.reports.loss_plot import loss_svg
from tuiftune.runs.reports.report import markdown, write
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]


def test_wilson_agrees_with_newcombes_table() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998), 857–872, table I, method 3.
    for matched, rows, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(matched, rows) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("matched", "rows"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_rate_has_no_interval(matched: int, rows: int) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        wilson(matched, rows)


def test_mcnemar_is_the_exact_binomial() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(9, 1) == pytest.approx(2 * (1 + 10) / 1024)
    assert mcnemar(1, 9) == mcnemar(9, 1)
    assert mcnemar(3000, 2000) < 1e-30
    assert "more rows" in in_words(mcnemar(3, 1))


@pytest.fixture
def finished(new_run: NewRun) -> RunDir:
    run = new_run("story")
    writer = EventWriter(run.events_path)
    writer.emit("start", run="story", model="tiny|model", technique="lora", total_steps=30, device="CPU")
    writer.emit("eval", step=0, loss=3.0, perplexity=20.1, when="before")
    for step in range(1, 31):
        writer.emit("step", step=step, loss=3.0 / step, lr=1e-3, grad_norm=1.0, tokens_per_second=50.0)
    writer.emit("eval", step=15, loss=0.9, perplexity=2.5, when="during")
    writer.emit("warning", code="cut", message="3 rows were cut", remedy="raise data.max_length")
    writer.emit("end", state="done", exit_code=0, why="")
    rows = [
        {
            "prompt": f"q{number} <b>\x1b[2J",
            "reference": "yes",
            "before": "no",
            "after": "yes" if number else "no",
            "matched_before": False,
            "matched_after": bool(number),
        }
        for number in range(10)
    ]
    (run.result_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = {
        "before": {"loss": 3.0, "perplexity": 20.1, "exact_match": 0.0, "rows": 10},
        "after": {"loss": 0.9, "perplexity": 2.5, "exact_match": 0.9, "rows": 10},
    }
    (run.result_path / "result.json").write_text(json.dumps(result))
    return run


def test_the_report_tells_scores_with_how_sure_they_are(finished: RunDir) -> None:
    text = markdown(finished)
    assert "| eval loss | 3 | 0.9 |" in text
    assert "90.0% (9 of 10; 95% CI 60–98%)" in text
    assert "9 turned from wrong to right and 0 from right to wrong" in text
    assert "p = 0.004" in text
    assert "3 rows were cut. Raise data.max\\_length" in text
    assert "State: **done**" in text


def test_the_time_of_training_is_the_results_next_to_the_whole_time(finished: RunDir) -> None:
    result = json.loads((finished.result_path / "result.json").read_text())
    assert " in total" not in markdown(finished), "a run of before: its whole time, as one"
    (finished.result_path / "result.json").write_text(json.dumps({**result, "seconds": 64.2}))
    assert "steps in 1 min 4 s" in markdown(finished)
    assert " in total." in markdown(finished)


def test_the_report_lists_the_sources_of_its_reasons_in_full(finished: RunDir) -> None:
    plan = json.loads((finished.path / "plan.json").read_text())
    source = "QLoRA paper, 2023; tuiftune default"
    plan["reasons"] = [{"key": "method.rank", "value": 16, "why": "as there", "source": source}]
    (finished.path / "plan.json").write_text(json.dumps(plan))
    told = markdown(finished)
    assert "### Sources" in told
    assert told.count("https://arxiv.org/abs/2305.14314") == 1
    assert "Dettmers et al. (2023). QLoRA: Efficient Finetuning of Quantized LLMs" in told


def test_nothing_from_data_acts_in_the_report(finished: RunDir) -> None:
    text = markdown(finished)
    assert "\x1b" not in text
    assert "\\<b\\>" in text
    assert "tiny\\|model" in text


def test_the_plot_is_written_beside_the_report(finished: RunDir, tmp_path: Path) -> None:
    output, plot = write(finished, tmp_path / "out" / "story.md")
    assert f"![loss by step]({plot.name})" in output.read_text()
    drawing = ElementTree.fromstring(plot.read_text())
    lines = [node for node in drawing.iter() if node.tag.endswith("polyline")]
    assert len(lines[0].get("points", "").split()) == 30


def test_a_report_that_cannot_be_written_is_the_users_to_know(finished: RunDir, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(finished, tmp_path / "file" / "report.md")


def test_a_run_that_was_never_started_has_a_report_too(new_run: NewRun) -> None:
    text = markdown(new_run("idle"))
    assert "State: **new**" in text
    assert "Not measured yet." in text
    ElementTree.fromstring(loss_svg(RunState(), "idle"))
