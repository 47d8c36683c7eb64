"""TRL's experimental trainers of preferences without a reference model, over tokenized pairs."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.next_token import without_router_logits
from tuiftune.engine.stages.pairs import RANKED, Collator, pairs_of

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # the plan says that they are experimental

from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

if TYPE_CHECKING:
    from trl import DPOTrainer as Mixin
else:
    Mixin = object  # before one of TRL's trainers

ACCURACY = "rewards/accuracies"


class ReferenceFree(Mixin):
    """What both trainers share: batches, and measures of evaluations."""

    counters = ("_metrics", "_stored_metrics")
    lengths = ("chosen_ids", "rejected_ids")
    measures = (RANKED, "rewards/margins", "logps/chosen", "logps/rejected")
    against_base = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ranked: list[bool] = []
        self._metrics: dict[str, Any] = {"train": defaultdict(list), "eval": defaultdict(list)}
        kwargs["data_collator"] = Collator(kwargs["processing_class"].pad_token_id)
        model = kwargs["model"]
        super().__init__(*args, **kwargs)
        without_router_logits(model.get_base_model() if hasattr(model, "get_base_model") else model)

    def tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a batch, those of both sides, padding left out."""
        return inputs["attention_mask"].sum()

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Pairs of a batch, which its loss is the mean of."""
        return pairs_of(inputs)

    def tokenize_row(self, feature: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}  # they are tokens already

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        loss, found = self.get_batch_loss_metrics(model, _by_side(inputs), train_eval="train")
        found[RANKED] = found[ACCURACY]  # rewards are mean log-probabilities, times beta
        if self.model.training:
            self.store_metrics(found, train_eval="train")
        else:
            for name, value in found.items():
                self._metrics["eval"][name].append(value)
        return loss.to(self.args.device)

    def odds_ratio_loss(self, chosen: Any, rejected: Any) -> Any:
        self._note_order(chosen, rejected)
        return super().odds_ratio_loss(chosen, rejected)

    def cpo_loss(self, chosen: Any, rejected: Any) -> Any:
        self._note_order(chosen, rejected)
        return super().cpo_loss(chosen, rejected)

    def _note_order(self, chosen: Any, rejected: Any) -> None:
        if not self.model.training:
            self.ranked += (chosen > rejected).tolist()


class OddsRatioTrainer(ReferenceFree, ORPOTrainer):
    """TRL's odds ratio preference optimization."""


class SimpleTrainer(ReferenceFree, CPOTrainer):
    """TRL's contrastive preference optimization with the loss of SimPO."""


def _by_side(inputs: dict[str, Any]) -> dict[str, Any]:
    """A batch with the keys of these trainers: each side's tokens, mask and labels."""
    ids, labels = inputs["input_ids"], inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    parts = {"input_ids": ids, "attention_mask": inputs["attention_mask"], "labels": labels}
    batch = {}
    for name, value in parts.items():
        batch[f"chosen_{name}"], batch[f"rejected_{name}"] = value.chunk(2)
    return batch
