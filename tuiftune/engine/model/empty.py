"""A model without its weights, for the processes that share one, and for the result that they gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import base as bases
from tuiftune.engine.training.attention import keep_rows_apart
from tuiftune.plan.attention import VARLEN

if TYPE_CHECKING:
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.settings import Settings


def empty_model(base: Base, settings: Settings) -> Any:
    """The same model on torch's meta device: its shapes without its weights, which another process loads."""
    import torch

    section = settings.preset.model
    extra: dict[str, Any] = {}
    if section.attention != "auto":
        extra["attn_implementation"] = "sdpa" if section.attention == VARLEN else section.attention
    config = bases.config_of(base)
    with torch.device("meta"):
        model = bases.class_of(config).from_config(
            config,
            dtype=getattr(torch, settings.held_in),
            trust_remote_code=base.remote_code,
            **extra,
        )
    model.tie_weights()
    model.eval()  # as a loaded one is
    if section.attention == VARLEN:
        keep_rows_apart(model)
    return model


def places_itself(model: Any) -> None:
    """Tell the trainer that a model is neither to be moved to a device nor to be wrapped in DDP."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    core._is_distributed_loading_by_transformers = True
