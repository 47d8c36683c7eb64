"""The files that a run's rows and rewards come from: which they are, their hashes, and what changed since."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

CHUNK = 1 << 20


def files_of(preset: Preset) -> list[Path]:
    """Return every file of rows, and of rewards, that a preset names. UserError for one that is not there."""
    found = _of_rows(preset)
    for named in _named_by_rewards(preset):  # what scores the answers decides as well
        found += _of_reward(named)
    return list(dict.fromkeys(found))


def _of_rows(preset: Preset) -> list[Path]:
    from tuiftune.data.mix.split import as_share
    from tuiftune.data.read.files import expand

    data = preset.data
    named = [data.train] if isinstance(data.train, str) else list(data.train)
    named += [str(data.eval)] if as_share(data.eval) is None else []
    named += [data.test] if data.test is not None else []
    named += [source.path for source in data.mix]
    return [paths.absolute(file.path) for name in named for file in expand(name)[0]]


def _named_by_rewards(preset: Preset) -> list[str]:
    rewards = preset.method.model_dump().get("rewards") or ()
    return [reward["path"] for reward in rewards if isinstance(reward.get("path"), str)]


def _of_reward(named: str) -> list[Path]:
    """The file that a reward names, or those of its model."""
    path = paths.absolute(named)
    if not paths.is_dir(path):
        return [path]
    model = path / "result" / "model"  # of a run
    listed = paths.entries(model if paths.is_dir(model) else path)
    return [file for file in listed if paths.is_file(file)]


def changed_data(run: RunDir) -> list[str]:
    """Return the files of rows that are not what they were when a run was planned, by name. A file is read
    only if it was written since. UserError for one that is gone.
    """
    from tuiftune.data.read.files import shown

    known = {one["path"]: one for one in run.planned().document.get("provenance", {}).get("data") or ()}
    if not known:  # of an earlier version
        return []
    preset = run.plan().preset(str(run.plan_path))
    now = {shown(path): path for path in _of_rows(preset)}
    rewards = tuple(str(paths.absolute(one)) for one in _named_by_rewards(preset))
    planned = paths.modified(run.plan_path) or 0.0
    found = [name for name in known if name not in now and not name.startswith(rewards)]
    for name, path in now.items():
        was = known.get(name)
        same = was is not None and paths.size(path) == was["bytes"]
        if same and was is not None and (paths.modified(path) or 0.0) > planned:
            same = digest_of_file(path) == was["sha256"]
        if not same:
            found.append(name)
    return found


def changed_told(run: RunDir) -> list[str]:
    """Return a sentence on data that changed since a run was planned; [] if none did."""
    names = changed_data(run)
    if not names:
        return []
    return [
        f"Changed since {run.name} was trained: {', '.join(map(printable, names))}. Rows can be others than "
        "it was scored on, and rows that it was trained on."
    ]


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file. UserError where it can't be read."""
    digest = hashlib.sha256()
    with documents.opened(path) as file:
        try:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        except OSError as fault:
            raise paths.cannot(fault, path, "read") from None
    return digest.hexdigest()
