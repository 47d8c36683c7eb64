"""A run is a directory. Created whole or not at all; the engine writes it, everything else reads it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.documents import NUMBER, SHARE, TEXT
from tuiftune.errors import ExitCode, UserError
from tuiftune.plan import planned
from tuiftune.plan.planned import MEASURED, NOTHING
from tuiftune.printable import printable
from tuiftune.secret_forms import holds_secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.plan.planned import Planned
    from tuiftune.preset.schema import Preset

_SCORE: Mapping[str, Any] = {
    "loss": NUMBER,
    "perplexity": NUMBER,
    "exact_match": SHARE,
    "final_number": SHARE,
    "interval": [NUMBER],
    "rows": NUMBER,
    "rows_held_out": NUMBER,
}
RESULT: Mapping[str, Any] = {
    "before": _SCORE,
    "after": _SCORE,
    "best_step": NUMBER,
    "total_steps": NUMBER,
    "best_by": TEXT,
    "best_value": NUMBER,
    "steps": NUMBER,
    "seconds": NUMBER,
    "tokens": NUMBER,
    "samples": [{"prompt": TEXT, "reference": TEXT, "before": TEXT, "after": TEXT}],
    "model": TEXT,
    "technique": TEXT,
    "trainable": NUMBER,
    "parameters": NUMBER,
    "base_files": {"weights": TEXT, "tokenizer": TEXT},
    "preflight": {"measured": MEASURED, "predicted": MEASURED},
    "rehearsal": {"measured": MEASURED, "predicted": MEASURED},  # in runs of earlier versions
}
PLAN = "plan.json"
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
INSIDE = ("control", "checkpoints", "result")  # directories of every run
STAGED = ".staged-"
_NO_RUN = "is not a run directory (it has no plan.json)"
_KNOWN = "list your runs: `tuiftune runs`"
DIRECTORY_MODE = 0o755  # narrowed further by the umask: a run is never world-writable
FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class RunDir:
    """Where everything of one run lies. Holds no state: each call reads the disk."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """The run at `path`; UserError if there is none."""
        path = paths.absolute(path)
        if not paths.is_file(path / PLAN):
            if not paths.gone(path):
                paths.require(path / PLAN, missing=_NO_RUN, remedy=_KNOWN)
            raise UserError(_NO_RUN, place=printable(str(path)), remedy=_KNOWN)
        return cls(path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def preset_path(self) -> Path:
        return self.path / "preset.yaml"

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        return self.path / "engine.log"

    @property
    def pid_path(self) -> Path:
        return self.path / "engine.pid"

    @property
    def control_path(self) -> Path:
        return self.path / "control"

    @property
    def checkpoints_path(self) -> Path:
        return self.path / "checkpoints"

    @property
    def result_path(self) -> Path:
        return self.path / "result"

    @property
    def preset(self) -> Preset:
        """The preset as the user gave it, parsed at each access."""
        from tuiftune.preset.file import load

        return load(self.preset_path)

    @property
    def plan_path(self) -> Path:
        return self.path / PLAN

    def plan(self) -> Planned:
        """The frozen plan; UserError if it is damaged."""
        return planned.read(documents.read_json(self.plan_path), printable(str(self.plan_path)))

    def planned(self) -> Planned:
        """The frozen plan; one that says nothing where it is damaged."""
        try:
            return self.plan()
        except UserError:
            return NOTHING

    def write_plan(self, document: dict[str, Any]) -> None:
        """Replace the plan's document. UserError where it can't be written."""
        try:
            write_text(self.plan_path, json.dumps(document, indent=1))
        except OSError as fault:
            raise UserError(
                f"cannot be written ({fault.strerror})", place=printable(str(self.plan_path))
            ) from None

    def result(self) -> dict[str, Any] | None:
        """`result/result.json`, or None before there is one."""
        path = self.result_path / "result.json"
        if paths.gone(path):
            return None
        return documents.checked(documents.read_json(path), RESULT, printable(str(path)))


def check_name(name: str) -> None:
    """UserError unless `name` is 1–64 of A–Z a–z 0–9 . _ -, is no option, and cannot leave the runs root."""
    if (
        NAME.fullmatch(name)
        and not name.startswith("-")
        and ".." not in name
        and name != "."
        and not name.startswith(STAGED)
    ):
        return
    raise UserError(
        f"{printable(name)!r} is not a run name",
        place="--name",
        remedy="use 1 to 64 letters, digits, '.', '_' or '-', without '..'; '-' not first",
    )


def check_free(root: Path, name: str) -> None:
    """UserError if there is something of this name under `root` already."""
    root = paths.absolute(root)
    if os.path.lexists(root / name):
        raise _taken(root, name)


def check_root(root: Path) -> None:
    """UserError where no run could be created."""
    root = paths.absolute(root)
    there = next(path for path in (root, *root.parents) if not paths.gone(path))
    paths.require(there)
    if not paths.is_dir(there):
        raise _unwritable(root, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(there, os.W_OK | os.X_OK):
        raise _unwritable(root, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def check_place(root: Path, name: str | None) -> None:
    """UserError where no run of that name, or of any, could be created, before work is spent on one."""
    if name is not None:
        check_name(name)
        check_free(root, name)
    check_root(root)


def default_root() -> Path:
    """`$TUIFTUNE_RUNS`, or `runs` in the current directory."""
    return Path(os.environ.get("TUIFTUNE_RUNS") or "runs")


def create(root: Path, name: str, preset_text: str, plan: dict[str, Any]) -> RunDir:
    """A new run directory under `root`, staged next to its place and renamed, so that nothing
    half-written stays.

    UserError when the name is taken or illegal, or the root cannot be written to.
    """
    check_name(name)
    root = paths.absolute(root)
    path = root / name
    _refuse_secrets(name, root, preset_text, plan)
    staged = root / f"{STAGED}{secrets.token_hex(6)}"
    try:
        root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if os.path.lexists(path):
            raise _taken(root, name)
        _fill(staged, preset_text, plan)
        os.rename(staged, path)
        _sync_directory(root)
    except OSError as fault:
        shutil.rmtree(staged, ignore_errors=True)
        if fault.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) and os.path.lexists(path):
            raise _taken(root, name) from None
        raise _unwritable(root, fault) from None
    return RunDir(path)


def free_name(root: Path, name: str) -> str:
    """`name`, or the first of `name-2`, `name-3` … that is not taken under `root`."""
    root = paths.absolute(root)
    free, number = name, 1
    while os.path.lexists(root / free):
        number += 1
        suffix = f"-{number}"
        free = name[: 64 - len(suffix)] + suffix
    return free


def runs_in(root: Path) -> list[RunDir]:
    """The run directories directly under `root`, by name; [] when there is no such directory."""
    root = paths.absolute(root)
    return [
        RunDir(path)
        for path in paths.entries(root)
        if not path.name.startswith(STAGED) and paths.is_file(path / PLAN)
    ]


def digest_of(text: str) -> str:
    """SHA-256 in 16 hex digits: whether a run's preset.yaml is still the one that it was made from."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def write_text(path: Path, text: str) -> None:
    """Write a file whole, renamed to `path` once it is on disk; not world-writable, no token in it. Raises
    OSError.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(without_secrets(text))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _fill(staged: Path, preset_text: str, plan: dict[str, Any]) -> None:
    for directory in ("", *INSIDE):
        (staged / directory).mkdir(mode=DIRECTORY_MODE)
    write_text(staged / "preset.yaml", preset_text)
    document = {**plan, "preset_digest": digest_of(preset_text)}
    write_text(staged / PLAN, json.dumps(document, indent=2, default=str) + "\n")


def _refuse_secrets(name: str, root: Path, preset_text: str, plan: dict[str, Any]) -> None:
    """UserError for a token in what a run is made from: hidden, it could not be run."""
    written = json.dumps(plan, default=str, ensure_ascii=False)
    for place, text in (("--name", name), ("--runs", str(root)), ("preset", preset_text), ("plan", written)):
        if holds_secret(text):
            raise UserError(
                "contains a token or password from the environment, which would be saved in the run",
                place=place,
                remedy="remove it from the preset; keep it only in the environment",
            )


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken(root: Path, name: str) -> UserError:
    return UserError(
        f"the name {name} is taken",
        place=printable(str(root / name)),
        remedy=f"use --name {free_name(root, name)}, or continue it with `tuiftune resume {name}`",
    )


def _unwritable(root: Path, fault: OSError) -> UserError:
    full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
    return UserError(
        f"cannot create a run here ({fault.strerror or fault})",
        place=printable(str(root)),
        remedy="free some disk space" if full else "use a writable directory: --runs DIR",
        exit_code=ExitCode.DISK_FULL if full else ExitCode.USAGE,
    )
