"""Errors that the user can fix: one line with the place, what happened and what to do, and an exit code."""

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
    DONT_SHIP = 8
    DIVERGED = 9
    NOT_ENDED = 10  # `tuiftune status` of a run that has not ended, or never began


class UserError(Exception):
    """An error that the user can fix. `str()` is one line: `PLACE: what happened. What to do.`

    Raised anywhere below the command line and the app; both print it without a traceback and end with
    `exit_code`.

    Attributes:
        message: what happened, without a period: a clause that reads on after `place`.
        place: the file, key, option or run; "" if there is none.
        remedy: what to do, as an instruction; "" if nothing helps.
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
        return f"{where}{with_fix(self.message, self.remedy)}".replace("\n", " ")


def with_fix(what: str, fix: str) -> str:
    """Return what happened and what to do about it as two sentences; `what` as it is if `fix` is empty."""
    if not fix:
        return what
    first = fix.split(" ")[0]
    if first.isascii() and first.rstrip(",").isalpha() and first != "tuiftune":  # a word, not a name or a key
        fix = fix[0].upper() + fix[1:]
    last = fix.split(" ")[-1]
    ends = last[-1:].isalnum() or last[-1:] in {")", '"', "'"}
    plain = not any(sign in last for sign in "/=`") and not last.startswith("-")
    stop = "." if what[-1:] not in {".", "?", "!", "…"} else ""
    return f"{what}{stop} {fix}" + ("." if ends and plain else "")


def has_fix(line: str) -> bool:
    """Return True if a line that was made by `with_fix`, by this or an earlier version, says what to do."""
    return ". " in line or " — " in line
