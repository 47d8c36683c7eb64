"""Lets an engine train over NF4 without a GPU: bitsandbytes quantizes on a CPU as well, only slowly."""

from __future__ import annotations

from typing import Any


def arm(fault: dict[str, Any]) -> None:
    """`fault`: `overflows` names a layer whose products in FP8 are made to be far off."""
    from tuiftune.engine.model import base, nf4_in_fp8

    base.choose_device = lambda settings: "cpu"
    plain = base.load_model

    def load_model(wanted: Any, settings: Any, device: str) -> Any:
        import torch

        model = plain(wanted, settings, device)
        for name, layer in model.named_modules():
            if name == fault.get("overflows"):
                layer.overflows = True
            state = getattr(getattr(layer, "weight", None), "quant_state", None)
            assert state is None or layer.weight.dtype == torch.uint8
        return model

    base.load_model = load_model
    multiply = nf4_in_fp8.Nf4InFp8.forward

    def forward(layer: Any, x: Any) -> Any:
        found = multiply(layer, x)
        return found * 2 if getattr(layer, "overflows", False) and layer.in_fp8 else found

    nf4_in_fp8.Nf4InFp8.forward = forward  # type: ignore[method-assign]
