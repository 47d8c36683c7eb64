"""Inputs of recomputed layers, all that activation checkpointing keeps, in RAM until the backward pass.

On a GPU a stream of its own copies: an input leaves while its layer runs, and comes back while the layer
after it is recomputed. `Offloading` says how many are in GPU memory at any time.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import saved_tensors_hooks

from tuiftune.plan.offloading import LEAST, pinned

if TYPE_CHECKING:
    from collections.abc import Callable


class Input:
    """What one layer was given: in `buffer`, and for a while in `tensor`, which is whole after `event`."""

    def __init__(self, owner: Offloading, buffer: Any, place: int, tensor: Any, before: Input | None) -> None:
        self.owner, self.buffer, self.place, self.tensor, self.used = owner, buffer, place, tensor, False
        self.before = None if before is None else weakref.ref(before)
        self.shape, self.device = tensor.shape, tensor.device
        self.values = buffer[: tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        self.event = owner.copy(self.values, tensor)

    def fetch(self) -> None:
        """Begin to bring it back, into memory of the stream that computes, as all tensors of a step are."""
        self.tensor = torch.empty(self.shape, dtype=self.values.dtype, device=self.device)
        self.event = self.owner.copy(self.tensor, self.values)

    def release(self) -> Any:
        """The tensor, no longer held here; the computing stream waits for the end of its copy."""
        tensor, self.tensor = self.tensor, None
        if tensor is not None and self.event is not None:
            torch.cuda.current_stream(self.device).wait_event(self.event)
        return tensor

    def __del__(self) -> None:
        """Used, or of a pass that no backward pass followed."""
        self.release()
        self.owner.free.append(self.buffer)


class Offloading:
    """Moves the first tensor that a call `around` it is given, where autograd saves that tensor.

    Each is held until the next layer begins, when the computing stream waits for its copy. So the forward
    pass has one input, the running layer's, and the backward pass has two: of the layer that is recomputed,
    and of the one before, on its way. (After `record_stream` nobody could tell when memory is free again.)

    The inputs of a forward pass are a chain of weak links, so passes may overlap, and what is dropped without
    a backward pass gives its buffer back. Buffers are kept, since pinning memory is slow; with all copies on
    one stream, a buffer may be written before the last copy from it has ended.
    """

    def __init__(self, room: int, least: int = LEAST, full: Callable[[], None] | None = None) -> None:
        """`room`: bytes of RAM, beyond which inputs stay where they are, and `full` is called; `least`: bytes
        of the smallest input that is moved.
        """
        self.room, self.least, self.full = room, least, full
        self.free: list[Any] = []  # buffers
        self._last: weakref.ref[Input] | None = None
        self._stream: Any = None

    def around(self, place: int, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The call, which is the `place`th of its forward pass."""
        moved = next((one for one in args if isinstance(one, torch.Tensor)), None)
        if moved is None or not moved.is_floating_point() or moved.nbytes < max(1, self.least):
            return call(*args, **kwargs)
        if moved.is_leaf and moved.requires_grad:  # the graph holds it anyway
            return call(*args, **kwargs)
        # Not the tensor itself: the graph holds its hooks, and would hold that too.
        with saved_tensors_hooks(partial(self._pack, place, moved.data_ptr(), moved.shape), _unpack):
            return call(*args, **kwargs)

    def _pack(self, place: int, address: int, shape: torch.Size, tensor: Any) -> Any:
        if tensor.data_ptr() != address or tensor.shape != shape or not tensor.is_contiguous():
            return tensor
        last = None if self._last is None else self._last()
        if last is not None:
            last.release()
        if (buffer := self._take(tensor.nbytes, on_gpu=tensor.is_cuda)) is None:
            return tensor
        same_pass = last is not None and last.place < place
        found = Input(self, buffer, place, tensor.detach(), last if same_pass else None)
        self._last = weakref.ref(found)
        return found

    def _take(self, size: int, *, on_gpu: bool) -> Any:
        """The smallest free buffer of so many bytes; else a new one, in place of those that are too small."""
        if fitting := [place for place, one in enumerate(self.free) if one.nbytes >= size]:
            return self.free.pop(min(fitting, key=lambda place: self.free[place].nbytes))
        small, self.free = self.free, []
        self.room += sum(one.nbytes for one in small)
        if small and on_gpu:
            small.clear()
            if give_back := getattr(torch._C, "_host_emptyCache", None):  # a name of PyTorch's own
                give_back()
        if pinned(size) > self.room:
            if self.full is not None:
                self.full()
            self.full = None
            return None
        self.room -= pinned(size)
        return torch.empty(pinned(size), dtype=torch.uint8, device="cpu", pin_memory=on_gpu)

    def copy(self, to: Any, source: Any) -> Any:
        """Copy what the computing stream will have made; the event that it ends with, None if it has."""
        gpu = next((one.device for one in (to, source) if one.is_cuda), None)
        if gpu is None:
            to.copy_(source)
            return None
        if self._stream is None:
            self._stream = torch.cuda.Stream(gpu)
        self._stream.wait_stream(torch.cuda.current_stream(gpu))
        with torch.cuda.stream(self._stream):
            to.copy_(source, non_blocking=True)
            return self._stream.record_event()


def _unpack(found: Any) -> Any:
    if not isinstance(found, Input):
        return found
    if found.tensor is None:
        found.fetch()
    tensor, found.used = found.release(), True
    before = None if found.before is None else found.before()
    if before is not None and before.tensor is None and not before.used:
        before.fetch()
    return tensor
