"""What can go wrong on the user's side: one line that names the place and the remedy, and an exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The documented exit codes of every command and of the engine."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DOES_NOT_FIT = 3
    STOPPED = 4
    NOT_A_NUMBER = 5
    OUT_OF_MEMORY = 6
    DISK_FULL = 7
    DIVERGED = 9


class UserError(Exception):
    """A fault the user can mend. `str()` is one line: what is wrong, where, and what to do about it.

    Raised anywhere below the command line and the app; both print it without a traceback and end with
    `exit_code`.
    """

    def __init__(
        self, message: str, *, place: str = "", remedy: str = "", exit_code: ExitCode = ExitCode.USAGE
    ) -> None:
        self.message = message
        self.place = place
        self.remedy = remedy
        self.exit_code = exit_code
        super().__init__(message)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        remedy = f" — {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{remedy}".replace("\n", " ")
