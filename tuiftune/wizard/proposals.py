"""Defaults that the wizard proposes: data files, a name for the run, and the command that runs it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.figures import size
from tuiftune.preset.naming import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.wizard.draft import Draft

ROWS = (".jsonl", ".csv", ".tsv", ".parquet")  # suffixes of files that usually hold rows
ACCOUNT = ".changes.jsonl"  # suffix of what `data clean` says of each changed row
DOCUMENTS = ("docs", "documents", "doc", "manual", "kb", "wiki")
MOST_OFFERS = 12  # data files that are listed
BUILTIN = "builtin:tickets"
MOST = 5000  # entries of a directory that are read


def data_here(directory: Path | None = None) -> tuple[str, ...]:
    """Return the files of a directory (default: the current one) that hold rows by their suffix, sorted."""
    try:
        with os.scandir(directory or ".") as entries:
            return tuple(
                sorted(
                    entry.name
                    for _, entry in zip(range(MOST), entries, strict=False)
                    if entry.name.endswith(ROWS)
                    and not entry.name.startswith(".")
                    and os.path.isfile(entry)
                    and not _is_account(entry.path)
                )
            )
    except OSError:
        return ()


def _is_account(path: str) -> bool:
    stem = path.removesuffix(ACCOUNT)
    return stem != path and os.path.isfile(f"{stem}.manifest.json")


def first_data() -> str:
    """Return the only data file of the current directory; "" if there is none, or several."""
    here = data_here()
    return shlex.quote(here[0]) if len(here) == 1 else ""


@dataclass(frozen=True, slots=True)
class DataOffer:
    """A choice of training data. `text` goes into the file field; "" to type another."""

    text: str
    name: str
    says: str


def data_offers() -> tuple[DataOffer, ...]:
    """Return the data to choose from: the files of the current directory, others, and the built-in rows."""
    here = data_here()
    offers = [DataOffer(shlex.quote(name), name, _size(name)) for name in here[:MOST_OFFERS]]
    if 1 < len(here) <= MOST_OFFERS:
        every = " ".join(shlex.quote(name) for name in here)
        offers.append(DataOffer(every, f"All {len(here)} files together", "As one training set."))
    return (
        *offers,
        DataOffer("", "Another file or directory", "Type its path, or browse with Ctrl+T."),
        DataOffer(BUILTIN, "Built-in support tickets", "Example data, to try the workflow: 1,014 rows."),
    )


def _size(name: str) -> str:
    return size(paths.size(name))


def first_documents() -> str:
    """Return the directory that probably holds documents; "" if there is none."""
    return next((name for name in DOCUMENTS if paths.is_dir(Path(name))), "")


def wants_labels(draft: Draft) -> bool:
    """Return True if the goal is to classify, so that undetected rows probably have labels."""
    return draft.answers.get("task") == "classify"


def suggested_name(draft: Draft) -> str:
    """Return a name for the run by its data and its model, such as `tickets-qwen3-0.6b`."""
    return short_name(draft.data[0] if draft.data else "", draft.model)


def places() -> list[str]:
    """Return where a run can be trained: "" for this machine, then the values of `--on` that work here."""
    from tuiftune.jobs.backend import offered

    return ["", *offered()]


def reporting() -> list[str]:
    """Return the trackers that a run's metrics can be sent to: installed here, and ready to send."""
    from tuiftune import trackers

    every = trackers.every()
    return [key for key, one in every.items() if trackers.installed(one) and one.ready() is None]


def after(now: str, choices: Sequence[str]) -> str:
    """Return the choice that follows, and the first after the last."""
    at = choices.index(now) + 1 if now in choices else 0
    return choices[at % len(choices)]


def train_command(preset: str, runs_root: Path | None = None, on: str = "") -> str:
    """Return the command that runs a saved preset in this directory; `on`: on another machine."""
    known = shutil.which("tuiftune") is not None
    program = "tuiftune" if known else f"{shlex.quote(sys.executable)} -m tuiftune"
    runs = f" --runs {shlex.quote(str(runs_root))}" if runs_root is not None else ""
    elsewhere = f" --on {shlex.quote(on)}" if on else ""
    return f"{program} train {shlex.quote(preset)}{elsewhere}{runs}"


def train_command_from_anywhere(preset: str, runs_root: Path | None = None, on: str = "") -> str:
    """Return the command that runs a saved preset from any directory, for paths relative to this one."""
    return f"cd {shlex.quote(str(paths.here()))} && {train_command(preset, runs_root, on)}"


def decide_command(
    data: Sequence[str], *, model: str = "", prompt: Path | None = None, documents: str = ""
) -> str:
    """Return the command that measures a prompt or retrieval on the rows, next to the other approaches."""
    rows = shlex.quote(data[0]) if len(data) == 1 else "DATA"
    options = f" --model {shlex.quote(model)}" if model else " --model MODEL"
    options += f" --prompt {shlex.quote(str(prompt))}" if prompt is not None else ""
    options += f" --documents {shlex.quote(documents)}" if documents else ""
    return f"tuiftune decide {rows}{options}"
