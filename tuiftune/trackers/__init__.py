"""The registry of trackers (`run.report_to`, `tuiftune track`): one file each, with its `TRACKER`."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiftune.trackers.base import Tracker

PRESET_KEY = "run.report_to"
# Callbacks of transformers' Trainer (integrations, 5.24) for services that have no file here.
TRAINERS = (
    "azure_ml",
    "clearml",
    "codecarbon",
    "comet_ml",
    "dagshub",
    "dvclive",
    "flyte",
    "kubeflow",
    "neptune",
    "swanlab",
)


@cache
def every() -> dict[str, Tracker]:
    """All trackers by key."""
    names = sorted(found.name for found in iter_modules(__path__) if found.name != "base")
    trackers: list[Tracker] = [import_module(f"{__name__}.{name}").TRACKER for name in names]
    return {tracker.key: tracker for tracker in trackers}


def find(key: str, place: str) -> Tracker:
    """Return the tracker of a key. Raises UserError that names the nearest."""
    if (found := every().get(key)) is not None:
        return found
    near = difflib.get_close_matches(key.lower(), every(), 1)
    raise UserError(
        f"{printable(key)} is not a tracker",
        place=place,
        remedy=f"did you mean {near[0]}?" if near else f"use one of: {', '.join(every())}",
    )


def known(keys: Iterable[str], place: str = PRESET_KEY) -> list[Tracker]:
    """Return the trackers of the keys. Raises UserError for the first that is unknown.

    A preset may name one of the Trainer's own besides, which the engine tries.
    """
    return [find(key, place) for key in keys if not (place == PRESET_KEY and key in TRAINERS)]


def installed(tracker: Tracker) -> bool:
    """Return True if its package can be imported, without importing it."""
    return find_spec(tracker.module) is not None


def check(keys: Iterable[str], place: str = PRESET_KEY) -> None:
    """Raise UserError for the first tracker that is unknown, not installed, or not ready to send."""
    for tracker in known(keys, place):
        if not installed(tracker):
            raise UserError(
                f"{tracker.title} needs the package {tracker.module}, which is not installed",
                place=place,
                remedy=f"install it: pip install 'tuiftune[{tracker.key}]'",
            )
        if missing := tracker.ready():
            raise UserError(missing[0], place=place, remedy=missing[1])
