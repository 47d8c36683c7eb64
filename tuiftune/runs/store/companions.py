"""What the processes that follow a run from outside have noted: which copy or tracker fails, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

COPY, TRACKERS = "copy/sync.json", "trackers"
MOST_BYTES = 64 * 1024


def troubles(run: RunDir) -> list[str]:
    """Return a line for each that failed last; each is tried again while the run goes on. Never raises."""
    try:
        notes = [one for one in paths.entries(run.path / TRACKERS) if one.suffix == ".json"]
    except UserError:
        notes = []
    found = []
    for path in (run.path / COPY, *sorted(notes)):
        try:
            noted = {} if paths.gone(path) else documents.read_json(path, MOST_BYTES)
        except (UserError, ValueError):
            continue  # half written, or nothing of ours
        if why := noted.get("trouble"):
            what = (
                f"copying to {noted.get('url')}" if path.parent.name == "copy" else f"sending to {path.stem}"
            )
            found.append(f"{printable(what)} fails: {printable(str(why))}")
    return found


class Watched:
    """The same for a view: each trouble when it comes, and that it is over."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._known: list[str] = []

    def look(self) -> list[str]:
        """Return what is new, as lines to be shown."""
        now, before = troubles(self._run), self._known
        self._known = now
        lines = [f"{one}. Training continues, and it is tried again." for one in now if one not in before]
        return lines + (["Copies and trackers work again."] if before and not now else [])
