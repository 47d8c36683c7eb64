"""The engine's process that keeps models loaded: asked, listened to and stopped over its pipes."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from contextlib import suppress
from queue import Queue
from typing import TYPE_CHECKING, Any

from tuiftune import documents, interpreter
from tuiftune.engine_call import Job, refusal
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from tuiftune.chat.conversation import Settings
    from tuiftune.chat.source import Source

ENDS_WITHIN = 5.0  # seconds


class Session:
    """One process for the models of a chat. Its events are taken by one thread; any may ask and stop."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Starts the process, which takes some seconds to be `ready`."""
        self.sources = tuple(sources)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (`close` does)
        self._number = 0
        job = Job("chat", tuple(one.given for one in sources))
        self._process = interpreter.start(
            job.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, session=True
        )
        self._heard: Queue[dict[str, Any] | None] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def event(self) -> dict[str, Any]:
        """What the process says next. UserError where it ended, with its last line. Ctrl-C loses nothing."""
        found = self._heard.get()
        if found is not None:
            return found
        self._heard.put(None)  # asked again, the same is told
        code = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace")
        if code <= 0:
            raise UserError("the chat's process has ended", remedy="start the chat again")
        raise refusal(said, code, "")

    def ready(self) -> Iterator[str]:
        """What is being loaded, until the models can be asked. UserError where they cannot be loaded."""
        while (event := self.event())["event"] != "ready":
            yield str(event.get("detail", ""))
        self.device, self.notes = str(event["device"]), [str(one) for one in event.get("notes") or ()]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._heard.put(documents.loads(line))
        self._heard.put(None)

    def ask(self, messages: Sequence[dict[str, str]], settings: Settings, models: Sequence[int]) -> int:
        """Ask the models of these numbers. Returns the number that their events carry."""
        self._number += 1
        asked = {"id": self._number, "models": list(models), "messages": list(messages)}
        self._send({"ask": {**asked, **settings.document()}})
        return self._number

    def rows(self, most: int) -> None:
        """Ask for the first evaluation rows of the run."""
        self._send({"rows": most})

    def stop(self) -> None:
        """End the answer that is being generated; what there is of it is the answer."""
        self._send({"stop": True})

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN if self._process.poll() is None else None)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise UserError("the chat's process has ended", remedy="start the chat again") from None
