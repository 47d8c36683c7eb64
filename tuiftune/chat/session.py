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
from tuiftune.chat.source import bring
from tuiftune.engine_call import Job, refusal
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from tuiftune.chat.conversation import Settings
    from tuiftune.chat.source import Source

ENDS_WITHIN = 5.0  # seconds
ENDED = "the chat's process has ended"


class Session:
    """One process for the models of a chat. Its events are taken by one thread; any may ask and stop."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Nothing is started before `start`."""
        self.sources = tuple(sources)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (`close` does)
        self._number = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._heard: Queue[dict[str, Any] | None] = Queue()
        self._closed = False
        self._guard = threading.Lock()

    def start(self) -> None:
        """Download what is not on this machine, and start the process, which is `ready` some seconds later.

        UserError for what can't be had.
        """
        for one in self.sources:
            bring(one.given)
        job = Job("chat", tuple(one.given for one in self.sources))
        with self._guard:
            if self._closed or self._process is not None:
                return
            self._process = interpreter.start(
                job.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, session=True
            )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process is None or self._process.poll() is not None

    def event(self) -> dict[str, Any]:
        """What the process says next. UserError where it ended, with its last line. Ctrl-C loses nothing."""
        if self._process is None:  # closed before it was started
            raise UserError(ENDED, remedy="start the chat again")
        found = self._heard.get()
        if found is not None:
            return found
        self._heard.put(None)  # asked again, the same is told
        code = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace")
        if code <= 0:
            raise UserError(ENDED, remedy="start the chat again")
        raise refusal(said, code, "")

    def ready(self) -> Iterator[str]:
        """What is being loaded, until the models can be asked. UserError where they cannot be loaded."""
        while (event := self.event())["event"] != "ready":
            yield str(event.get("detail", ""))
        self.device, self.notes = str(event["device"]), [str(one) for one in event.get("notes") or ()]

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
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
        """End the process, or keep it from being started."""
        with self._guard:
            self._closed = True
        process = self._process
        if process is None:
            self._said.close()
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(ENDS_WITHIN if process.poll() is None else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._said.close()

    def _send(self, request: dict[str, Any]) -> None:
        process = self._process
        try:
            if process is None or process.stdin is None:
                raise ValueError
            process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            process.stdin.flush()
        except (OSError, ValueError):
            raise UserError(ENDED, remedy="start the chat again") from None
