"""TRL's reward trainer, over pairs that are tokens already."""

from __future__ import annotations

from typing import Any

from trl import RewardTrainer

from tuiftune.engine.stages.pairs import RANKED, pairs_of


class ScoringTrainer(RewardTrainer):
    """TRL's; `ranked` are the pairs whose chosen answer has the higher reward."""

    counters = ("_metrics", "_total_train_tokens")
    lengths = ("chosen_ids", "rejected_ids")
    measures = (RANKED, "margin")
    against_base = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ranked: list[bool] = []
        super().__init__(*args, **kwargs)

    def tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a batch, those of both sides, padding left out."""
        return inputs["attention_mask"].sum()

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Pairs of a batch, which its loss is the mean of."""
        return pairs_of(inputs)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        chosen, rejected = outputs.logits.detach().squeeze(-1).chunk(2)
        higher = (chosen > rejected).tolist()
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][RANKED].append(sum(higher) / len(higher))
        if mode == "eval":
            self.ranked += higher
        return loss
