"""The documents of `tuiftune cache`."""

from __future__ import annotations

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document


class CacheEntry(TypedDict):
    """`kind`: read, split or tokens. `used`: UTC seconds. `complete`: False while it is made."""

    kind: str
    key: str
    bytes: int
    used: float
    complete: bool


class CacheDocument(Document):
    """`tuiftune cache show --json`. `limit` and `bytes` in bytes."""

    directory: str
    limit: int
    bytes: int
    entries: list[CacheEntry]


class CacheClearDocument(Document):
    """`tuiftune cache clear --json`."""

    removed: list[CacheEntry]
    bytes: int
