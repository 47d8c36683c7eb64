"""SkyPilot's own program, `sky`, which is called and never imported: it pins packages of its own.

Commands and the JSON of `sky jobs queue` are those of SkyPilot 0.14.1 (`sky.client.cli.command`,
`sky.jobs.state.ManagedJobStatus`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

SKY = "sky"
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LAUNCH_SECONDS = 1800.0  # it may have to start its controller first
ASK_SECONDS = 180.0
WAITING = ("PENDING", "SUBMITTED", "STARTING", "RECOVERING")
OVER = (
    "SUCCEEDED", "CANCELLED", "FAILED", "FAILED_SETUP", "FAILED_PRECHECKS", "FAILED_NO_RESOURCE",
    "FAILED_CONTROLLER",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """A managed job: its number, its state in SkyPilot's words, and why, "" where it doesn't say."""

    job: int
    state: str
    why: str = ""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def waits(self) -> bool:
        return self.state in WAITING


def check() -> None:
    """UserError if `sky` is not on this machine."""
    if shutil.which(SKY) is None:
        raise UserError(
            "SkyPilot is not installed",
            place="--on sky",
            remedy="install it: uv tool install 'skypilot[aws]' && sky check; or write the task's file: "
            "tuiftune plan PRESET --as sky",
        )


def launch(file: str, directory: Path, name: str, secrets: tuple[str, ...] = ()) -> None:
    """Submit a managed job, which is recovered on another machine where its own is taken away.

    `secrets`: names of environment variables of this process that the job is to have.
    """
    check()
    words = [word for name in secrets for word in ("--secret", name)]
    _ask("jobs", "launch", file, "-n", name, "-y", "-d", *words, seconds=LAUNCH_SECONDS, directory=directory)


def state(name: str) -> State | None:
    """Return the newest managed job of a name; None if SkyPilot knows none."""
    said = _ask("jobs", "queue", "-v", "-a", "-o", "json", seconds=ASK_SECONDS)
    try:
        jobs = _list_in(said)
        found = [
            State(int(one["job_id"]), str(one["status"]).rpartition(".")[2].upper(), _why(one))
            for one in jobs
            if isinstance(one, dict) and one.get("job_name") == name
        ]
    except (ValueError, KeyError, TypeError):
        raise UserError(
            "`sky jobs queue` gave no list of jobs", place=SKY, exit_code=ExitCode.FAILED
        ) from None
    return max(found, key=lambda one: one.job, default=None)


def _list_in(said: str) -> list[object]:
    """The list that SkyPilot prints, after hints and colors perhaps. ValueError where there is none."""
    plain = ESCAPES.sub("", said)
    for at, sign in enumerate(plain):
        if sign == "[":
            with suppress(UserError, ValueError):
                found = documents.loads(plain[at:])
                if isinstance(found, list):
                    return found
    raise ValueError


def cancel(job: int) -> None:
    """Cancel a managed job, and give its machine back."""
    _ask("jobs", "cancel", str(job), "-y", seconds=ASK_SECONDS)


def _why(one: dict[str, object]) -> str:
    told = one.get("failure_reason") or one.get("details")
    return printable(str(told)) if told else ""


def _ask(*words: str, seconds: float, directory: Path | None = None) -> str:
    """What `sky` says. UserError with its last line where it fails."""
    try:
        done = subprocess.run(
            [SKY, *words],
            cwd=directory,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        check()
        raise
    except subprocess.TimeoutExpired:
        raise UserError(
            f"`{SKY} {' '.join(words[:2])}` has not answered for {seconds:g} s",
            place=SKY,
            remedy="try again later",
            exit_code=ExitCode.FAILED,
        ) from None
    if done.returncode:
        lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        raise UserError(printable(lines[-1] if lines else f"{SKY} failed"), place=SKY)
    return done.stdout
