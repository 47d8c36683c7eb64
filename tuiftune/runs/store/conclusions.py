"""What was concluded about a result after its run: `result/benchmark.json`, `decision.json` and `ship.json`.

Each is the document that the command printed with --json; a later one replaces it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import write_text

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

Name = Literal["benchmark", "decision", "ship"]
MOST_BYTES = 64 * 2**20


def keep(run: RunDir, name: Name, document: dict[str, Any]) -> None:
    """Write a document into the result. UserError if that cannot be done."""
    path = run.result_path / f"{name}.json"
    try:
        write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None


def kept(run: RunDir, name: Name) -> dict[str, Any] | None:
    """Return a document; None if there is none, or it cannot be read."""
    try:
        return documents.read_json(run.result_path / f"{name}.json", MOST_BYTES)
    except UserError:
        return None
