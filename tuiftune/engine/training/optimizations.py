"""What trades memory for speed: activation checkpointing, compiled layers, fused kernels, mixed precision."""

from __future__ import annotations

import importlib.util
import re
import shutil
from contextlib import contextmanager
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from tuiftune.control_group import memory_available
from tuiftune.engine.model import adapters
from tuiftune.errors import UserError
from tuiftune.figures import size
from tuiftune.plan.offloading import LEAST, OF_FREE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.offloading import Offloading
    from tuiftune.engine.training.settings import Settings


def check(settings: Settings, device: str) -> None:
    """UserError where the plan asks for a lever this machine lacks."""
    training = settings.preset.training
    if training.kernels == "liger" and importlib.util.find_spec("liger_kernel") is None:
        raise UserError(
            "the plan uses Liger kernels, which are not installed",
            place="training.kernels",
            remedy="pip install liger-kernel, or set training.kernels: none",
        )
    if training.kernels == "liger" and device != "cuda":
        raise UserError(
            "Liger kernels need a GPU", place="training.kernels", remedy="set training.kernels: none"
        )
    if training.compile is True and device == "cpu" and not (shutil.which("g++") or shutil.which("clang++")):
        raise UserError(
            "compiling layers for the CPU needs a C++ compiler",
            place="training.compile",
            remedy="install g++, or set training.compile: false",
        )


def decoder_layers(model: Any) -> list[Any]:
    """The repeated blocks of the transformer, first to last, whatever wraps them."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]


def checkpoint_activations(model: Any, every: int, offloading: Offloading | None = None) -> None:
    """Recompute the activations of every `every`-th decoder layer in the backward pass; 0 turns it off.
    `offloading` keeps the inputs of these layers in RAM.

    Set on the layers themselves, since the trainer's own switch has no every-N before transformers 5.20. The
    model's own switches keep to it: TRL turns checkpointing off to generate and for the reference, and then
    on again for all layers.
    """
    import torch

    layers = decoder_layers(model)
    if every and not layers:
        raise UserError(
            "this model does not support activation checkpointing",
            place="training.activation_checkpointing",
            remedy="set it to false",
        )
    recompute = partial(torch.utils.checkpoint.checkpoint, use_reentrant=False)
    for place, layer in enumerate(layers):
        layer._gradient_checkpointing_func = (
            partial(offloading.around, place, recompute) if offloading else recompute
        )
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    core.recomputed_every = every
    core.gradient_checkpointing_enable = MethodType(_recompute, core)
    core.gradient_checkpointing_disable = MethodType(_recompute_none, core)
    core.gradient_checkpointing_enable()


def _recompute(core: Any, *_: Any, **__: Any) -> None:
    every = core.recomputed_every
    for index, layer in enumerate(decoder_layers(core)):
        layer.gradient_checkpointing = bool(every) and index % every == 0


def _recompute_none(core: Any) -> None:
    for layer in decoder_layers(core):
        layer.gradient_checkpointing = False


def may_leave_out(model: Any) -> bool:
    """Whether a step may pass by trained weights: experts that no token is sent to, towers that text doesn't
    enter. DDP would wait for their gradients forever unless it looks for them, which takes time.
    """
    config = model.config.get_text_config()
    experts = any(getattr(config, name, None) for name in adapters.NUMBERS_OF_EXPERTS)
    towers = adapters.other_towers(model)
    return experts or any(
        weight.requires_grad and towers and re.fullmatch(towers, name)
        for name, weight in model.named_parameters()
    )


def compile_layers(model: Any, offloading: Offloading | None = None) -> None:
    """Compile each decoder layer on its first use in training.

    Since transformers 5.23 what recomputes it is compiled as well, so `offloading` goes around that; before,
    it was around what is compiled, where other hooks would take the place of those that drop activations.
    """
    import torch

    for place, layer in enumerate(decoder_layers(model)):
        layer.compile()
        if offloading and type(layer).__call__ is not torch.nn.Module.__call__:
            recompute = layer._gradient_checkpointing_func
            layer._gradient_checkpointing_func = partial(offloading.around, place, recompute)
        elif offloading:
            layer._compiled_call_impl = partial(
                _offloaded, offloading, place, layer, layer._compiled_call_impl
            )


def _offloaded(
    offloading: Offloading, place: int, layer: Any, compiled: Any, *args: Any, **kwargs: Any
) -> Any:
    if not layer.gradient_checkpointing:
        return compiled(*args, **kwargs)
    return offloading.around(place, compiled, *args, **kwargs)


def offloading_of(settings: Settings, device: str, report: Report) -> Offloading | None:
    """What keeps the inputs of recomputed layers in RAM, as far as there is room for them; None if not asked
    for.
    """
    if not settings.offloads_activations:
        return None
    from tuiftune.engine.training.offloading import Offloading

    room = int(OF_FREE * memory_available() / settings.processes)

    def full() -> None:
        report.warning(
            "activations_on_gpu",
            f"offloaded activations fill a quarter of the free RAM ({size(room)} for this process): the rest "
            "stay in GPU memory",
            "free some RAM, or use a smaller micro-batch or max length",
        )

    return Offloading(room, LEAST if device == "cuda" else 0, full)


def autocast_dtype(settings: Settings) -> str | None:
    """`bf16` or `fp16` where matrix products run in lower precision than the trained weights, else None.

    float16 comes with a gradient scaler (the trainer's). Adapters in bfloat16 over a bfloat16 base need none,
    and are faster without.
    """
    import torch

    dtype = settings.preset.model.dtype
    if dtype == "bfloat16":
        lossy = settings.adapted and not settings.four_bit
        pure = lossy and adapters.dtype_of(settings) == torch.bfloat16
        return None if pure else "bf16"
    return "fp16" if dtype == "float16" else None


def products_in(settings: Settings) -> Any:
    """The dtype that matrix products are cast to, or None where they run in that of the weights."""
    import torch

    return torch.bfloat16 if autocast_dtype(settings) == "bf16" else None


@contextmanager
def eager_layers(model: Any) -> Iterator[None]:
    """Compiled layers run eagerly inside: scoring has shapes and modes of its own, each of which would
    compile again.
    """
    layers = decoder_layers(model)
    compiled = [layer._compiled_call_impl for layer in layers]
    try:
        for layer in layers:
            layer._compiled_call_impl = None
        yield
    finally:
        for layer, implementation in zip(layers, compiled, strict=True):
            layer._compiled_call_impl = implementation
