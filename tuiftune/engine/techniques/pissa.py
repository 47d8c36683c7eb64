"""PiSSA: adapters that begin with each weight's principal part, and a base that keeps the rest."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.engine.techniques.lora import Lora

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.engine.training.settings import Settings

START = "pissa.safetensors"  # of the run: the adapters it began with
WEIGHTS = "adapter_model.safetensors"
NAME = "default"  # PEFT's, of the only adapter


class Pissa(Lora):
    def prepare(self, model: Any, settings: Settings, run: Path) -> Any:
        """The principal part of each weight goes into its adapter, and is taken out of the base.

        A run that goes on takes the parts it began with: decomposed again, they could differ in their bits.
        """
        from peft import get_peft_model, get_peft_model_state_dict

        adapted = get_peft_model(model, self.config(model, settings))
        kept = run / START
        again = _as_rank_0(
            paths.is_file(kept)
        )  # which writes it below, while the others may not have looked yet
        if again:
            from safetensors.torch import load_file

            _set(adapted, load_file(kept))
        count = settings.preset.method.pissa_iterations
        how = "pissa" if count is None else f"pissa_niter_{count}"
        for layer in adapted.modules():
            if hasattr(layer, "pissa_init") and NAME in layer.lora_A:
                _take_out(layer, None if again else how)
        names = [name for name in get_peft_model_state_dict(adapted) if "lora_" in name]
        start = {name: get_peft_model_state_dict(adapted)[name].detach().cpu().clone() for name in names}
        if not again:
            _keep(start, kept)
        adapted.pissa_start = start
        adapted.disable_adapter = partial(_as_it_began, adapted, start)
        self.restore(adapted, settings)
        return adapted

    def save(self, model: Any, directory: Path) -> None:
        """An adapter of the base as it was: B·A − B₀·A₀ is one of twice the rank (PEFT's conversion)."""
        import torch
        from peft import PeftConfig
        from safetensors.torch import load_file, save_file

        model.save_pretrained(directory)
        trained = load_file(directory / WEIGHTS)
        for name, first in model.pissa_start.items():
            sign, side = (1, 0) if "lora_A" in name else (-1, 1)
            trained[name] = torch.cat([trained[name].to(first.dtype), sign * first], dim=side).contiguous()
        save_file(trained, directory / WEIGHTS, metadata={"format": "pt"})
        config = PeftConfig.from_pretrained(directory)
        config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha
        config.save_pretrained(directory)


def _take_out(layer: Any, how: str | None) -> None:
    """Leave in a layer's base weight what its adapter does not hold; `how` decomposes it first."""
    import torch

    base = layer.get_base_layer()
    whole = base.weight.data
    if how is not None:
        layer.pissa_init(NAME, how)
        _same_everywhere([layer.lora_A[NAME].weight.data, layer.lora_B[NAME].weight.data])
    with torch.no_grad():
        rest = whole.to(torch.float32) - layer.get_delta_weight(NAME).to(torch.float32)
        base.weight.data = rest.to(whole.dtype)


def _together() -> bool:
    import torch

    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())


def _as_rank_0(value: bool) -> bool:
    """What rank 0 has, in every process of the run."""
    import torch

    shared = [value]
    if _together():
        torch.distributed.broadcast_object_list(shared, 0)
    return shared[0]


def _same_everywhere(tensors: list[Any]) -> None:
    """What rank 0 found, in every process of the run."""
    import torch

    if _together():
        for one in tensors:
            torch.distributed.broadcast(one, 0)


def _keep(start: dict[str, Any], path: Path) -> None:
    """Write the adapters that a run began with, whole or not at all; rank 0 does."""
    import torch
    from safetensors.torch import save_file

    if _together() and torch.distributed.get_rank():
        return
    partial_ = path.with_name(f".{path.name}.partial")
    save_file(start, partial_)
    with partial_.open("rb+") as file:  # raw: just written here, to be synced
        os.fsync(file.fileno())
    partial_.replace(path)


def _set(model: Any, tensors: dict[str, Any]) -> None:
    """Set adapters by name. Modules that are trained whole stay as they are: PEFT asks for them as well."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    set_peft_model_state_dict(model, {**get_peft_model_state_dict(model), **tensors})


@contextmanager
def _as_it_began(model: Any, start: dict[str, Any]) -> Iterator[None]:
    """The base model inside: what it keeps, what the adapters began with, and its own modules in place of
    those that are trained whole.
    """
    from peft import get_peft_model_state_dict
    from peft.utils.other import AuxiliaryTrainingWrapper

    now = {name: one.detach().clone() for name, one in get_peft_model_state_dict(model).items()}
    trained = [one for one in model.modules() if isinstance(one, AuxiliaryTrainingWrapper)]
    _set(model, start)
    for one in trained:
        one.enable_adapters(False)
    try:
        yield
    finally:
        for one in trained:
            one.enable_adapters(True)
        _set(model, now)


APPLIED = Pissa()
