"""TRL's trainer for stages that train on the next token, with the loss at the model's head: TRL's fused one
where that is the model's own, the model's forward elsewhere.

A mixture's router loss is trained on where the base model's config asks for it, and is no part of eval loss.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from trl import SFTTrainer

from tuiftune.engine.training import attention
from tuiftune.engine.training.head import gradient_with_loss
from tuiftune.models import kinds

ROUTER = "output_router_logits"
IGNORED = -100  # label of a token that is not trained


class NextTokenTrainer(SFTTrainer):
    """TRL's, over rows with `input_ids` and `labels`."""

    counters = ("_metrics",)
    lengths = ("input_ids",)
    measures = ()
    against_base = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ranked: list[bool] = []
        kwargs["args"].router_aux_loss_coef = router_loss(kwargs["model"])
        super().__init__(*args, **kwargs)
        peft = hasattr(self.model, "get_base_model")
        core = self.model.get_base_model() if peft else self.model
        self._own_head = self.aux_loss_enabled or not fused(core)
        self._takes_positions = takes_positions(core)
        without_router_logits(core)

    def tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a batch, padding left out."""
        mask = inputs.get("attention_mask")
        return inputs["input_ids"].numel() if mask is None else mask.sum()

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Trained tokens of a batch, which its loss is the mean of."""
        return (inputs["labels"][:, 1:] != IGNORED).sum()

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not self.aux_loss_enabled and self._takes_positions:  # the router's loss tells padding by the mask
            inputs = attention.without_mask(inputs)
        if not self._own_head:
            return self._fused_loss(model, inputs, kwargs.get("num_items_in_batch"))
        aux = self.router_aux_loss_coef if self.aux_loss_enabled and self.model.training else 0.0
        items = kwargs.get("num_items_in_batch")
        computed, router = loss(model, inputs, items, aux > 0)
        if items is not None and self.args.average_tokens_across_devices:
            computed = computed * self.accelerator.num_processes
        if router is not None:
            steps = self.current_gradient_accumulation_steps if items is not None else 1
            self._metrics["train"]["aux_loss"].append(float(router.detach()))
            computed = computed + aux * router / steps
        return computed

    def _fused_loss(self, model: Any, inputs: dict[str, Any], items: Any) -> Any:
        """TRL's loss. What it logs stays where it was computed: read here, it would have the GPU wait between
        the forward and the backward pass.
        """
        with gradient_with_loss():
            output = model(**{**inputs, "use_cache": False, "fused_lm_head": True})
        found = torch.stack(
            [one.sum().double() for one in (output.label_mask, output.entropy.detach(), output.is_top1)]
        )
        count = output.label_mask.sum() if items is None else torch.as_tensor(items)
        loss = -output.log_probs.sum() / count.clamp(min=1)
        if items is not None and self.args.average_tokens_across_devices:
            loss = loss * (self.accelerator.num_processes // self.get_tp_size())
        # as TRL does: not `gather`, since an evaluation's shares are uneven, and would wait for one another
        valid, entropy, right = self.accelerator.gather_for_metrics(found.unsqueeze(0)).sum(0)
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["entropy"].append(entropy / valid.clamp(min=1))
        metrics["mean_token_accuracy"].append(right / valid.clamp(min=1))
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the tokens' own loss; the router's is trained on as well, and not part of it."""
        for values in (one for mode in self._metrics.values() for one in mode.values()):
            values[:] = map(float, values)
        if "loss" in logs and (router := self._metrics["train"].get("aux_loss")):
            logs["loss"] -= self.router_aux_loss_coef * sum(router) / len(router)
        super().log(logs, *args, **kwargs)


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
    learnt = wanted != IGNORED
    chosen = output.logits[:, :-1][learnt].float()
    total = cross_entropy(chosen, wanted[learnt].to(chosen.device), reduction="sum")
    count = learnt.sum() if items is None else items
    return total / max(1, int(count)), output.aux_loss if router else None
