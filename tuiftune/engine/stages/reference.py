"""What TRL's trainers with a reference model share: the base model, in a forward pass of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.stages.next_token import router_loss, takes_positions, without_router_logits
from tuiftune.engine.training import attention

if TYPE_CHECKING:
    from trl import DPOTrainer as Mixin
else:
    Mixin = object  # before one of TRL's trainers


class AgainstReference(Mixin):
    """With adapters the reference is the model with these off; else its log-probabilities come first.

    They are computed before the model's own forward pass, while none of its activations lie in memory. Rows
    that are only padded need no attention mask.
    """

    counters = ("_metrics", "_total_train_tokens")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ranked: list[bool] = []
        self._said = 0
        model = kwargs["model"]
        core = model.get_base_model() if hasattr(model, "get_base_model") else model
        coefficient = kwargs["args"].router_aux_loss_coef = router_loss(model)
        if coefficient == 0.0 and takes_positions(core):  # the router's loss tells padding by the mask
            model.register_forward_pre_hook(_without_mask, with_kwargs=True)
        model.register_forward_hook(self._note)
        super().__init__(*args, **kwargs)
        self.precompute_ref_logps = True  # every batch brings those of the reference, see `compute_loss`
        if "ref" in getattr(model, "peft_config", {}):
            model.delete_adapter("ref")  # a copy of fresh adapters, which are the base model
            model.set_adapter("default")  # modules trained in full are left without one
        without_router_logits(core)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how far something got that takes its time. A run's trainer does."""

    def tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a batch that are trained through, padding left out."""
        return inputs["attention_mask"].sum()

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
        found = super().compute_ref_log_probs(model, inputs)
        if off:  # as the base model is evaluated, which is its own reference: TRL turns them on again
            self.model.base_model.disable_adapter_layers()
        return found

    def _note(self, module: Any, given: Any, output: Any) -> None:
        """Look at what a forward pass returns."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset


def _without_mask(module: Any, given: Any, named: dict[str, Any]) -> Any:
    """What the fused head is asked for, without a mask; generation keeps its own."""
    return (given, attention.without_mask(named)) if named.get("fused_lm_head") else None
