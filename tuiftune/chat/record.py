"""What is kept of a chat: its history, and a preference row for each vote, both as JSON lines.

Of a run they lie in its `result/chat`; else in the program's own directory. No secret is written.
"""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuiftune.chat.conversation import Conversation
    from tuiftune.chat.source import Source

DIRECTORY = "chat"
PRIVATE = 0o600  # of what others wrote
HISTORY, PREFERENCES = "history.jsonl", "preferences.jsonl"


@dataclass(frozen=True, slots=True)
class Record:
    """Where one chat is kept. `votes`: the file of preference rows."""

    history: Path
    votes: Path
    models: tuple[str, ...]
    began: float = field(default_factory=time.time)
    voted: list[tuple[Any, bytes]] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of(cls, sources: Sequence[Source], votes: Path | None = None) -> Record:
        run = next((one.run for one in sources if one.run is not None), None)
        place = (run.result_path if run is not None else paths.state_home()) / DIRECTORY
        names = tuple(one.name for one in sources)
        return cls(place / HISTORY, votes or place / PREFERENCES, names)

    def check(self) -> None:
        """Raise UserError now, rather than at the first vote, if one of the files cannot be written."""
        for path in (self.votes, self.history):
            paths.check_appendable(path, DIRECTORY_MODE)

    def keep(self, conversation: Conversation) -> None:
        """Add the last turn, as it is now, to the history. UserError where it cannot be written."""
        last = conversation.turns[-1]
        document: dict[str, Any] = {
            "chat": round(self.began, 3),
            "t": round(time.time(), 3),
            "models": list(self.models),
            "messages": conversation.messages(),
            "answers": [asdict(one) for one in last.answers],
            "chosen": last.chosen,
        }
        append(self.history, [document])

    def vote(self, conversation: Conversation) -> int:
        """Write the preference rows of the last turn's vote, in the place of those of an earlier vote on the
        same prompt; returns how many. UserError as above.
        """
        rows = conversation.preferences()
        prompt = rows[0]["prompt"] if rows else None
        if self.voted and self.voted[-1][0] == prompt:
            _take_back(self.votes, self.voted.pop()[1])
        self.voted[:] = [(prompt, append(self.votes, list(rows)))]
        return len(rows)


def _take_back(path: Path, written: bytes) -> None:
    """Remove lines that were added last; where others were added since, all stay."""
    try:
        with path.open("r+b") as file:  # raw: cut, not read
            start = file.seek(0, os.SEEK_END) - len(written)
            file.seek(max(0, start))
            if start >= 0 and file.read() == written:
                file.truncate(start)
    except FileNotFoundError:
        return  # deleted by its owner
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None


def append(path: Path, rows: Sequence[Any], mode: int = FILE_MODE) -> bytes:
    """Add lines in one write, secrets redacted, and return them; `mode` of a new file. UserError where that
    fails.
    """
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    written = without_secrets(text).encode("utf-8", "replace")
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            if os.write(descriptor, written) < len(written):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None
    return written
