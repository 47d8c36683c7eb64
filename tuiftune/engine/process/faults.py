"""What an exception means for the run: end state, exit code, and the reason in one line."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.engine.process.stopping import PausedError, StoppedError
from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import size
from tuiftune.hardware.driver_faults import of_message
from tuiftune.plan.device import BUSY
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_REASON = 300
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
FULL_DISK_WORDS = ("no space left on device", "os error 28", "disk quota exceeded", "os error 122")
LOADER_WORDS = "dataloader worker"
OUT_OF_MEMORY_WORDS = ("cuda out of memory", "cublas_status_alloc_failed", "cuda error: out of memory")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: a state of `runs.events.END_STATES`, its exit code and why.

    `others` are the bytes that other processes held of a GPU that had no more to give.
    """

    state: str
    exit_code: ExitCode
    why: str
    others: int = 0

    def beside(self, others: int) -> Ending:
        """The same, out of a memory that others hold so much of."""
        if self.state != "oom" or others < BUSY:
            return self
        why = f"{self.why}; other processes use {size(others)} of this GPU: see `nvidia-smi`"
        return replace(self, why=why, others=others)


class NotANumberError(Exception):
    """A loss, gradient norm or weight is NaN or infinite; no checkpoint holds what that step made."""

    def __init__(self, what: str, step: int) -> None:
        self.what, self.step = what, step
        verb = "are" if what == "weights" else "is"
        super().__init__(f"the {what} {verb} NaN or infinite at step {step}")


class DivergedError(Exception):
    """The loss has risen beyond the base model's, or lost most of its gain, for longer than the patience."""


def ending_of(fault: BaseException) -> Ending:
    """Classify what ended the run. Every exception gets an answer."""
    if isinstance(fault, StoppedError):
        code = ExitCode.FAILED if fault.stop.state == "failed" else ExitCode.STOPPED
        return Ending(fault.stop.state, code, fault.stop.why)
    if isinstance(fault, PausedError):
        return Ending("stopped", ExitCode.STOPPED, f"paused: {printable(str(fault))}")
    if isinstance(fault, NotANumberError):
        why = f"{fault}; lower the learning rate, or check the rows of that step"
        return Ending("nan", ExitCode.NOT_A_NUMBER, why)
    if isinstance(fault, DivergedError):
        return Ending("diverged", ExitCode.DIVERGED, str(fault))
    chain = list(_chain(fault))
    if any(_out_of_gpu_memory(link) for link in chain):
        why = f"out of GPU memory ({_one_line(fault)}); use a smaller micro-batch size"
        return Ending("oom", ExitCode.OUT_OF_MEMORY, why)
    if any(_disk_full(link) for link in chain):
        return Ending(
            "disk", ExitCode.DISK_FULL, f"the disk is full ({_one_line(fault)}); free some space, then resume"
        )
    if isinstance(fault, UserError):
        return Ending("failed", fault.exit_code, printable(str(fault)))
    if isinstance(fault, MemoryError):
        return Ending("failed", ExitCode.FAILED, "out of RAM; use a smaller model or dataset")
    if any(LOADER_WORDS in str(link).lower() for link in chain):
        why = f"a process that loads the data crashed ({_one_line(fault)})"
        why += "; usually shared memory is too small: start the container with --shm-size, then resume"
        return Ending("failed", ExitCode.FAILED, why)
    if words := next(filter(None, (of_message(str(link)) for link in chain)), None):
        return Ending("failed", ExitCode.FAILED, f"{words} ({_one_line(fault)})")
    return Ending("failed", ExitCode.FAILED, f"{type(fault).__name__}: {_one_line(fault)}")


def _chain(fault: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = fault
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _out_of_gpu_memory(fault: BaseException) -> bool:
    if type(fault).__name__ == "OutOfMemoryError" and type(fault).__module__.startswith("torch"):
        return True
    return isinstance(fault, RuntimeError) and any(
        words in str(fault).lower() for words in OUT_OF_MEMORY_WORDS
    )


def _disk_full(fault: BaseException) -> bool:
    if isinstance(fault, OSError):
        return fault.errno in FULL_DISK
    return any(words in str(fault).lower() for words in FULL_DISK_WORDS)


def _one_line(fault: BaseException) -> str:
    lines = str(fault).strip().splitlines()
    text = printable(lines[0].strip()) if lines else type(fault).__name__
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
