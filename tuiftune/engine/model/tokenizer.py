"""The shared row tokenization on a tokenizer of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.template import PLAIN_TEMPLATE, Template
from tuiftune.data.chat.tokenize import RowTokenizer as Shared
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class RowTokenizer(Shared):
    """A tokenizer of transformers with its chat template, or the plain one where it has none."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_length: int,
        loss_on: str,
        place: str = "",
        base_stops: Sequence[int] = (),
        now: datetime | None = None,
        reasoning: str = "keep",
    ) -> None:
        """`now` is the date that the template may write."""
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                "the tokenizer is not a fast one, so tokens cannot be mapped to characters",
                place=place,
                remedy="convert it to tokenizer.json",
            )
        if getattr(tokenizer, "split_special_tokens", False):
            raise UserError(
                "tokenizer_config.json sets split_special_tokens, which would split the tokens of the chat "
                "template into letters",
                place=place,
                remedy="set it to false",
            )
        self.tokenizer = tokenizer
        own = bool(tokenizer.chat_template)
        if not own:
            tokenizer.chat_template = PLAIN_TEMPLATE
        # The backend itself: what the library's own call builds around it takes as long as half the encoding.
        backend = tokenizer.backend_tokenizer
        backend.encode_special_tokens = False
        super().__init__(
            backend,
            Template(
                chosen(tokenizer.chat_template), dict(tokenizer.special_tokens_map), place=place, now=now
            ),
            max_length=max_length,
            loss_on=loss_on,
            own_template=own,
            base_stops=base_stops,
            reasoning=reasoning,
        )


def chosen(templates: Any) -> str:
    """Of several named templates the default one, as `apply_chat_template` takes it without tools."""
    if isinstance(templates, dict):
        return str(templates.get("default") or next(iter(templates.values())))
    return str(templates)
