"""A reward model that scores the answers of a run: loaded next to the model that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tuiftune.errors import UserError
from tuiftune.rewards.judge import ByJudge
from tuiftune.rewards.model import OfModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.rewards.base import Asked, Made

BATCH = 16  # answers at once


class RewardModel:
    """Scores the tokens of a prompt and its answer, which have to be those of its own tokenizer."""

    def __init__(self, named: OfModel, tokenizer: Any, device: Any, dtype: Any) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        adapter = (named.path / "adapter_config.json").is_file()  # raw: looked at before the run was made
        try:
            if adapter:
                from peft import AutoPeftModelForSequenceClassification

                model = AutoPeftModelForSequenceClassification.from_pretrained(
                    named.path, num_labels=1, dtype=dtype
                )
            else:
                model, loaded = AutoModelForSequenceClassification.from_pretrained(
                    named.path, dtype=dtype, output_loading_info=True
                )
                if lacking := sorted(loaded["missing_keys"]):
                    raise ValueError(f"it has no weights {', '.join(lacking[:3])}")
            own = AutoTokenizer.from_pretrained(named.path)
        except (OSError, ValueError) as fault:
            raise UserError(
                f"the reward model can't be loaded: {str(fault).splitlines()[0]}",
                place=named.place,
                remedy="name a run of the stage reward, or a model with one label",
            ) from fault
        if own.get_vocab() != tokenizer.get_vocab():
            raise UserError(
                "the reward model has another tokenizer than the model that is trained",
                place=named.place,
                remedy="train a reward model on the same base model, or on one of its family",
            )
        if model.config.num_labels != 1:
            raise UserError(
                f"the model has {model.config.num_labels} labels, and a reward model has one",
                place=named.place,
                remedy="name a run of the stage reward",
            )
        model.config.pad_token_id = tokenizer.pad_token_id
        self._model, self._padding = model.to(device).eval().requires_grad_(False), tokenizer.pad_token_id

    def __call__(self, asked: Sequence[Asked]) -> list[float]:
        found: list[float] = []
        for start in range(0, len(asked), BATCH):
            rows = [torch.tensor(one.ids) for one in asked[start : start + BATCH]]
            ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._padding)
            lengths = torch.tensor([len(row) for row in rows])
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
            device = self._model.device
            with torch.no_grad():
                logits = self._model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
            found += logits[:, 0].float().tolist()
        return found


def loaded(made: Made, tokenizer: Any, device: Any, dtype: Any) -> Made:
    """A reward with its model loaded, or its judge reached; any other as it is."""
    from dataclasses import replace

    if isinstance(made.score, ByJudge):
        from tuiftune.engine.stages.judge import Judge

        return replace(made, score=Judge(made.score))
    if not isinstance(made.score, OfModel):
        return made
    return replace(made, score=RewardModel(made.score, tokenizer, device, dtype))
