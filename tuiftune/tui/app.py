"""The app: wires screens, themes and keys. Holds the one draft; everything else is read from disk or from
the event log."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from textual._compositor import ChopsUpdate
from textual.app import App
from textual.events import InputEvent
from textual.filter import Monochrome, NoColor

from tuiftune import paths, terminal
from tuiftune.terminal import write_alike
from tuiftune.tui import STYLES
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.kit import themes
from tuiftune.tui.kit.glyphs import ASCII, choose
from tuiftune.tui.kit.idle_collector import LOOK_SECONDS, Collector
from tuiftune.tui.textual_patches.changed_cells import ChangedCells
from tuiftune.tui.textual_patches.no_color import Uncoloured

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType
    from textual.binding import BindingType
    from textual.command import Provider
    from textual.events import Event
    from textual.screen import Screen
    from textual.timer import Timer

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.tour.tour import Tour
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings


SETTLED_SECONDS = 0.1  # without another size: the window has the one it will keep
STEP_SCREENS = {
    "machine": ("machine", "MachineStep"),
    "goal": ("goal.goal", "GoalStep"),
    "data": ("data.data", "DataStep"),
    "model": ("model.model", "ModelStep"),
    "review": ("review", "ReviewStep"),
}


def _palette() -> type[Provider]:
    from tuiftune.tui.keys.command_palette import ActionCommands

    return ActionCommands


class TuneApp(App[str]):
    """Returns a line to print after leaving, if there is something to say (such as how to come back to a
    run)."""

    TITLE = "tuiftune"
    CSS_PATH = f"{STYLES}/app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(APP)
    COMMANDS: ClassVar[set[Any]] = {_palette}
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 (Textual's attribute)
        (0, "-narrow"),
        (100, "-wide"),
        (160, "-vast"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-short"),
        (32, "-tall"),
        (50, "-high"),
    ]

    def __init__(
        self,
        *,
        run: RunDir | None = None,
        draft: Draft | None = None,
        wizard: bool = False,
        runs_root: Path | None = None,
        collector: Collector | None = None,
    ) -> None:
        super().__init__()
        self._collector = collector
        self.glyphs = choose()
        self.draw_seconds = terminal.draw_seconds()
        self.animation_level = "none"
        self.runs_root = runs_root
        self._first_run = run
        self._first_wizard = wizard
        self._draft = draft
        self._tour: Tour | None = None
        self._repaint: Timer | None = None
        for theme in themes.OWN:
            self.register_theme(theme)
        self.theme = themes.FEW_COLOURS if terminal.few_colours() else themes.DARK.name
        if self.no_color:
            few = terminal.few_colours()
            kept = (one for one in self._filters if not isinstance(one, Monochrome | NoColor))
            self._filters = [*kept, Uncoloured(lambda: few or self.native_ansi_color)]

    @property
    def draft(self) -> Draft:
        """What the wizard edits: immutable, replaced as a whole by `edit`."""
        if self._draft is None:
            from tuiftune.wizard.draft import Draft

            self._draft = Draft()
        return self._draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self._draft = draft

    def get_default_screen(self) -> Screen[Any]:
        """The home screen, with a run's dashboard or the wizard put on top of it when that was asked for."""
        from tuiftune.tui.home.home import Home

        return Home()

    def on_mount(self) -> None:
        self.set_class(self.glyphs is ASCII, "-ascii")
        if self._first_run is not None:
            self.open_run(self._first_run)
        elif self._first_wizard:
            self.open_wizard()
        self.app_resume_signal.subscribe(self, self._resumed)
        if self._collector is not None:
            self.call_after_refresh(self._collector.settled)
            self.set_interval(LOOK_SECONDS, self._collector.look)

    def _resumed(self, _: App[Any]) -> None:
        """After `fg`: Textual refreshes the lowest screen, and what lies on it would stay blank."""
        self.call_later(self.screen.refresh, layout=True)

    def on_resize(self) -> None:
        """Paint the whole top screen once the size has settled.

        Textual paints all of it only by way of the screen beneath, which is left alone where it is hidden.
        """
        if self._repaint is not None:
            self._repaint.stop()
        self._repaint = self.set_timer(SETTLED_SECONDS, self._paint_top)

    def _paint_top(self) -> None:
        if self.screen_stack:  # none is left where the app was closed meanwhile
            self.screen.refresh()

    async def on_event(self, event: Event) -> None:
        if self._collector is not None and isinstance(event, InputEvent):
            self._collector.touched()
        await super().on_event(event)

    def open_run(self, run: RunDir) -> None:
        """Show a run's dashboard; it shows the result itself when the run is over."""
        from tuiftune.tui.dashboard.dashboard import Dashboard

        self.push_screen(Dashboard(run))

    @cached_property
    def findings(self) -> Findings:
        """What was looked up for the draft."""
        from tuiftune.wizard.findings import Findings

        return Findings(self.runs_root)

    def open_wizard(self, draft: Draft | None = None) -> None:
        """Begin the wizard, with the present or a given draft."""
        if draft is not None:
            self.draft = draft
        self.open_step("machine")

    def open_step(self, key: str) -> None:
        """Put a step of the wizard on top; going back takes it off again."""
        from importlib import import_module

        module, name = STEP_SCREENS[key]
        self.push_screen(getattr(import_module(f"tuiftune.tui.wizard.{module}"), name)())

    def show_tour(self, at: int = 0) -> None:
        """Begin the tour, or go on to another of its stops."""
        from tuiftune.tui.tour import tour

        if self._tour is None:
            tour.remember()
            self._tour = tour.Tour(self)
        self._tour.show(at)
        if at >= len(tour.STOPS):
            self._tour = None

    def end_tour(self) -> None:
        if self._tour is not None:
            self._tour.end()
            self._tour = None

    def put_draft_aside(self) -> Draft | None:
        """The user's draft, while the tour edits one of its own."""
        from tuiftune.wizard.draft import Draft

        aside = self._draft
        answers = {"task": "classify", "facts": "request", "tried": "prompting"}
        self._draft = Draft(
            model="builtin:tiny", data=("builtin:tickets",), answers=answers, name="tickets-tiny"
        )
        return aside

    def take_draft_back(self, draft: Draft | None) -> None:
        self._draft = draft

    def leave_wizard(self, run: RunDir) -> None:
        """The draft became a run: its dashboard takes the place of the steps, and the next draft is a new
        one."""
        self._draft = None
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.open_run(run)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate):
            renderable = ChangedCells(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)

    def action_help(self) -> None:
        from tuiftune.tui.keys.help import Help

        if isinstance(self.screen, Help):
            return
        scopes = getattr(self.screen, "SCOPES", ())
        topic = getattr(self.screen, "help_topic", str)()
        self.push_screen(Help(scopes, topic))

    def action_command_palette(self) -> None:
        from tuiftune.tui.keys.command_palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def action_leave(self) -> None:
        """Leave from wherever one is; what is training goes on."""
        self.end_tour()
        farewell = getattr(self.screen, "farewell", str)()
        self.exit(farewell, return_code=0)

    def action_next_theme(self) -> None:
        names = themes.CYCLE
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]
        self.notify(self.theme, title="Theme", timeout=2)

    def action_save_picture(self) -> None:
        try:
            saved = self.save_screenshot(path=".")
        except OSError as fault:
            self.notify(str(paths.cannot(fault, ".", "write")), severity="error", markup=False)
        else:
            self.notify(str(paths.here() / saved), title="Saved", markup=False)


def run_app(
    *,
    run: RunDir | None = None,
    draft: Draft | None = None,
    wizard: bool = False,
    runs_root: Path | None = None,
) -> int:
    """Run the app in this terminal until it is left; prints its farewell. Returns the exit code."""
    write_alike()
    with Collector() as collector:
        app = TuneApp(run=run, draft=draft, wizard=wizard, runs_root=runs_root, collector=collector)
        farewell = app.run()
    if farewell:
        import sys

        sys.stderr.write(f"{farewell}\n")
    return app.return_code or 0


def watch(run: RunDir) -> int:
    """The live dashboard of one run."""
    return run_app(run=run)
