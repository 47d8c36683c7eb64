"""The base of all screens: keys from the table, scrolling, and reporting of errors in threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.screen import Screen, ScreenResultType
from textual.worker import WorkerState

from tuiftune.printable import printable
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.textual_patches.single_paint import SinglePaintModal, SinglePaintScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.binding import BindingType
    from textual.worker import Worker

    from tuiftune.tui.kit.base_app import BaseApp


class HasKeys:
    """`SCOPES` of the key table make a screen's bindings; `SCROLLS` is the box that `scroll` moves."""

    SCOPES: ClassVar[tuple[str, ...]] = ()
    SCROLLS: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init_subclass__(cls, **options: Any) -> None:
        inherited = {scope for base in cls.__mro__[1:] for scope in base.__dict__.get("SCOPES", ())}
        own = cls.__dict__.get("SCOPES", ())
        cls.BINDINGS = bindings(*(scope for scope in own if scope not in inherited))
        super().__init_subclass__(**options)

    def action_scroll(self, by: int) -> None:
        assert isinstance(self, Screen)
        self.query_one(self.SCROLLS).scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        assert isinstance(self, Screen)
        self.dismiss(None)

    def action_cancel(self) -> None:
        self.action_close()

    def in_thread(
        self, group: str, work: Callable[..., object], *given: object, exclusive: bool = False
    ) -> None:
        """Call `work` with the given arguments in a thread; `exclusive`: cancel what runs in its group."""
        assert isinstance(self, Screen)
        self.run_worker(
            partial(work, *given),
            thread=True,
            exit_on_error=False,
            exclusive=exclusive,
            group=group,
            description=group,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report an unexpected error in a thread, instead of waiting for ever."""
        assert isinstance(self, Screen)
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.app.notify(
                printable(f"{event.worker.group}: {type(error).__name__}: {error}"),
                title="Bug in tuiftune",
                severity="error",
                timeout=30,
                markup=False,
            )


class FullScreen(HasKeys, SinglePaintScreen[ScreenResultType]):
    """A full screen; dismissed with None to go back."""

    app: BaseApp


class Dialog(HasKeys, SinglePaintModal[ScreenResultType]):
    """A dialog over the screen below; dismissed with None if it is canceled."""

    app: BaseApp
