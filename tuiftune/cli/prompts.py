"""Prompts in a terminal: by questionary if the terminal can move its cursor, else numbered plain lines."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tuiftune.advice.questions import NOT_SURE
from tuiftune.cli.terminal import say
from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.advice.questions import Question

WHY = "?"  # typed to get help instead of an answer


@dataclass(frozen=True, slots=True)
class Choice:
    key: str
    says: str


class Prompts(Protocol):
    """Prompts that return the answer; Ctrl-C raises KeyboardInterrupt. `why` is the help shown for `?`."""

    def choose(self, question: str, choices: Sequence[Choice], default: str, *, why: str) -> str: ...
    def text(self, question: str, default: str, *, why: str) -> str: ...
    def yes(self, question: str, default: bool, *, why: str) -> bool: ...


def prompts() -> Prompts:
    """Return the prompts that this terminal can show."""
    able = sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
    return Questionary() if able else Lines()


def question(asks: Prompts, about: Question, default: str) -> str:
    """Ask a question of `advise`. Returns the key of its answer, "" if it was skipped."""
    say(f"  {about.why}")
    choices = [Choice("", NOT_SURE), *(Choice(option.key, option.says) for option in about.options)]
    return asks.choose(about.asks, choices, default, why=about.deeper)


class Lines:
    """Prompts that print and read one line: for any terminal, screen readers, and pipes."""

    def _read(self, prompt: str, why: str) -> str:
        while True:
            sys.stderr.write(prompt)
            sys.stderr.flush()
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            if not sys.stdin.isatty():
                say("")
            if line.strip() != WHY:
                return line.strip()
            _tell(why)

    def choose(self, question: str, choices: Sequence[Choice], default: str, *, why: str) -> str:
        say(question)
        keys = [choice.key for choice in choices]
        at = keys.index(default) + 1 if default in keys else 1
        for number, choice in enumerate(choices, 1):
            say(f"  {number}. {choice.says}")
        while True:
            answer = self._read(f"Number, or Enter for {at}: ", why)
            if not answer:
                return keys[at - 1]
            if answer.isdigit() and 1 <= int(answer) <= len(keys):
                return keys[int(answer) - 1]
            if answer in keys:
                return answer
            say(f"  Enter a number from 1 to {len(keys)}, or ? for help.")

    def text(self, question: str, default: str, *, why: str) -> str:
        shown = f" (Enter for {default})" if default else ""
        return self._read(f"{question}{shown}: ", why) or default

    def yes(self, question: str, default: bool, *, why: str) -> bool:
        while True:
            answer = self._read(f"{question} {'Y/n' if default else 'y/N'}: ", why).lower()
            if not answer:
                return default
            if answer in {"y", "yes", "n", "no"}:
                return answer.startswith("y")
            say("  Enter y or n, or ? for help.")


def _tell(why: str) -> None:
    for line in why.splitlines():
        say(f"  {line}")


class Questionary:
    """Prompts with a cursor, written to standard error."""

    def __init__(self) -> None:
        from prompt_toolkit.output import create_output

        self._output = create_output(stdout=sys.stderr)

    def choose(self, question: str, choices: Sequence[Choice], default: str, *, why: str) -> str:
        import questionary

        width = shutil.get_terminal_size().columns - len(" » ") - 1
        options = [questionary.Choice(excerpt(choice.says, width), choice.key) for choice in choices]
        keys = [choice.key for choice in choices]
        first = options[keys.index(default)] if default in keys else None

        def asked() -> Any:
            return questionary.select(
                question,
                options,
                default=first,
                use_jk_keys=True,
                instruction="(arrows, Enter; ? for help)",
                output=self._output,
            )

        return str(self._until(asked, why))

    def text(self, question: str, default: str, *, why: str) -> str:
        import questionary

        while True:
            asked = questionary.text(question, default=default, output=self._output)
            answer = str(asked.unsafe_ask()).strip()
            if answer != WHY:
                return answer
            _tell(why)

    def yes(self, question: str, default: bool, *, why: str) -> bool:
        import questionary

        return bool(
            self._until(lambda: questionary.confirm(question, default=default, output=self._output), why)
        )

    def _until(self, make: Callable[[], Any], why: str) -> Any:
        """Ask until there is an answer; `?`, pressed at any time, shows the help."""
        from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings

        while True:
            asked = make()
            keys = KeyBindings()
            keys.add(WHY, eager=True)(lambda event: event.app.exit(result=WHY))
            asked.application.key_bindings = merge_key_bindings([asked.application.key_bindings, keys])
            answer = asked.unsafe_ask()
            if answer != WHY:
                return answer
            _tell(why)
