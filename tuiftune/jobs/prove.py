"""One training step on this machine, to prove that driver, PyTorch and libraries work together."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import interpreter, techniques
from tuiftune.errors import UserError
from tuiftune.jobs import backend
from tuiftune.preset import file, shipped
from tuiftune.printable import printable
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.directory import RunDir, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.preset.schema import Preset

LONGEST = 600.0  # seconds for one step of the tiny model, libraries imported from a cold disk
NAME = "prove"


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether one step was trained by a technique, how long the whole took, and why it was not."""

    technique: str
    passed: bool
    seconds: float
    why: str = ""


def prove(*, gpu: bool) -> Iterator[Proof]:
    """Train one step of the built-in model; with a GPU, one over a quantized base model too.

    Takes about 20 seconds a step. Everything is written to a temporary directory. The second step is left out
    where the first one failed.
    """
    for key in _techniques(gpu=gpu):
        proof = _step(key)
        yield proof
        if not proof.passed:
            return


def _techniques(*, gpu: bool) -> list[str]:
    able = [one for one in techniques.every().values() if one.adapters and one.automatic]
    plain = next(one.key for one in able if not one.quantized)
    return [plain, *(one.key for one in able if one.quantized and gpu)]


def _step(technique: str) -> Proof:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tuiftune-prove-") as scratch:
        place = Path(scratch)
        preset = place / f"{NAME}.yaml"
        write_text(preset, file.dump(_preset(technique)))
        words = interpreter.command("tuiftune", "train", str(preset), "--runs", scratch, "--no-preflight")
        run = RunDir(place / NAME)
        with tempfile.TemporaryFile() as said:
            # A state directory of its own: the run isn't one of the user's.
            process = interpreter.start(
                words, stdout=said, stderr=said, session=True, extra={"XDG_STATE_HOME": scratch}
            )
            try:
                code = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                with suppress(UserError):
                    backend.stop(run, "doctor", kill=True)
                process.kill()
                process.wait()
                why = f"no step within {LONGEST / 60:.0f} minutes. Look for other programs that use the GPU"
                return Proof(technique, False, time.monotonic() - began, why)
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
        why = "" if code == 0 else vitals(run).why or (lines[-1] if lines else f"exit {code}")
        return Proof(technique, code == 0, time.monotonic() - began, printable(why))


def _preset(technique: str) -> Preset:
    demo = file.load(shipped.find("demo"))
    return file.override(
        demo,
        [
            f"name={NAME}",
            f"method.technique={technique}",
            "training.max_steps=1",
            "training.epochs=1",
            "data.eval=0",
            "evaluation.rows=0",
            "evaluation.samples=0",
        ],
    )
