"""The two sides of a row: what is asked and what is answered, the better answer and the worse one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.content import answer_text
from tuiftune.data.convert.spoken import transcript
from tuiftune.data.convert.turns import content_key, role_of
from tuiftune.data.detect.columns import turn_style
from tuiftune.data.detect.names import ROLE_NAMES
from tuiftune.data.read.cells import structured

if TYPE_CHECKING:
    from tuiftune.data.convert.turns import Turn, Turns


def sides(turns: list[Turn]) -> tuple[str, str]:
    """What is asked and what is answered in a conversation."""
    asked = "\n".join(turn["content"] for turn in turns if turn["role"] != "assistant")
    return asked, "\n".join(turn["content"] for turn in turns if turn["role"] == "assistant")


def taken_apart(messages: list[Turn], sides: dict[str, list[Turn] | None]) -> list[Turn]:
    """The conversation before the two answers, which is taken out of them where they repeat it, and they out
    of it.
    """
    chosen, rejected = sides["chosen"] or [], sides["rejected"] or []
    if chosen and chosen[0]["role"] != "assistant":  # the whole conversation
        same = 0
        while same < min(len(chosen), len(rejected)) - 1 and _alike(chosen[same], rejected[same]):
            same += 1
        while same and chosen[same]["role"] == "tool":
            same -= 1
        common = chosen[:same]
        if common:
            sides["chosen"], sides["rejected"] = chosen[same:], rejected[same:]
        elif messages and all(map(_alike, messages, chosen)) and len(chosen) > len(messages):
            sides["chosen"] = chosen[len(messages) :]
            return messages
        else:
            at = max(index for index, turn in enumerate(chosen) if turn["role"] != "assistant") + 1
            common, sides["chosen"] = chosen[:at], chosen[at:] or None
        begins = len(messages) >= len(common) and all(map(_alike, common, messages))
        own = begins or all(any(_alike(one, other) for other in common) for one in messages)
        return common if own else [*messages, *common]
    whole = rejected and rejected[0]["role"] != "assistant" and len(rejected) > len(messages)
    if whole and all(map(_alike, messages, rejected)):
        sides["rejected"] = rejected[len(messages) :]
    ends = [side[-1] for side in (chosen, rejected) if side]
    if (
        len(messages) > 1
        and messages[-1]["role"] == "assistant"
        and any(_alike(messages[-1], end) for end in ends)
    ):
        return messages[:-1]  # the conversation was kept with one of its answers
    return messages


def of_one_prompt(sides: dict[str, list[Turn] | None], systems: list[str | None]) -> bool:
    """Whether two answers, once taken apart, follow the same conversation."""
    asked = any(side and side[0]["role"] == "user" for side in sides.values())
    return not asked and len({system.strip() for system in systems if system}) < 2


def answered(turns: list[Turn] | None) -> list[Turn] | None:
    """Up to the last answer: what is said after it is no part of it. As they are without one."""
    at = max((at for at, turn in enumerate(turns or ()) if turn["role"] == "assistant"), default=None)
    return turns if turns is None or at is None else turns[: at + 1]


def _alike(one: Turn, other: Turn) -> bool:
    """Whether two turns are the same but for white space around them."""
    return bool(one["role"] == other["role"] and one["content"].strip() == other["content"].strip())


def as_turns(value: Any, role: str) -> list[Any]:
    """A text, a turn or turns as turns; a text is one of the role."""
    if isinstance(value, str):
        held = structured(value)
        if not turn_style([held]):
            return [{"role": role, "content": value}]
        value = held
    return value if isinstance(value, list) else [] if value is None else [value]


def without_repeat(before: list[Any], after: list[Any]) -> list[Any]:
    """The turns of a completion, without those of its prompt where it begins with them and goes on."""
    said = [_said(turn) for turn in before]
    repeats = bool(said) and len(after) > len(said) and [_said(turn) for turn in after[: len(said)]] == said
    return after[len(said) :] if repeats and None not in said else after


def _said(turn: Any) -> tuple[Any, str] | None:
    """Who says what, of a turn whose content is a text."""
    if not isinstance(turn, dict) or not isinstance(text := turn.get(content_key(turn) or ""), str):
        return None
    spoken = str(role_of(turn)).lower().strip()
    return ROLE_NAMES.get(spoken, spoken), text.strip()


def answers(turn: Any) -> bool:
    """Whether a turn is the assistant's."""
    return isinstance(turn, dict) and ROLE_NAMES.get(str(role_of(turn)).lower().strip()) == "assistant"


def side(
    reader: Turns, value: Any, role: str, found: list[str], *, bare: bool
) -> tuple[str | None, list[Turn] | None]:
    """(system message, turns) of a better or worse answer: a text, a turn or several, in full or from the
    answer on.
    """
    if value is None:
        found.append(f"missing:{role}")
        return None, None
    if isinstance(value, list) and value and not bare and all(isinstance(text, str) for text in value):
        if len(value) > 1:  # answers to one question, not turns
            reader.lost[f"all {role} answers except the first are dropped"] += len(value) - 1
        value = value[0]
    if isinstance(value, str):
        held = structured(value)
        if turn_style([held]):
            value = held
        elif bare and (spoken := transcript(value)):  # the prompt can only be in the answers
            value = spoken
        else:
            return None, [{"role": "assistant", "content": value, "weight": None}]
    if not isinstance(value, list | dict):
        found.append(f"type:{role}")
        return None, [{"role": "assistant", "content": answer_text(value), "weight": None}]
    system, turns, faults = reader.read(value if isinstance(value, list) else [value], answers_only=True)
    found += faults
    return system, turns or None
