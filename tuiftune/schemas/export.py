"""What `tuiftune export` prints."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document, Object


class File(TypedDict):
    """A file of the export, by its path in the directory; bytes."""

    name: str
    bytes: int


class ExportDocument(Document):
    """`tuiftune export RUN --to TARGET --json`. `verified` is null if nothing was answered from the files.

    `not_run`: what of the target this project has not run. `log`: digest of the first line of the
    run's log, which tells it from another run of its name. `peak_bytes`: RAM while writing. `use`: commands.
    """

    version: int
    state: Literal["verified", "failed", "not verified"]
    run: str
    log: str
    target: str
    quantize: str
    base: str
    tuiftune: str
    directory: str
    files: list[File]
    bytes: int
    seconds: float
    peak_bytes: int
    base_files: dict[str, str]
    verified: Object | None
    not_run: str | None
    use: list[str]
    uploaded: NotRequired[str | None]


class TargetListed(TypedDict):
    """A target, and why the run cannot leave in it."""

    target: str
    writes: str
    quantize: list[str]
    possible: bool
    why: str | None
    not_run: str | None


class ExportTargetsDocument(Document):
    """`tuiftune export RUN --json`, without a target."""

    run: str
    targets: list[TargetListed]
