"""`python -m tuiftune.engine export --request FILE`: write an export of a run and verify it.

Progress is one JSON object a line on standard output; the last one says what was written.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse

    from tuiftune.engine.export.opened import Opened

EVERY = 0.2  # seconds between two lines of one phase


def main(given: argparse.Namespace) -> ExitCode:
    """Carry out a request. UserError where it cannot be."""
    asked = documents.read_json(Path(given.request))
    with _apart() as out:
        try:
            said = export(asked, Told(out))
        except UserError as fault:
            traceback.clear_frames(
                fault.__traceback__
            )  # ends servers, which talk to the last: before the fault
            raise
        out.write(json.dumps(said) + "\n")
    return ExitCode.DONE


class Told:
    """Progress, a few times a second."""

    def __init__(self, out: IO[str]) -> None:
        self._out, self._last, self._at = out, "", 0.0

    def __call__(self, phase: str, done: int = 0, total: int = 0) -> None:
        now = time.monotonic()
        if phase == self._last and now - self._at < EVERY and done != total:
            return
        self._last, self._at = phase, now
        self._out.write(json.dumps({"phase": phase, "done": done, "total": total}) + "\n")
        self._out.flush()


def export(asked: dict[str, Any], tell: Told) -> dict[str, Any]:
    """Write the files of an export into its directory, and verify them. Returns what the manifest says."""
    from tuiftune.deploy import find
    from tuiftune.engine.export.opened import open_result, trained_on
    from tuiftune.engine.process import libraries
    from tuiftune.runs.store.directory import RunDir

    tell("loading")
    target = find(asked["target"])
    form = target.form(asked["form"])
    assert form is not None
    run = RunDir.open(Path(asked["run"]))
    base = Path(asked["base"]) if asked["base"] else None
    opened = open_result(run, base, asked["options"])
    libraries.leave_out(opened.wanted, opened.base)
    with libraries.quickly():
        import torch  # noqa: F401

        libraries.quieten(opened.base, data=False)
    directory = Path(asked["directory"])
    writer = importlib.import_module(f"tuiftune.engine.export.writers.{target.writer}")
    said: dict[str, Any] = writer.write(opened, directory, form.key, tell)
    said["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    said["base_files"] = trained_on(run)
    said["verified"] = (
        _verified(opened, directory, target.answers, form.bits, tell) if asked["verify"] else None
    )
    return said


def _verified(opened: Opened, directory: Path, answers: str, bits: int, tell: Told) -> dict[str, Any] | None:
    """What verifying found; None where the run has no evaluation rows to verify with."""
    from tuiftune.deploy.base import LIMITS
    from tuiftune.engine.export import verifying
    from tuiftune.engine.export.answering import whole

    tokenizer = opened.tokenizer()
    rows = opened.rows(tokenizer)
    if not rows.questions:
        return None
    tell("loading the fine-tuned model")
    asked = verifying.given(rows, tokenizer)
    original = whole.reference(opened, tokenizer, rows)
    expected = original.probabilities(asked)
    del original
    gc.collect()
    tell("loading the export")
    module = importlib.import_module(f"tuiftune.engine.export.answering.{answers}")
    artifact = module.open_artifact(opened, directory, rows)
    return verifying.verify(rows, tokenizer, asked, expected, artifact, LIMITS[bits], tell)


class _apart:  # noqa: N801  (read as a verb)
    """The standard output for this job alone: what libraries print goes to standard error."""

    def __enter__(self) -> IO[str]:
        sys.stdout.flush()
        self._kept = os.dup(1)
        os.dup2(2, 1)
        self._file = os.fdopen(self._kept, "w", encoding="utf-8")
        return self._file

    def __exit__(self, *fault: object) -> None:
        self._file.flush()
        os.dup2(self._kept, 1)
        self._file.close()
