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
    """By rule, for every answer alike: what follows the last of the template's own lead-ins, and of that what
    follows the thinking blocks at its beginning. `raw` has the special tokens, `plain` has not.
    """
    lead, tail = ending.lead.strip(), ending.tail
    places = (tail.find(token) for token in (*special, *ending.stops) if token)
    suffix = tail[: min((place for place in places if place >= 0), default=len(tail))].strip()
    text = raw
    if suffix:  # words of the template, or an end that the tokenizer does not know
        text = text.rstrip().removesuffix(suffix)
    marked = bool(lead) and not CLOSED.search(lead) and lead in text
    bare = text.rpartition(lead)[2] if marked else text
    answer = without(bare) if CLOSED.search(bare) else bare
    if ending.thought_end and not CLOSED.search(ending.thought_end):
        answer = answer.rpartition(ending.thought_end)[2]
    thinks = answer != bare
    if answer == raw:
        return Stripped(plain, ended=ended)
    for token in special:
        answer = answer.replace(token, "")
    return Stripped(answer.lstrip("\n") if thinks else answer, thinks, marked, ended)
