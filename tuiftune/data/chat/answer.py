"""A generated text as the answer in it: without reasoning, channel marks and end of turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.data.chat.reasoning import CLOSED, without

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuiftune.data.chat.ending import Ending


@dataclass(frozen=True, slots=True)
class Stripped:
    """The `answer`, and what was taken off before it: `reasoning` (a thinking block, empty or not), `marks`
    (what the template writes between prompt and answer). `ended`: by a token that ends an answer.
    """

    answer: str
    reasoning: bool = False
    marks: bool = False
    ended: bool = True


def strip(raw: str, plain: str, ending: Ending, special: Collection[str], *, ended: bool) -> Stripped:
    """By rule, for every answer alike: what follows the last closed thinking block at the beginning, then
    what follows the last of the template's own lead-ins. `raw` has the special tokens, `plain` has not.
    """
    lead, tail = ending.lead.strip(), ending.tail.strip()
    text = raw
    if tail and tail not in special:  # an end that is written out, where the tokenizer doesn't know it
        text = text.rstrip().removesuffix(tail)
    thinks = bool(CLOSED.search(text))
    bare = without(text) if thinks else text
    marked = bool(lead) and not CLOSED.search(lead) and lead in bare
    if marked:
        bare = bare.rpartition(lead)[2]
    if bare == raw:
        return Stripped(plain, ended=ended)
    for token in special:
        bare = bare.replace(token, "")
    return Stripped(bare.lstrip("\n") if thinks else bare, thinks, marked, ended)
