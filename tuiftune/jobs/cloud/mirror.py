"""The process that keeps a run's directory here as its copy in the bucket is, and asks `sky` for its job."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.jobs import companion, copies, copy_places, mirrored
from tuiftune.jobs.cloud import program, record
from tuiftune.runs.log.events import END_STATES
from tuiftune.runs.log.lines import parse_line
from tuiftune.runs.store import control, elsewhere

if TYPE_CHECKING:
    from tuiftune.jobs.place import Place
    from tuiftune.runs.store.directory import RunDir

LOG = "events.jsonl"
SMALL = ("engine.log", "samples.jsonl")
EVERY_VARIABLE = "TUIFTUNE_SKY_EVERY"
PULL_EVERY = 15.0  # seconds; the machine itself copies its log once a minute
ASKS = 3  # pulls between two questions to SkyPilot
LONGEST_WAIT = 300.0
TAIL = 1 << 18  # bytes of a log in which its last line is looked for
ENDS_WITHIN = 900.0  # seconds that the copy of a job which is over may still take to show its end


def follow(run: RunDir) -> None:
    """Follow a run until its job is over and all of it has arrived."""
    with mirrored.alone(run):
        mirror, wait = Mirror(run), every()
        while not mirror.over and paths.is_dir(run.path):
            try:
                mirror.turn()
                wait = every()
            except Exception as fault:  # a file system's library may raise anything
                mirror.trouble(fault)
                wait = min(LONGEST_WAIT, 2 * wait)
            if not mirror.over:
                time.sleep(wait)


def every() -> float:
    """Seconds between two looks at the bucket."""
    try:
        return float(os.environ.get(EVERY_VARIABLE) or PULL_EVERY)
    except ValueError:
        return PULL_EVERY


class Mirror:
    """One run. `over`: nothing more will come."""

    def __init__(self, run: RunDir) -> None:
        self.run, self.record = run, record.of(run)
        self.over = False
        self._turns = 0
        self._log_seen = (-1, False)  # bytes of the log there, and whether it ends with the run's end
        self._seen: dict[str, int] = {}  # sizes of the files there, when they were fetched
        self._job: program.State | None = None
        self._over_since: float | None = None
        known = elsewhere.known(run)
        self._known = known or elsewhere.Elsewhere(self.record.job, "starting", time.time())

    def turn(self) -> None:
        """Bring what is new, pass on a stop, and see how the job stands. Raises what the bucket does."""
        there = copy_places.at(self.record.copy)
        if (stop := control.stop_requested(self.run)) is not None:
            copies.request_stop(self.record.copy, stop)
            control.clear(self.run)
        ended = self._log(there)
        if self._turns % ASKS == 0 or (self._job is not None and self._job.over):
            self._job = program.state(self.record.job)
        self._turns += 1
        for name in SMALL:
            self._take(there, name)
        job = self._job
        if job is not None and not job.over:
            self._over_since = None
        if (job is None and not self._waited()) or (job is not None and not job.over):
            # The job may have ended by itself; until SkyPilot says so, its machine still copies.
            started = paths.size(self.run.events_path) > self._known.log_size
            self._note("running" if started else "starting", why="" if job is None else _words(job))
            return
        ended = self._log(there)  # what its machine copied before it was given back
        if ended or job is None or job.state != "SUCCEEDED" or self._waited():
            self._conclude(there, job, ended=ended)

    def trouble(self, fault: Exception) -> None:
        """Write down why nothing arrives."""
        said = f"{fault.place}: {fault.message}" if isinstance(fault, UserError) else companion.line_of(fault)
        self._known = replace(self._known, trouble=f"{said}. The run continues there; next attempt soon")
        elsewhere.keep(self.run, self._known)

    def _conclude(self, there: Place, job: program.State | None, *, ended: bool) -> None:
        """Bring the result, and say how the job ended."""
        for name in there.below("result"):
            target = self.run.result_path / name
            if there.size("result", *name.split("/")) != (None if paths.gone(target) else paths.size(target)):
                there.get(target, "result", *name.split("/"))
        self._log(there, all_of_it=True)
        unknown = f"SkyPilot no longer knows the job {self.record.job}"
        why = "" if ended else unknown if job is None else _words(job)
        self._note("over" if ended else "died", why=why)
        self.over = True

    def _waited(self) -> bool:
        """Whether the end of a job that is over, or unknown, has been waited for long enough."""
        self._over_since = self._over_since or time.monotonic()
        return time.monotonic() - self._over_since > ENDS_WITHIN

    def _note(self, state: str, *, why: str = "") -> None:
        self._known = replace(self._known, state=state, trouble="", why=why, heard=time.time())
        elsewhere.keep(self.run, self._known)

    def _log(self, there: Place, *, all_of_it: bool = False) -> bool:
        """Continue the log here by what is new there. Returns whether it ends with the run's end.

        That line is left out until `all_of_it` is asked for: with it, the result is expected here. A machine
        that had to begin again, before its first checkpoint was copied, begins another log.
        """
        size = there.size(LOG)
        if size is None:
            return False
        if size == self._log_seen[0] and not all_of_it:
            return self._log_seen[1]
        here = self.run.events_path
        with tempfile.TemporaryDirectory(prefix=".log-", dir=self.run.control_path) as made:
            fetched = Path(made) / LOG
            there.get(fetched, LOG)
            whole, end = _whole(fetched)
            ended = end > self._known.log_size
            os.truncate(fetched, whole if all_of_it or not ended else end)
            if _begins_with(fetched, here):
                _append(here, fetched, paths.size(here))
            elif not _begins_with(here, fetched):
                os.replace(fetched, here)
        self._log_seen = size, ended
        return ended

    def _take(self, there: Place, name: str) -> None:
        size = there.size(name)
        if size is not None and size != self._seen.get(name):
            there.get(self.run.path / name, name)
            self._seen[name] = size


def _words(job: program.State) -> str:
    """A job's state as a person would say it."""
    about = f": {job.why}" if job.why else ""
    return f"job {job.job} of SkyPilot is {job.state.lower().replace('_', ' ')}{about}"


def _whole(log: Path) -> tuple[int, int]:
    """Bytes of a log's whole lines: it may have been copied while it was written. Then where its last line
    begins if that is the end of a run; else 0.
    """
    size = paths.size(log)
    start = max(0, size - TAIL)
    with open(log, "rb") as file:
        file.seek(start)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    last = data[:whole].rstrip(b"\n").rfind(b"\n") + 1
    event = parse_line(data[last : whole - 1]) if whole else None
    is_end = event is not None and event["type"] == "end" and event.get("state") in END_STATES
    return start + whole, start + last if is_end else 0


def _begins_with(fetched: Path, here: Path) -> bool:
    """Whether all that is here is the beginning of what was fetched."""
    if paths.gone(here):
        return True
    left = paths.size(here)
    if paths.size(fetched) < left:
        return False
    with open(fetched, "rb") as new, open(here, "rb") as old:
        while left:
            part = old.read(min(left, 1 << 20))
            if not part or new.read(len(part)) != part:
                return False
            left -= len(part)
    return True


def _append(here: Path, fetched: Path, start: int) -> None:
    """Add what follows `start`."""
    with open(fetched, "rb") as new:
        new.seek(start)
        data = new.read()
    mirrored.append(here, data)


if __name__ == "__main__":
    mirrored.main(follow)
