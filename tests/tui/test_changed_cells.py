"""What is sent to the terminal leaves there what the app means to show, and little more than what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from showing import live, shown, until
from textual.app import App
from textual.events import Resize
from textual.strip import Strip

from tuiftune.tui.kit.chart.chart import Chart
from tuiftune.tui.textual_patches.changed_cells import ChangedCells

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log

    from tuiftune.tui.app import TuneApp

SIZE = (120, 40)


class Terminal:
    """A terminal that takes in all that is drawn."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(*SIZE)
        self.stream = pyte.Stream(self.screen)
        self.updates: list[tuple[int, Any]] = []  # bytes, spans

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    display = App._display

    def fed(self: App[Any], screen: Any, renderable: Any) -> None:
        display(self, screen, renderable)
        if renderable is not None and not self._batch_count:
            data = renderable.render_segments(self.console)
            found.updates.append((len(data.encode()), getattr(renderable, "spans", "all")))
            found.stream.feed(data)

    monkeypatch.setattr(App, "_display", fed)
    return found


def test_a_span_is_cut_at_both_of_its_ends() -> None:
    line = Strip([Segment("0123456789"), Segment("abcdefghij")], 20)
    update = ChangedCells(
        [{0: line, 20: Strip([Segment("right")], 5)}], [(0, 8, 12), (0, 22, 24)], [[20, 25]]
    )
    sent = update.render_segments(Console(color_system=None, width=25))
    assert sent == "\x1b[1;9H89ab\x1b[1;23Hgh"


async def test_the_terminal_shows_what_the_app_means_to_show(
    app: Callable[..., TuneApp], new_run: Callable[..., Log], terminal: Terminal
) -> None:
    log = new_run("训练-run")  # wide characters may lie across the ends of a span
    log.start(100, model="作者/模型-7b")
    log.steps(1, 20)
    log.gpus(2)
    live(log)
    async with app(run=log.run).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "step 20/100" in shown(pilot.app))
        for step in range(21, 27):
            log.steps(step, step)
            log.gpus(2, utilisation=90 - step, power_w=500.0 + step)
            await until(pilot, lambda step=step: f"step {step}/100" in terminal.text())
        for key in ("tab", "z", "z", "w", "down", "escape", "v", "plus", "left", "g", "escape", "escape"):
            await pilot.press(key)
        await until(pilot, lambda: terminal.text() == shown(pilot.app))


async def test_a_step_sends_little_more_than_what_it_changes(
    app: Callable[..., TuneApp], new_run: Callable[..., Log], terminal: Terminal
) -> None:
    log = new_run()
    log.start(1_000)
    log.steps(1, 400)
    log.gpus(8)
    live(log)
    async with app(run=log.run).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "step 400/1,000" in terminal.text())
        sent = []
        for step in range(401, 412):
            for chart in pilot.app.screen.query(Chart):  # may come after what it announces is painted
                chart.post_message(Resize(chart.size, chart.size))
            await pilot.pause()
            terminal.updates.clear()
            log.steps(step, step)
            await until(pilot, lambda step=step: f"step {step}/1,000" in terminal.text())
            sent.append(sum(size for size, _ in terminal.updates))
        # The least of them: a busy machine draws late what came when the screen was opened.
        assert min(sent) < 400, f"Textual cuts spans off at one end only: 864; {sent} {terminal.updates}"
