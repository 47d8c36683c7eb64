"""Answers that were generated before, by contender, prompt and length: nothing is paid for twice.

One file an identity, a JSON line an answer: `{"key": …, "day": …, "answer": …}`. A line that a
crash tore is passed over. An answer that holds a token or key of the environment is not written.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.evaluate.contender import Answered
from tuiftune.secret_forms import holds_secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuiftune.data.example import Message

MODE = 0o600
MOST_BYTES = 1 << 30


def default_directory() -> Path:
    """Return where answers are kept: `$XDG_STATE_HOME/tuiftune/answers`."""
    return paths.state_home() / "answers"


def key_of(messages: Sequence[Message], max_new_tokens: int) -> str:
    """Return the key of a prompt."""
    told = json.dumps([[one.role, one.content] for one in messages] + [max_new_tokens])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class AnswerCache:
    """The kept answers of one contender. Without a directory, it keeps them in memory only."""

    def __init__(self, directory: Path | None, identity: str, *, again: bool = False) -> None:
        """`again`: keep new answers, and use none that were kept before."""
        self._known: dict[str, Answered] = {}
        self._days: dict[str, str] = {}  # of answers that were kept by an earlier command
        self._path: Path | None = None
        if directory is None:
            return
        self._path = directory / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.jsonl"
        if again:
            return
        for line in documents.json_lines(self._path, MOST_BYTES):
            if isinstance(line, dict):
                try:
                    self._known[str(line["key"])] = Answered.of(line)
                    self._days[str(line["key"])] = str(line.get("day") or "")
                except (KeyError, TypeError):
                    continue

    def get(self, key: str) -> Answered | None:
        """Return the kept answer of a prompt's key, if there is one."""
        return self._known.get(key)

    def earlier(self, keys: Sequence[str]) -> tuple[int, str]:
        """Return how many of these answers an earlier command kept, and the oldest day known of them."""
        days = [self._days[key] for key in keys if key in self._days]
        return len(days), min((day for day in days if day), default="")

    def put(self, key: str, answer: Answered) -> None:
        """Keep an answer. UserError if the file cannot be written."""
        self._known[key] = answer
        self._days.pop(key, None)
        if self._path is None:
            return
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        line = json.dumps({"key": key, "day": day, **answer.document()}, ensure_ascii=False)
        if holds_secret(line):
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
            with os.fdopen(descriptor, "ab") as file:
                if file.tell() and not _ended(self._path):
                    file.write(b"\n")
                file.write(line.encode("utf-8", "replace") + b"\n")
        except OSError as fault:
            raise paths.cannot(fault, self._path, "write") from None


def _ended(path: Path) -> bool:
    """Return True if the last line is whole."""
    with documents.opened(path) as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
