"""The app: connects screens, themes and keys, and holds the draft. All else is read from disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.events import InputEvent

from tuiftune import paths, terminal
from tuiftune.terminal import write_alike
from tuiftune.tui import STYLES, navigation
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.kit import downloading, themes
from tuiftune.tui.kit.base_app import BaseApp
from tuiftune.tui.kit.glyphs import ASCII
from tuiftune.tui.kit.idle_collector import LOOK_SECONDS, Collector
from tuiftune.tui.textual_patches.no_color import leave_colors_out

if TYPE_CHECKING:
    from pathlib import Path

    from textual.await_complete import AwaitComplete
    from textual.binding import BindingType
    from textual.command import Provider
    from textual.events import Event
    from textual.screen import Screen
    from textual.timer import Timer

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.tour.tour import Tour
    from tuiftune.wizard.draft import Draft


SETTLED_SECONDS = 0.1  # without another size: the window has the one it will keep


def _palette() -> type[Provider]:
    from tuiftune.tui.help.command_palette import ActionCommands

    return ActionCommands


class TuneApp(BaseApp):
    """The app. It returns a line to print after quitting, such as how to return to a run; "" for none."""

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
        chat: tuple[Any, ...] = (),
        blind: tuple[Any, ...] = (),
        runs_root: Path | None = None,
        collector: Collector | None = None,
        alone: bool = False,
    ) -> None:
        """`alone`: opened for one screen by its command, and quit when that is closed."""
        super().__init__(draft=draft, runs_root=runs_root)
        self._alone = alone
        self._collector = collector
        self.animation_level = "none"
        self._first_run = run
        self._first_wizard = wizard
        self._first_chat = chat
        self._first_blind = blind
        self._tour: Tour | None = None
        self._repaint: Timer | None = None
        for theme in themes.OWN:
            self.register_theme(theme)
        self.theme = themes.FEW_COLORS if terminal.few_colors() else themes.DARK.name
        if self.no_color:
            leave_colors_out(self, few=terminal.few_colors())

    def get_default_screen(self) -> Screen[Any]:
        """Return the home screen; `on_mount` opens a run's dashboard or the wizard over it if requested."""
        return self.screen_named("home")

    def screen_named(self, name: str, *args: Any, **options: Any) -> Screen[Any]:
        return navigation.screen_class(name)(*args, **options)

    def on_mount(self) -> None:
        self.set_class(self.glyphs is ASCII, "-ascii")
        downloading.listen(self)
        if self._first_run is not None:
            self.open_run(self._first_run)
        elif self._first_wizard:
            self.open_wizard()
        elif self._first_chat:
            self.open("chat", *self._first_chat)
        elif self._first_blind:
            self.open("blind", *self._first_blind)
        self.app_resume_signal.subscribe(self, self._resumed)
        if self._collector is not None:
            self.call_after_refresh(self._collector.settled)
            self.set_interval(LOOK_SECONDS, self._collector.look)

    def pop_screen(self) -> AwaitComplete:
        closed = self.screen
        popped = super().pop_screen()
        if self._alone and len(self.screen_stack) == 1:
            self.exit(getattr(closed, "farewell", str)(), return_code=0)
        return popped

    def _resumed(self, _: object) -> None:
        """Refresh the top screen after `fg`; Textual refreshes only the lowest one."""
        self.call_later(self.screen.refresh, layout=True)

    def on_resize(self) -> None:
        """Paint the whole top screen once the size is stable.

        Textual does this only through the screen below, which is not painted while it is hidden.
        """
        if self._repaint is not None:
            self._repaint.stop()
        self._repaint = self.set_timer(SETTLED_SECONDS, self._paint_top)

    def _paint_top(self) -> None:
        if self.screen_stack:  # empty if the app was closed in the meantime
            self.screen.refresh()

    async def on_event(self, event: Event) -> None:
        if self._collector is not None and isinstance(event, InputEvent):
            self._collector.touched()
        await super().on_event(event)

    def show_tour(self) -> None:
        from tuiftune.tui.tour.tour import Tour

        self._tour = Tour(self)
        self._tour.show(0)

    def action_help_unless_typing(self) -> None:
        if isinstance(self.screen, navigation.screen_class("help")):
            self.screen.dismiss(None)
        else:
            self.action_help()

    def action_help(self) -> None:
        if isinstance(self.screen, navigation.screen_class("help")):
            return
        scopes = getattr(self.screen, "SCOPES", ())
        topic = getattr(self.screen, "help_topic", str)()
        self.open("help", scopes, topic)

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, navigation.screen_class("palette")):
            self.open("palette", id="--command-palette")

    def action_leave(self) -> None:
        """Quit from any screen; runs continue."""
        if self._tour is not None:
            self._tour.end()
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
    chat: tuple[Any, ...] = (),
    blind: tuple[Any, ...] = (),
    runs_root: Path | None = None,
    alone: bool = False,
) -> int:
    """Run the app in this terminal, then print its last line. Returns the exit code."""
    write_alike()
    with Collector() as collector:
        app = TuneApp(
            run=run,
            draft=draft,
            wizard=wizard,
            chat=chat,
            blind=blind,
            runs_root=runs_root,
            collector=collector,
            alone=alone,
        )
        farewell = app.run()
    if farewell:
        import sys

        sys.stderr.write(f"{farewell}\n")
    return app.return_code or 0


def watch(run: RunDir, *, alone: bool = True) -> int:
    """Show the live dashboard of one run; where it is not `alone`, closing it leads to the other runs."""
    return run_app(run=run, alone=alone)


def chat(*given: Any) -> int:
    """A chat: its sources, settings, how the conversation begins, and where it is kept."""
    return run_app(chat=given, alone=True)


def review(*given: Any) -> int:
    """A blind review: its run and the reviewer."""
    return run_app(blind=given, alone=True)
