"""A chat with a run, its base model or others: a view of a conversation with models in another process."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.chat.conversation import LABELS, Answer, Conversation, Settings, again
from tuiftune.chat.session import Session
from tuiftune.errors import UserError
from tuiftune.tui import STYLES
from tuiftune.tui.chat.prompt import Prompt
from tuiftune.tui.chat.transcript import Shown, Transcript, Writing
from tuiftune.tui.keys.scopes import CHAT, DIALOG, LIST
from tuiftune.tui.kit.dialogs import Ask, ListDialog, described
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuiftune.chat.record import Record
    from tuiftune.chat.source import Source
    from tuiftune.tui.kit.downloading import Downloading

ROWS = 50  # evaluation rows that are offered
LIMITS = {"temperature": (0.0, 10.0), "top_p": (0.01, 1.0), "seed": (0, 2**32 - 1), "max": (1, 1_000_000)}


@dataclass
class Heard(Message):
    """What the models' process said."""

    event: dict[str, Any]


@dataclass
class Failed(Message):
    """Why there is no process any more."""

    why: str


class Prompts(ListDialog[int | None]):
    """Dismissed with the place of an evaluation row, or None."""

    SCOPES = (DIALOG, LIST)

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self._rows = rows

    def compose(self) -> ComposeResult:
        with Vertical(id="picker") as box:
            box.border_title = "Prompts of the evaluation set"
            box.border_subtitle = "Enter asks it, Esc closes"
            yield OptionList(
                *(
                    Option(described(self.app, row["messages"][-1]["content"][:200], row["reference"][:200]))
                    for row in self._rows
                )
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)


