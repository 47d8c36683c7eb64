"""The dashboard: a view of one run's event log. Closing it does not affect the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Horizontal, Vertical
from textual.message import Message

from tuiftune.errors import UserError
from tuiftune.plan.planned import NOTHING
from tuiftune.runs import health
from tuiftune.runs import status as run_status
from tuiftune.runs.state import ahead
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store import samples
from tuiftune.tui import STYLES
from tuiftune.tui.dashboard.answer_history import LatestAnswers
from tuiftune.tui.dashboard.checkpoints_panel import Saves
from tuiftune.tui.dashboard.end_panel import Ending, told
from tuiftune.tui.dashboard.facts_panel import FactLines
from tuiftune.tui.dashboard.log_panel import LogPanel
from tuiftune.tui.dashboard.machine_panel import MachinePanel
from tuiftune.tui.dashboard.numbers_panel import Numbers
from tuiftune.tui.dashboard.panel_focus import ShowsPanels
from tuiftune.tui.dashboard.run_files import Beside, Companions, look
from tuiftune.tui.dashboard.scores_panel import Scores
from tuiftune.tui.keys.scopes import DASHBOARD
from tuiftune.tui.kit.chart.chart import Chart
from tuiftune.tui.kit.chart.curves import CURVES, Source, available, drawing, load_history
from tuiftune.tui.kit.chart.lens import Lens
from tuiftune.tui.kit.health_panel import HealthPanel
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.run_header import RunHeader
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.tail import Arrived, Opened, Reading, Seen, follow
from tuiftune.tui.kit.write_metrics import WritesMetrics
from tuiftune.tui.textual_patches.hidden_screen import SkipsPaintWhenHidden

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.metrics.metric import Metric
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.status.fact import Fact
    from tuiftune.runs.store.checkpoints import Stored
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.runs.store.samples import Generations
    from tuiftune.tui.dashboard.answer_history import Answering
    from tuiftune.tui.dashboard.why import Why
    from tuiftune.tui.kit.canvas import Canvas

SMALL_CHARTS = CURVES[1:4]
GROUP_OF = {  # group that the reasons dialog starts with, by the focused panel
    "chart": "learning",
    "numbers": "learning",
    "machine": "machine",
    "scores": "learning",
    "log": "health",
    "health": "health",
    "time": "time",
    "room": "memory",
    "saves": "disk",
    "latest": "learning",
}


@dataclass
class Died(Message):
    """The likely cause of a crash without a message."""

    why: str


class Dashboard(SkipsPaintWhenHidden, WritesMetrics, ShowsPanels, FullScreen[None]):
    """The dashboard of `run`, which it follows through its log only. Drawn once or twice a second."""

    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES: ClassVar[tuple[str, ...]] = (DASHBOARD,)

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self.state = RunState()
        self.status = "starting"
        self.planned: Planned = NOTHING
        self.stored: tuple[Stored, ...] = ()
        self.generated = samples.NONE
        self._answering: Answering | None = None
        self._why: Why | None = None
        self._curve = 0
        self._stale = True
        self._seen_running = False
        self._why_ended = ""
        self._resumable = False

    def compose(self) -> ComposeResult:
        yield RunHeader(self.run.name)
        yield Ending()
        with Vertical(id="panels"):
            with Horizontal(id="upper"):
                yield self._panel(Chart(id="chart", classes="panel"), "")
                with Vertical(id="aside"):
                    yield self._panel(Numbers(id="numbers", classes="panel"), "now")
                    yield self._panel(Chart(id="history", classes="panel", empty="no readings yet"), "")
            with Horizontal(id="small"):
                for curve in SMALL_CHARTS:
                    yield self._panel(Chart(id=f"chart-{curve.chart}", classes="panel"), curve.heading)
            with Horizontal(id="lower"):
                yield self._panel(MachinePanel(id="machine", classes="panel"), "machine")
                yield self._panel(Scores(id="scores", classes="panel"), "scores before and after")
            with Horizontal(id="bottom"):
                yield self._panel(LogPanel(id="log", classes="panel"), "log")
                yield self._panel(HealthPanel(id="health", classes="panel"), "health")
            with Horizontal(id="more"):
                yield self._panel(FactLines("time", "money", id="time", classes="panel"), "time and cost")
                yield self._panel(FactLines("memory", "disk", id="room", classes="panel"), "memory and disk")
                yield self._panel(Saves(id="saves", classes="panel"), "checkpoints")
                yield self._panel(LatestAnswers(id="latest", classes="panel"), "sample answers")
        yield KeyBar(*self.SCOPES)

    @staticmethod
    def _panel(panel: Canvas, title: str) -> Canvas:
        panel.border_title = title
        panel.can_focus = True
        return panel

    def follow(self) -> None:
        """Start to follow the event log."""
        self.in_thread("tail", follow, self.run, self)

    def on_mount(self) -> None:
        self.follow()
        self.in_thread("look", look, self.run, self)
        self.set_interval(self.app.draw_seconds, self._draw)

    @on(Opened)
    def _opened(self, message: Opened) -> None:
        self.state = message.state
        log = self.query_one(LogPanel)
        log.clear()
        self._take(message.events, fold=False)
        self._standing(message.vitals)
        self.query_one(RunHeader).reading = message.share if message.share < 1.0 else None
        self._draw()

    @on(Reading)
    def _reading(self, message: Reading) -> None:
        self.query_one(RunHeader).reading = message.share
        self._stale = True

    @on(Arrived)
    def _arrived(self, message: Arrived) -> None:
        self._take(message.events, fold=True)

    @on(Seen)
    def _seen(self, message: Seen) -> None:
        self._standing(message.vitals)

    @on(Died)
    def _died(self, message: Died) -> None:
        self._why_ended = message.why
        self._stale = True

    @on(Companions)
    def _companions(self, message: Companions) -> None:
        for line in message.lines:
            self.notify(line, title="Copies and trackers", severity="warning", markup=False)

    @on(Beside)
    def _beside(self, message: Beside) -> None:
        self.planned, self.stored = message.planned, message.stored
        self.generated = message.generated
        self._stale = True

    def _take(self, events: list[Event], *, fold: bool) -> None:
        if fold:
            for event in events:
                self.state.fold(event)
        self.query_one(LogPanel).take(events)
        self._stale = True

    def _standing(self, vitals: Vitals) -> None:
        status, end = vitals.state, self.state.end
        self._resumable = vitals.resumable and status != "running"
        self._why_ended = vitals.why or self._why_ended
        if end is not None and status != "running":
            status, self._why_ended = end.state, end.why
        if status == "died" and self.status != "died":
            self.in_thread("cause", self._find_cause)
        self._seen_running = self._seen_running or status == "running"
        if status != self.status:
            self.status = status
            self._stale = True

    def _find_cause(self) -> None:
        """In a thread: find the likely cause of a crash without a message."""
        from tuiftune.runs.state.postmortem import cause

        self.post_message(Died(cause(self.run)))

    @property
    def _ending(self) -> Fact | None:
        return told(self.run.name, self.status, self._why_ended)

    def on_screen_resume(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self._stale:
            return
        if self._answering is not None and self._answering.is_current:
            self._answering.take(self._answered)
        if self._why is not None and self._why.is_current:
            self._why.take(self._facts())
        if self.hidden:
            return
        self._stale = False
        state = self.state
        judged = health.judge(state, self.planned)
        self.query_one(RunHeader).show(state, self.status, judged, self.planned)
        self.query_one(Ending).show(self._ending)
        self._show_curve(self.query_one("#chart", Chart), self._main_curve)
        for small in SMALL_CHARTS:
            chart = self.query_one(f"#chart-{small.chart}", Chart)
            if chart.display and chart.size.height:
                self._show_curve(chart, small)
        history = self.query_one("#history", Chart)
        if history.display and history.size.height:
            title, drawn = load_history(state)
            history.entitle(title)
            history.show(drawn, unit="seconds", floor=0.0)
        self.query_one(Numbers).show(state)
        self.query_one(MachinePanel).show(state)
        self.query_one(Scores).show(state, compares=self.planned.compares_answers)
        self.query_one(HealthPanel).show(state, judged)
        facts = run_status.facts(state, self.planned)
        for panel in self.query(FactLines):
            panel.show(facts)
        self.query_one(Saves).show(state, self.stored, ahead.upcoming(state, self.planned))
        self.query_one(LatestAnswers).show(self._answered)
        self.query_one(LogPanel).redraw()
        self.query_one(KeyBar).redraw()
        if self._seen_running and self.status == "done" and self.app.screen is self:
            self._seen_running = False
            self.action_result()  # show the result to a user who has watched the run end

    @property
    def _main_curve(self) -> Metric:
        there = available([self.state])
        return there[self._curve % len(there)]

    def _show_curve(self, chart: Chart, curve: Metric) -> None:
        drawn = drawing(curve, [Source(self.run.name, self.state)], Lens(), self.app.glyphs)
        chart.entitle(curve.heading)
        chart.show_drawing(drawn, Lens(), floor=curve.floor)

    def on_resize(self) -> None:
        self._stale = True

    def rearranged(self) -> None:
        self._stale = True

    @property
    def not_in_bar(self) -> tuple[str, ...]:
        """What goes on without the dashboard is detached from; what has ended is left."""
        return ("leave",) if self.state.end is None else ("detach",)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        if action == "stop":
            return self.status in {"running", "starting"} and self.state.end is None
        if action == "resume":
            return self._resumable
        if action in ("result", "chat"):
            return self.state.end is not None and self.state.end.state == "done"
        return True

    def action_resume(self) -> None:
        self._resumable = False  # until it is known how the run is
        self.in_thread("resume", self._resume)

    def _resume(self) -> None:
        """In a thread: start the training process again."""
        from tuiftune.jobs.backend import train

        try:
            train(self.run)
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.notify(f"{self.run.name}: resuming", markup=False)

    def action_stop(self) -> None:
        from tuiftune.jobs.backend import effect_of_stop
        from tuiftune.tui.kit.dialogs import Confirm

        detail = f"{effect_of_stop(self.state.step)} Continue it with `tuiftune resume {self.run.name}`."
        self.app.push_screen(
            Confirm(f"Stop {self.run.name}?", detail, "Stop the run", "Keep training"), self._stop
        )

    def _stop(self, confirmed: bool | None) -> None:
        if not confirmed:
            return
        from tuiftune.jobs.backend import effect_of_stop, stop

        try:
            stop(self.run, "the dashboard")
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify(effect_of_stop(self.state.step), title="Stopping")

    def action_leave(self) -> None:
        self.action_detach()

    def action_detach(self) -> None:
        if self.zoomed:
            self.action_zoom()
            return
        while len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_quit(self) -> None:
        self.app.exit(self.farewell(), return_code=0)

    def farewell(self) -> str:
        """Return the line to print after quitting."""
        if self.state.end is None and self.status in {"running", "starting"}:
            return f"{self.run.name} is still training. Return with: tuiftune watch {self.run.name}"
        return ""

    def action_curve(self) -> None:
        self._curve = (self._curve + 1) % len(available([self.state]))
        self._show_curve(self.query_one("#chart", Chart), self._main_curve)

    @property
    def _answered(self) -> Generations:
        """The answers up to the shown moment, which may be in a replay."""
        return self.generated.until(self.state.step, scored=self.state.score_after is not None)

    def action_answers(self) -> None:
        from tuiftune.tui.dashboard.answer_history import Answering

        self._answering = Answering(self.run.name, self._answered)
        self.app.push_screen(self._answering)

    def action_why(self) -> None:
        from tuiftune.tui.dashboard.why import Why

        self._why = Why(self._facts(), GROUP_OF[self.focused_panel or "health"])
        self.app.push_screen(self._why)

    def _facts(self) -> list[Fact]:
        from tuiftune.tui.dashboard.why import remarked

        judged = health.judge(self.state, self.planned)
        ended = [self._ending] if self._ending is not None else []
        return [*ended, *remarked(judged, self.state), *run_status.facts(self.state, self.planned)]

    def action_charts(self) -> None:
        self.app.open("charts", self, key=self._main_curve.chart)

    def action_overlay(self) -> None:
        self.action_charts()
        self.app.call_later(self.app.screen.run_action, "overlay")

    def action_replay(self) -> None:
        self.app.open("replay", self.run)

    def action_scroll_log(self, lines: int) -> None:
        self.query_one(LogPanel).scroll(lines)

    def action_result(self) -> None:
        self.app.open("result", self.run)

    def action_chat(self) -> None:
        self.app.open_chat(self.run)
