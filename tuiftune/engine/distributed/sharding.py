"""One model over several processes (FSDP2): each holds its share of every parameter, gradient and state.

`fully_shard` is called here and not by accelerate, whose FSDP2 silently becomes DDP without a GPU. A decoder
layer is a unit: gathered for its own forward and backward pass, and dropped after each. What stands outside
the layers (embeddings, norm, head) is one more, which stays from forward to backward.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from tuiftune.engine.training import optimizations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.training.settings import Settings

SPARE = 1.1  # of the gathered model's bytes, for what answers are generated with


def shard(model: Any, settings: Settings, group: Group, device: str) -> None:
    """Shard a model in place. Rank 0 has its weights in RAM, the others have it on the meta device; one that
    is quantized is on the device of each.

    Raises RuntimeError where the processes built different models, or something stayed whole.
    """
    core = _core(model)
    mesh = init_device_mesh(device, (group.size,))
    options: dict[str, Any] = {"mesh": mesh, "mp_policy": _precision(settings)}
    if settings.offloaded:
        options["offload_policy"] = CPUOffloadPolicy()
    layers = optimizations.decoder_layers(core)
    if not layers:
        raise RuntimeError(f"{type(core).__name__} does not show its decoder layers")
    fill = None if settings.four_bit else _Filling(core, group, device)
    for unit in (*layers, core):
        if fill is not None:
            fill.take(unit)
        fully_shard(unit, reshard_after_forward=unit is not core, **options)
    _check(model, group)
    core.trained_names = frozenset(name for name, one in core.named_parameters() if one.requires_grad)
    _settle_precision(core)


def _settle_precision(core: Any) -> None:
    """Pass one token through.

    FSDP2 learns at its first forward pass what is trained and in which precision, and again in each
    `unshard`: never may the adapters be off then, as they are when the base model is evaluated.
    """
    training = core.training
    core.eval()
    with torch.no_grad():
        core(input_ids=torch.zeros(1, 1, dtype=torch.long))
    core.train(training)
    reshard(core)


def _core(model: Any) -> Any:
    """The transformer itself: it generates without the wrapper that holds its adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _precision(settings: Settings) -> MixedPrecisionPolicy:
    """Products in the preset's precision, parameters as they are held, gradients added up in float32."""
    dtype = getattr(torch, str(settings.preset.model.dtype))
    if dtype == torch.float32:
        return MixedPrecisionPolicy()
    return MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)


class _Filling:
    """Brings rank 0's weights to all, a unit at a time, so that a device never holds more than one whole."""

    def __init__(self, core: Any, group: Group, device: str) -> None:
        self._leads = group.leads
        self._device = torch.device(device, torch.cuda.current_device()) if device == "cuda" else device
        named = [*core.named_parameters(remove_duplicate=False), *core.named_buffers()]
        held = Counter(id(one) for _, one in named)
        here = [(name, tuple(one.shape), held[id(one)]) for name, one in named]
        theirs = group.first(here)
        if group.any(theirs != here):
            raise RuntimeError("the processes built different models from the same configuration")
        self._dtypes = dict(group.first([(name, one.dtype) for name, one in named]))
        self._names = {id(module): name for name, module in core.named_modules()}
        # Of weights in several places: the old one, and the new one once it is there.
        self._tied = {id(one): [one] for _, one in named if held[id(one)] > 1}

    def take(self, unit: Any) -> None:
        """Replace what the unit holds by real tensors on the device, the same on every rank."""
        for module in unit.modules():
            path = self._names[id(module)]
            for name, one in [*module._parameters.items()]:
                if one is not None and not isinstance(one, DTensor):
                    module._parameters[name] = self._parameter(f"{path}.{name}".lstrip("."), one)
            for name, one in [*module._buffers.items()]:
                if one is not None:
                    module._buffers[name] = self._shared(f"{path}.{name}".lstrip("."), one)

    def _parameter(self, name: str, one: Any) -> Any:
        known = self._tied.get(id(one), [])
        if len(known) < 2:
            known.append(
                torch.nn.Parameter(self._shared(name, one.detach()), requires_grad=one.requires_grad)
            )
        return known[-1]

    def _shared(self, name: str, one: Any) -> Any:
        if self._leads:
            here = one.to(self._device).contiguous()
        else:
            here = torch.empty(one.shape, dtype=self._dtypes[name], device=self._device)
        if here.numel():
            dist.broadcast(here.view(-1).view(torch.uint8), 0)
        return here


