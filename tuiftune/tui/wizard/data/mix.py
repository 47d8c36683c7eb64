"""The screen to mix data sources: the amount of each, and its rows per epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from tuiftune.data.mix.sources import Mix, Source, portions
from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import MIX
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.wizard.data.mix_view import MixView, source_name
from tuiftune.wizard.findings import mix_of

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.mix.sources import Portion
    from tuiftune.wizard.draft import Draft

FIRST_SHARE = 0.1  # of all rows per epoch; replay of general data is usually 5 to 20% of them
WEIGHTS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
TEMPERATURES = (None, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


@dataclass
class Counted(Message):
    """Rows of the main data, and of each source (read, not in the evaluation set), or the error."""

    main: int
    sizes: dict[str, tuple[int, int]]
    error: str = ""
    path: str = ""


class Mixing(FullScreen[Mix | None]):
    """The screen. Dismissed with the mix, or None."""

    SCOPES = (MIX,)
    CSS_PATH = f"{STYLES}/wizard.tcss"

    def __init__(self, draft: Draft, dataset: Dataset) -> None:
        super().__init__()
        self._draft, self._dataset = draft, dataset
        self._mix = mix_of(draft)
        self._at = 0
        self._main = 0
        self._sizes: dict[str, tuple[int, int]] = {}
        self._held: set[str] | None = None
        self._error = ""

    def compose(self) -> ComposeResult:
        yield TitleBar("Mix data sources")
        yield MixView()
        yield KeyBar(MIX)

    def on_mount(self) -> None:
        self._show()
        self._count(tuple(source.path for source in self._mix.sources))

    def _count(self, paths: tuple[str, ...]) -> None:
        self.in_thread("mix", self._read, paths)

    def _read(self, paths: tuple[str, ...]) -> None:
        from tuiftune.data.mix.sources import fresh_rows, prompts_of
        from tuiftune.data.mix.split import split

        spec, seed = self._draft.value("data.eval"), self._draft.value("training.seed")
        sizes: dict[str, tuple[int, int]] = {}
        path = ""
        main = 0
        try:
            train, held_out = split(
                self._dataset, 0.05 if spec is None else spec, 42 if seed is None else int(seed)
            )
            main = len(train)
            held = prompts_of(held_out)
            for path in paths:
                rows, fresh = fresh_rows(path, held, self._dataset.format)
                sizes[path] = (rows, len(fresh))
        except UserError as error:
            self.post_message(Counted(main, sizes, str(error), path))
        else:
            self.post_message(Counted(main, sizes))

    @on(Counted)
    def _counted(self, message: Counted) -> None:
        self._main = message.main or self._main
        self._sizes |= message.sizes
        self._error = message.error
        if message.error:  # remove the source that cannot be read
            left = tuple(source for source in self._mix.sources if source.path in self._sizes)
            self._mix = replace(self._mix, sources=left)
            self._at = min(self._at, len(left))
        self._show()

    def _show(self) -> None:
        mix = self._mix
        ready = bool(self._main) and all(source.path in self._sizes for source in mix.sources)
        said = (f"{self.app.glyphs.error} {self._error}", "error") if self._error else ("", "")
        found: tuple[Portion, ...] = ()
        if ready:
            try:
                sizes = [self._sizes[source.path] for source in mix.sources]
                found = portions("your data", self._main, sizes, mix)
            except UserError as error:
                said = (f"{self.app.glyphs.error} {error}", "error")
        elif not self._error:
            said = (f"{self.app.glyphs.waiting} counting rows …", "second")
        self.query_one(MixView).show(mix, found, self._at, said)

    @property
    def _source(self) -> Source | None:
        """The selected source; None if the temperature is selected."""
        return self._mix.sources[self._at] if self._at < len(self._mix.sources) else None

    def _put(self, source: Source) -> None:
        sources = list(self._mix.sources)
        sources[self._at] = source
        self._mix = replace(self._mix, sources=tuple(sources))
        self._error = ""
        self._show()

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self._mix.sources), self._at + by))
        self._show()

    def action_change(self, by: int) -> None:
        """Use more or less of the selected source, or another temperature."""
        source = self._source
        if source is None:
            now = self._mix.temperature
            at = TEMPERATURES.index(now) if now in TEMPERATURES else 0
            self._set_temperature(TEMPERATURES[max(0, min(len(TEMPERATURES) - 1, at + by))])
        elif self._mix.temperature is not None:
            self.notify("The temperature sets all amounts. Turn it off first.", timeout=4)
        elif source.share is not None:
            self._put(replace(source, share=_step(SHARES, source.share, by)))
        else:
            self._put(replace(source, weight=_step(WEIGHTS, source.weight, by)))

    def _set_temperature(self, temperature: float | None) -> None:
        sources = self._mix.sources
        if temperature is not None:  # a temperature replaces the amounts
            sources = tuple(Source(source.path) for source in sources)
        self._mix = replace(self._mix, sources=sources, temperature=temperature)
        self._error = ""
        self._show()

    def action_add(self) -> None:
        from tuiftune.tui.kit.dialogs import Ask

        hint = "A file, a directory or a glob, in any format that can be trained on."
        self.app.push_screen(Ask("Which data source?", "", hint, files=True), self._added)

    def _added(self, path: str | None) -> None:
        if not path or any(source.path == path for source in self._mix.sources):
            return
        share = FIRST_SHARE if self._mix.temperature is None else None
        self._mix = replace(self._mix, sources=(*self._mix.sources, Source(path, share=share)))
        self._at = len(self._mix.sources) - 1
        self._error = ""
        self._show()
        self._count((path,))

    def action_remove(self) -> None:
        source = self._source
        if source is not None:
            left = tuple(other for other in self._mix.sources if other is not source)
            self._mix = replace(self._mix, sources=left)
            self._at = min(self._at, len(left))
            self._error = ""
            self._show()

    def action_type_value(self) -> None:
        from tuiftune.tui.kit.dialogs import Ask

        source = self._source
        if source is None:
            question, hint = "Which temperature?", "A number from 1. Empty: off."
        else:
            question = f"How much of {source_name(source.path)}?"
            hint = "A weight such as 0.5 or 2, or a share such as 10%."
        self.app.push_screen(Ask(question, "", hint), self._typed)

    def _typed(self, text: str | None) -> None:
        source = self._source
        if text is None:
            return
        try:
            if source is None:
                value = float(text) if text else None
                if value is not None and value < 1:
                    raise ValueError
                self._set_temperature(value)
            else:
                if self._mix.temperature is not None:
                    self._mix = replace(self._mix, temperature=None)
                self._put(Source.amount(source.path, text))
        except (ValueError, UserError):
            self._error = f'"{text}" is not a valid {"temperature" if source is None else "amount"}.'
            self._show()

    def action_take(self) -> None:
        """Use the mix if all its sources could be counted."""
        if self.query_one(MixView).counted:
            self.dismiss(self._mix)


def _step(choices: tuple[float, ...], now: float, by: int) -> float:
    """Return the next choice above or below `now`."""
    beyond = [choice for choice in choices if (choice > now if by > 0 else choice < now)]
    return (beyond[0] if by > 0 else beyond[-1]) if beyond else now
