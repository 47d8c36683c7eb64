"""Asking the engine for rows as the trainer sees them: a process with files, which can be given up."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tuiftune import interpreter
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POLL_SECONDS = 0.05


def tokens(arguments: Sequence[str], given_up: Callable[[], bool] | None = None) -> dict[str, Any] | None:
    """The document of `python -m tuiftune.engine tokens …`; None when it was given up.

    Blocks for some seconds: the engine imports its libraries first. UserError with the engine's own line and
    exit code where it refuses.
    """
    command = interpreter.command(interpreter.ENGINE, "tokens", *arguments)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = interpreter.start(command, stdout=out, stderr=err, session=True)
        try:
            while process.poll() is None:
                if given_up is not None and given_up():
                    return None
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise _refusal(err.read().decode("utf-8", "replace"), process.returncode)
        document: dict[str, Any] = json.loads(out.read())  # raw: our own engine wrote it
    return document


def _refusal(said: str, code: int) -> UserError:
    lines = said.strip().splitlines()
    known = {int(known) for known in ExitCode}
    message = printable(lines[-1]) if lines else f"the engine ended with {code}"
    return UserError(message, exit_code=ExitCode(code) if code in known else ExitCode.FAILED)
