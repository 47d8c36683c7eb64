"""What a run's directory keeps of the machine that trains it, and how tuiftune is called there."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.jobs.rented.address import Address
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

NOTE = "ssh.json"
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """How to reach a run on its machine.

    Attributes:
        run: its directory there.
        python: an interpreter there, `code`: the directory that it finds tuiftune in.
        inputs: the directory there below which files of this machine lie under their own paths.
        sync: whether checkpoints are copied here as they come.
        report_to, sync_to: what this machine does for the run, and the other one is not told of.
    """

    host: str
    user: str
    port: int | None
    run: str
    python: str
    code: str
    inputs: str
    sync: bool = False
    report_to: tuple[str, ...] = ()
    sync_to: str | None = None

    @property
    def address(self) -> Address:
        return Address(self.host, self.user, self.port)

    def command(self, *words: str) -> str:
        """Return the shell command that calls tuiftune there."""
        return command(self.python, self.code, *words)

    def here(self, text: str) -> str:
        """Return a text from there with the paths of sent files as they are on this machine."""
        return text.replace(f"{self.inputs}/", "/")

    def document_here(self, node: Any) -> Any:
        """Return a JSON document from there with the paths of sent files as they are on this machine."""
        if isinstance(node, str):
            return self.here(node)
        if isinstance(node, dict):
            return {key: self.document_here(value) for key, value in node.items()}
        return [self.document_here(value) for value in node] if isinstance(node, list) else node


def command(python: str, code: str, *words: str) -> str:
    """Return the shell command that calls the tuiftune in the directory `code`, by an interpreter there."""
    called = shlex.join([python, "-P", "-m", "tuiftune", *words])
    return f"PYTHONPATH={shlex.quote(code)} PYTHONSAFEPATH=1 {called}"


def keep(run: RunDir, record: Record) -> None:
    """Write it into the run's directory. Raises UserError if that is not possible."""
    path = run.control_path / NOTE
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        write_text(path, json.dumps(asdict(record)) + "\n")
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None


def of(run: RunDir) -> Record:
    """Return the record of a run. Raises UserError if there is none that can be used."""
    path = run.control_path / NOTE
    noted = documents.read_json(path, MOST_BYTES)
    try:
        known = {key: noted[key] for key in Record.__dataclass_fields__ if key in noted}
        known["report_to"] = tuple(known.get("report_to") or ())
        record = Record(**known)
        words = (record.host, record.user, record.run, record.python, record.code, record.inputs)
        if all(isinstance(word, str) for word in words) and isinstance(record.port, int | None):
            return record
    except TypeError:
        pass
    raise UserError(
        "does not say where the run is",
        place=printable(str(path)),
        remedy="attach it again: tuiftune watch --on",
    )
