"""Out of GPU memory in training: a fresh process with half the micro batch, and otherwise the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_stages import pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine

# An engine whose card has room for two rows at once.
SMALL_GPU = """
import torch
from trl import {trainer}
loss = {trainer}.compute_loss
def small(self, model, inputs, *args, **kwargs):
    if self.model.training and self.state.global_step >= {after} and len(inputs["{column}"]) > {room}:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return loss(self, model, inputs, *args, **kwargs)
{trainer}.compute_loss = small
from tuiftune.engine.process import gpu
gpu.held_by_others = lambda: 123 << 30
"""


SAMPLED = {"method__generations": 4, "method__max_completion_length": 4, "training__divergence_patience": 0}
STAGES: dict[
    str, tuple[str, str, int, dict[str, Any]]
] = {  # trainer, a column of its batches, room, settings
    "sft": ("SFTTrainer", "input_ids", 2, {}),
    "dpo": ("DPOTrainer", "input_ids", 4, {"method__beta": 0.1}),
    "grpo": (
        "GRPOTrainer",
        "completion_ids",
        2,
        SAMPLED | {"method__beta": 0.0, "method__rewards": [{"reward": "regex", "pattern": "e"}]},
    ),
}


def small_gpu(path: Path, *, after: int, room: int, trainer: str, column: str) -> None:
    """Any Python started from here on has a card with that little room, restarted engines too."""
    given = {"after": after, "room": room, "trainer": trainer, "column": column}
    path.mkdir()
    hook = "import sys\nif any('tuiftune.engine' in word for word in sys.orig_argv):\n"
    text = hook + "".join(f"    {line}\n" for line in SMALL_GPU.format(**given).strip().splitlines())
    (path / "sitecustomize.py").write_text(text)


def start(run: Path, hook: Path) -> int:
    path = os.pathsep.join([str(hook), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, "-P", "-m", "tuiftune.engine", "train", str(run)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    ).returncode


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("stage", STAGES)
def test_a_full_gpu_costs_a_restart_and_nothing_else(
    stage: str, engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """Room for two rows: 4 × 2 becomes 2 × 4 from the last checkpoint on, in the same process id."""
    trainer, column, room, settings = STAGES[stage]
    rows = tiny.write_rows(tmp_path / "rows.jsonl", pairs() if stage == "dpo" else tiny.rows())
    changes: dict[str, Any] = {"rows": rows, "method__stage": stage, "training__max_steps": 12}
    changes |= {"run__save_every": 4, "evaluation__score": "none"} | settings
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    small_gpu(tmp_path / "card", after=6, room=room, trainer=trainer, column=column)
    assert start(broken, tmp_path / "card") == 0

    (warning,) = [event for event in tiny.events(broken, "warning") if event["code"] == "micro_batch_halved"]
    assert "after step 6, while other processes use 123 GiB of this GPU" in warning["message"]
    assert "micro-batch size of 2 instead of 4 and an accumulation of 4" in warning["message"]
    assert [event["resumed_from"] for event in tiny.events(broken, "start")] == [None, 4]
    (end,) = tiny.events(broken, "end")
    assert end["state"] == "done"
    losses = [{one["step"]: one["loss"] for one in tiny.events(run, "step")} for run in (whole, broken)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4, abs=1e-6)  # GRPO's are rounding beside 0
    rates = [{one["step"]: one["lr"] for one in tiny.events(run, "step")} for run in (whole, broken)]
    assert rates[0] == rates[1]
    # The record is no change of the run, and a later process keeps to it.
    (broken / "result" / "result.json").unlink()
    assert engine.train(broken, "--resume") == 0
    assert json.loads((broken / "downsized.json").read_text())["micro_batch"] == 2


def test_the_next_smaller_micro_batch() -> None:
    from tuiftune.engine.process.downsize import smaller

    assert smaller(4, 16) == 2
    assert smaller(6, 12) == 3
    assert smaller(5, 15) == 1
    assert smaller(1, 8) is None
    assert smaller(4, 6) is None  # rounded by the plan: halving would change the effective batch
