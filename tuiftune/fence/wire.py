"""Messages between a fenced process and its parent: a length, then a pickle. Both ends are this program;
what came with the model is neither.
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

LENGTH = struct.Struct("<Q")


def send(descriptor: int, message: Any) -> None:
    """Raises BrokenPipeError when nobody reads any more."""
    data = pickle.dumps(message, protocol=5)
    view = memoryview(LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(descriptor: int) -> Any:
    """The next message, waiting for it. EOFError when there will be none."""
    (length,) = LENGTH.unpack(_exactly(descriptor, LENGTH.size))
    return pickle.loads(_exactly(descriptor, length))


def _exactly(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.read(descriptor, min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


class Incoming:
    """Messages that come in pieces."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, piece: bytes) -> None:
        self._data += piece

    @property
    def size(self) -> int:
        """Of the next message, in bytes; 0 while it isn't known."""
        return LENGTH.unpack_from(self._data)[0] if len(self._data) >= LENGTH.size else 0

    @property
    def whole(self) -> bool:
        return len(self._data) >= LENGTH.size and len(self._data) - LENGTH.size >= self.size

    def take(self) -> Any:
        """The next message, which must be whole."""
        end = LENGTH.size + self.size
        data, self._data = self._data[LENGTH.size : end], self._data[end:]
        return pickle.loads(data)
