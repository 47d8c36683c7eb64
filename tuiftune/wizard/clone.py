"""A run's preset as a new draft: everything kept, the name changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.wizard.draft import Draft


def clone(run: RunDir, root: Path) -> Draft:
    """A draft that edits the run's preset, under a name that is free in `root`. UserError without a preset.

    Data named relative to where the run was started is found there when it is not here.
    """
    from tuiftune.runs.store.directory import free_name
    from tuiftune.wizard.draft import Draft

    draft = Draft.of(run.preset)
    home = run.path.parent.parent  # runs/ lies where the run was started, unless it was put elsewhere
    data = tuple(_found(source, home) for source in draft.data)
    name = free_name(root, run.preset.name)
    return draft.with_(data=data, name=free_name(root, f"{name}-2") if name == run.preset.name else name)


def _found(source: str, home: Path) -> str:
    path = Path(os.path.expanduser(source))
    if path.is_absolute() or paths.exists(path) or not paths.exists(home / path):
        return source
    return paths.from_here(home / path)
