"""Train the courses and keep their event logs, short enough to be read by a test.

python -m benchmarks.health.make OUTPUT [--only NAME,…] [--seed N] [--set KEY=JSON] [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.health.courses import COURSES, EVERY, QUICK, Course
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = {
    "start": (
        "total_steps",
        "epochs",
        "rows_train",
        "rows_eval",
        "rows_leaked",
        "technique",
        "parameters",
        "resumed_from",
    ),
    "phase": ("name",),
    "step": ("step", "loss", "loss_text", "lr", "grad_norm", "epoch"),
    "eval": ("step", "loss", "when"),
    "score": ("step", "when", "exact_match", "matched", "rows"),
    "warning": ("code", "message", "remedy"),
    "end": ("state", "exit_code", "why"),
}
DIGITS = 4


def run_directory(course: Course, root: Path, seed: int, changes: dict[str, Any] | None = None) -> RunDir:
    """A planned run of a course, not trained yet."""
    from tuiftune.jobs.prepare import prepare
    from tuiftune.preset.schema import Preset

    rng = random.Random(f"{seed} {course.rows.__name__ if course.rows else ''}")
    values: dict[str, Any] = {**QUICK, **(changes or {}), **course.settings, "training.seed": seed}
    values["training.divergence_patience"] = 0  # what comes after it is part of the course
    train: str = "builtin:tickets"
    held: Any = values.pop("data.eval", 0.1)
    if course.rows is not None:
        rows, held_rows = course.rows(rng)
        train = _write(root / f"{course.name}.jsonl", rows)
        held = _write(root / f"{course.name}-eval.jsonl", held_rows) if held_rows else held
    base = "builtin:tiny" if course.after is None else str(root / course.after / "result" / "model")
    preset = Preset.model_validate(
        {"name": course.name, "model": {"base": base}, "data": {"train": train, "eval": held}}
    )
    values.setdefault("run.save_every", max(1, values["training.max_steps"] // EVERY))
    return prepare(preset.with_values(values), root, course.name)


def _write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def warm() -> None:
    """Import what an engine does, once for all runs that are forked from here."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from tuiftune.engine.process import libraries

    libraries.environment()
    import peft  # noqa: F401
    import torch
    import trl.trainer.sft_trainer  # noqa: F401

    import tuiftune.engine.training.recipe
    import tuiftune.engine.training.trainer  # noqa: F401

    torch.set_num_threads(1)


def train(course: Course, root: Path, seed: int, changes: dict[str, Any] | None = None) -> int:
    """Plan and train a course in a process of its own. Returns its exit code.

    The parent must not have read data before: polars' threads don't survive a fork.
    """
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 1
        try:
            run = run_directory(course, root, seed, changes)
            from tuiftune.engine.__main__ import main as engine

            code = engine(["train", str(run.path)])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def compact(run: RunDir) -> Iterator[str]:
    """The plan's part that a judgement reads, then each event that it reads, with few digits."""
    resolved = run.plan().document["resolved"]
    kept = {"training": resolved["training"], "method": resolved["method"], "run": resolved["run"]}
    data = {key: value for key, value in run.plan().document["data"].items() if key not in ("files", "basis")}
    plan = {"type": "plan", "resolved": kept, "model": run.plan().document["model"], "data": data}
    yield json.dumps(plan, separators=(",", ":"))
    before = None
    for line in run.events_path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        kind = event["type"]
        if kind not in KEPT or (kind == "phase" and event["name"] == before):
            continue
        before = event["name"] if kind == "phase" else before
        short = {"type": kind} | {key: _short(event[key]) for key in KEPT[kind] if key in event}
        yield json.dumps(short, separators=(",", ":"))


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--keep", type=Path)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="where a course has none"
    )
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_STATE_HOME"] = scratch
        root = given.keep or Path(scratch) / "runs"
        warm()
        changes = {key: json.loads(value) for key, _, value in (one.partition("=") for one in given.set)}
        wanted = [name for name in given.only.split(",") if name]
        for course in COURSES:
            if wanted and course.name not in wanted:
                continue
            began = time.monotonic()
            code = train(course, root, given.seed, changes)
            lines = list(compact(RunDir.open(root / course.name)))
            (given.output / f"{course.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            sys.stdout.write(f"{course.name}: exit {code}, {time.monotonic() - began:.1f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
