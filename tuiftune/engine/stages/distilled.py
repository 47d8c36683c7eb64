"""TRL's trainer of on-policy distillation, over prompts that are tokens already."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from transformers import GenerationConfig
from trl import DistillationTrainer

from tuiftune.engine.evaluation.answers import GREEDY
from tuiftune.engine.model import base as bases
from tuiftune.engine.stages.sampled import COUNTERS, Sampled, check_reach
from tuiftune.errors import UserError
from tuiftune.techniques import automatic

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings

PLACE = "method.teacher"


class TaughtTrainer(Sampled, DistillationTrainer):
    """TRL's. The evaluation is of greedy answers to the held-out prompts: its loss is their divergence."""

    counters = (*COUNTERS, "_logs", "_total_train_tokens")
    measures = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        model, arguments = kwargs["model"], kwargs["args"]
        self.begin(model)
        settings: Settings = self._settings
        teacher = teacher_of(settings, self.run_tokenizer.tokenizer, arguments.device.type)
        for which in ("train_dataset", "eval_dataset"):
            rows = kwargs.get(which)
            if rows is not None:
                check_reach(rows, model, arguments)
                check_reach(rows, teacher, arguments, "the teacher")
                kwargs[which] = self.named(rows, which)
        super().__init__(*args, teacher_model=teacher, **kwargs)

    def weight(self, inputs: dict[str, Any]) -> Any:
        """Tokens of the answers of a batch, which its loss is the mean over."""
        return inputs["completion_mask"].sum()

    def _prepare_inputs(self, given: Any) -> Any:
        """Answers to the prompts of a batch. Those of an evaluation are of this process alone."""
        if self.model.training:
            return super()._prepare_inputs(given)
        sampling, gather = self.generation_config, self.accelerator.gather
        greedy = {"pad_token_id": sampling.pad_token_id, "eos_token_id": self.eos_token_ids}
        self.generation_config = GenerationConfig(
            **{name: value for name, value in GREEDY.items() if value is not None},
            **greedy,
            max_new_tokens=self.max_completion_length,
            disable_compile=True,
        )
        self.accelerator.gather = lambda value: value
        try:
            return super()._prepare_inputs(given)
        finally:
            self.generation_config, self.accelerator.gather = sampling, gather


def teacher_of(settings: Settings, tokenizer: Any, device: str) -> Any:
    """The teacher, frozen, in the precision of products. UserError if its tokenizer is another."""
    values = {
        "model.base": settings.preset.method.teacher,
        "model.revision": None,
        "model.quantization": "none",
        "method.technique": automatic(tiny=False, over=False)[0].key,
    }
    wanted = replace(settings, preset=settings.preset.with_values(values))
    base = bases.find(wanted)
    if bases.load_tokenizer(base).get_vocab() != tokenizer.get_vocab():
        raise UserError(
            "the teacher has another tokenizer than the model that is trained",
            place=PLACE,
            remedy="use a teacher with the same tokenizer, such as a larger model of the same family",
        )
    return bases.load_model(base, wanted, device).eval().requires_grad_(False)
