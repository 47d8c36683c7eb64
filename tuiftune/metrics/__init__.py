"""The registry of metrics: callback, log, fold, charts, dashboard, comparison and table iterate over it.

A metric is an entry of `METRICS` in a file of this room. A number that no file knows, in a `step` or `eval`
event, is shown all the same, under its own name.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tuiftune.metrics.metric import BY_STEP, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST = ("training", "answers", "memory", "gpu", "host")  # files of every run; the others by name
PLACES = {"v", "seq", "t", "type", "clock", "step"}  # what says which event it is, and of when
COUNTED = {"num_tokens", "epoch"}  # of the trainer's logs, but counted by the callback itself
NAME = re.compile(r"[A-Za-z][\w./@:-]*", re.ASCII)
LONGEST = 64  # characters of a name
MOST_UNREGISTERED = 100  # of a run; a log with more names than that is damaged


def _registered() -> tuple[Metric, ...]:
    files = [found.name for found in pkgutil.iter_modules(__path__) if found.name != "metric"]
    files.sort(key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    rooms = [importlib.import_module(f"{__name__}.{name}") for name in files]
    return tuple(metric for room in rooms for metric in room.METRICS)


METRICS = _registered()
BY_FIELD: dict[tuple[str, str], Metric] = {(metric.event, metric.key): metric for metric in METRICS}
TAKEN = {"seconds", "when", *(metric.name for metric in METRICS)}  # columns of the table
VITAL = tuple(metric.key for metric in METRICS if metric.vital)


@lru_cache
def scored() -> tuple[Metric, ...]:
    """What results show of a stage's own measures, before and after: shares, from 0 to 1."""
    return tuple(metric for metric in METRICS if metric.scored)


@lru_cache
def of(event: str) -> tuple[Metric, ...]:
    """The registered metrics of a kind of event."""
    return tuple(metric for metric in METRICS if metric.event == event)


def find(event: str, key: str) -> Metric | None:
    """The metric under that key of an event, a neutral one where it is not registered; None for no metric."""
    known = BY_FIELD.get((event, key))
    if known is not None or event not in BY_STEP or key in PLACES or len(key) > LONGEST:
        return known
    return _unregistered(event, key)


@lru_cache
def _unregistered(event: str, key: str) -> Metric | None:
    if not NAME.fullmatch(key):
        return None
    if event == "eval":
        return Metric(f"eval_{key}", "eval", key, f"eval {key}", chart=key, always=False, registered=False)
    return Metric(
        f"step.{key}" if key in TAKEN or key.startswith(("eval_", "gpu")) else key,
        field=key,
        words=key,
        smoothed=True,
        chart=key,
        dashboard=True,
        compared=True,
        always=False,
        registered=False,
    )


def forwarded(logs: Mapping[str, Any]) -> dict[str, float | None]:
    """What a `step` event tells of the trainer's logs: every finite number, and what each step must say."""
    told = {metric.key: logs.get(metric.logged) for metric in of("step") if metric.logged}
    skipped = COUNTED.union(metric.logged for metric in of("step"))
    for key, value in logs.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and key not in skipped and key not in told and find("step", key) and math.isfinite(value):
            told[key] = value
    return told
