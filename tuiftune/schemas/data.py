"""What the `data` commands print."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document, Object, Share


class CheckFound(TypedDict):
    """`rows` are the first 50 row numbers in their file, counted from 1."""

    check: str
    title: str
    severity: Literal["error", "warning", "info", "ok"]
    count: int
    rows: list[int]
    places: NotRequired[list[str]]
    examples: list[str]
    why: str
    remedy: str


class InspectDocument(Document):
    """`tuiftune data inspect --json`. `ok`: no check found an error."""

    ok: bool
    files: list[str]
    format: str
    stage: str
    confidence: Share
    evidence: list[str]
    rows: int
    usable_rows: int
    columns: dict[str, str]
    roles: dict[str, str]
    lost: list[str]
    lengths: Object
    labels: dict[str, int]
    checks: list[CheckFound]
    advice: list[str]


class FileRead(TypedDict):
    path: str
    bytes: int
    sha256: str


class FileWritten(TypedDict):
    """`sha256` is null after a dry run, which writes nothing."""

    path: str
    rows: int
    sha256: str | None


class CleanDocument(Document):
    """`tuiftune data clean --json`, and the manifest. `removed` and `changed`: rows by reason."""

    made_by: str
    settings: Object
    format: str
    sources: list[FileRead]
    rows_read: int
    removed: dict[str, int]
    changed: dict[str, int]
    outputs: list[FileWritten]


class SplitDocument(Document):
    """`tuiftune data split --json`, and the manifest.

    `left_out`: rows that cannot be trained on; `compared`: rows that were compared for near-duplicates, fewer
    than all of much text; `preset`: the files by preset key.
    """

    made_by: str
    shares: str
    seed: int
    format: str
    sources: list[FileRead]
    rows_read: int
    left_out: int
    compared: int
    outputs: list[FileWritten]
    preset: dict[str, str]


class PortionSeen(TypedDict):
    source: str
    rows: int
    left_out: int
    weight: float
    seen: int
    share: Share


class MixDocument(Document):
    """`tuiftune data mix --json`. `rows`: of one epoch."""

    rows: int
    portions: list[PortionSeen]
    preset: Object


class Token(TypedDict):
    id: int
    piece: str
    text: str
    trained: bool


class TokensDocument(Document):
    """`tuiftune data tokens --json`: one row as the trainer sees it."""

    file: str
    row: int
    model: str
    tokens: list[Token]
    truncated_tokens: list[Token]
    length: int
    trained: int
    max_length: int
    truncated: bool
    lost: int
    loss_on: str
    reasoning: str
    masked_answers: int
    mask_from: str
    own_template: bool
    ends_with: list[Any]
    template: list[str]
    training: str | None
    inference: str | None
    rejected: NotRequired[dict[str, Any]]  # of a comparison: the other side, with these keys


class FileOfHub(TypedDict):
    name: str
    bytes: int


class DownloadDocument(Document):
    """`tuiftune download --json`. `directory` is null after a dry run, which downloads nothing."""

    kind: Literal["model", "dataset"]
    id: str
    commit: str
    licence: str | None
    gated: bool
    directory: str | None
    files: list[FileOfHub]
    bytes: int
    bytes_to_download: int
    bytes_downloaded: int
    seconds: float


class DownloadRowsDocument(Document):
    """`tuiftune download hf:… --rows N -o FILE --json`."""

    kind: Literal["dataset"]
    id: str
    commit: str
    licence: str | None
    gated: bool
    output: str
    rows: int
