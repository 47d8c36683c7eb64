"""Where a server listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens, and the key that requests must have; "" for none. `log`: the file that
    answered requests are written to; None: none.
    """

    host: str
    port: int
    key: str
    log: Path | None = None
