"""A whole model or an adapter answered from by transformers."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tuiftune.engine.evaluation import answers
from tuiftune.engine.evaluation.on_this_machine import fits_in_float32
from tuiftune.engine.model import base as bases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.data.chat.answer import Stripped
    from tuiftune.engine.export.answering.base import Given
    from tuiftune.engine.export.opened import Opened, Rows
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.evaluate.contender import Question


class Whole:
    """A model that is loaded, with its tokenizer."""

    def __init__(self, model: Any, tokenizer: RowTokenizer, rows: Rows) -> None:
        import transformers

        self._model, self._tokenizer, self._rows = model.eval(), tokenizer, rows
        self._seconds, self._tokens = 0.0, 0
        dtype = str(model.dtype).removeprefix("torch.")
        self.engine = f"transformers {transformers.__version__}, {dtype} on {model.device.type}"

    def stops(self) -> set[int]:
        """Token ids at which an answer ends."""
        return set(self._tokenizer.stop_tokens())

    def prompt(self, row: int) -> list[int]:
        """The tokens of a row's prompt; of a document, those that it begins with."""
        example = self._rows.examples[row]
        if example.messages:
            return self._tokenizer.prompt(example.prompt)
        size = next(len(one.tokens) for one in self._rows.questions if one.row == row)
        return self._tokenizer.rows([example])[0].ids[:size]

    def answer(self, rows: Sequence[Question], tell: Callable[[int], None]) -> list[Stripped]:
        """Greedy answers, in batches."""
        began = time.monotonic()
        written = answers.generate(
            self._model,
            rows,
            self._tokenizer,
            max_new_tokens=self._rows.room,
            autocast=nullcontext,
            progress=tell,
        )
        self._seconds += time.monotonic() - began
        encode = self._tokenizer.backend.encode
        self._tokens += sum(
            len(encode(one.answer, add_special_tokens=False).ids) + one.ended for one in written
        )
        return written

    def probabilities(self, given: Sequence[Given]) -> list[Any]:
        """Log-probabilities over the whole vocabulary, in float32."""
        import torch

        found = []
        for one in given:
            ids = torch.tensor([one.prompt + one.answer], device=self._model.device)
            with torch.no_grad():
                logits = self._model(input_ids=ids, use_cache=False).logits[0]
            chosen = logits[len(one.prompt) - 1 : -1].float()
            found.append(torch.log_softmax(chosen, dim=-1).cpu())
        return found

    def speed(self) -> float | None:
        """Tokens per second, in batches."""
        return self._tokens / self._seconds if self._seconds else None


def open_artifact(opened: Opened, directory: Path, rows: Rows) -> Whole:
    """The model of an exported directory, with the tokenizer and template that lie there."""
    return Whole(load(opened, directory), opened.tokenizer(directory), rows)


def reference(opened: Opened, tokenizer: RowTokenizer, rows: Rows) -> Whole:
    """The result as it was trained: the base model in 16 bits with its adapter, not merged."""
    return Whole(load(opened, opened.whole, opened.result if opened.adapted else None), tokenizer, rows)


def load(opened: Opened, directory: Path, adapter: Path | None = None, **more: Any) -> Any:
    """A model from a directory, on the GPU if there is one. In float32 where it fits into RAM."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(directory, trust_remote_code=opened.base.remote_code)
    gpu = torch.cuda.is_available()
    model = bases.class_of(config).from_pretrained(
        directory,
        dtype=None if "quantization_config" in config.to_dict() else _dtype(directory, gpu=gpu),
        use_safetensors=True,
        trust_remote_code=opened.base.remote_code,
        **({"device_map": {"": 0}} if gpu else {}),
        **more,
    )
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    return model


def _dtype(directory: Path, *, gpu: bool) -> Any:
    import torch

    from tuiftune.models import weights

    if not gpu and fits_in_float32(directory):
        return torch.float32
    return getattr(torch, weights.stored_dtype(directory) or "bfloat16")
