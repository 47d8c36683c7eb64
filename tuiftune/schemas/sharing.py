"""The documents of chat, preset export and bundle."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document, Object


class ChatAnswer(TypedDict):
    model: str
    answer: str
    tokens: int
    seconds: float
    ended: str


class ChatDocument(Document):
    """`tuiftune chat RUN --json`."""

    messages: list[Object]
    answers: list[ChatAnswer]


class ExportedKey(TypedDict):
    key: str
    value: Any
    fate: str
    to: str | None
    why: str | None


class PresetExportDocument(Document):
    """`tuiftune preset export PRESET --to TOOL --json`."""

    tool: str
    files: dict[str, str]
    command: str
    checked_against: str | None
    report: list[ExportedKey]


class BundledFile(TypedDict):
    name: str
    bytes: int


class BundleDocument(Document):
    """`tuiftune bundle RUN --json`."""

    file: str
    inside: list[BundledFile]
