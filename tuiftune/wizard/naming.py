"""A name for a run, from its data and its model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.wizard.draft import Draft


def suggested_name(draft: Draft) -> str:
    """At most 64 lower-case letters, digits, dots and dashes, such as `tickets-qwen3-0.6b`."""
    data = Path(draft.data[0].split(":")[-1]).stem if draft.data else "run"
    model = draft.model.rstrip("/").split(":")[-1].rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{data}-{model}").lower()
    name = re.sub(r"\.{2,}", ".", name).strip("-._")[:64].strip("-._")
    return name or "run"
