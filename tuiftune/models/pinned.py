"""Which commit of a hub model is meant, looked up once: what is planned is what is trained and resumed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.models.reference import BaseModel

COMMIT = re.compile(r"[0-9a-f]{40}")


def pinned(model: BaseModel) -> BaseModel:
    """The model with the commit of its revision; unchanged where it isn't the hub's, or where it isn't in the
    cache and the hub can't be asked.
    """
    if model.source not in ("cache", "catalogue", "hub") or COMMIT.fullmatch(model.revision or ""):
        return model
    if model.path is not None:  # …/snapshots/COMMIT
        commit: str | None = model.path.name
    else:
        from tuiftune.models.hub import commit_of

        commit = commit_of(model.reference, model.revision)
    return replace(model, revision=commit) if commit and COMMIT.fullmatch(commit) else model
