"""An ASGI application that passes requests on to a server on the loopback interface, streams included."""

from __future__ import annotations

from typing import Any

from tuiftune.engine.serving import leaving

SILENCE = 600.0  # seconds without a byte
# Headers of one connection alone (RFC 9110, section 7.6.1), and those that the relay writes itself.
OWN = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length"}
)


class Relay:
    """Everything that is asked of it is asked of `address`."""

    def __init__(self, address: str) -> None:
        import httpx

        self._client = httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(SILENCE, connect=10.0))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on, and its answer back as it comes."""
        if scope["type"] != "http":
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body.extend(message.get("body", b""))
            more = message.get("more_body", False)
        path = scope["path"] + (
            f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        )
        headers = [(name, value) for name, value in scope["headers"] if name not in OWN]
        request = self._client.build_request(scope["method"], path, headers=headers, content=bytes(body))
        answer = await self._client.send(request, stream=True)
        try:
            back = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in OWN]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": back})
            there = leaving.client.get()
            async for piece in answer.aiter_raw():
                if there is not None and there.gone:
                    break  # closing the answer ends what is written for nobody
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await answer.aclose()
