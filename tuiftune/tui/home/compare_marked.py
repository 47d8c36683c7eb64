"""Looking at the runs that are marked in a list together: side by side, or in one chart."""

from __future__ import annotations

from tuiftune.tui.home.run_list import RunList
from tuiftune.tui.kit.chart.curves import MOST_RUNS
from tuiftune.tui.kit.screens import FullScreen


class ComparesMarked:
    """Mixed into a screen with a `RunList`. One marked run is joined by the one under the cursor."""

    def action_mark(self) -> None:
        self._list_of_runs().mark()

    def action_compare(self) -> None:
        assert isinstance(self, FullScreen)
        runs = self._list_of_runs().together
        if len(runs) < 2:
            self.notify("Space marks a run; mark two or more, then compare them.", timeout=4)
        elif self._few(len(runs)):
            self.app.open("compare", runs)

    def action_charts(self) -> None:
        assert isinstance(self, FullScreen)
        runs = self._list_of_runs().together
        if runs and self._few(len(runs)):
            self.app.open("charts", runs=runs)

    def _few(self, runs: int) -> bool:
        assert isinstance(self, FullScreen)
        if runs > MOST_RUNS:
            self.notify(f"{runs} runs are marked; {MOST_RUNS} at most can be told apart.", severity="warning")
        return runs <= MOST_RUNS

    def _list_of_runs(self) -> RunList:
        assert isinstance(self, FullScreen)
        return self.query_one(RunList)
