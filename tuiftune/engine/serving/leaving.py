"""Clients that leave before they are answered: what is generated for them ends."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any, Self


class Client:
    """Whether the client of a request is gone. One object, also in copies of what holds it."""

    def __init__(self) -> None:
        self._gone = threading.Event()

    def __deepcopy__(self, _: Any) -> Self:
        return self

    @property
    def gone(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._gone.is_set()

    def leave(self) -> None:
        """Tell that the client is gone."""
        self._gone.set()

    def __call__(self, ids: Any, _: Any, **__: Any) -> Any:
        """Say of each row whether its answer ends, as a StoppingCriteria of transformers' does."""
        import torch

        return torch.full((ids.shape[0],), self.gone, dtype=torch.bool, device=ids.device)


client: ContextVar[Client | None] = ContextVar("client", default=None)


class Watched:
    """An ASGI application whose requests know whether their client is still there (`client`)."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take the request's body, then wait for the client to leave while it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1]["type"] == "http.request" and messages[-1].get("more_body", False):
            messages.append(await receive())
        there = Client()
        client.set(there)
        waiting = asyncio.ensure_future(self._wait(receive, there))

        async def given() -> Any:
            return messages.pop(0) if messages else await asyncio.shield(waiting)

        try:
            await self._app(scope, given, send)
        finally:
            waiting.cancel()

    @staticmethod
    async def _wait(receive: Any, there: Client) -> Any:
        message = await receive()
        while message["type"] != "http.disconnect":
            message = await receive()
        there.leave()
        return message
