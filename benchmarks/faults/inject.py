"""Faults inside an engine process, armed in the child before the engine starts.

Nothing of tuiftune is changed: files are watched through Python's audit events, numbers are spoilt where the
libraries hand them over.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import Any

# Audit events of operations on files, with the positions of the paths in their arguments.
FILE_EVENTS = {
    "open": (0,),
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "shutil.rmtree": (0,),
}


def arm(fault: dict[str, Any]) -> None:
    """`fault`: {"kind": …} and what that kind needs; with a `rank`, it strikes only that process."""
    kind, rank = fault["kind"], fault.get("rank")
    if kind in ("kill at a file", "full at a file"):
        _at_file_operation(fault["within"], int(fault["number"]), rank, kill=kind == "kill at a file")
    elif kind == "kill in evaluation":
        _kill_in_evaluation(fault["number"], rank)
    elif kind == "kill in training":
        _kill_in_training(fault["number"], rank)
    elif kind == "hang":
        _hang(fault["step"], rank)
    elif kind == "host memory":
        _swallow_memory(fault["step"])
    else:
        _spoil(kind, fault["step"], rank)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _is(rank: int | None) -> bool:
    """Whether this process is that one of its run, or any will do. Ranks are forked armed."""
    return rank is None or os.environ.get("RANK", "0") == str(rank)


def _at_file_operation(within: str, number: int, rank: int | None, *, kill: bool) -> None:
    """At the n-th operation on a file whose path holds `within`: end as by `kill -9`, or find the disk full
    from then on.
    """
    left = number

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        places = FILE_EVENTS.get(event, ())
        paths = [os.fsdecode(args[at]) for at in places if isinstance(args[at], str | bytes | os.PathLike)]
        if not any(within in path for path in paths):
            return
        left -= 1
        if left > 0 or not _is(rank):
            return
        if kill:
            _kill()
        elif event == "os.mkdir" or (event == "open" and isinstance(args[2], int) and args[2] & os.O_CREAT):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), paths[0])

    sys.addaudithook(hook)


def _kill_in_evaluation(batch: int, rank: int | None) -> None:
    from tuiftune.engine.stages.next_token import NextTokenTrainer

    left = batch
    compute = NextTokenTrainer.compute_loss

    def compute_loss(self: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if self.is_in_train and not model.training:
            left -= 1
            if left <= 0 and _is(rank):
                _kill()
        return compute(self, model, *args, **kwargs)

    NextTokenTrainer.compute_loss = compute_loss  # type: ignore[method-assign]


def _kill_in_training(backward: int, rank: int | None) -> None:
    """At the n-th forward and backward pass, so within an accumulation as well."""
    from trl import SFTTrainer

    left = backward
    training_step = SFTTrainer.training_step

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        loss = training_step(self, *args, **kwargs)
        left -= 1
        if left <= 0 and _is(rank):
            _kill()
        return loss

    SFTTrainer.training_step = counted


def _hang(step: int, rank: int | None) -> None:
    """One rank hangs before that step, as if waiting for gradients that nobody sends; the others are gone."""
    from trl import SFTTrainer

    training_step = SFTTrainer.training_step

    def hanging(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step + 1 == step:
            if _is(rank):
                time.sleep(3600)
            _kill()
        return training_step(self, *args, **kwargs)

    SFTTrainer.training_step = hanging


def _swallow_memory(step: int) -> None:
    """At one step, a gigabyte of host memory: more than the process's control group has."""
    from trl import SFTTrainer

    training_step = SFTTrainer.training_step

    def swallowing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step + 1 == step:
            swallowed.extend(b"x" * 10_000_000 for _ in range(100))
        return training_step(self, *args, **kwargs)

    swallowed: list[bytes] = []
    SFTTrainer.training_step = swallowing


def _spoil(kind: str, step: int, rank: int | None) -> None:
    """NaN or infinity in the loss, a gradient or a weight, or a card without memory, at one step."""
    import torch
    from trl import SFTTrainer

    training_step = SFTTrainer.training_step
    optimizer_step = torch.optim.AdamW.step

    def spoilt(self: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        due = self.state.global_step + 1 == step and _is(rank)
        if due and kind == "oom":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB (injected)")
        loss = training_step(self, model, *args, **kwargs)
        if due and kind in ("loss nan", "loss inf"):
            return loss * float("nan" if kind == "loss nan" else "inf")
        if due and kind in ("gradient nan", "gradient inf"):
            first = next(one for one in model.parameters() if one.grad is not None)
            first.grad.view(-1)[0] = float("nan" if kind == "gradient nan" else "inf")
        if due and kind.startswith("weight nan"):
            armed.add(step)
        return loss

    armed: set[int] = set()

    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = optimizer_step(self, *args, **kwargs)
        if armed:
            armed.clear()
            with torch.no_grad():
                self.param_groups[0]["params"][0].view(-1)[0] = float("nan")
            if kind.endswith("SIGTERM"):  # then the next thing is a checkpoint, without an evaluation
                os.kill(os.getpid(), signal.SIGTERM)
        return out

    SFTTrainer.training_step = spoilt
    torch.optim.AdamW.step = stepped  # type: ignore[method-assign]
