"""What FP8 products cost a base model in NF4, measured before training: its eval loss with them and without.

Layers whose inputs FP8 can't hold are found on the way, and multiply in 16 bit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from tuiftune.engine.model import base as bases
from tuiftune.engine.model import fp8_base, nf4_in_fp8
from tuiftune.engine.training import base_in_fp8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.trainer import RunTrainer


def switch(model: Any, left: Mapping[str, str], report: Report) -> None:
    """Let the layers in NF4 multiply in FP8, but those that can't, and those that were `left` in 16 bit
    before, with why.
    """
    unable = nf4_in_fp8.switch(model)
    named = _named(model)
    known = {name: why for name, why in left.items() if name in named}
    for name in known:
        named[name].in_fp8 = False
    fp8_base.say({**known, **unable}, report)


def compare(context: RunContext, trainer: RunTrainer) -> None:
    """Measure, tell and store it. Each process measures the same rows."""
    report = context.report
    if not context.wanted.fp8_compute or not base_in_fp8.compares(context.wanted, context.run.path):
        return
    report.phase("preflight", "the 4-bit base model with products in 16 bit and in FP8")
    batch, rows = base_in_fp8.batch_of(trainer)
    layers = _named(trainer.model)
    errors: dict[str, float] = {}
    with _multiplying(layers, in_fp8=False), _noting(layers, errors):
        measured = {"nf4": base_in_fp8.loss_of(trainer, batch)}
    far = base_in_fp8.too_far(context, errors)
    near = {name: layer for name, layer in layers.items() if name not in far}
    with _multiplying(near, in_fp8=True):
        measured["nf4_fp8"] = base_in_fp8.loss_of(trainer, batch)
    for name in far:
        layers[name].in_fp8 = False
    fp8_base.say(far, report)
    base_in_fp8.conclude(context, trainer, batch, rows, measured, far, errors)


def _named(model: Any) -> dict[str, Any]:
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    return {
        name.removesuffix(".base_layer"): layer
        for name, layer in core.named_modules()
        if isinstance(layer, nf4_in_fp8.Nf4InFp8)
    }


@contextmanager
def _multiplying(layers: Mapping[str, Any], *, in_fp8: bool) -> Iterator[None]:
    before = {name: layer.in_fp8 for name, layer in layers.items()}
    try:
        for layer in layers.values():
            layer.in_fp8 = in_fp8
        yield
    finally:
        for name, layer in layers.items():
            layer.in_fp8 = before[name]


@contextmanager
def _noting(layers: Mapping[str, Any], errors: dict[str, float]) -> Iterator[None]:
    """How far the output of each layer is off in FP8, relative to the norm of its product."""

    def note(name: str) -> Callable[[Any, Any, Any], None]:
        def compared(layer: Any, inputs: Any, output: Any) -> None:
            with _multiplying({name: layer}, in_fp8=True), torch.no_grad():
                found = layer.forward(*inputs)
            if bases.finite(output):  # else it isn't FP8's fault
                product = found if layer.bias is None else found - layer.bias.to(found.dtype)
                off = base_in_fp8.relative_error(product, output, layer.bias)
                errors[name] = max(errors.get(name, 0.0), off)

        return compared

    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
