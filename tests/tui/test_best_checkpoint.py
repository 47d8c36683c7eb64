"""The best checkpoint by another metric, on the dashboard and the result; a queued run at home."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from showing import SMALL, live, shown, until

from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import queue
from tuiftune.tui.dashboard.result import ResultScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log

    from tuiftune.tui.app import TuneApp


async def test_the_dashboard_marks_the_best_answers(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    log = new_run("going")
    live(log)
    log.start(40, best_by="exact_match", best_higher=True)
    log.add("eval", step=0, loss=2.3, when="before")
    log.steps(1, 10)
    log.add("eval", step=10, loss=1.0, exact_match=0.75, when="during")
    log.steps(11, 20)
    log.add("eval", step=20, loss=0.5, exact_match=0.5, when="during")
    async with app(run=log.run).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "exact match 0.75" in shown(pilot.app))
        assert "step 10" in next(line for line in shown(pilot.app).splitlines() if "exact match 0.75" in line)


async def test_the_result_shows_the_course_of_the_metric(app: Callable[..., TuneApp], finished: Log) -> None:
    path = finished.run.result_path / "result.json"
    course = [[step, step / 100] for step in range(10, 41, 10)]
    document = json.loads(path.read_text())
    path.write_text(
        json.dumps({**document, "best_by": "exact_match", "best_value": 0.2, "course": [*course, ["x"], 3]})
    )
    async with app().run_test(size=(100, 50)) as pilot:
        pilot.app.push_screen(ResultScreen(finished.run))
        await until(pilot, lambda: "best at step 20 by exact match (0.20)" in shown(pilot.app))
        rows = [line for line in shown(pilot.app).splitlines() if "step      " in line]
        assert len(rows) == 4
        assert "0.20" in rows[1]
        assert "★" in rows[1]


async def test_a_queued_run_is_told_at_home_and_taken_out(
    app: Callable[..., TuneApp], new_run: Callable[..., Log]
) -> None:
    run = new_run("later").run
    queue.add(run)
    async with app().run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "later" in shown(pilot.app) and "queued" in shown(pilot.app))
        await until(pilot, lambda: "Stop" in shown(pilot.app).splitlines()[-1])
        await pilot.press("s")
        await until(pilot, lambda: "not started" in shown(pilot.app))
    assert status(run) == "new"
