"""The loss at a model's head: TRL's fused one where that is the model's own, the model's forward elsewhere.

A mixture's router loss is trained on where the base model's config asks for it, and is no part of eval loss.
"""

from __future__ import annotations

import inspect
from typing import Any

from tuiftune.models import kinds

ROUTER = "output_router_logits"


def fused(model: Any) -> bool:
    """Whether TRL's fused head is known to compute this model's loss."""
    return kinds.kind_of(model.config.to_dict()).fused_head


def takes_positions(model: Any) -> bool:
    """Whether its forward takes positions in place of a mask."""
    return "position_ids" in inspect.signature(type(model).forward).parameters


def router_loss(model: Any) -> float | None:
    """TRL's `router_aux_loss_coef`: 0 unless the base model's own config asks for the router's loss, None to
    take the config's.
    """
    return None if getattr(model.config.get_text_config(), ROUTER, False) else 0.0


def without_router_logits(model: Any) -> None:
    """Let a mixture return them only when asked in a call: generating with padding fails on them."""
    text = model.config.get_text_config()
    if hasattr(text, ROUTER):
        setattr(text, ROUTER, False)


def loss(model: Any, inputs: dict[str, Any], items: Any, router: bool) -> tuple[Any, Any]:
    """The mean loss over the trained tokens by the model's own logits, and the router's loss where asked.

    `items` is the number of trained tokens of all micro batches of a step; None: of this one.
    """
    from torch.nn.functional import cross_entropy

    inputs = {**inputs, "use_cache": False, **({ROUTER: True} if router else {})}
    wanted = inputs.pop("labels")[:, 1:]
    output = model(**inputs)
    learnt = wanted != -100
    chosen = output.logits[:, :-1][learnt].float()
    total = cross_entropy(chosen, wanted[learnt].to(chosen.device), reduction="sum")
    count = learnt.sum() if items is None else items
    return total / max(1, int(count)), output.aux_loss if router else None
