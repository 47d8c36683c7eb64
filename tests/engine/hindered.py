"""What may stand in an engine's way, armed in its process before it starts."""

from __future__ import annotations

import os
import time
from typing import Any


def arm(fault: dict[str, Any]) -> None:
    """`fault`: its other keys name functions of this module, called with their values."""
    for name, value in fault.items():
        if name != "module":
            globals()[name](value)


def environment(values: dict[str, str]) -> None:
    os.environ.update(values)


def many_from(size: int) -> None:
    """Rows of so many bytes are tokenized by several processes, and kept."""
    from tuiftune.engine.training import rows

    rows.MANY_BYTES = size


def slow_steps(seconds: float) -> None:
    _in_training(lambda step: time.sleep(seconds))


def hangs_at(step: int) -> None:
    """In that step for longer than any test waits."""
    _in_training(lambda now: time.sleep(600) if now == step else None)


def hangs_saving(step: int) -> None:
    """With all files of that step's checkpoint written, but not yet in its place."""
    from tuiftune.runs.store import checkpoint_store

    sealed = checkpoint_store._seal

    def seal(directory: Any, now: int, processes: int) -> int:
        size = sealed(directory, now, processes)
        if now == step:
            time.sleep(600)
        return size

    checkpoint_store._seal = seal


def seals_slowly(seconds: float) -> None:
    from tuiftune.runs.store import checkpoint_store

    sealed = checkpoint_store._seal

    def seal(*args: Any) -> int:
        time.sleep(seconds)
        return sealed(*args)

    checkpoint_store._seal = seal


def ram_left(size: int) -> None:
    """So many bytes of RAM are free when a checkpoint is written."""
    from tuiftune.engine.training import saving

    saving.memory_available = lambda: size


def notes_who_writes(path: str) -> None:
    """Note the thread that writes the optimizer's states."""
    import threading

    import torch

    save = torch.save

    def noted(what: Any, where: Any, *args: Any, **kwargs: Any) -> None:
        if str(where).endswith("optimizer.pt"):
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{threading.current_thread().name}\n")
        save(what, where, *args, **kwargs)

    torch.save = noted  # type: ignore[assignment]


def may_lose(seconds: list[float]) -> None:
    """The shortest and the longest time between two saves."""
    from tuiftune.plan import cost

    cost.SHORTEST_INTERVAL, cost.LOST_SECONDS = seconds


def checks_on(device: str) -> None:
    """The preflight check is made unasked on this device, too."""
    from tuiftune.engine.training import assembly

    assembly.UNASKED = ("cuda", device)


def compares_fp8(it_does: bool) -> None:
    """As a stage that does not compare its base model in FP8, where false."""
    from tuiftune.engine.training import base_in_fp8

    if not it_does:
        base_in_fp8.compares = lambda wanted, run: False


def stuck_after(seconds: float) -> None:
    from tuiftune.engine.process import gpu

    gpu.STUCK_AFTER, gpu.HEARTBEAT_EVERY = seconds, seconds / 4


def impatient(seconds: float) -> None:
    """A process that the others wait for is named after that time."""
    from tuiftune.engine.distributed import lookout, whereabouts
    from tuiftune.engine.process import gpu

    lookout.NOTE_EVERY, gpu.HEARTBEAT_EVERY = seconds / 4, seconds / 4
    lookout.SILENT, lookout.BEHIND = seconds, seconds
    whereabouts.IDLE = 0.3  # the heartbeat is fast, too


def second_late_while(path: str) -> None:
    """The second of two processes does not come to the place where they meet while that file is there."""
    from tuiftune.engine.distributed.group import Group

    join = Group.join

    def late(self: Any, *words: Any, **more: Any) -> None:
        while self.rank == 1 and os.path.exists(path):
            time.sleep(0.05)
        join(self, *words, **more)

    Group.join = late  # type: ignore[method-assign]


def second_sleeps_while(path: str) -> None:
    """The second of two processes does nothing in its steps while that file is there."""

    def asleep(step: int) -> None:
        while os.environ.get("RANK") == "1" and os.path.exists(path):
            time.sleep(0.05)

    _in_training(asleep)


def counts_walks(path: str) -> None:
    """Note in each step how often all parameters, or the modes of all modules, were gone through before."""
    import torch

    walks = [0]

    def counted(function: Any) -> Any:
        def walk(module: Any, *args: Any, **kwargs: Any) -> Any:
            walks[0] += 1
            return function(module, *args, **kwargs)

        return walk

    for name in ("_named_members", "train"):
        setattr(torch.nn.Module, name, counted(getattr(torch.nn.Module, name)))

    def note(step: int) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{walks[0]}\n")

    _in_training(note)


def merges_nothing(really: bool) -> None:
    """Adapters are left out of what is merged."""
    from tuiftune.engine.export import merging

    if really:
        merging.Adapted.merged = lambda layers, weight: weight


def leaves_the_adapter_out(really: bool) -> None:
    """llama.cpp answers from the base model's file alone."""
    from tuiftune.engine.export.answering import gguf

    original = gguf.Gguf.__init__

    def without(found: Any, file: Any, tokenizer: Any, rows: Any, adapter: Any = None) -> None:
        original(found, file, tokenizer, rows, None if really else adapter)

    gguf.Gguf.__init__ = without  # type: ignore[method-assign]


def cannot_hold(rows: int) -> None:
    """The second of two processes runs out of memory in the preflight check of so many rows, or more."""
    import torch
    from trl import SFTTrainer

    step = SFTTrainer.training_step

    def limited(trainer: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        if (
            os.environ.get("RANK") == "1"
            and trainer.state.global_step == 0
            and len(inputs["input_ids"]) >= rows
        ):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return step(trainer, model, inputs, *rest)

    SFTTrainer.training_step = limited


def raises(words: str) -> None:
    """A RuntimeError of these words in the third step."""

    def at(step: int) -> None:
        if step == 3:
            raise RuntimeError(words)

    _in_training(at)


def _in_training(do: Any) -> None:
    from trl import SFTTrainer

    training_step = SFTTrainer.training_step

    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        do(self.state.global_step + 1)
        return training_step(self, *args, **kwargs)

    SFTTrainer.training_step = stepped


def reads_as_nan(token: str) -> None:
    """That token's embedding is not a number, from loading on: rows that hold it end in NaN."""
    import torch
    from transformers import AutoTokenizer

    from tuiftune.engine.model import base as bases

    load = bases.load_model

    def poisoned(base: Any, *args: Any) -> Any:
        model = load(base, *args)
        number = AutoTokenizer.from_pretrained(base.source).convert_tokens_to_ids(token)
        embedding = model.get_input_embeddings()
        weight = embedding.weight.detach().clone()  # the head, which is tied to it, stays sound
        weight[number] = float("nan")
        embedding.weight = torch.nn.Parameter(weight)
        return model

    bases.load_model = poisoned


def bound_by_permissions(_: bool) -> None:
    """Where tests run as root: without its power to write where nobody may."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    for at in (0, 1):  # effective, permitted
        sets[at] &= ~((1 << 1) | (1 << 2))  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, sets) == 0


def has_no_room(really: bool) -> None:
    """The second of the processes that share a model has no room for all of it."""
    from tuiftune.engine.distributed import sharding

    if really:
        sharding._has_room = lambda model: os.environ.get("RANK") != "1"
