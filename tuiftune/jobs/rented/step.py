"""A longer piece of work there that outlives the line: started once, its lines shown as they come."""

from __future__ import annotations

import secrets
import shlex
import time
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.rented import line as lines
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.jobs.rented.line import Line

POLL_SECONDS = 1.0
STARTS_WITHIN = 60.0
START = r"""
step=STEP
mkdir -p "$step" || exit 1
mkdir "$step/started" 2>/dev/null || exit 0
$(command -v setsid || command -v nohup) sh -c '
    echo $$ >"$0/pid"
    cd "$0/../.." && { COMMAND; } >"$0/out"
    echo $? >"$0/code"
    mv "$0/code" "$0/rc"
    ' "$step" </dev/null >/dev/null 2>"$step/log" &
"""
LOOK = r"""
step=STEP
code=$(cat "$step/rc" 2>/dev/null)
pid=$(cat "$step/pid" 2>/dev/null)
if [ -n "$code" ]; then echo "$code"
elif [ -z "$pid" ]; then echo starting
elif kill -0 "$pid" 2>/dev/null; then echo running
else code=$(cat "$step/rc" 2>/dev/null); echo "${code:-gone}"; fi
tail -c +FROM "$step/log"
"""


def carry_out(
    line: Line, place: str, command: str, say: Callable[[str], None], *, patience: float, doing: str
) -> int:
    """Run a shell command there in a session of its own, and return its exit code.

    Its standard error goes to `say` line by line. A line that is lost is tried again for `patience` seconds,
    and nothing runs twice.

    Raises:
        UserError: if the machine cannot be reached for so long, or its process was killed.
    """
    step = f"{place}/steps/{secrets.token_hex(6)}"
    quoted = command.replace("'", "'\\''")
    start = START.replace("STEP", shlex.quote(step)).replace("COMMAND", quoted)
    lines.patiently(lambda: line.ask(start, doing=doing), patience, say)
    read, held, begun = 0, b"", time.monotonic()
    while True:
        look = LOOK.replace("STEP", shlex.quote(step)).replace("FROM", str(read + 1))
        state, _, fresh = lines.patiently(lambda: line.ask(look, doing=doing), patience, say).partition(b"\n")  # noqa: B023
        read += len(fresh)
        *whole, held = (held + fresh).split(b"\n")
        for text in whole:
            if text.strip():
                say(text.decode("utf-8", "replace").rstrip())
        if state == b"gone" or (state == b"starting" and time.monotonic() - begun > STARTS_WITHIN):
            raise UserError(
                f"{doing} was killed there, or the machine was restarted",
                place=str(line.address),
                remedy="run the same command again: it continues",
                exit_code=ExitCode.FAILED,
            )
        if state not in (b"running", b"starting"):
            if held.strip():
                say(held.decode("utf-8", "replace"))
            if not state.isdigit():
                raise UserError(
                    f"{doing} ended with {printable(state.decode('utf-8', 'replace'))[:80]!r}",
                    place=str(line.address),
                    exit_code=ExitCode.FAILED,
                )
            line.ask(f"rm -rf {shlex.quote(step)}")
            return int(state)
        time.sleep(POLL_SECONDS)
