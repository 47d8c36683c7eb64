"""A chat in plain lines: one prompt from a pipe, or a conversation with commands that begin with a slash."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.chat.conversation import LABELS, Answer, Conversation, Settings, again, told
from tuiftune.chat.session import Session
from tuiftune.cli.terminal import say, write_json
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.chat.record import Record
    from tuiftune.chat.source import Source

ROWS = 20  # evaluation rows that are listed
LONGEST = 4 * 2**20  # characters of a prompt from a pipe
COMMANDS = {
    "/system TEXT": "set the system message; without a text: none",
    "/temperature X": "0 always picks the most likely token",
    "/top_p X": "sample from this probability mass",
    "/seed N": "seed of sampling",
    "/max N": "longest answer, in tokens",
    "/retry": "answer the last prompt again, with the next seed",
    "/edit TEXT": "replace the last prompt",
    "/vote A": "keep answer A, and write a preference row",
    "/rows [N]": "list prompts of the evaluation set; with a number: ask one",
    "/clear": "start a new conversation",
    "Ctrl+J": "start a new line (without an editor: end the line with \\); pasted text keeps its lines",
    "/help": "list the commands",
    "/quit": "end the chat (also Ctrl-D)",
}


def once(sources: Sequence[Source], settings: Settings, begun: Conversation, *, as_json: bool) -> int:
    """Answer the prompt on standard input. Returns the exit code."""
    prompt = sys.stdin.read(LONGEST + 1)
    if any("\ud800" <= letter <= "\udfff" for letter in prompt):  # what Python makes of other bytes
        raise UserError("it is not UTF-8 text", place="standard input", remedy="convert it: iconv -t UTF-8")
    if len(prompt) > LONGEST:
        raise UserError(f"the prompt has more than {LONGEST:,} characters", place="standard input")
    if not prompt.strip():
        raise UserError(
            "the prompt is empty", place="standard input", remedy="pipe one in: echo hi | tuiftune chat RUN"
        )
    talk = begun.ask(prompt.removesuffix("\n"))
    with Session(sources) as session:
        _load(session)
        found = _asked(session, talk, settings, Written(sources, live=not as_json))
    if as_json:
        write_json(
            {
                "messages": talk.messages(),
                "answers": [
                    {
                        "model": sources[one.model].name,
                        "answer": one.text,
                        "tokens": one.tokens,
                        "seconds": one.seconds,
                        "ended": one.ended,
                    }
                    for one in found
                ],
            },
            "chat",
        )
    return 0


def talk(sources: Sequence[Source], settings: Settings, begun: Conversation, record: Record) -> int:
    """Converse until the user quits. Returns the exit code."""
    with Session(sources) as session:
        _load(session)
        say(
            f"Chat with {' and '.join(one.name for one in sources)}. Commands: /help. Ctrl-C stops an answer."
        )
        lines = Lines(session, settings, begun, record)
        read = _reader()
        while True:
            try:
                text = read(lines.suggested())
            except (EOFError, KeyboardInterrupt):
                return 0
            if text.strip() in ("/quit", "/exit"):
                return 0
            try:
                lines.take(text)
            except UserError as fault:
                say(str(fault))
                if session.ended:
                    return int(fault.exit_code)


class Lines:
    """One conversation, line by line."""

    def __init__(self, session: Session, settings: Settings, begun: Conversation, record: Record) -> None:
        self._session, self._settings, self._record = session, settings, record
        self._begun = self._talk = begun
        self._rows: list[dict[str, Any]] = []
        self._edited = ""

    def suggested(self) -> str:
        """What the line to type begins with: the last prompt, when it is to be edited."""
        text, self._edited = self._edited, ""
        return text

    def take(self, line: str) -> None:
        """A prompt, or a command. UserError in one line for what cannot be done."""
        if not line.strip():
            return
        if not line.startswith("/"):
            self._ask(self._talk.ask(line))
            return
        word, _, rest = line[1:].partition(" ")
        command: Callable[[str], None] | None = getattr(self, f"_do_{word}", None)
        if command is None:
            raise UserError(f"/{printable(word)} is not a command", remedy="list them with /help")
        command(rest.strip())

    def _ask(self, talk: Conversation, settings: Settings | None = None) -> None:
        shown = Written(self._session.sources, live=True, tried=len(talk.turns[-1].answers))
        for answer in _asked(self._session, talk, settings or self._settings, shown):
            talk = talk.answer(answer)
        if talk.turns[-1].reference:
            say(f"reference: {talk.turns[-1].reference}")
        if talk.turns[-1].answers:
            self._talk = talk
            self._record.keep(talk)

    def _last(self) -> None:
        if not self._talk.turns:
            raise UserError("nothing was asked yet")

    def _do_system(self, text: str) -> None:
        self._talk = replace(self._talk, system=text)
        self._begun = replace(self._begun, system=text)
        say(f"system message: {text or 'none'}")

    def _set(self, name: str, text: str, least: float, most: float) -> None:
        old = getattr(self._settings, name)
        try:
            value = type(old)(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise UserError(f"/{name} takes a number from {least:g} to {most:g}")
        self._settings = replace(self._settings, **{name: value})
        say(f"{name}: {value:g}")

    def _do_temperature(self, text: str) -> None:
        self._set("temperature", text, 0.0, 10.0)

    def _do_top_p(self, text: str) -> None:
        self._set("top_p", text, 0.01, 1.0)

    def _do_seed(self, text: str) -> None:
        self._set("seed", text, 0, 2**32 - 1)

    def _do_max(self, text: str) -> None:
        self._set("max_new_tokens", text, 1, 1_000_000)

    def _do_retry(self, _: str) -> None:
        self._last()
        if self._settings.temperature == 0:
            say("temperature is 0, so the answer will be the same; set /temperature for another")
        self._ask(self._talk, again(self._talk, self._settings))

    def _do_edit(self, text: str) -> None:
        self._last()
        if text:
            self._ask(self._talk.edit(text))
        else:
            self._edited = f"/edit {self._talk.turns[-1].prompt}"

    def _do_vote(self, text: str) -> None:
        self._last()
        try:
            self._talk = self._talk.vote(text)
        except ValueError as fault:
            raise UserError(str(fault)) from None
        rows = self._record.vote(self._talk)
        say(f"{rows} preference row{'s' if rows != 1 else ''} added to {self._record.votes}")

    def _do_rows(self, text: str) -> None:
        if not self._rows:
            self._session.rows(ROWS)
            while (event := _event(self._session))["event"] not in ("rows", "fault"):
                pass
            if event["event"] == "fault":
                raise UserError(str(event["message"]))
            self._rows = event["rows"]
        if not text:
            for number, row in enumerate(self._rows, 1):
                say(f"{number:3} {printable(row['messages'][-1]['content'])[:100]}")
            say("Ask one with /rows N." if self._rows else "The run has no evaluation rows.")
            return
        if not text.isdecimal() or not 0 < int(text) <= len(self._rows):
            raise UserError(f"/rows takes a number from 1 to {len(self._rows)}")
        row = self._rows[int(text) - 1]
        talk = self._talk.started_with(row["messages"], row["reference"])
        say(printable(talk.turns[-1].prompt, lines=True))
        self._ask(talk)

    def _do_clear(self, _: str) -> None:
        self._talk = self._begun
        say("A new conversation.")

    def _do_help(self, _: str) -> None:
        for command, does in COMMANDS.items():
            say(f"  {command:16} {does}")


def _load(session: Session) -> None:
    from tuiftune.cli.data_progress import busy

    with busy("loading"):
        for _ in session.ready():
            pass
    for note in session.notes:
        say(note)


def _event(session: Session) -> dict[str, Any]:
    """The next event. Ctrl-C stops the answer that is being generated, and does not end the chat."""
    while True:
        try:
            return session.event()
        except KeyboardInterrupt:
            session.stop()


def _asked(
    session: Session, talk: Conversation, settings: Settings, shown: Callable[[dict[str, Any]], None]
) -> list[Answer]:
    """Ask every model; `shown` is told each event. UserError for what the engine could not do."""
    number = session.ask(talk.messages(), settings, range(len(session.sources)))
    found: list[Answer] = []
    fault = ""
    while (event := _event(session)).get("event") != "done":
        if event.get("id") != number:
            continue
        if event["event"] == "answer":
            found.append(Answer.of(event, settings))
        if event["event"] == "fault":
            fault = str(event["message"])
        shown(event)
    if fault:
        raise UserError(fault, exit_code=ExitCode.FAILED)
    return found


class Written:
    """Writes answers to standard output as they come, and what they took to standard error.

    `tried`: answers that there are already; `live` False: nothing is written.
    """

    def __init__(self, sources: Sequence[Source], *, live: bool, tried: int = 0) -> None:
        self._sources, self._live, self._label = sources, live, tried
        self._several = len(sources) > 1 or tried > 0
        self._here = sys.stdout.isatty()
        self._sent = ""

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event."""
        if not self._live:
            return
        if event["event"] == "began":
            self._sent = ""
            if self._several:
                say(f"{LABELS[self._label % len(LABELS)]}  {self._sources[event['model']].name}")
                self._label += 1
        elif event["event"] == "text" and self._here and not event["thinking"]:
            self._send(self._sent[: event["at"]] + event["text"])
        elif event["event"] == "answer":
            self._send(event["text"])
            sys.stdout.write("\n")
            sys.stdout.flush()
            say(f"   {told(Answer.of(event, Settings()))}")

    def _send(self, text: str) -> None:
        if not text.startswith(self._sent):  # reasoning that has ended
            sys.stdout.write("\n")
            self._sent = ""
        new = text[len(self._sent) :]
        sys.stdout.write(printable(new, lines=True) if self._here else new)
        sys.stdout.flush()
        self._sent = text


