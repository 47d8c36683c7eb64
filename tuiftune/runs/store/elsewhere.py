"""What is known of a run that another machine trains, whose directory is copied here as it grows."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

NOTE = "elsewhere.json"
MOST_BYTES = 64 * 1024
STATES = ("starting", "running", "died", "gone", "over")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """`state` is what was last heard: starting, running, died there, gone (the machine), or over.

    `heard`: when the machine answered last, by this machine's clock. `trouble`: why it doesn't answer now,
    "" while it does. `log_size`: length of the log at its last launch; what lies before is of earlier ones.
    """

    host: str
    state: str
    heard: float
    why: str = ""
    trouble: str = ""
    log_size: int = 0

    @property
    def silent_for(self) -> float:
        """Seconds since the machine answered last."""
        return max(0.0, time.time() - self.heard)


def keep(run: RunDir, known: Elsewhere) -> None:
    """Write it down, where the run's directory is still there. Raises OSError."""
    if paths.is_dir(run.path):
        run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        known = replace(known, why=without_secrets(known.why), trouble=without_secrets(known.trouble))
        write_text(run.control_path / NOTE, json.dumps(asdict(known)) + "\n")


def known(run: RunDir) -> Elsewhere | None:
    """Return what is known; None for a run of this machine, or of a scheduler's that shares its directory."""
    path = run.control_path / NOTE
    if paths.gone(path):
        return None
    try:
        noted = documents.read_json(path, MOST_BYTES)
        found = Elsewhere(
            printable(str(noted["host"])),
            str(noted["state"]),
            float(noted["heard"]),
            printable(str(noted.get("why") or "")),
            printable(str(noted.get("trouble") or "")),
            int(noted.get("log_size") or 0),
        )
    except (UserError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if found.state in STATES else None
