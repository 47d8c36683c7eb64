"""A run's copy elsewhere: its sealed checkpoints, log and result in a directory or an object store, and back.

The place is a URL of fsspec: a directory, `s3://`, `gs://`, `hf://` and others. A checkpoint's manifest is
uploaded last, after the sizes of its files were checked, so that one without is not whole. Its hashes are
checked when it comes back.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.jobs import companion, copy_places
from tuiftune.jobs.place import PRESET_KEY, PlaceError, shown
from tuiftune.printable import printable
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import checkpoints, control
from tuiftune.runs.store.checkpoints import MANIFEST, NAME
from tuiftune.runs.store.directory import (
    PLAN,
    RunDir,
)
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuiftune.jobs.place import Place

    Watch = Callable[[str], None]

DIRECTORY = "copy"
STOP = "stop-requested"  # a file at the copy, by which the machine is asked to stop
HEARS_EVERY = 10.0  # seconds
POLL_SECONDS = 2.0
SMALL = (PLAN, "preset.yaml", "events.jsonl", "engine.log", "samples.jsonl")
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """What is elsewhere: URL of its directory, steps of whole checkpoints, bytes sent, last failure."""

    url: str
    steps: tuple[int, ...] = ()
    sent_bytes: int = 0
    result: bool = False
    trouble: str = ""


def start(run: RunDir) -> None:
    """Start the process that copies a run while it trains, if its preset asks for a copy."""
    if _asked(run):
        companion.start(run, run.path / DIRECTORY, "sync", "sync", "--follow")


def copied(run: RunDir) -> Copied | None:
    """Return what was copied so far; None if nothing was."""
    path = run.path / DIRECTORY / "sync.json"
    if paths.gone(path):
        return None
    noted = documents.read_json(path, MOST_BYTES)
    steps = noted.get("steps")
    return Copied(
        str(noted.get("url") or ""),
        tuple(step for step in (steps if isinstance(steps, list) else []) if type(step) is int),
        int(noted.get("sent_bytes") or 0),
        bool(noted.get("result")),
        str(noted.get("trouble") or ""),
    )


def copy(
    run: RunDir,
    url: str | None = None,
    *,
    follow: bool = False,
    wait: bool = False,
    watch: Watch | None = None,
    pauses: tuple[float, ...] = companion.PAUSES,
) -> Copied:
    """Copy a run to `url`/NAME, and with `follow` what is still to come, until it ends.

    Args:
        url: where its copies go; None: the preset's `run.sync_to`.
        wait: wait for a process that copies the run already, and copy then what is still missing.
        watch: called with the name of each file before it is sent.
        pauses: seconds before each new attempt where the place fails; with `follow` only. After the last,
            attempts continue at that pace until the run ends.

    Raises:
        UserError: if no place is named, another process copies the run, or the place fails.
    """
    url = url or _asked(run)
    if url is None:
        raise UserError("no place to copy to", place=run.name, remedy="name one: --to URL")
    with companion.alone(run, run.path / DIRECTORY, "sync", "being copied", patient=follow, waits=wait):
        failed = 0
        while True:
            copying: _Copying | None = None
            try:
                copying = _Copying(run, url, watch or _silent)
                return copying.to_end(follow=follow)
            except UserError:
                raise
            except Exception as fault:  # a file system's library may raise anything
                trouble = companion.line_of(fault)
                if copying is not None:
                    copying.note(trouble)
                last = failed >= len(pauses) and companion.over(run, companion.DIED_AFTER + 1)
                if not follow or last or not pauses:
                    raise UserError(
                        f"{shown(url)} failed: {trouble}",
                        place="copy",
                        remedy=f"later: tuiftune sync {run.name} --to {shown(url)}",
                    ) from fault
                time.sleep(pauses[min(failed, len(pauses) - 1)])
                failed += 1


def resumable(url: str) -> bool:
    """Return True if there is a copy of a run at `url` that has a whole checkpoint.

    Raises UserError if the place cannot be asked.
    """
    there = copy_places.at(url)
    try:
        return there.size(PLAN) is not None and bool(whole_in(there))
    except Exception as fault:  # a file system's library may raise anything
        raise UserError(
            f"{shown(url)} cannot be read: {companion.line_of(fault)}",
            place=PRESET_KEY,
            remedy="" if isinstance(fault, PlaceError) else copy_places.RIGHTS,
        ) from fault


def refuse_taken(url: str | None, name: str) -> None:
    """UserError if a place has a whole checkpoint of another run of this name, which would be replaced."""
    if url is not None and resumable(there := f"{url.rstrip('/')}/{name}"):
        raise UserError(
            f"{shown(url)} has a run named {name} already",
            place=PRESET_KEY,
            remedy=f"continue it: `tuiftune resume --from {shown(there)}`, or use another name",
        )


def request_stop(url: str, by: str) -> None:
    """Ask the machine that a run at `url` is copied from to stop it, with a checkpoint."""
    copy_places.at(url).write(by.encode(), STOP)


def withdraw_stop(url: str) -> None:
    """Forget a request that no machine has heard. Raises UserError if the place cannot be asked."""
    try:
        copy_places.at(url).remove(STOP)
    except Exception as fault:  # a file system's library may raise anything
        raise UserError(
            f"{shown(url)} cannot be written to: {companion.line_of(fault)}",
            place=PRESET_KEY,
            remedy="" if isinstance(fault, PlaceError) else copy_places.RIGHTS,
        ) from fault


class _Copying:
    """One attempt."""

    def __init__(self, run: RunDir, url: str, tell: Watch) -> None:
        self._run, self._tell = run, tell
        self._there = copy_places.at(f"{url.rstrip('/')}/{run.name}")
        before = copied(run)
        known = before is not None and before.url == without_secrets(self._there.url)
        self._copied = before if known and before else Copied(without_secrets(self._there.url))
        self._small_at = 0.0
        self._alike: tuple[int, ...] | None = None  # steps here when last those there were the same
        self._heard_at = time.monotonic()
        self._ours = False  # what is there is known to be of this run
        self._seen: dict[str, tuple[int, int]] = {}

    def to_end(self, *, follow: bool) -> Copied:
        alive = time.monotonic()
        while True:
            alive = time.monotonic() if vitals(self._run).running else alive
            last = not follow or companion.over(self._run, time.monotonic() - alive)
            begun = not paths.gone(self._run.events_path)
            if begun and not self._ours:
                self._refuse_another()
                self._ours = True
            due = last or time.monotonic() - self._small_at > self._there.small_every
            if (begun or last) and not self._checkpoints(again=last) and due:
                self._send(self._small())
            if last:
                self._result()
                self.note()
                return self._copied
            self.note()
            self._hear()
            time.sleep(POLL_SECONDS)

    def _refuse_another(self) -> None:
        """UserError where the checkpoints there are another run's, by the first line of its log."""
        log = SMALL[2]
        if not whole_in(self._there) or self._there.size(log) is None:
            return
        with open(self._run.events_path, "rb") as file:
            first = file.readline(MOST_BYTES)
        if self._there.read(log, most=len(first)) != first:
            raise UserError(
                "holds the checkpoints of another run of this name",
                place=shown(self._there.url),
                remedy=f"copy it elsewhere: `tuiftune sync {self._run.name} --to URL`",
            )

    def _unlike(self, step: int) -> bool:
        """Whether a file of a checkpoint there has not the size that it has here."""
        directory = f"checkpoints/checkpoint-{step}"
        return any(
            self._there.size(directory, *file.split("/"))
            != os.stat(self._run.path / directory / file).st_size
            for file in _files(self._run.path / directory)
        )

    def _hear(self) -> None:
        """Take in that a stop was requested at the copy."""
        if time.monotonic() - self._heard_at < HEARS_EVERY:
            return
        self._heard_at = time.monotonic()
        if self._there.size(STOP) is not None:
            by = self._there.read(STOP).decode("utf-8", "replace")
            self._there.remove(STOP)
            control.request_stop(self._run, printable(by))

    def note(self, trouble: str = "") -> None:
        """Write down what is there."""
        self._copied = replace(self._copied, trouble=trouble)
        companion.note(self._run.path / DIRECTORY, "sync", asdict(self._copied))

    def _checkpoints(self, *, again: bool) -> bool:
        """Upload those that are not there with the log, and remove there what was rotated here.

        Returns True if anything was sent. With `again`, what is there is asked for once more.
        """
        here = self._whole_here()
        if not again and tuple(here) == self._alike:
            return False
        there = whole_in(self._there)
        lacking = [step for step in here if step not in there or (again and self._unlike(step))]
        gone = [step for step in there if step not in here] if here else []
        for step in lacking:
            directory = f"checkpoints/checkpoint-{step}"
            files = sorted(_files(self._run.path / directory), key=lambda name: (name == MANIFEST, name))
            last = step == lacking[-1]
            try:
                self._send([f"{directory}/{file}" for file in files], gone if last else [], log=last)
            except FileNotFoundError as fault:
                if not paths.gone(self._run.path / directory):
                    raise OSError(f"{fault.filename} is gone") from fault
                self._there.remove("checkpoints", f"checkpoint-{step}")  # rotated meanwhile
                return False
        if gone and not lacking:
            self._send([], gone)
        self._alike = tuple(here)
        self._copied = replace(self._copied, steps=tuple(sorted(here)))
        return bool(lacking)

    def _whole_here(self) -> list[int]:
        return [one.step for one in checkpoints.stored(self._run) if not one.fault]

    def _small(self) -> list[str]:
        """The log and other files at the run's top that are not there as they are here."""
        self._small_at = time.monotonic()
        return [file for file in SMALL if self._seen.get(file) != self._looks(file)]

    def _looks(self, file: str) -> tuple[int, int] | None:
        path = self._run.path / file
        seen = None if paths.gone(path) else os.stat(path)
        return None if seen is None else (seen.st_size, seen.st_mtime_ns)

    def _result(self) -> None:
        there = self._there
        files = [
            f"result/{file}"
            for file in sorted(_files(self._run.result_path))
            if there.size("result", *file.split("/")) != os.stat(self._run.result_path / file).st_size
        ]
        self._send(files)
        self._copied = replace(self._copied, result=paths.is_dir(self._run.result_path / "model"))

    def _send(self, files: list[str], gone: Sequence[int] = (), *, log: bool = False) -> None:
        """Upload files of the run, and with `log` what is new at its top; remove checkpoints that are `gone`.

        A checkpoint's manifest is removed first: one without is not whole.
        """
        small = self._small() if log else []
        looks = {file: self._looks(file) for file in (*files, *small) if file in SMALL}
        removed = [f"checkpoints/checkpoint-{step}{below}" for step in gone for below in (f"/{MANIFEST}", "")]
        if not (files or small or removed):
            return
        sources = [(self._run.path / file, file) for file in (*files, *small)]
        sent = self._there.send(sources, removed, self._tell)
        self._seen |= {file: look for file, look in looks.items() if look is not None}
        self._copied = replace(self._copied, sent_bytes=self._copied.sent_bytes + sent)


def whole_in(there: Place) -> list[int]:
    """Steps of the checkpoints there that have their manifest."""
    names = (NAME.fullmatch(name) for name in there.entries("checkpoints"))
    steps = (int(match[1]) for match in names if match)
    return [step for step in steps if there.size("checkpoints", f"checkpoint-{step}", MANIFEST) is not None]


def _files(directory: Path) -> Iterator[str]:
    """Regular files below a directory, by their relative paths."""
    for path in paths.below(directory, hidden=()) if paths.is_dir(directory) else []:
        if not os.path.islink(path):
            yield path.relative_to(directory).as_posix()


def _asked(run: RunDir) -> str | None:
    named = run.planned().resolved.get("run")
    url = named.get("sync_to") if isinstance(named, dict) else None
    return url if isinstance(url, str) and url else None


def _silent(file: str) -> None:
    del file
