"""Slurm's own commands: what they are asked, what they answer, and the states of a job."""

from __future__ import annotations

import math
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

CANCELED_EVERY = 0.5  # seconds between two looks at a job that is canceled
ENDS_WITHIN = 30.0  # seconds that a canceled job is waited for
ASK_SECONDS = 60.0  # longest wait for an answer of Slurm's
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "SUSPENDED")
RUNS = ("RUNNING", "RESIZING", "SIGNALING", "STOPPED")
ENDING = ("COMPLETING", "STAGE_OUT")
OVER = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED",
    "TIMEOUT",
)  # fmt: skip
STALE_SECONDS = 2.0  # a controller serves many users
_answers: dict[int, tuple[float, tuple[str, str]]] = {}


def missing() -> Iterator[str]:
    """Yield the commands that are not installed here."""
    return (program for program in ("sbatch", "squeue", "scancel") if shutil.which(program) is None)


def gpus_of(partition: str) -> list[tuple[str, int]]:
    """Return the types of GPU in a partition with their number per node; the type is "" where it has none.

    Raises UserError for an unknown partition.
    """
    where = ["-p", partition] if partition else []
    found: dict[str, int] = {}
    lines = [line for line in ask("sinfo", "-h", "-o", "%P %G", *where).splitlines() if line.strip()]
    if partition and not lines:
        names = sorted({line.split()[0].rstrip("*") for line in ask("sinfo", "-h", "-o", "%P").splitlines()})
        raise UserError(
            f"the cluster has no partition {printable(partition)}",
            place="--on",
            remedy=f"use one of: {', '.join(names)}",
        )
    default = next((line.split()[0] for line in lines if line.split()[0].endswith("*")), "")
    for line in lines:
        name, _, resources = line.partition(" ")
        if not partition and default and name != default:
            continue
        for one in resources.split(","):
            kind, *rest = one.split("(")[0].split(":")
            if kind == "gpu" and rest and rest[-1].isdigit():
                gpu = rest[0] if len(rest) > 1 else ""
                found[gpu] = max(found.get(gpu, 0), int(rest[-1]))
    return sorted(found.items())


def cancel(number: int) -> None:
    """Return once the job is over, or Slurm takes too long to say so."""
    ask("scancel", str(number))
    until = time.monotonic() + ENDS_WITHIN
    while state_now(number)[0] not in (*OVER, "") and time.monotonic() < until:
        time.sleep(CANCELED_EVERY)
    _answers.pop(number, None)


def state(number: int) -> tuple[str, str]:
    """A job's state and the reason that it waits for; "" once Slurm has forgotten it. Asked now and then."""
    asked, answer = _answers.get(number, (-math.inf, ("", "")))
    if time.monotonic() - asked > STALE_SECONDS:
        answer = state_now(number)
        _answers[number] = (time.monotonic(), answer)
    return answer


def state_now(number: int) -> tuple[str, str]:
    """Return the same, asked now."""
    try:
        said = ask("squeue", "-h", "-t", "all", "-j", str(number), "-o", "%T|%r").strip()
    except UserError as fault:
        if "Invalid job id" in fault.message:
            return "", ""
        raise
    word, _, why = said.partition("|")
    return word, "" if why == "None" else printable(why)


def ask(*words: str) -> str:
    """What a command of Slurm's says. UserError, with its last line, where it fails."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=ASK_SECONDS, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise UserError(
            f"{words[0]} is not installed", place="Slurm", remedy="run it on the cluster's login node"
        ) from None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{words[0]} has not answered for {ASK_SECONDS:g} s",
            place="Slurm",
            remedy="try again later",
            exit_code=ExitCode.FAILED,
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(printable(lines[-1].strip() if lines else f"{words[0]} failed"), place="Slurm")
    return done.stdout
