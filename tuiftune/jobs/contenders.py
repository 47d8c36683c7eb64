"""From what a user names (a run, a model, an endpoint) to what answers: sources, sessions and responders."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents, paths, stages
from tuiftune.errors import UserError
from tuiftune.evaluate import endpoint
from tuiftune.evaluate.local_model import ADAPTER, BASE, TUNED, LocalModel, Session, Source
from tuiftune.printable import printable
from tuiftune.runs.store.directory import PLAN, RunDir
from tuiftune.runs.store.find import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.evaluate.contender import Responder

RUN = "run:"
SCORING = ("ForSequenceClassification", "ForTokenClassification", "ForRewardModel")


@dataclass(frozen=True, slots=True)
class Target:
    """What was named: `run` or `model` or `url`, whichever it is."""

    text: str
    run: RunDir | None = None
    model: str | None = None
    url: str | None = None


def target(text: str, runs: Path | None = None) -> Target:
    """Tell what is meant: a URL is an endpoint, `run:NAME` a run, a path a run directory or a model.

    Anything else is a run of that name, or a model ID with a slash.

    Raises:
        UserError: if there is nothing of that name.
    """
    if endpoint.is_url(text):
        return Target(text, url=endpoint.checked_url(text))
    if text.startswith(RUN):
        return Target(text, run=find(text.removeprefix(RUN), runs))
    if text.startswith("builtin:"):
        return Target(text, model=text)
    path = paths.given(text)
    if paths.is_file(path / PLAN):
        return Target(text, run=RunDir.open(path))
    if paths.is_dir(path) and (os.sep in text or paths.exists(path / "config.json")):
        return Target(text, model=str(path))
    if os.sep in text and not text.startswith((".", "/", "~")):
        return Target(text, model=text)
    try:
        return Target(text, run=find(text, runs))
    except UserError as fault:
        raise UserError(
            "no such run, model directory or endpoint", place=printable(text), remedy=fault.remedy
        ) from None


class Contenders:
    """Responders with one engine process a source. A context manager: leaving it ends the processes.

    Attributes:
        notes: how models were loaded otherwise than planned; each is `said` when it is known.
    """

    def __init__(self, said: Callable[[str], None] = lambda words: None) -> None:
        self.notes: list[str] = []
        self._said = said
        self._stack = ExitStack()
        self._sessions: dict[Source, Session] = {}

    def __enter__(self) -> Contenders:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, from any thread: what waits for an answer gets a UserError."""
        self._stack.close()

    def responder(self, wanted: Target, endpoint_model: str | None = None) -> Responder:
        """Return what answers for a target; of a run, its fine-tuned model. UserError if it cannot."""
        if wanted.url is not None:
            made = endpoint.Endpoint(wanted.url, endpoint_model)
            self._stack.callback(made.close)
            return made
        source = source_of(wanted)
        tuned = source.files is not None
        return self.local(source, TUNED if tuned else BASE)

    def base_of(self, wanted: Target) -> Responder | None:
        """Return the base model that a target was fine-tuned from; None if it is none of ours."""
        if wanted.url is not None:
            return None
        source = source_of(wanted)
        return None if source.files is None else self.local(source, BASE)

    def local(self, source: Source, which: str) -> LocalModel:
        """Return one model of a source; models of one source share a process."""
        if source not in self._sessions:
            session = Session(source, self._note)
            self._sessions[source] = session
            self._stack.callback(session.close)
        return LocalModel(self._sessions[source], which)

    def _note(self, words: str) -> None:
        self.notes.append(words)
        self._said(words)


def source_of(wanted: Target) -> Source:
    """Return what the engine loads for a run or a model. UserError if a run has no result."""
    if wanted.run is not None:
        files = wanted.run.result_path / "model"
        if not paths.is_dir(files):
            raise UserError(
                "has no result yet",
                place=wanted.run.name,
                remedy=f"follow it: tuiftune watch {wanted.run.name}",
            )
        plan = wanted.run.plan()
        preset = plan.preset(printable(str(wanted.run.plan_path)))
        model = preset.model
        if stages.every()[preset.method.stage].scores:
            raise _writes_nothing(wanted.run.name)
        precision = f"{model.dtype} {model.quantization} {preset.method.technique}"
        elsewhere = (plan.gpu or "cpu") != "cpu" and not _has_gpu()
        return Source(model.base, wanted.run.path, model.revision, files, precision, elsewhere)
    assert wanted.model is not None
    path = paths.given(wanted.model)
    adapter = paths.exists(path / ADAPTER)
    if _scores(path):
        raise _writes_nothing(printable(wanted.model))
    return Source(wanted.model, files=path if adapter else None)


def _writes_nothing(name: str) -> UserError:
    return UserError(
        "is a reward model or a classifier: it gives a number for an answer, and writes none",
        place=name,
        remedy="name a model that writes text",
    )


def _scores(directory: Path) -> bool:
    """Return True if a directory holds a model that answers with numbers, or an adapter of one."""
    if paths.is_file(directory / ADAPTER):
        return documents.read_json(directory / ADAPTER).get("task_type") == "SEQ_CLS"
    if not paths.is_file(directory / "config.json"):
        return False
    named = documents.read_json(directory / "config.json").get("architectures")
    return any(str(one).endswith(SCORING) for one in (named if isinstance(named, list) else ()))


def _has_gpu() -> bool:
    """Return True if this machine has a GPU that a process may use."""
    from tuiftune.hardware.detect import visible
    from tuiftune.hardware.nvml import read_gpus

    return bool(visible(read_gpus().gpus, os.environ.get("CUDA_VISIBLE_DEVICES")))
