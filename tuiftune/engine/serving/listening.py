"""An application that listens until its process is asked to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.engine.serving.place import Place


def run(app: Any, place: Place, ready: Callable[[], None]) -> None:
    """Answer requests; `ready` is called when it listens."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    config = uvicorn.Config(app, host=place.host, port=place.port, log_level="warning")
    Server(config).run()
