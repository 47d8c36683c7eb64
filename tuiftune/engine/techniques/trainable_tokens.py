"""Trainable tokens: the rows of some tokens in the embeddings, and in a head that shares them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.model import base as bases
from tuiftune.engine.techniques.base import Adapter
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Tokens(Adapter):
    def config(self, model: Any, settings: Settings) -> Any:
        vocabulary = bases.load_tokenizer(bases.find(settings)).get_vocab()
        rows = model.get_input_embeddings().weight.shape[0]
        chosen = [_place(token, vocabulary, rows) for token in settings.preset.method.tokens]
        names = {id(module): name for name, module in model.named_modules()}
        embeddings = names[id(model.get_input_embeddings())]
        return adapters.in_full(model, trainable_token_indices={embeddings: sorted(set(chosen))})


def _place(token: str, vocabulary: dict[str, int], rows: int) -> int:
    """The row of a token. UserError where the tokenizer has none, or the model has no row for it."""
    if token not in vocabulary:
        near = difflib.get_close_matches(token, vocabulary, 1)
        raise UserError(
            f"{printable(token)[:60]} is not a token of the base model",
            place="method.tokens",
            remedy=f"did you mean {printable(near[0])}?"
            if near
            else "add it to the tokenizer and resize the embeddings, then save both as the base model",
        )
    if vocabulary[token] >= rows:
        raise UserError(
            f"the base model has no embedding for {printable(token)[:60]}",
            place="method.tokens",
            remedy="resize its embeddings (resize_token_embeddings), and save it as the base model",
        )
    return vocabulary[token]


APPLIED = Tokens()
