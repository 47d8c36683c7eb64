"""TRL's trainer of direct preference optimization, over pairs that are tokens already."""

from __future__ import annotations

from typing import Any

from trl import DPOTrainer

from tuiftune.engine.model import adapters
from tuiftune.engine.stages.next_token import router_loss, takes_positions, without_router_logits
from tuiftune.engine.stages.pairs import COLUMNS, RANKED, Collator, checkpointing_kept
from tuiftune.engine.training import attention

AGAINST_BASE = ("rewards/accuracies", "rewards/margins", "rewards/chosen", "rewards/rejected")


class PreferenceTrainer(DPOTrainer):
    """TRL's. The reference's log-probabilities are computed before the model's own forward pass, while none
    of its activations lie in memory; rows that are only padded need no attention mask.
    """

    counters = ("_metrics", "_total_train_tokens")
    lengths = ("chosen_ids", "rejected_ids")
    measures = (RANKED, *AGAINST_BASE, "logps/chosen", "logps/rejected")
    against_base = AGAINST_BASE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ranked: list[bool] = []
        self._said = 0
        model = kwargs["model"]
        core = model.get_base_model() if hasattr(model, "get_base_model") else model
        coefficient = kwargs["args"].router_aux_loss_coef = router_loss(model)
        if coefficient == 0.0 and takes_positions(core):  # the router's loss tells padding by the mask
            model.register_forward_pre_hook(_without_mask, with_kwargs=True)
        model.register_forward_hook(self._note)
        kwargs["data_collator"] = Collator(kwargs["processing_class"].pad_token_id)
        super().__init__(*args, **kwargs)
        self.precompute_ref_logps = True  # every batch brings those of the reference, see `compute_loss`
        if "ref" in getattr(model, "peft_config", {}):
            model.delete_adapter("ref")  # a copy of fresh adapters, which are the base model
        without_router_logits(core)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how far something got that takes its time. A run's trainer does."""

    def tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a batch, those of both sides, padding left out."""
        return inputs["attention_mask"].sum()

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Pairs of a batch, which its loss is the mean of."""
        import torch

        return torch.tensor(len(inputs["input_ids"]) // 2)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if "ref_chosen_logps" not in inputs:
            chosen, rejected = self.compute_ref_log_probs(self.model, inputs)
            inputs = {**inputs, "ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        likelier = (self._likelihoods[0] > self._likelihoods[1]).tolist()
        self._metrics["train" if self.model.training else "eval"][RANKED].append(
            sum(likelier) / len(likelier)
        )
        if not self.model.training:
            self.ranked += likelier
        return loss

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        if self.args.precompute_ref_log_probs:
            self._said += 1
            total = sum(
                -(-len(rows) // size)
                for rows, size in (
                    (self.train_dataset, self.args.per_device_train_batch_size),
                    (self.eval_dataset or (), self.args.per_device_eval_batch_size),
                )
            )
            self.progress("reference log-probabilities", self._said, total)
        off = adapters.are_off(self.model)
        with checkpointing_kept(self.model):
            found = super().compute_ref_log_probs(model, inputs)
        if off:  # as the base model is evaluated, which is its own reference: TRL turns them on again
            self.model.base_model.disable_adapter_layers()
        return found

    def _note(self, module: Any, given: Any, output: Any) -> None:
        """Keep the log-probability of each answer, chosen ones and rejected ones apart."""
        found = getattr(output, "log_probs", None)
        if found is not None:
            self._likelihoods = found.detach().sum(dim=1).chunk(2)

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [*COLUMNS, "ref_chosen_logps", "ref_rejected_logps"]


def _without_mask(module: Any, given: Any, named: dict[str, Any]) -> Any:
    """What the fused head is asked for, without a mask; generation keeps its own."""
    return (given, attention.without_mask(named)) if named.get("fused_lm_head") else None
