"""Asking the engine for rows as the trainer sees them: a process with files, which can be given up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.advice.draft import Draft

POLL_SECONDS = 0.05


def token_rows(
    draft: Draft, model: str, rows: Sequence[int], given_up: Callable[[], bool]
) -> list[dict[str, Any]]:
    """The engine's documents of these usable rows, counted from 1; [] when it was given up.

    Blocks for some seconds: the engine imports its libraries first. Raises UserError with the engine's own
    line when it refuses.
    """
    from tuiftune.runs.launch import environment

    command = [sys.executable, "-P", "-m", "tuiftune.engine", "tokens", *_options(draft, model, rows)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(), close_fds=True
        )
        try:
            while process.poll() is None:
                if given_up():
                    return []
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            said = err.read().decode("utf-8", "replace").strip().splitlines()
            raise UserError(printable(said[-1]) if said else f"the engine ended with {process.returncode}")
        document = json.loads(out.read())
    found: list[dict[str, Any]] = document["rows"] if len(rows) > 1 else [document]
    return found


def _options(draft: Draft, model: str, rows: Sequence[int]) -> list[str]:
    options = ["--model", model, "--max-length", str(draft.value("data.max_length") or 2048)]
    options += ["--loss-on", str(draft.value("data.loss_on") or "assistant"), "--format", draft.format]
    options += [f"--column={role}={name}" for role, name in draft.columns.items()]
    options += [f"--row={row}" for row in rows]
    if draft.system:
        options.append(f"--system={draft.system}")
    return [*options, "--", *draft.data]
