"""Reading the rows of the data step in a thread: rows first, then checks and lengths, each as a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.data.detect.formats import ColumnsError, UndetectedError
from tuiftune.data.read.malformed import MalformedError
from tuiftune.errors import UserError, with_fix
from tuiftune.tui.wizard.data.messages import (
    AbandonedError,
    Checked,
    Measured,
    Mixed,
    Read,
    Reading,
    Unreadable,
)
from tuiftune.wizard import labels
from tuiftune.wizard.findings import trainable

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message import Message

    from tuiftune.data.dataset import Dataset
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings

SAMPLES = 40


def read_and_check(
    findings: Findings, draft: Draft, about: int, post: Callable[[Message], object], over: Callable[[], bool]
) -> None:
    """Read the rows of a draft, then run the checks one by one, and count token lengths.

    Args:
    findings: what the app knows of models and data.
    draft: names the sources.
    about: the number of this read, which every message has.
    post: takes a message for each thing that is known.
    over: True once the answers are no longer wanted.
    """
    from tuiftune.data.checks.check import Subject
    from tuiftune.data.inspect import checks_of, length_document
    from tuiftune.wizard.draft import checked_with

    def progress(rows: int) -> None:
        if over():
            raise AbandonedError
        post(Reading(about, rows, "reading"))

    def watch(what: str, share: float) -> None:
        if over():
            raise AbandonedError
        post(Reading(about, None, what, share))

    try:
        dataset = findings.dataset(draft, progress)
        fault = ""
        try:
            trainable(dataset)
        except UserError as error:
            fault = str(error)
        post(Read(about, dataset, dataset.head(SAMPLES), fault, labels.similar(dataset)))
        folder = findings.model_of(draft).path
        if not fault:
            post(_mixed(about, draft, dataset))
        subject = Subject(dataset, folder, *checked_with(draft), watch)
        measured = False
        for check in checks_of(subject):
            post(Checked(about, check))
            if subject.counted and not measured:
                post(Measured(about, length_document(subject)))
                measured = True
        post(Reading(about, None, ""))
    except AbandonedError:
        return
    except UndetectedError as error:
        says = with_fix(
            f"{error.place}: {error.message}",
            "press Enter to say which column holds the prompts and which the answers or labels",
        )
        post(Unreadable(about, says, unmapped=True))
    except ColumnsError as error:
        says = str(error).removesuffix(".")
        post(Unreadable(about, f"{says}; or press Ctrl+S to choose format and columns."))
    except MalformedError as error:
        says = with_fix(
            f"{error.place}: {error.message}",
            "press Enter to clean the data: malformed lines are left out",
        )
        post(Unreadable(about, says, malformed=True))
    except UserError as error:
        post(Unreadable(about, str(error)))


def _mixed(about: int, draft: Draft, dataset: Dataset) -> Mixed:
    """Count the rows of the draft's other sources."""
    from tuiftune.data.mix.sources import mixed
    from tuiftune.data.mix.split import split
    from tuiftune.wizard.findings import mix_of

    mix = mix_of(draft)
    if not mix:
        return Mixed(about, ())
    spec, seed = draft.value("data.eval"), draft.value("training.seed")
    seed = 42 if seed is None else int(seed)
    try:
        train, held = split(dataset, 0.05 if spec is None else spec, seed)
        return Mixed(about, mixed(train, held, mix, seed, "your data", format=dataset.format).portions)
    except UserError as error:
        return Mixed(about, (), str(error))
