"""An application that listens until its process is asked to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.engine.serving.place import Place


def run(app: Any, place: Place, ready: Callable[[], None]) -> None:
    """Answer requests; `ready` is called when it listens. UserError where the port was taken meanwhile."""
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    config = uvicorn.Config(app, host=place.host, port=place.port, log_level="warning")
    try:
        Server(config).run()
    except SystemExit as ended:
        if ended.code != STARTUP_FAILURE:
            raise
        raise UserError(
            f"cannot listen on {place.host}:{place.port}, which was free before the model was loaded",
            place="--port",
            remedy="name another port",
        ) from None
