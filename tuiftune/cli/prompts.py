"""Asking in a terminal: with questionary where the terminal can move its cursor, else with numbered plain
lines."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tuiftune.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Choice:
    key: str
    says: str


class Prompts(Protocol):
    """Each returns the answer; Ctrl-C raises KeyboardInterrupt. `again`: whether a wrong answer can be asked
    anew."""

    again: bool

    def choose(self, question: str, choices: Sequence[Choice], default: str) -> str: ...
    def text(self, question: str, default: str) -> str: ...
    def yes(self, question: str, default: bool) -> bool: ...


def prompts() -> Prompts:
    """The prompts this terminal can show."""
    able = sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
    return Questionary() if able else Lines()


class Lines:
    """One line asked, one line read: works in any terminal, with a screen reader, and from a pipe."""

    def __init__(self) -> None:
        self.again = True

    def _read(self, prompt: str) -> str:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        if not sys.stdin.isatty():
            say("")
        return line.strip()

    def choose(self, question: str, choices: Sequence[Choice], default: str) -> str:
        say(question)
        keys = [choice.key for choice in choices]
        at = keys.index(default) + 1 if default in keys else 1
        for number, choice in enumerate(choices, 1):
            say(f"  {number}. {choice.says}")
        while True:
            answer = self._read(f"Number, or Enter for {at}: ")
            if not answer:
                return keys[at - 1]
            if answer.isdigit() and 1 <= int(answer) <= len(keys):
                return keys[int(answer) - 1]
            if answer in keys:
                return answer
            say(f"  a number from 1 to {len(keys)}, please")

    def text(self, question: str, default: str) -> str:
        shown = f" (Enter for {default})" if default else ""
        return self._read(f"{question}{shown}: ") or default

    def yes(self, question: str, default: bool) -> bool:
        while True:
            answer = self._read(f"{question} {'Y/n' if default else 'y/N'}: ").lower()
            if not answer:
                return default
            if answer in {"y", "yes", "n", "no"}:
                return answer.startswith("y")
            say("  y or n, please")


class Questionary:
    """Lists one moves through; written to standard error, as everything that is said to a person."""

    def __init__(self) -> None:
        self.again = True
        from prompt_toolkit.output import create_output

        self._output = create_output(stdout=sys.stderr)

    def choose(self, question: str, choices: Sequence[Choice], default: str) -> str:
        import questionary

        options = [questionary.Choice(choice.says, choice.key) for choice in choices]
        keys = [choice.key for choice in choices]
        first = options[keys.index(default)] if default in keys else None
        asked = questionary.select(question, options, default=first, use_jk_keys=True, output=self._output)
        return str(asked.unsafe_ask())

    def text(self, question: str, default: str) -> str:
        import questionary

        return str(questionary.text(question, default=default, output=self._output).unsafe_ask()).strip()

    def yes(self, question: str, default: bool) -> bool:
        import questionary

        return bool(questionary.confirm(question, default=default, output=self._output).unsafe_ask())
