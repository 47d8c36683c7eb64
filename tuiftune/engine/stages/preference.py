"""TRL's trainer of direct preference optimization, over pairs that are tokens already."""

from __future__ import annotations

from typing import Any

from trl import DPOTrainer

from tuiftune.engine.stages.pairs import COLUMNS, RANKED, Collator, pairs_of
from tuiftune.engine.stages.reference import AgainstReference

AGAINST_BASE = ("rewards/accuracies", "rewards/margins", "rewards/chosen", "rewards/rejected")


class PreferenceTrainer(AgainstReference, DPOTrainer):
    """TRL's, over two sequences a row."""

    lengths = ("chosen_ids", "rejected_ids")
    measures = (RANKED, *AGAINST_BASE, "logps/chosen", "logps/rejected")
    against_base = AGAINST_BASE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["data_collator"] = Collator(kwargs["processing_class"].pad_token_id)
        super().__init__(*args, **kwargs)

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Pairs of a batch, which its loss is the mean of."""
        return pairs_of(inputs)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if "ref_chosen_logps" not in inputs:
            chosen, rejected = self.compute_ref_log_probs(self.model, inputs)
            inputs = {**inputs, "ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        likelier = (self._likelihoods[0] > self._likelihoods[1]).tolist()
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][RANKED].append(sum(likelier) / len(likelier))
        if mode == "eval":
            self.ranked += likelier
        return loss

    def _note(self, module: Any, given: Any, output: Any) -> None:
        """Keep the log-probability of each answer, chosen ones and rejected ones apart."""
        found = getattr(output, "log_probs", None)
        if found is not None:
            self._likelihoods = found.detach().sum(dim=1).chunk(2)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [*COLUMNS, "ref_chosen_logps", "ref_rejected_logps"]
