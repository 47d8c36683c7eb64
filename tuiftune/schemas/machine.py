"""What the commands about this machine, advice and presets print."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from tuiftune.hardware.diagnosis import Finding
from tuiftune.hardware.machine import Machine
from tuiftune.schemas.common import Document, Object, ReasonGiven


class LibrarySeen(TypedDict):
    name: str
    floor: str
    version: str | None
    needed_for: str
    essential: bool
    ok: bool


class DoctorDocument(Document):
    """`tuiftune doctor --json`. `ok`: nothing is missing without which nothing can be trained."""

    tuiftune: str
    ok: bool
    machine: Machine
    libraries: list[LibrarySeen]
    findings: list[Finding]


class AdviseDocument(Document):
    """`tuiftune advise --json`."""

    approach: str
    title: str
    summary: str
    confidence: str
    margin: float
    runner_up: str
    scores: dict[str, float]
    answers: dict[str, str]
    detected: list[str]
    contributions: list[Object]
    disagreements: list[Object]
    steps: list[Object]
    notes: list[str]
    models: list[Object]
    recommended: Object
    reasons: list[ReasonGiven]
    advice: list[str]


class StarterDocument(Document):
    """`tuiftune advise --prompt DIR --json`."""

    prompt: str
    few_shot: str
    rows: list[Object]
    labels: list[str]


class RetrievalDocument(Document):
    """`tuiftune advise --documents DIR --json`."""

    passages: int
    files: int
    words: int
    questions: list[Object]


class ImportedKey(TypedDict):
    key: str
    value: Any
    fate: str
    to: str | None
    why: str | None


class ImportDocument(Document):
    """`tuiftune import FILE --json`."""

    tool: str
    preset: Object
    report: list[ImportedKey]


class PresetError(TypedDict):
    place: str
    message: str
    remedy: str


class PresetChecked(TypedDict):
    preset: str
    path: str
    ok: bool
    without: list[str]
    errors: list[PresetError]


class PresetCheckDocument(Document):
    """`tuiftune preset check --json`."""

    ok: bool
    presets: list[PresetChecked]


class PresetNamed(TypedDict):
    name: str
    path: str
    about: str


class PresetListDocument(Document):
    """`tuiftune preset list --json`."""

    presets: list[PresetNamed]


class PresetShowDocument(Document):
    """`tuiftune preset show --json`. `reasons` and `notes` are empty without --resolved."""

    preset: Object
    resolved: bool
    reasons: list[ReasonGiven]
    notes: list[str]
