"""Sending a run's metrics to trackers, by following its log in a process of its own.

Training neither waits for a tracker nor fails with it. What was sent is noted in the run's directory: a
resumed run goes on as the same run there, and one that is over can be sent whole.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune import documents, metrics, paths, trackers
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs import companion
from tuiftune.printable import printable
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.state.readings import number, whole
from tuiftune.runs.store.directory import DIRECTORY_MODE
from tuiftune.secret_forms import without_secrets
from tuiftune.trackers.base import Ended, Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.trackers.base import Sink, Tracker

DIRECTORY = "trackers"
PROJECT = "tuiftune"
POLL_SECONDS = 1.0
MOST_BYTES = 64 * 1024
GROUPS = {"step": "train", "eval": "eval", "score": "score", "memory": "memory", "gpu": "machine"}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a tracker has of a run: events up to `seq`, steps up to `step`; `trouble` is its last failure."""

    id: str
    seq: int = 0
    step: int = 0
    values: int = 0
    trouble: str = ""


def chosen(run: RunDir) -> list[Tracker]:
    """Return the trackers that the run's preset names; names of others are the trainer's own."""
    named = run.planned().resolved.get("run")
    keys = named.get("report_to") if isinstance(named, Mapping) else None
    return [trackers.every()[key] for key in keys or () if key in trackers.every()]


def start(run: RunDir) -> None:
    """Start a process for each tracker of the run's preset, which ends after the run does."""
    for tracker in chosen(run):
        companion.start(run, _place(run), tracker.key, "track", "--to", tracker.key, "--follow")


def sent(run: RunDir, tracker: Tracker) -> Sent | None:
    """Return what the tracker has of the run; None if nothing was sent."""
    path = _place(run) / f"{tracker.key}.json"
    if paths.gone(path):
        return None
    shape = {"id": documents.TEXT, "seq": documents.NUMBER, "step": documents.NUMBER}
    shape |= {"values": documents.NUMBER, "trouble": documents.TEXT}
    noted = documents.checked(documents.read_json(path, MOST_BYTES), shape, printable(str(path)))
    if not noted.get("id"):
        raise UserError(
            "names no ID", place=printable(str(path)), remedy="delete it to send the whole run again"
        )
    seq, step, values = (int(noted.get(key) or 0) for key in ("seq", "step", "values"))
    return Sent(noted["id"], seq, step, values, noted.get("trouble") or "")


def send(
    run: RunDir,
    tracker: Tracker,
    *,
    project: str = PROJECT,
    follow: bool = False,
    watch: Callable[[int], None] | None = None,
    pauses: tuple[float, ...] = companion.PAUSES,
) -> Sent:
    """Send what a tracker doesn't have of a run, and with `follow` what is still to come.

    Args:
        watch: called with the number of events so far.
        pauses: seconds before each new attempt where the tracker fails; with `follow` only.

    Raises:
        UserError: if another process sends the run there, it has no metrics, or the tracker fails.
    """
    doing = f"being sent to {tracker.title}"
    with companion.alone(run, _place(run), tracker.key, doing, patient=follow):
        for pause in (*(pauses if follow else ()), None):
            sending = _Sending(run, tracker, project, watch)
            try:
                return sending.to_end(follow=follow)
            except UserError:
                raise
            except Exception as fault:  # a tracker's library may raise anything
                trouble = companion.line_of(fault)
                sending.note(trouble)
                if pause is None:
                    raise UserError(
                        f"failed: {trouble}",
                        place=tracker.title,
                        remedy=f"later: tuiftune track {run.name} --to {tracker.key}",
                    ) from fault
                time.sleep(pause)
    raise AssertionError("unreachable")


def values_of(event: Event) -> dict[str, float]:
    """Return the finite numbers of an event by the names they have in a tracker, such as `train/loss`."""
    group = GROUPS.get(event["type"])
    if group is None:
        return {}
    found = {}
    for key in event:
        metric = metrics.find(event["type"], key)
        if metric is not None and (value := number(event, key)) is not None:
            found[f"{group}/{metric.name.removeprefix('eval_')}"] = value
    gpus = event.get("gpus")
    for gpu in gpus if isinstance(gpus, list) else ():
        for metric in metrics.of("card") if isinstance(gpu, dict) else ():
            if (value := number(gpu, metric.key)) is not None:
                found[f"gpu{whole(gpu, 'index') or 0}/{metric.name}"] = value
    return {name: value for name, value in found.items() if math.isfinite(value)}


class _Sending:
    """One attempt."""

    def __init__(
        self, run: RunDir, tracker: Tracker, project: str, watch: Callable[[int], None] | None
    ) -> None:
        self._run, self._tracker, self._watch = run, tracker, watch
        before = sent(run, tracker)
        self._sent = before or Sent(secrets.token_hex(8))
        place = _place(run) / tracker.key
        place.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self._what = Sending(
            project,
            run.name,
            self._sent.id,
            dict(_flat(run.planned().resolved)),
            place,
            resumed=before is not None and before.seq > 0,
            step=self._sent.step,
        )
        self._reader = EventReader(run.events_path)
        self._events = 0

    def to_end(self, *, follow: bool) -> Sent:
        sink: Sink | None = None
        step, quiet_since = self._sent.step, time.monotonic()
        while True:
            events = self._reader.poll()
            for event in events:
                self._events += 1
                if self._watch:
                    self._watch(self._events)
                step = whole(event, "step") or step
                seq = whole(event, "seq") or 0
                values = values_of(event)
                if seq <= self._sent.seq or not values:
                    continue
                if sink is None:
                    sink = self._tracker.open(self._what)
                sink.log(step, number(event, "t") or time.time(), values)
                self._sent = replace(
                    self._sent, seq=seq, step=step, values=self._sent.values + len(values), trouble=""
                )
            if events:
                quiet_since = time.monotonic()
                if sink is not None:
                    sink.flush()
                    self.note()
                continue
            if not follow or companion.over(self._run, time.monotonic() - quiet_since):
                break
            time.sleep(POLL_SECONDS)
        if not self._sent.values:
            raise UserError("no metrics yet", place=self._run.name, remedy="wait for its first step")
        if sink is None:
            sink = self._tracker.open(self._what)
        sink.end(self._conclusion())
        self.note()
        return self._sent

    def note(self, trouble: str = "") -> None:
        """Write down what was sent."""
        self._sent = replace(self._sent, trouble=trouble or self._sent.trouble)
        companion.note(_place(self._run), self._tracker.key, asdict(self._sent))

    def _conclusion(self) -> Ended | None:
        seen = vitals(self._run)
        if seen.running:
            return None
        result = self._run.result() or {}
        scores = {
            f"{when}_{name}": float(value)
            for when in ("before", "after")
            for name, value in (result.get(when) or {}).items()
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        }
        model = self._run.result_path / "model"
        code = int(ExitCode.FAILED) if seen.exit_code is None else seen.exit_code
        return Ended(seen.state, code, scores, str(model) if paths.is_dir(model) else None)


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys; texts without secrets, lists as JSON."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", without_secrets(value)
        elif isinstance(value, list):
            yield f"{prefix}{key}", without_secrets(json.dumps(value))
        elif value is not None:
            yield f"{prefix}{key}", value


def _place(run: RunDir) -> Path:
    return run.path / DIRECTORY
