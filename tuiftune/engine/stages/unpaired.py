"""TRL's trainer of Kahneman-Tversky optimization, over judged answers that are tokens already."""

from __future__ import annotations

from typing import Any

from trl import KTOTrainer

from tuiftune.engine.stages.judgments import COLUMNS, Collator
from tuiftune.engine.stages.reference import AgainstReference

AGAINST_BASE = ("rewards/margins", "rewards/chosen", "rewards/rejected", "kl")


class UnpairedTrainer(AgainstReference, KTOTrainer):
    """TRL's, which takes rows in their order: they are shuffled before."""

    lengths = ("input_ids",)
    measured_over: dict[str, int]  # rows that a measure of the latest batch is the mean of, if not all
    measures = (*AGAINST_BASE, "logps/chosen", "logps/rejected")
    against_base = AGAINST_BASE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        longest = self._settings.preset.data.max_length  # of a prompt with another row's answer too
        kwargs["train_dataset"] = kwargs["train_dataset"].shuffle(seed=kwargs["args"].seed)
        kwargs["data_collator"] = Collator(kwargs["processing_class"].pad_token_id, longest)
        super().__init__(*args, **kwargs)

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Answers of a batch, which its loss is the mean of."""
        import torch

        return torch.tensor(len(inputs["input_ids"]))

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if "ref_logps" not in inputs:
            own, other = self.compute_ref_log_probs(self.model, inputs)
            inputs = {**inputs, "ref_logps": own, "ref_KL_logps": other}
        good = int(inputs["label"].sum())
        sides = (("chosen", good), ("rejected", len(inputs["label"]) - good))
        self.measured_over = {f"{what}/{side}": rows for side, rows in sides for what in ("rewards", "logps")}
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [*COLUMNS, "ref_logps", "ref_KL_logps"]
