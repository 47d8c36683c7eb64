"""Why an engine ended that didn't say so itself: its exit status and the last lines of its log."""

from __future__ import annotations

import os
import re
import signal
import socket
from typing import TYPE_CHECKING

from tuiftune.figures import percent
from tuiftune.hardware import kernel
from tuiftune.hardware.driver_faults import of_kernel_line, of_message
from tuiftune.printable import printable
from tuiftune.runs.log.lines import parse_lines, read_tail
from tuiftune.runs.state.readings import number
from tuiftune.runs.store import control
from tuiftune.runs.store.process import Identity, boot_id
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

LINES = 5
NEARLY_FULL = 0.93  # of host memory
LESS_MEMORY = "stop other programs or allow the run more RAM, then resume"
FAULT = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Fault|Killed)\b.*")
SIGNALS = {
    signal.SIGKILL: "it was killed, most likely because the system ran out of RAM",
    signal.SIGSEGV: "it crashed inside a library (segmentation fault)",
    signal.SIGBUS: "it crashed inside a library (bus error); a full disk or shared memory can be the cause",
    signal.SIGABRT: "a library aborted the process",
    signal.SIGHUP: "it received a hang-up signal (SIGHUP)",
}


def last_lines(run: RunDir, count: int = LINES) -> list[str]:
    """The last lines of the engine's log that are not empty, safe to show."""
    text = read_tail(run.log_path, 16 * 1024).decode("utf-8", errors="replace")
    return [printable(without_secrets(line.rstrip())) for line in text.splitlines() if line.strip()][-count:]


def cause(run: RunDir, returned: int | None = None) -> str:
    """One line on why the engine ended. `returned`: its exit status (negative: a signal), where known."""
    if told := _told_by_the_system(run):
        return told
    if returned is not None and returned < 0:
        try:
            ended_by = signal.Signals(-returned)
        except ValueError:
            return f"it was terminated by signal {-returned}"
        if ended_by == signal.SIGKILL and (share := _memory_was_full(run)):
            return f"it was killed with RAM {percent(share)} full, most likely out of RAM; {LESS_MEMORY}"
        return SIGNALS.get(ended_by, f"it was terminated by {ended_by.name}")
    lines = last_lines(run, 50)
    faults = [line for line in lines if FAULT.match(line)]
    if faults:
        words = of_message(faults[-1])
        return f"{faults[-1]}: {words}" if words else faults[-1]
    return lines[-1] if lines else "engine.log does not contain a message"


def _told_by_the_system(run: RunDir) -> str | None:
    """What the kernel, its memory counters or the driver say of the engine's end; None where they don't."""
    engine = Identity.load(run.pid_path)
    if engine is None or engine.host != socket.gethostname():
        return None
    if engine.boot != boot_id():
        return "the machine was restarted"
    ticks = os.sysconf("SC_CLK_TCK")
    lines = kernel.log_since(engine.start / ticks) if engine.start > 0 else []
    if kernel.killed_for_memory(engine.pid, lines):
        return f"the system killed it because RAM ran out; {LESS_MEMORY}"
    if control.killed_for_memory_since(run):
        return f"it was killed at its RAM limit; {LESS_MEMORY}"
    faults = [printable(words) for line in lines if (words := of_kernel_line(line))]
    return faults[-1] if faults else None


def _memory_was_full(run: RunDir) -> float | None:
    """The share of host memory in use at the last look, where it was nearly all of it."""
    for event in reversed(parse_lines(read_tail(run.events_path))):
        used, total = number(event, "host_memory_used"), number(event, "host_memory_total")
        if used is not None and total:
            return used / total if used / total > NEARLY_FULL else None
    return None
