"""Conversations that are written out in one text ("USER: … ASSISTANT: …", rendered templates), as turns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.data.detect.names import ROLE_NAMES

if TYPE_CHECKING:
    from collections import Counter

_ENDS = re.compile(
    r"(?:\s*(?:<\|endoftext\|>|<\|im_end\|>|<\|eot_id\|>|<\|end\|>|<end_of_turn>|</s>"
    r"|<\|eot\|>|<\|end_of_text\|>|<｜end▁of▁sentence｜>|<\|im_sep\|>))+\s*\Z"
)
_ROLES = {"response": "assistant", "input": "user", "functionresponse": "tool", "model": "assistant"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How speakers are marked; the group of `mark` is who speaks. A text before the first mark is the system
    message where `preamble` allows one.
    """

    name: str
    mark: re.Pattern[str]
    preamble: bool = False


def _dialect(name: str, mark: str, preamble: bool = False) -> Dialect:
    return Dialect(name, re.compile(mark), preamble)


DIALECTS = (
    _dialect(
        "### Human: … ### Assistant:",
        r"(?:^|\s*)(?:### |<\|)(Human|User|Assistant|System|prompter|assistant)(?::|\|>)\s*",
    ),
    _dialect(
        "### Instruction: … ### Response:",
        r"(?:^|\n+)### (Instruction|Input|Response):\s*",
        preamble=True,
    ),
    _dialect("<|im_start|>user …", r"(?:^|\s*)<\|im_start\|>(system|user|assistant|tool)\s*\n"),
    _dialect(
        "<|start_header_id|>user …",
        r"(?:^|\s*)(?:<\|begin_of_text\|>\s*)?<\|start_header_id\|>(system|user|assistant|ipython)"
        r"<\|end_header_id\|>\s*",
    ),
    _dialect("<start_of_turn>user …", r"(?:^|\s*)(?:<bos>\s*)?<start_of_turn>(user|model)\s*\n"),
    _dialect("[INST] … [/INST]", r"\s*(?:<s>\s*)?(\[INST\]|\[/INST\])\s*"),
    _dialect("<|user|> … <|assistant|>", r"(?:^|\s*)<\|(system|user|assistant|observation)\|>\s*"),
    _dialect(
        "<｜User｜>… <｜Assistant｜>", r"(?:^|\s*)(?:<｜begin▁of▁sentence｜>)?<｜(User|Assistant)｜>\s*"
    ),
    _dialect(
        "<|header_start|>user …",
        r"(?:^|\s*)(?:<\|begin_of_text\|>\s*)?<\|header_start\|>(system|user|assistant|ipython)"
        r"<\|header_end\|>\s*",
    ),
    _dialect(
        "<|start_of_role|>user …",
        r"(?:^|\s*)<\|start_of_role\|>(system|user|assistant|tool)<\|end_of_role\|>\s*",
    ),
    _dialect("<human>: … <bot>:", r"(?:^|\s*)<(human|bot)>:\s*"),
    _dialect("[|Human|] … [|AI|]", r"(?:^|\s*)\[\|(Human|AI)\|\]\s*", preamble=True),
    _dialect(
        "USER: … ASSISTANT:",
        r"(?:^|\n\s*)(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE|HUMAN|Human|User|Assistant|System|AI|Bot|GPT)"
        r": ?",
    ),
    _dialect("USER: … ASSISTANT: on one line", r"(?:^|\s+)(USER|ASSISTANT):(?: |\Z)"),
)
_LLAMA_SYSTEM = re.compile(r"\s*<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)


def turns_in(text: str, dialect: Dialect, lost: Counter[str] | None = None) -> list[dict[str, Any]]:
    """The turns of a text; none where it has no question with an answer, or begins otherwise.

    Marks at the end of a turn are left out, and counted in `lost`.
    """
    pieces = dialect.mark.split(text)
    if len(pieces) < 5 or (pieces[0].strip() and not dialect.preamble):
        return []
    turns: list[dict[str, Any]] = []
    if pieces[0].strip():
        turns.append({"role": "system", "content": pieces[0].strip()})
    for speaker, said in zip(pieces[1::2], pieces[2::2], strict=True):
        role = _role(speaker)
        content = ended(said, lost).strip()
        if role == "user" and (match := _LLAMA_SYSTEM.match(content)) and not turns:
            turns.append({"role": "system", "content": match[1]})
            content = content[match.end() :].strip()
        if turns and turns[-1]["role"] == role == "user":
            turns[-1]["content"] += f"\n\n{content}"  # an instruction with its input
        elif content or role == "assistant":
            turns.append({"role": role, "content": content})
    roles = {turn["role"] for turn in turns}
    return turns if {"user", "assistant"} <= roles else []


def ended(said: str, lost: Counter[str] | None = None) -> str:
    """What was said, without the tokens that end a turn."""
    content, found = _ENDS.subn("", said)
    if found and lost is not None:
        lost["end-of-message markers such as <|endoftext|> are dropped; the chat template adds them"] += 1
    return content


def asks(text: str, dialect: Dialect, lost: Counter[str] | None = None) -> list[dict[str, Any]]:
    """The turns of a text that ends with the mark of an answer, without that; none of any other text."""
    turns = turns_in(text, dialect, lost)
    return turns[:-1] if turns and turns[-1] == {"role": "assistant", "content": ""} else []


def asking(texts: list[str]) -> Dialect | None:
    """The dialect in which nearly all of these texts are conversations up to the mark of an answer."""
    dialect = dialect_of(texts)
    if dialect is None or dialect.preamble:
        return None
    return dialect if sum(bool(asks(text, dialect)) for text in texts) >= 0.9 * len(texts) else None


def dialect_of(texts: list[str], share: float = 0.9) -> Dialect | None:
    """The dialect in which nearly all of these texts are conversations."""
    for dialect in DIALECTS:
        misses = len(texts) * (1 - share)
        for text in texts:
            misses -= not turns_in(text, dialect)
            if misses < 0:
                break
        else:
            return dialect if texts else None
    return None


def transcript(text: str) -> list[dict[str, Any]] | None:
    """A conversation written as "Human: … Assistant: …", each on lines of its own; None for other text."""
    return next((turns for dialect in DIALECTS[-2:-1] if (turns := turns_in(text, dialect))), None)


def _role(speaker: str) -> str:
    said = speaker.lower().replace(" ", "")
    if said in ("[inst]", "[/inst]"):
        return "user" if said == "[inst]" else "assistant"
    return _ROLES.get(said) or ROLE_NAMES[said]
