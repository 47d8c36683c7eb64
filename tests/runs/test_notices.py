"""Health and cost in lines: a remark once, the standing after each evaluation, and all of it at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tuiftune.cli.tell import in_lines
from tuiftune.plan import planned
from tuiftune.runs.health import notices
from tuiftune.runs.reports.report import markdown
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store import samples
from tuiftune.runs.store.directory import RunDir

RECORDED = Path(__file__).parents[1] / "fixtures"
FALLING = [2.0 * 0.97**step for step in range(80)]


def test_a_remark_is_told_once_and_money_after_each_evaluation() -> None:
    told, state = notices.Notices(planned.read({"resolved": {"budget": {"usd_per_hour": 36.0}}})), RunState()
    lines: list[str] = []

    def tell(**event: object) -> None:
        state.fold(event)
        lines.extend(told.tell(event, state))

    tell(type="start", total_steps=100, t=0.0)
    tell(type="phase", name="training", t=0.0)
    for step, loss in enumerate(FALLING, 1):
        tell(type="step", step=step, loss=loss, t=float(step))
        if step % 20 == 0:
            tell(type="eval", step=step, loss=1.0 + step / 50, when="during", t=float(step))
    (warning,) = [line for line in lines if "warning" in line]
    assert warning.startswith("0:00:40  warning: eval loss was lowest at step 20 (1.4) and has risen to")
    assert "Use fewer epochs" in warning
    assert "0:00:20  so far: healthy; $0.20 spent" in lines[0]
    assert lines[-1] == "0:01:20  so far: overfitting; $0.80 spent, $0.20 to finish"
    assert notices.closing(state, told.planned)[1] == (
        "0:01:20  money: spent $0.80; price $36.00 an hour; limit none"
    )


@pytest.fixture
def recorded(tmp_path: Path) -> RunDir:
    shutil.copytree(RECORDED / "h200-lora", tmp_path / "h200-lora")
    return RunDir(tmp_path / "h200-lora")


def test_watch_in_plain_lines_tells_health_and_cost(
    recorded: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_lines(recorded) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("unused memory. Next run: pack" in line for line in lines) == 1
    (so_far,) = [line for line in lines if "so far:" in line]
    for said in (
        "healthy · 1 suggestion: 135 GiB idle",
        "$0.04 spent",
        "on the GPU 4.3 GiB, 4.9 GiB predicted",
    ):
        assert said in so_far
    assert "money: spent $0.04; price $4.01 an hour" in lines[-4]
    assert lines[-1].endswith("done")


def test_the_report_says_the_same_with_its_reasons(recorded: RunDir) -> None:
    asked = [{"row": 3, "prompt": "Where is it?", "reference": "delivery"}]
    path = recorded.path / samples.FILE
    samples.append(path, {"questions": asked})
    for step, when, answer in ((0, "before", "Hello"), (10, "during", "It is"), (20, "during", "delivery")):
        samples.append(path, {"step": step, "when": when, "answers": [answer], "seconds": 0.1})
    text = markdown(recorded)
    assert "## Time, cost, memory, disk" in text
    assert "| spent | $0.04 | 40 s at $4.01 an hour |" in text
    assert "as of autumn 2026" in text
    assert "4.3 GiB, 4.9 GiB predicted" in text
    assert "unused memory" in text
    course = text.partition("## How the answers changed")[2]
    assert course.index("**Base model**") < course.index("**Step 10**") < course.index("**Step 20**")
