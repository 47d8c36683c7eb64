"""The dashboard shows the log and nothing else; its keys do what they say."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from showing import SMALL, Log, live, shown, until

from tuiftune.runs.store.control import stop_requested
from tuiftune.tui.dashboard.dashboard import Dashboard
from tuiftune.tui.dashboard.end_panel import told
from tuiftune.tui.dashboard.result import ResultScreen, _basis
from tuiftune.tui.home.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp


async def test_numbers_of_the_log_are_shown_and_what_is_missing_is_a_dash(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.add(
        "step", step=7, loss=1.25, lr=None, grad_norm=None, tokens=3584, tokens_per_second=None, epoch=0.2
    )
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "7/100" in shown(pilot.app))
        lines = shown(pilot.app).splitlines()
        value = {
            name: next(line for line in lines if f" {name} " in line)
            for name in ("lr", "grad norm", "tokens/s")
        }
        assert all("—" in line for line in value.values()), value
        assert any("1.250" in line for line in lines)
        assert "best eval —" in shown(pilot.app)
        assert "running" in lines[0]


async def test_what_is_appended_appears(app: Callable[..., TuneApp], new_run: Callable[..., Log]) -> None:
    log = new_run()
    live(log)
    log.start(100)
    async with app(run=log.run).run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "training" in shown(pilot.app))
        log.steps(1, 30)
        await until(pilot, lambda: "30/100" in shown(pilot.app))
        (log.run.path / "copy").mkdir()
        (log.run.path / "copy/sync.json").write_text('{"url": "s3://b/r", "trouble": "Access Denied"}')
        await until(pilot, lambda: "copying to s3://b/r fails: Access Denied" in together(shown(pilot.app)))
        pilot.app.clear_notifications()
        log.add("warning", code="cut", message="6% of the rows are cut", remedy="raise data.max_length")
        await until(pilot, lambda: "raise data.max_length" in shown(pilot.app))
        assert "6% of the rows are cut" in shown(pilot.app)
        log.end("stopped", 4, "stop requested")
        await until(pilot, lambda: "stopped, can be resumed" in shown(pilot.app))


WHY = (
    "RuntimeError: the size of tensor a (5) must match the size of tensor b (290) at dimension 1 "
    "while computing the auxiliary loss of layer 17 — leave output_router_logits at false and start it again"
)


def together(text: str) -> str:
    """The words of a screen without its lines."""
    return " ".join(text.split())


@pytest.mark.parametrize("size", [SMALL, (120, 40)])
@pytest.mark.parametrize("state", ["failed", "nan", "oom", "disk", "diverged"])
async def test_a_failed_run_says_why_in_full_and_what_to_do(
    app: Callable[..., TuneApp], new_run: Callable[..., Log], size: tuple[int, int], state: str
) -> None:
    log = new_run()
    log.start(100)
    log.steps(1, 3)
    log.end(state, 1, WHY)
    async with app(run=log.run).run_test(size=size) as pilot:
        await until(pilot, lambda: WHY in together(shown(pilot.app)))
        remedy = told(log.run.name, state, WHY)
        assert remedy is not None
        assert together(remedy.why) in together(shown(pilot.app))
        assert "3/100" in shown(pilot.app), "the rest of the dashboard stays"


async def test_a_very_long_reason_is_whole_behind_a_key(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    log.start(100)
    log.end("failed", 1, " ".join(f"word{number}" for number in range(300)))
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "press w" in shown(pilot.app))
        assert "word299" not in shown(pilot.app)
        await pilot.press("w")
        await until(pilot, lambda: "end reason" in shown(pilot.app))


async def test_an_engine_that_died_without_a_word_is_looked_into(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    log.start(100)
    log.steps(1, 3)
    log.run.log_path.write_text("Traceback (most recent call last):\nValueError: the last word of it\n")
    log.run.pid_path.unlink(missing_ok=True)
    old = time.time() - 3600
    lines = [json.loads(line) | {"t": old} for line in log.run.events_path.read_text().splitlines()]
    log.run.events_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "ValueError: the last word of it" in shown(pilot.app))
        assert "tuiftune resume" in together(shown(pilot.app))


@pytest.mark.parametrize("status", ["running", "done", "starting", "new", "replay"])
def test_a_run_without_a_fault_has_no_ending_to_tell(status: str) -> None:
    assert told("run", status, "whatever") is None


async def test_who_waits_for_the_end_sees_what_it_brought(
    app: Callable[..., TuneApp], finished: Log, new_run: Callable[..., Log]
) -> None:
    log = new_run("waited")
    live(log)
    log.start(2)
    log.steps(1, 1)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "1/2" in shown(pilot.app))
        log.steps(2, 2)
        (log.run.result_path / "result.json").write_text(
            (finished.run.result_path / "result.json").read_text()
        )
        log.end(why="every step ran")
        await until(pilot, lambda: isinstance(pilot.app.screen, ResultScreen) and "84%" in shown(pilot.app))


async def test_a_finished_run_tells_before_and_after(app: Callable[..., TuneApp], finished: Log) -> None:
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app).splitlines()[0])
        text = shown(pilot.app)
        assert "2.310" in text
        assert "0.900" in text
        assert "8%" in text
        assert "84%" in text
        assert "★ step 20" in text
        assert " Stop " not in text.splitlines()[-1], "there is nothing to stop any more"
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, ResultScreen))
        await pilot.press("end")
        await until(pilot, lambda: "delivery" in shown(pilot.app))
        assert "\x1b" not in shown(pilot.app)
        assert "\\x1b[31m" in shown(pilot.app), "control characters of an answer are shown, not sent"
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Dashboard)


async def test_stop_asks_first_and_then_leaves_a_request(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 5)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "5/100" in shown(pilot.app))
        await pilot.press("s", "escape")
        assert stop_requested(log.run) is None
        await pilot.press("s")
        await until(pilot, lambda: "Stop tone?" in shown(pilot.app))
        await pilot.press("y")
        await until(pilot, lambda: stop_requested(log.run) == "the dashboard")


async def test_detach_goes_home_and_leaving_says_how_to_come_back(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 5)
    made = app(run=log.run)
    async with made.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "5/100" in shown(pilot.app))
        assert "d Detach" in shown(pilot.app).splitlines()[-1], (
            "what has ended has Esc Back: see the snapshots"
        )
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, Home) and "tone" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dashboard) and "5/100" in shown(pilot.app))
        await pilot.press("q")
    assert made.return_value == "tone is still training. Return with: tuiftune watch tone"
    assert made.return_code == 0


async def test_panels_are_walked_zoomed_and_the_curve_changes(
    app: Callable[..., TuneApp], finished: Log
) -> None:
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("5")
        assert pilot.app.screen.focused is not None
        assert pilot.app.screen.focused.id == "log"
        await pilot.press("z")
        await until(pilot, lambda: pilot.app.screen.query_one("#log").size.height > 15)
        assert (
            not pilot.app.screen.query_one("#chart").display
            or not pilot.app.screen.query_one("#upper").display
        )
        assert "base model: exact match 8% (5 of 64)" in shown(pilot.app)
        await pilot.press("tab")  # the next panel takes the place
        await until(pilot, lambda: pilot.app.screen.query_one("#health").size.height > 15)
        await pilot.press("1")
        await pilot.press("escape")
        await until(pilot, lambda: not pilot.app.screen.query_one("#panels").has_class("-zoomed"))
        assert isinstance(pilot.app.screen, Dashboard), "Esc leaves the zoom first"
        assert pilot.app.screen.query_one("#log").display
        await pilot.press("shift+tab")
        for title in ("learning rate", "gradient norm", "tokens/s", "memory", "CPU load", "RAM", "loss"):
            await pilot.press("c")
            chart = pilot.app.screen.query_one("#chart")
            await until(pilot, lambda chart=chart, title=title: str(chart.border_title).startswith(title))


async def test_eight_gpus_fit_on_a_small_screen_and_throttling_is_marked(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100, device="NVIDIA H200")
    log.gpus(8, throttle=["power cap"])
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "8 GPUs" in shown(pilot.app))
        text = shown(pilot.app)
        assert text.count("93%") == 8
        assert text.count("▲") >= 8


async def test_fields_a_gpu_does_not_answer_are_dashes(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    live(log)
    log.start(100, device="NVIDIA H200")
    log.gpus(1, utilisation=None, power_w=None, temperature_c=None, memory_used=None)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "GPU 0" in shown(pilot.app))
        line = next(line for line in shown(pilot.app).splitlines() if "GPU 0" in line)
        assert line.count("—") == 3


async def test_a_damaged_log_with_escapes_is_shown_as_far_as_it_goes(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run()
    log.start(100, model="evil/\x1b]0;title\x07model")
    log.run.events_path.open("a").write(
        '{"v":1,"type":"step","step":"x"}\nnot json\n{"v":1,"type":"made_up"}\n'
    )
    log.steps(1, 3)
    log.run.events_path.open("a").write('{"v":1,"type":"step","ste')
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "3/100" in shown(pilot.app))
        assert "\x1b" not in shown(pilot.app)
        assert "crashed" in shown(pilot.app), "no process stands behind this log"


async def test_a_replaced_log_starts_over(app: Callable[..., TuneApp], new_run: Callable[..., Log]) -> None:
    log = new_run()
    live(log)
    log.start(100)
    log.steps(1, 40)
    async with app(run=log.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "40/100" in shown(pilot.app))
        log.run.events_path.unlink()
        log.start(50)
        log.steps(1, 2)
        await until(pilot, lambda: "2/50" in shown(pilot.app))


async def test_a_recorded_run_of_an_h200_is_shown_at_every_size(
    app: Callable[..., TuneApp], h200: RunDir
) -> None:
    result = json.loads((h200.result_path / "result.json").read_text())
    async with app(run=h200).run_test(size=SMALL) as pilot:
        for size in (SMALL, (120, 40), (200, 60), (60, 16), (40, 10), SMALL):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: "done" in shown(pilot.app))
            lines = shown(pilot.app).splitlines()
            assert len(lines) == size[1]
            assert max(map(len, lines)) <= size[0]
        assert "NVIDIA H200" in shown(pilot.app)
        assert f"{result['after']['loss']:.3f}"[:4] in shown(pilot.app)


def test_pairs_are_told_as_those_of_all_evaluation_rows_not_of_the_sample_answers() -> None:
    pairs: dict[str, int | None] = {"rows": 3, "rows_held_out": 12, "exact_match": None}
    assert _basis(pairs, pairs) == "on 12 evaluation rows"
    answered = {**pairs, "exact_match": 1}
    assert _basis(answered, answered) == "on 3 evaluation rows"
