"""Whether tokens stand for the characters that a row has: a tokenizer may leave some out, or change them."""

from __future__ import annotations

import string
from functools import cached_property
from typing import TYPE_CHECKING

from tuiftune.data.chat.reasoning import composed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding, Tokenizer

CODE = "text_changed"  # of the warning


class Written:
    """What a tokenizer is known to write."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend, self._known = backend, set[str]()

    def changed(self, text: str, encoded: Sequence[Encoding], *, trust: bool = True) -> str:
        """Return the first character of a text that its tokens do not stand for; "" if they stand for all.

        Blanks are passed over, and accents may be encoded either way. `trust`: characters that were written
        once are taken to be written in every row.
        """
        if trust and self.knows(text):
            return ""
        return self.changed_in(text, [token for one in encoded for token in one.ids])

    def changed_in(self, text: str, ids: Sequence[int]) -> str:
        """The same of a text and all of its tokens."""
        found = self._changed(text, ids)
        if not found:
            self._known.update(text)
        return found

    def knows(self, text: str) -> bool:
        """Return True if the tokenizer has written every character of a text before."""
        return (text.isascii() and self._ascii) or self._known.issuperset(text)

    @cached_property
    def _ascii(self) -> bool:
        whole = string.digits + string.ascii_letters + string.punctuation
        return not self._changed(whole, self._backend.encode(whole, add_special_tokens=False).ids)

    def _changed(self, text: str, ids: Sequence[int]) -> str:
        given = _letters(text)
        written = _letters(self._backend.decode(list(ids), skip_special_tokens=False))
        if given in written:  # a text may have tokens around it
            return ""
        pairs = zip(given, written, strict=False)
        return next((one for one, other in pairs if one != other), given[len(written) :][:1] or given[:1])


def _letters(text: str) -> str:
    return "".join(composed(text).split())