def _reader() -> Callable[[str], str]:
    """Reads a prompt of one or several lines; with history and editing where the terminal can move its
    cursor: Enter sends, Ctrl+J or Alt+Enter starts a line, and pasted text keeps its lines.
    """
    if os.environ.get("TERM", "") in {"", "dumb"} or not sys.stderr.isatty():
        return _plain_lines
    with suppress(ImportError):
        from prompt_toolkit import PromptSession
        from prompt_toolkit.key_binding import KeyBindings
        from prompt_toolkit.output import create_output

        keys = KeyBindings()
        keys.add("enter")(lambda event: event.current_buffer.validate_and_handle())
        for key in (("c-j",), ("escape", "enter")):
            keys.add(*key)(lambda event: event.current_buffer.insert_text("\n"))
        prompts: PromptSession[str] = PromptSession(
            output=create_output(stdout=sys.stderr),
            multiline=True,
            key_bindings=keys,
            prompt_continuation="  ",
        )
        return lambda begun: prompts.prompt("> ", default=begun)
    return _plain_lines


def _plain_lines(begun: str) -> str:
    """A line, and the next ones as long as each ends with a backslash."""
    sys.stderr.write(f"{begun}\n> " if begun else "> ")
    lines: list[str] = []
    while True:
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line and not lines:
            raise EOFError
        line = line.removesuffix("\n")
        lines.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            return "\n".join(lines)
        sys.stderr.write("  ")
