"""A lock is one process's at a time, and a file system without locks stops nobody."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tuiftune import locked
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

BUSY = UserError("somebody is at work", place="there")


def test_the_second_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first, second, third = (os.open(tmp_path, os.O_RDONLY) for _ in range(3))
    with locked.alone(first, BUSY), pytest.raises(UserError, match="at work"), locked.alone(second, BUSY):
        pytest.fail("two at once")
    with locked.alone(third, BUSY):
        pass
    for closed in (first, second, third):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(closed)


def test_without_locks_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    entered = []
    with locked.alone(os.open(tmp_path, os.O_RDONLY), BUSY):
        entered.append(True)
    assert entered
