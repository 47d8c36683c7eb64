"""The home screen: all runs on this machine; before the first run, ways to begin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.errors import UserError
from tuiftune.figures import size
from tuiftune.runs.state.summary import Summaries
from tuiftune.tui import STYLES
from tuiftune.tui.home.run_actions import ComparesMarked, DeletesRuns
from tuiftune.tui.home.run_detail import RunDetail
from tuiftune.tui.home.run_list import RunList
from tuiftune.tui.home.start_run import StartsRuns
from tuiftune.tui.home.welcome import Welcome
from tuiftune.tui.keys.scopes import HOME
from tuiftune.tui.kit.cursor_list import FilterField
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.textual_patches.hidden_screen import SkipsPaintWhenHidden

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.summary import Summary
    from tuiftune.runs.store.directory import RunDir

REFRESH_SECONDS = 2.0
FIRST_ROWS = 40


@dataclass
class Listed(Message):
    """The runs, newest first, and the free bytes on the disk for new ones (None if unknown)."""

    rows: list[Summary]
    free: int | None

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Listed)


@dataclass
class Looked(Message):
    """The state of one run, folded from its log."""

    run: RunDir
    state: RunState


@dataclass
class Failed(Message):
    """An action failed."""

    error: str


class Home(SkipsPaintWhenHidden, ComparesMarked, DeletesRuns, StartsRuns):
    CSS_PATH = f"{STYLES}/home.tcss"
    SCOPES = (HOME,)

    def __init__(self) -> None:
        super().__init__()
        self._empty = False
        self._summaries = Summaries()

    def compose(self) -> ComposeResult:
        yield TitleBar("runs on this machine")
        yield Welcome(id="welcome")
        yield RunList(id="runs", classes="panel")
        yield FilterField(RunList, "words from the name, model, data or state", "run-filter")
        with Horizontal(id="detail"):
            yield RunDetail(classes="panel")
        yield KeyBar(HOME)

    def on_mount(self) -> None:
        from tuiftune.runs.store.directory import default_root
        from tuiftune.runs.store.find import all_runs

        self._show_empty(not all_runs(self.app.runs_root or default_root()))
        self.set_interval(REFRESH_SECONDS, self._list)
        self._list()

    def _show_empty(self, empty: bool) -> None:
        """Show the welcome, or the list and the details of the run under its cursor."""
        self._empty = empty
        self.query_one(Welcome).display = empty
        self.query_one(RunList).display = not empty
        self.query_one("#detail").display = not empty

    def on_screen_resume(self) -> None:
        self.query_one(Welcome).refresh_offers()
        self._list()

    def _list(self) -> None:
        if self.app.screen is self:
            self.in_thread("list", self._read_all, exclusive=True)

    def _read_all(self) -> None:
        from tuiftune.hardware.disks import disk_of
        from tuiftune.runs.store.directory import default_root
        from tuiftune.runs.store.find import all_runs

        worker = get_current_worker()
        root = self.app.runs_root or default_root()
        try:
            free: int | None = disk_of(root).free
        except UserError:
            free = None
        rows = []
        first = not self.query_one(RunList).all
        for run in all_runs(self.app.runs_root):
            if worker.is_cancelled:
                return
            rows.append(self._summaries.of(run))
            if first and len(rows) == FIRST_ROWS:
                self.post_message(Listed(list(rows), free))  # show the newest early if there are many
        self.post_message(Listed(rows, free))

    @on(Listed)
    def _listed(self, message: Listed) -> None:
        runs, welcome = self.query_one(RunList), self.query_one(Welcome)
        empty = not message.rows
        self._show_empty(empty)
        running = sum(row.status == "running" for row in message.rows)
        facts = [f"{running} running"] if running else []
        if message.free is not None:
            facts.append(f"{size(message.free)} free")
        title = "runs on this machine" if message.rows else "welcome"
        self.query_one(TitleBar).say(title, f" {self.app.glyphs.dot} ".join(facts))
        runs.show(message.rows)
        wanted = welcome if empty else runs
        if self.focused is not wanted and not self.query_one(FilterField).has_focus:
            wanted.focus()
        self.query_one(KeyBar).redraw()
        if runs.current is not None and runs.current.status == "running":
            self._look(runs.current)

    @on(RunList.Moved, "#runs")
    def _moved(self) -> None:
        current = self.query_one(RunList).current
        self.query_one(RunDetail).show(current, None)
        self.query_one(KeyBar).redraw()
        if current is not None:
            self._look(current)

    def _look(self, summary: Summary) -> None:
        self.in_thread("look", self._read_one, summary.run, exclusive=True)

    def _read_one(self, run: RunDir) -> None:
        from tuiftune.runs.state.follow import Follower

        follower = Follower(run)
        follower.refresh()
        if not get_current_worker().is_cancelled:
            self.post_message(Looked(run, follower.state))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        current = self.query_one(RunList).current
        if current is not None and current.run == message.run:
            self.query_one(RunDetail).show(current, message.state)

    @on(Failed)
    def _failed(self, message: Failed) -> None:
        self.notify(message.error, severity="error", markup=False, timeout=8)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        current = self.query_one(RunList).current if self.is_mounted else None
        if action == "delete":
            return current is not None and current.status not in ("running", "queued")
        if action in {"mark", "clone", "compare", "charts", "order", "filter"}:
            return current is not None or (action in {"order", "filter"} and not self._empty)
        if action == "unfilter":
            return bool(self.query_one(FilterField).value)
        if action == "stop":
            return current is not None and current.status in ("running", "queued")
        if action == "resume":
            return current is not None and current.vitals.resumable
        return True

    def action_down(self) -> None:
        self.action_move(1)

    def action_up(self) -> None:
        self.action_move(-1)

    def action_move(self, by: int) -> None:
        if self._empty:
            self.query_one(Welcome).move(by)
        else:
            self.query_one(RunList).move(by)

    @on(RunList.Chosen)
    def action_open(self) -> None:
        if self._empty:
            offer = self.query_one(Welcome).current
            if offer is not None:
                getattr(self, f"action_{offer.action}")()
            return
        current = self.query_one(RunList).current
        if current is not None:
            self.app.open_run(current.run)

    def action_tour(self) -> None:
        self.app.show_tour()

    def action_stop(self) -> None:
        from tuiftune.jobs.backend import effect_of_stop
        from tuiftune.tui.kit.dialogs import Confirm

        current = self.query_one(RunList).current
        if current is None:
            return
        if current.status == "queued":
            from tuiftune.runs.store.queue import remove

            self._try(partial(remove, current.run), f"{current.name}: taken out of the queue")
            return
        detail = f"{effect_of_stop(current.step)} Continue it with r, or `tuiftune resume {current.name}`."
        self.app.push_screen(
            Confirm(f"Stop {current.name}?", detail, "Stop the run", "Keep training"),
            partial(self._do_stop, current.run),
        )

    def _do_stop(self, run: RunDir, confirmed: bool | None) -> None:
        if confirmed:
            from tuiftune.jobs.backend import stop

            self._try(partial(stop, run, "the app"), f"{run.name}: stopping")

    def action_resume(self) -> None:
        from tuiftune.jobs.backend import train

        current = self.query_one(RunList).current
        if current is not None:
            self._try(partial(train, current.run), f"{current.name}: resuming")

    def action_order(self) -> None:
        self.query_one(RunList).next_order()

    def action_filter(self) -> None:
        self.query_one(FilterField).open()

    def action_unfilter(self) -> None:
        """Show all runs again."""
        self.query_one(FilterField).clear()

    def action_delete(self) -> None:
        current = self.query_one(RunList).current
        if current is not None:
            self.ask_to_delete(current.run)

    def deleted(self, words: str, *, failed: bool = False) -> None:
        if failed:
            self.failed(words)
        else:
            self.notify(words, markup=False)
        self._list()

    @property
    def run_to_clone(self) -> RunDir | None:
        current = self.query_one(RunList).current
        return None if current is None else current.run

    def failed(self, words: str) -> None:
        self.post_message(Failed(words))

    def _try(self, act: Callable[[], object], done: str) -> None:
        try:
            act()
        except UserError as error:
            self.failed(str(error))
        else:
            self.notify(done, markup=False)
        self._list()

    def action_quit(self) -> None:
        self.app.exit("", return_code=0)