class ChatScreen(FullScreen[None]):
    """`sources`: the models, which all answer each prompt. The process ends with the screen."""

    CSS_PATH = f"{STYLES}/chat.tcss"
    SCOPES = (CHAT,)
    SCROLLS = "#talk"

    def __init__(
        self, sources: Sequence[Source], settings: Settings, begun: Conversation, record: Record
    ) -> None:
        super().__init__()
        self._sources, self._settings, self._begun, self._record = tuple(sources), settings, begun, record
        self._shown = Shown(tuple(one.name for one in sources), begun, status="starting")
        self._session: Session | None = None
        self._ready = False
        self._asked: int | None = None
        self._asked_with = settings
        self._rows: list[dict[str, Any]] | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar(f"chat: {' and '.join(self._shown.names)}")
        with VerticalScroll(id="talk") as box:
            box.can_focus = False
            yield Transcript(self._shown)
        yield Prompt()
        yield KeyBar(CHAT)

    def on_mount(self) -> None:
        self.query_one(Prompt).focus()
        self._session = Session(self._sources)
        self.in_thread("chat", self._listen, self._session)
        self._say_settings()

    def on_unmount(self) -> None:
        if self._session is not None:
            threading.Thread(target=self._session.close).start()

    def _listen(self, session: Session) -> None:
        try:
            session.start()
            while self.is_attached:
                self.post_message(Heard(session.event()))
        except UserError as fault:
            self.post_message(Failed(str(fault)))

    def on_failed(self, event: Failed) -> None:
        self._ready, self._asked, self._shown.live = False, None, None
        self._shown.status, self._shown.fault = "", event.why
        self._draw()

    def on_heard(self, heard: Heard) -> None:
        event = heard.event
        kind = event["event"]
        if kind == "loading":
            self._shown.status = f"loading: {event['detail']}"
        elif kind == "ready":
            self._ready, self._shown.status = True, ""
            for note in event.get("notes") or ():
                self.notify(note, timeout=10, markup=False)
        elif kind == "rows":
            self._rows = event["rows"]
            self._shown.status = ""
            self._offer()
        elif kind == "fault":
            self._shown.status, self._shown.fault = "", str(event["message"])
        elif event.get("id") == self._asked:
            self._answering(kind, event)
        self._draw()

    def on_downloading(self, message: Downloading) -> None:
        self._shown.status = message.says
        self._draw()

    def _answering(self, kind: str, event: dict[str, Any]) -> None:
        shown = self._shown
        if kind == "began":
            shown.live = Writing(event["model"])
        elif kind == "text" and shown.live is not None:
            shown.live.text = shown.live.text[: event["at"]] + event["text"]
            shown.live.thinking = event["thinking"]
        elif kind == "answer":
            shown.live = None
            shown.talk = shown.talk.answer(Answer.of(event, self._asked_with))
        elif kind == "done":
            self._asked, shown.live = None, None
            if shown.talk.turns[-1].answers:
                self._kept(lambda: self._record.keep(shown.talk))

    def _kept(self, write: Any) -> bool:
        try:
            write()
        except UserError as fault:
            self.notify(str(fault), severity="error", markup=False)
            return False
        return True

    def _draw(self) -> None:
        self.query_one(Transcript).changed()
        self.query_one(KeyBar).redraw()
        box = self.query_one("#talk")
        self.call_after_refresh(box.scroll_end, animate=False)

    def _say_settings(self) -> None:
        one = self._settings
        sampled = f"temperature {one.temperature:g}, seed {one.seed}" if one.temperature else "greedy"
        self.query_one(TitleBar).say(right=f"{sampled}, at most {one.max_new_tokens:,} tokens")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        turns = self._shown.talk.turns
        if action in ("retry", "edit"):
            written = action == "edit" and bool(self.query_one(Prompt).text)  # then Up moves in it
            return bool(turns) and self._asked is None and not written
        if action == "vote":
            return bool(turns) and self._asked is None and len({one.text for one in turns[-1].answers}) > 1
        if action == "prompts":
            return self._ready and self._asked is None and self._sources[0].run is not None
        return True

    def on_text_area_changed(self) -> None:
        self.query_one(KeyBar).redraw()

    def action_send(self) -> None:
        field = self.query_one(Prompt)
        text = field.text.strip()
        if text and self._ready and self._asked is None:
            field.put("")
            self._ask(self._shown.talk.ask(text))

    def action_new_line(self) -> None:
        self.query_one(Prompt).insert("\n")

    def _ask(self, talk: Conversation, settings: Settings | None = None) -> None:
        if self._session is None or not self._ready:
            return
        self._shown.talk, self._shown.fault = talk, ""
        self._asked_with = settings or self._settings
        try:
            self._asked = self._session.ask(talk.messages(), self._asked_with, range(len(self._sources)))
        except UserError as fault:
            self._shown.fault = str(fault)
        self._draw()

    def action_retry(self) -> None:
        self._ask(self._shown.talk, again(self._shown.talk, self._settings))

    def action_edit(self) -> None:
        """The last prompt into the field, to be asked in another way."""
        last = self._shown.talk.turns[-1]
        self._shown.talk = replace(self._shown.talk, turns=self._shown.talk.turns[:-1])
        self.query_one(Prompt).put(last.prompt)
        self._draw()

    def action_vote(self, label: str) -> None:
        """`label`: the letter of the better one among the latest answers of all models."""
        last = self._shown.talk.turns[-1]
        latest = max(0, len(last.answers) - max(2, len(self._sources)))
        try:
            voted = self._shown.talk.vote(LABELS[latest + LABELS.index(label)])
        except ValueError as fault:
            self.notify(str(fault), severity="warning", markup=False)
            return
        if self._kept(lambda: self._record.vote(voted)):
            self._shown.talk = voted
            self.notify(f"Added to {self._record.votes}", title="Preference row", timeout=3, markup=False)
        self._draw()

    def action_prompts(self) -> None:
        if self._rows is not None:
            self._offer()
        elif self._session is not None:
            self._shown.status = "reading the evaluation rows"
            self._session.rows(ROWS)
            self._draw()

    def _offer(self) -> None:
        def ask(place: int | None) -> None:
            if place is not None and self._rows is not None:
                row = self._rows[place]
                self._ask(Conversation().started_with(row["messages"], row["reference"]))

        if self._rows:
            self.app.push_screen(Prompts(self._rows), ask)
        else:
            self._shown.fault = "The run has no evaluation rows."

    def action_settings(self) -> None:
        one = self._settings
        now = f"temperature={one.temperature:g} top_p={one.top_p:g} seed={one.seed} max={one.max_new_tokens}"
        hint = "Temperature 0 always picks the most likely token; max is the longest answer in tokens."
        self.app.push_screen(Ask("How answers are generated", now, hint), self._set)

    def _set(self, text: str | None) -> None:
        if text is None:
            return
        try:
            self._settings = settings_of(text, self._settings)
        except ValueError as fault:
            self.notify(str(fault), severity="warning", markup=False)
        self._say_settings()

    def action_system(self) -> None:
        hint = "Sent before every prompt from now on; leave it empty for none."
        self.app.push_screen(Ask("System message", self._shown.talk.system, hint), self._set_system)

    def _set_system(self, text: str | None) -> None:
        if text is not None:
            self._shown.talk = replace(self._shown.talk, system=text)
            self._begun = replace(self._begun, system=text)
            self._draw()

    def action_clear(self) -> None:
        if self._asked is None:
            self._shown.talk, self._shown.fault = self._begun, ""
            self._draw()

    def action_close(self) -> None:
        """End the answer that is being written; where there is none, the chat."""
        if self._asked is None or self._session is None:
            self.dismiss(None)
        else:
            with suppress(UserError):  # it has ended by itself, which is told when that is heard
                self._session.stop()


def settings_of(text: str, settings: Settings) -> Settings:
    """`temperature=0.7 seed=1` as settings. ValueError in words for what is none."""
    for part in text.split():
        name, _, value = part.partition("=")
        if name not in LIMITS:
            raise ValueError(f"{name} is none of {', '.join(LIMITS)}")
        field = "max_new_tokens" if name == "max" else name
        least, most = LIMITS[name]
        try:
            number = type(getattr(settings, field))(value)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise ValueError(f"{name} takes a number from {least:g} to {most:g}")
        settings = replace(settings, **{field: number})
    return settings
