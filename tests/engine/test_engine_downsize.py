"""Out of GPU memory in training: a fresh process with half the micro batch, and otherwise the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine

# An engine whose card has room for two rows at once.
SMALL_CARD = """
import torch
from trl import SFTTrainer
step = SFTTrainer.training_step
def small(self, model, inputs, *args, **kwargs):
    if self.state.global_step >= {after} and len(inputs["input_ids"]) > {room}:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return step(self, model, inputs, *args, **kwargs)
SFTTrainer.training_step = small
from tuiftune.engine.process import gpu
gpu.held_by_others = lambda: 123 << 30
"""


def small_card(path: Path, *, after: int, room: int) -> None:
    """Any Python started from here on has a card with that little room, restarted engines too."""
    path.mkdir()
    hook = "import sys\nif any('tuiftune.engine' in word for word in sys.orig_argv):\n"
    text = hook + "".join(
        f"    {line}\n" for line in SMALL_CARD.format(after=after, room=room).strip().splitlines()
    )
    (path / "sitecustomize.py").write_text(text)


def start(run: Path, hook: Path) -> int:
    path = os.pathsep.join([str(hook), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, "-P", "-m", "tuiftune.engine", "train", str(run)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=150,
        check=False,
    ).returncode


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_full_card_costs_a_restart_and_nothing_else(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """Room for two rows: 4 × 2 becomes 2 × 4 from the last checkpoint on, in the same process id."""
    changes = {"training__max_steps": 12, "run__save_every": 4}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    small_card(tmp_path / "card", after=6, room=2)
    assert start(broken, tmp_path / "card") == 0

    (warning,) = [event for event in tiny.events(broken, "warning") if event["code"] == "micro_batch_halved"]
    assert "after step 6, while other processes use 123 GiB of this GPU" in warning["message"]
    assert "micro-batch size of 2 instead of 4 and an accumulation of 4" in warning["message"]
    assert [event["resumed_from"] for event in tiny.events(broken, "start")] == [None, 4]
    (end,) = tiny.events(broken, "end")
    assert end["state"] == "done"
    losses = [{one["step"]: one["loss"] for one in tiny.events(run, "step")} for run in (whole, broken)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
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
