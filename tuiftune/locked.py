"""The lock of an open file, held by one process at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.errors import UserError


@contextmanager
def alone(descriptor: int, refusal: UserError) -> Iterator[None]:
    """Hold the lock, and close the file in the end. `refusal` is raised while another process holds it; on a
    file system without locks nobody does.
    """
    try:
        with suppress(OSError):  # no locks there
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise refusal from None
        yield
    finally:
        os.close(descriptor)
