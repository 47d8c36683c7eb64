"""Finding the run that is meant: by name, by path, or the latest."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store.directory import NAME, PLAN, RunDir, default_root, runs_in
from tuiftune.runs.store.registry import known, removed

STUDY = "study.json"  # in the directory of a study, next to its runs


def runs_under(root: Path | None) -> list[RunDir]:
    """The runs of a directory that was named and of no other, most lately active first; else `all_runs`."""
    if root is None:
        return all_runs()
    if not paths.gone(root) and not paths.is_dir(root):
        raise UserError(
            paths.trouble(root) or "is not a directory",
            place=printable(str(root)),
            remedy="name the directory that holds the runs",
        )
    return sorted(runs_in(root), key=last_active, reverse=True)


def all_runs(root: Path | None = None) -> list[RunDir]:
    """The runs under `root` and the registered ones, most lately active first."""
    try:
        under = runs_in(root or default_root())
    except UserError:  # the working directory was deleted: what is registered is there all the same
        if root is not None:
            raise
        under = []
    found = {run.path: run for run in (*under, *known())}
    return sorted(found.values(), key=last_active, reverse=True)


def study_runs(root: Path | None = None) -> list[RunDir]:
    """The runs of studies (directories with `study.json`) under `root`, or next to any known run.

    Most lately active first. They are in no other list.
    """
    roots = {root or default_root()} if root else {default_root(), *(run.path.parent for run in known())}
    studies = [path for one in roots for path in paths.entries(one) if paths.is_file(path / STUDY)]
    found = {run.path: run for path in studies for run in runs_in(path)}
    return sorted(found.values(), key=last_active, reverse=True)


def last_active(run: RunDir) -> float:
    """When its log last grew (or it was created), in UTC seconds."""
    for path in (run.events_path, run.path):
        if (changed := paths.modified(path)) is not None:
            return changed
    return 0.0


def find(name: str | None, root: Path | None = None) -> RunDir:
    """The run that `name` means: a path, a name under `root`, or where none was named a registered name.

    None means the latest that runs, else the latest. UserError when there is none, or several of that name.
    """
    if name is None:
        return _latest(root)
    if os.sep in name or name.startswith("~"):
        return RunDir.open(paths.given(name))
    here = root or default_root()
    if NAME.fullmatch(name) and paths.is_file(here / name / PLAN):
        return RunDir.open(here / name)
    if root is not None:
        raise UserError(
            "run not found in the directory of --runs",
            place=printable(name),
            remedy=_nearest(name, root),
        )
    lost = removed(name)
    same = [run for run in known() if run.name == name]
    if len(same) == 1:
        return same[0]
    if same:
        running = [run for run in same if status(run) == "running"]
        if len(running) == 1:
            return running[0]
        places = ", ".join(printable(str(run.path)) for run in same[:4])
        raise UserError(
            f"there are {len(same)} runs of this name", place=name, remedy=f"give the path of one: {places}"
        )
    if paths.is_dir(name):
        return RunDir.open(Path(name))
    if lost is not None:
        remedy = "give its new path, if it was moved"
        raise UserError(
            "the directory of this run was deleted or moved", place=printable(str(lost)), remedy=remedy
        )
    raise UserError("run not found", place=printable(name), remedy=_nearest(name, root))


def _latest(root: Path | None) -> RunDir:
    runs = runs_under(root)
    if not runs:
        raise UserError(
            "there are no runs yet",
            place=printable(str(root or default_root())),
            remedy="start one with `tuiftune demo` or `tuiftune train PRESET`, or use another --runs DIR",
        )
    return next((run for run in runs if status(run) == "running"), runs[0])


def _nearest(name: str, root: Path | None) -> str:
    names = list(dict.fromkeys(run.name for run in runs_under(root)))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"your runs: {', '.join(names[:5])}" if names else "list your runs: `tuiftune runs`"