def _check(model: Any, group: Group) -> None:
    """RuntimeError unless every parameter is sharded, and this process holds no more than its share."""
    whole = [name for name, one in model.named_parameters() if not isinstance(one, DTensor)]
    if whole:
        raise RuntimeError(f"FSDP2 left {len(whole)} parameters whole, the first: {whole[0]}")
    for name, one in model.named_parameters():
        rows = one.shape[0] if one.dim() else 1
        if local(one).numel() * rows > -(-rows // group.size) * one.numel():
            raise RuntimeError(f"FSDP2 holds more of {name} than its share")


def local(tensor: Any) -> Any:
    """This process's part of a tensor: all of it where it isn't sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Any) -> Any:
    """All of a tensor. Every process must ask for it where it is sharded."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def held_bytes(model: Any) -> int:
    """Bytes of the parameters that this process holds between steps."""
    return sum(local(one).numel() * one.element_size() for one in model.parameters())


def reshard(model: Any) -> None:
    """Let go of what a forward pass without a backward pass gathered: the optimizer knows the shards only."""
    for unit in _units(model):
        unit.reshard()


@contextmanager
def gathered(model: Any, group: Group) -> Iterator[bool]:
    """Inside, the whole model is on every device that has room for it, and a process may answer by itself.

    Yields False where one of them lacks the room: then all have to make the same calls.
    """
    reshard(model)
    fits = group.all(_has_room(model))
    units = _units(model)
    try:
        for unit in units if fits else ():
            unit.set_reshard_after_forward(False, recurse=False)
        with _adapters_count(_core(model)):
            for unit in units if fits else ():
                unit.unshard()
        yield fits
    finally:
        for unit in units if fits else ():
            unit.set_reshard_after_forward(unit is not units[0], recurse=False)
        reshard(model)


@contextmanager
def _adapters_count(core: Any) -> Iterator[None]:
    """Inside, what the run trains asks for gradients, switched off or not (see `_settle_precision`)."""
    trained = {name: one for name, one in core.named_parameters() if name in core.trained_names}
    off = [name for name, one in trained.items() if not one.requires_grad]
    for name in off:
        trained[name].requires_grad_(True)
    yield
    for name in off:
        core.get_parameter(name).requires_grad_(False)


def _units(model: Any) -> list[FSDPModule]:
    """What is gathered at once, the one around the layers first."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _has_room(model: Any) -> bool:
    first = next(model.parameters())
    if first.device_mesh.device_type != "cuda":
        return True  # all share one RAM, and rank 0 had the whole model in it before
    free, _ = torch.cuda.mem_get_info()
    free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    needed = sum(one.numel() * min(one.element_size(), 2) for one in model.parameters())
    return bool(free > SPARE * needed)


def consolidate(model: Any, plain: Any | None, *, adapted: bool) -> None:
    """Gather what is trained, or all of it, into `plain`: rank 0's model of the same shape, on no device.

    With adapters only they are: their result doesn't hold the base.
    """
    targets = dict(plain.named_parameters(remove_duplicate=False)) if plain is not None else {}
    made: dict[int, Any] = {}
    for name, one in model.named_parameters():
        if adapted and not one.requires_grad:
            continue
        full = whole(one.detach())
        if plain is not None:
            made[id(targets[name])] = torch.nn.Parameter(full.cpu(), requires_grad=one.requires_grad)
    if plain is None:
        return
    for module in plain.modules():
        for name, one in [*module._parameters.items()]:
            if one is not None and id(one) in made:
                module._parameters[name] = made[id(one)]
    for name, buffer in model.named_buffers():
        place, _, leaf = name.rpartition(".")
        plain.get_submodule(place)._buffers[leaf] = buffer.cpu()
    _core(plain).generation_config = _core(model).generation_config
