"""`tuiftune web`: the app in a browser, by textual-serve, for the user of this machine only."""

from __future__ import annotations

import hmac
import secrets
import shlex
import socket
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from tuiftune import interpreter
from tuiftune.errors import UserError

HOST = "127.0.0.1"
PORT = 8000


def web(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, metavar="PORT", help="Local port to listen on.")
    ] = PORT,
) -> None:
    """Open the app in a browser; needs `pip install 'tuiftune[browser]'`.

    Only the printed link opens it, from this machine or through `ssh -L PORT:127.0.0.1:PORT`. Ctrl-C stops
    the server; runs continue.
    """
    from tuiftune.cli.terminal import say

    if find_spec("textual_serve") is None:
        raise UserError(
            "textual-serve, which shows the app in a browser, is not installed",
            place="web",
            remedy="install it with `pip install 'tuiftune[browser]'`",
        )
    _check_free(port)
    key = secrets.token_urlsafe(24)
    say(f"Open in your browser: http://{HOST}:{port}/?key={key}")
    say("Anyone with this link can control your runs. Press Ctrl-C to stop the server.")
    _server(port, key).serve()


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            raise UserError(
                f"cannot listen on {HOST}:{port} ({fault.strerror or fault})",
                place="--port",
                remedy=f"use another port: `--port {port + 1 if port < 65535 else PORT}`",
            ) from None


def _server(port: int, key: str) -> Any:
    """Return a textual-serve server that rejects requests without the key.

    textual-serve itself checks neither the user nor the page of a request. Without the key, any account on
    this machine and any page in the browser could control the app.
    """
    from aiohttp import web as http
    from textual_serve.server import Server

    command = shlex.join(interpreter.command("tuiftune"))
    own = f"{HOST}:{port}"
    cookie = f"tuiftune-{port}"

    async def guard(request: Any, handler: Any) -> Any:
        given = request.query.get("key") or request.cookies.get(cookie, "")
        known = hmac.compare_digest(given.encode(), key.encode())
        from_here = request.headers.get("Origin", f"http://{own}") == f"http://{own}"
        if not known or not from_here or request.host != own:
            raise http.HTTPForbidden(text="Open the link that `tuiftune web` printed.\n")
        response = await handler(request)
        if request.path == "/":
            response.set_cookie(cookie, key, httponly=True, samesite="Strict")
        return response

    server: Any = Server(command, host=HOST, port=port, title="tuiftune")
    make_app = server._make_app

    async def guarded() -> Any:
        made = await make_app()
        made.middlewares.append(http.middleware(guard))
        return made

    async def nothing(app: Any) -> None:
        """Do nothing, instead of printing a banner."""

    server._make_app, server.on_startup, server.initialize_logging = guarded, nothing, lambda: None
    return server
