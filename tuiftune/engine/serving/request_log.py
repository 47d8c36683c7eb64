"""Writes what a server answered to a file, for servers of this process and for those behind a relay."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.chat.record import PRIVATE, append
from tuiftune.chat.request_log import CHAT, entry
from tuiftune.chat.serving import UNWRITTEN
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 8 << 20  # bytes of a request or an answer: longer ones are not kept


class Logged:
    """An ASGI application in front of another: each chat completion that was answered becomes a line.

    A line that cannot be written is told once, and answers go on.
    """

    def __init__(self, app: Any, file: Path) -> None:
        self._app, self._file, self._failed = app, file, False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, listening to both sides."""
        if scope["type"] != "http" or scope["path"] != CHAT:
            await self._app(scope, receive, send)
            return
        asked, said, status = bytearray(), bytearray(), 0
        began = time.monotonic()

        async def hear() -> Any:
            message = await receive()
            if message["type"] == "http.request" and len(asked) <= LONGEST:
                asked.extend(message.get("body", b""))
            return message

        async def tell(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and len(said) <= LONGEST:
                said.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, hear, tell)
        if status == 200 and max(len(asked), len(said)) <= LONGEST:
            self._keep(bytes(asked), bytes(said), time.monotonic() - began)

    def _keep(self, asked: bytes, said: bytes, seconds: float) -> None:
        try:
            if (line := entry(documents.loads(asked), said, seconds)) is not None:
                append(self._file, [line], PRIVATE)
        except (UserError, ValueError) as fault:
            if not self._failed:
                sys.stderr.write(f"{UNWRITTEN}: {fault}\n")
                sys.stderr.flush()
            self._failed = True
