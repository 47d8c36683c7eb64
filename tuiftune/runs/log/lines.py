"""Cutting a log that is being written into whole lines: a last line without its newline is not there yet."""

from __future__ import annotations

import os

CHUNK_BYTES = 16 * 1024 * 1024  # read at once at most; a line that is longer is damage


class WholeLines:
    """Where one reading of a file is. `skipped` counts the lines that were too long to be any."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self.skipped = 0
        self._overlong = False

    def take(self, descriptor: int, size: int) -> bytes:
        """About `size` bytes of whole lines from `offset` on, which moves behind them; b"" for none.

        Raises OSError.
        """
        while True:
            data = os.pread(descriptor, size, self.offset)
            last = data.rfind(b"\n")
            if last < 0:
                if len(data) < size:
                    return b""
                if size < CHUNK_BYTES:
                    size = CHUNK_BYTES
                else:
                    self.offset += len(data)
                    self._overlong = True
                continue
            self.offset += last + 1
            data = data[: last + 1]
            if self._overlong:
                self._overlong = False
                self.skipped += 1
                data = data[data.index(b"\n") + 1 :]
            if data:
                return data
