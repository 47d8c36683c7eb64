"""The charts of one or several runs: large or in a grid, with zoom, pan and a cursor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from textual.containers import Container

from tuiftune.metrics.metric import BY_STEP
from tuiftune.tui import STYLES
from tuiftune.tui.charts.followed_run import FollowedRun
from tuiftune.tui.charts.readout import Readout
from tuiftune.tui.charts.zoom_detail import LoadsZoomDetail
from tuiftune.tui.keys.scopes import CHARTS
from tuiftune.tui.kit.chart.chart import Chart
from tuiftune.tui.kit.chart.curves import CURVES, MOST_RUNS, Source, available, drawing
from tuiftune.tui.kit.chart.lens import AXES, SMOOTHINGS, Lens
from tuiftune.tui.kit.chart.timeline import Timeline
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.run_header import standing
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.write_metrics import WritesMetrics
from tuiftune.tui.textual_patches.hidden_screen import SkipsPaintWhenHidden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.events import Click, MouseScrollDown, MouseScrollUp

    from tuiftune.metrics.metric import Metric
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.kit.chart.lens import Range

CELL = (38, 9)  # minimum columns and lines of a chart in the grid
GRID_FROM = (160, 50)
ZOOM = 1.5
PAN = 0.25  # of what is shown


class Followed(Protocol):
    """A run with its folded state: a dashboard, a replay, or a run followed in addition."""

    run: RunDir
    state: RunState
    status: str


class Charts(SkipsPaintWhenHidden, WritesMetrics, LoadsZoomDetail, FullScreen[None]):
    """The charts. `beneath` is a dashboard whose state is drawn; `runs` are followed by this screen."""

    CSS_PATH = f"{STYLES}/charts.tcss"
    SCOPES = (CHARTS,)

    def __init__(
        self, beneath: Followed | None = None, runs: Sequence[RunDir] = (), *, key: str = "loss"
    ) -> None:
        super().__init__()
        self.run = beneath.run if beneath else runs[0]  # the first of those that are drawn
        self._beneath = beneath
        self._watched = [FollowedRun(run) for run in runs]
        self._key = key
        self._lens = Lens()
        self._grid: bool | None = None  # None: as the size of the terminal suggests
        self._drawn: object = None
        self._there: tuple[Metric, ...] = ()
        self._charts: dict[str, Chart] = {}  # by the keys of their curves

    def compose(self) -> ComposeResult:
        yield TitleBar("charts")
        yield Container(*map(self._chart, CURVES), id="charts")
        yield Readout(id="readout")
        yield KeyBar(CHARTS)

    def _chart(self, curve: Metric) -> Chart:
        """Return the widget of a chart. A metric's name may not be a valid widget ID."""
        if curve.chart not in self._charts:
            chart = Chart(id=f"of-{curve.chart}" if curve in CURVES else None, classes="panel")
            chart.can_focus = True
            self._charts[curve.chart] = chart
        return self._charts[curve.chart]

    def on_mount(self) -> None:
        for watched in self._watched:
            self.mount(watched)
        self.set_interval(self.app.draw_seconds, self._draw)
        self._arrange()

    def _followed(self) -> list[Followed]:
        return [*([self._beneath] if self._beneath else []), *self._watched]

    def _sources(self) -> list[Source]:
        return [Source(each.run.name, self.seen_closely(each.run, each.state)) for each in self._followed()]

    def _curves(self) -> tuple[Metric, ...]:
        return available([each.state for each in self._followed()])

    @property
    def _current(self) -> Metric:
        curves = self._curves()
        return next((curve for curve in curves if curve.chart == self._key), curves[0])

    @property
    def gridded(self) -> bool:
        """True if several charts are shown in a grid."""
        if self._grid is not None:
            return self._grid
        return self.size.width >= GRID_FROM[0] and self.size.height >= GRID_FROM[1]

    def _arrange(self) -> None:
        """Choose the charts to show, and the columns and rows of the grid."""
        box = self.query_one("#charts", Container)
        self._there = curves = self._curves()
        shown: tuple[Metric, ...] = (self._current,)
        columns = rows = 1
        if self.gridded:
            room = (max(1, self.size.width // CELL[0]), max(1, (self.size.height - 6) // CELL[1]))
            columns = min(room[0], 4 if self.size.width >= GRID_FROM[0] else 2, len(curves))
            rows = min(room[1], -(-len(curves) // columns))
            columns = min(columns, -(-len(curves) // rows))
            first = curves.index(self._current) // (columns * rows) * columns * rows
            shown = curves[first : first + columns * rows]
        box.styles.grid_size_columns, box.styles.grid_size_rows = columns, -(-len(shown) // columns)
        if fresh := [self._chart(curve) for curve in curves if curve.chart not in self._charts]:
            box.mount(*fresh)
        keys = {curve.chart for curve in shown}
        for key, chart in self._charts.items():
            chart.display = key in keys
        self._chart(self._current).focus()
        self._drawn = None
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        followed = self._followed()
        seen = (self._lens, [(id(each.state), each.state.seq, each.status) for each in followed])
        if seen == self._drawn or self.hidden:
            return
        if self._curves() != self._there:  # a GPU or a metric has its first reading
            self._arrange()
        self._drawn = seen
        self.look_closer(self._lens, self._whole, [(each.run, each.state) for each in self._followed()])
        sources = self._sources()
        for curve in self._there:
            chart = self._chart(curve)
            if not chart.display:
                continue
            if chart.size.height:
                self._show(chart, curve, sources)
            else:  # just mounted: it has no place yet
                self._drawn = None
        self.query_one(Readout).show(sources, self._lens)
        self._entitle()
        self.query_one(KeyBar).redraw()

    def _show(self, chart: Chart, curve: Metric, sources: list[Source]) -> None:
        drawn = drawing(curve, sources, self._lens, self.app.glyphs)
        line = Timeline(sources[0].state)

        def place(x: float) -> float:
            return x if drawn.axis == self._lens.axis else line.seconds(self._lens.axis, x)

        window = None
        if self._lens.window is not None:
            first, last = self._lens.seen(self._whole)
            window = (place(first), place(last))
            if window[1] <= window[0]:
                window = None
        cursor = None if self._lens.cursor is None else place(self._lens.cursor)
        several = len(sources) > 1 and curve.event == "card"
        chart.entitle(f"{curve.heading}, mean of the GPUs" if several else curve.heading)
        chart.show_drawing(drawn, self._lens, floor=curve.floor, window=window, cursor=cursor)

    @property
    def _whole(self) -> Range:
        """All of every run along the axis."""
        wholes = [Timeline(each.state).whole(self._lens.axis) for each in self._followed()]
        return min(first for first, _ in wholes), max(last for _, last in wholes)

    def _entitle(self) -> None:
        followed, lens, glyphs = self._followed(), self._lens, self.app.glyphs
        names = ", ".join(each.run.name for each in followed)
        title = f"charts of {names}" if len(followed) < 4 else f"charts of {len(followed)} runs"
        if len(followed) == 1:
            sign, _, words = standing(glyphs, followed[0].status)
            title += f"  {sign} {words}"
        parts = [f"by {lens.axis}"]
        share = SMOOTHINGS[lens.smoothing][0]
        parts.append(f"smoothing {share * 100:g}%" if share else "no smoothing")
        parts += ["log scale"] if lens.log else []
        if lens.window is not None:
            first, last = lens.seen(self._whole)
            parts.append(f"{(self._whole[1] - self._whole[0]) / max(last - first, 1e-9):.3g}×")
        parts += ["following"] if lens.follow else []
        parts += ["reading its log"] if self.reading else []
        self.query_one(TitleBar).say(title, f" {glyphs.dot} ".join(parts))

    def came_closer(self) -> None:
        self._drawn = None
        self._draw()

    def _look(self, lens: Lens) -> None:
        self._lens = lens
        self._draw()

    def on_resize(self) -> None:
        self._arrange()

    def action_chart(self, number: int) -> None:
        curves = self._curves()
        if number < len(curves):
            self._go_to(curves[number].chart)

    def action_next_chart(self, by: int = 1) -> None:
        curves = self._curves()
        self._go_to(curves[(curves.index(self._current) + by) % len(curves)].chart)

    def _go_to(self, key: str) -> None:
        self._key = key
        self._arrange()

    def action_grid(self) -> None:
        self._grid = not self.gridded
        self._arrange()

    def action_zoom(self, times: int) -> None:
        self._look(self._lens.zoomed(ZOOM**times, self._whole))

    def action_pan(self, times: int) -> None:
        self._look(self._lens.panned(PAN * times, self._whole))

    def action_cursor(self, times: int) -> None:
        """Move the cursor by columns of the chart, at least one step; it first appears at the end."""
        whole = self._whole
        first, last = self._lens.seen(whole)
        column = (last - first) / self._chart(self._current).columns
        if self._lens.axis == "step":
            column = max(1.0, round(column))
        at = self._lens.cursor
        self._look(self._lens.pointed(last if at is None else at + times * column, whole))

    def action_cursor_to(self, place: str) -> None:
        first, last = self._lens.seen(self._whole)
        best = self._followed()[0].state.best
        if place == "best":
            if best is None:
                self.notify("No evaluation during training yet.", timeout=3)
                return
            at = Timeline(self._followed()[0].state).place(self._lens.axis, float(best.step))
        else:
            at = first if place == "first" else last
        self._look(self._lens.pointed(at, self._whole))

    def action_reset(self) -> None:
        self._look(self._lens.reset())

    def action_follow(self) -> None:
        self._look(self._lens.following(self._whole))

    def action_log(self) -> None:
        self._look(replace(self._lens, log=not self._lens.log))

    def action_smooth(self, by: int) -> None:
        self._look(self._lens.smoother(by))

    def action_axis(self) -> None:
        self._look(self._lens.along(AXES[(AXES.index(self._lens.axis) + 1) % len(AXES)]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        if action == "compare":
            return len(self._watched) + (self._beneath is not None) > 1
        if action == "pause":
            return hasattr(self._beneath, "action_pause")
        return True

    def action_pause(self) -> None:
        getattr(self._beneath, "action_pause", bool)()

    def action_overlay(self) -> None:
        """Add or remove other runs."""
        from tuiftune.tui.charts.pick_runs import PickRuns

        taken = [each.run for each in self._followed()]
        self.app.push_screen(PickRuns(taken[0], taken[1:], MOST_RUNS - 1), self._overlay)

    def _overlay(self, runs: list[RunDir] | None) -> None:
        if runs is None:
            return
        first = self.run
        kept = [each for each in self._watched if each.run.path in {run.path for run in runs}]
        kept += [each for each in self._watched if each.run.path == first.path and each not in kept]
        for each in self._watched:
            if each not in kept:
                each.remove()
        known = {each.run.path for each in kept}
        fresh = [FollowedRun(run) for run in runs if run.path not in known]
        self._watched = [*kept, *fresh]
        for each in fresh:
            self.mount(each)
        self._look(self._lens.reset())
        self._arrange()

    def action_compare(self) -> None:
        self.app.open("compare", [each.run for each in self._followed()])

    def action_close(self) -> None:
        if self._lens.cursor is not None or self._lens.window is not None:
            self.action_reset()
            return
        self.app.pop_screen()

    def action_back(self) -> None:
        self.app.pop_screen()

    def on_click(self, event: Click) -> None:
        """Move the cursor to a click in a chart."""
        chart = event.widget
        key = next((key for key, one in self._charts.items() if one is chart), None)
        if key is None or not isinstance(chart, Chart):
            return
        self._key = key
        if (x := chart.place_at(event.get_content_offset(chart))) is not None:
            line = Timeline(self._followed()[0].state)
            own = self._current.event in BY_STEP or self._lens.axis == "time"
            at = x if own else line.from_seconds(self._lens.axis, x)
            self._look(self._lens.pointed(at, self._whole))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_zoom(1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_zoom(-1)
