"""What the values of columns look like: lists of turns, texts, labels, and what comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.convert.turns import content_key, in_pairs, items_of, role_of
from tuiftune.data.detect import names
from tuiftune.data.read.cells import is_missing, structured
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiftune.data.read.json_rows import Row

NO_MESSAGES = frozenset((
    *names.HISTORY, *names.TOOLS, *names.SYSTEM, "examples", "few_shot", "shots", "demonstrations",
))  # fmt: skip
LABEL_LENGTH = 64  # characters; longer answers are not labels


def listed(known: Iterable[str]) -> str:
    """Names for a sentence, the first twelve."""
    shown = [printable(name)[:40] for name in known]
    return ", ".join(shown[:12]) + (" …" if len(shown) > 12 else "") or "none"


def first(sample: list[Row], name: str) -> Any:
    """The first value of a column."""
    return next((row[name] for row in sample if row.get(name) is not None), None)


def values_of(sample: list[Row], name: str) -> list[Any]:
    """What a column says, where it says anything."""
    return [row[name] for row in sample if not is_missing(row.get(name))]


def named(known: list[str], wanted: Iterable[str]) -> str | None:
    """The column that has the first of these names, in any case."""
    lowered = {name.lower().strip(): name for name in reversed(known)}
    return next((lowered[name] for name in wanted if name in lowered), None)


def present(sample: list[Row], name: str) -> float:
    """The share of rows that have a value in a column."""
    return sum(row.get(name) is not None for row in sample) / max(1, len(sample))


def few_labels(sample: list[Row], name: str) -> bool:
    """Few distinct, short values for the rows there are: labels rather than answers."""
    values = [str(row[name]) for row in sample if row.get(name) is not None]
    if len(values) < 8 or max(map(len, values)) > LABEL_LENGTH or any("\n" in value for value in values):
        return False
    return len(set(values)) <= max(2, 0.25 * len(values))


def extras(known: list[str]) -> dict[str, str]:
    """A system message and a list of tools, where columns have such names."""
    found = {"system": named(known, names.SYSTEM), "tools": named(known, names.TOOLS)}
    return {role: column for role, column in found.items() if column}


def turn_style(values: list[Any]) -> str | None:
    """Whether the values are lists of turns: chat (role/content) or sharegpt (from/value)."""
    chat = share = seen = 0
    for value in values:
        if value is None:
            continue
        seen += 1
        if isinstance(value, str):
            value = structured(value)
        if isinstance(value, dict):
            items = items_of(value)
            value = items if items else [value]
        if isinstance(value, list) and value:
            turn = next((item for item in value if isinstance(item, dict)), {})
            sharing = turn.get("from") is not None and turn.get("role") is None
            share += sharing and ("value" in turn or content_key(turn) is not None)
            chat += not sharing and ("role" in turn or _turn_like(turn) or in_pairs(turn) is not None)
    if seen and chat + share >= 0.5 * seen:
        return "sharegpt" if share > chat else "chat"
    return None


def _turn_like(turn: Row) -> bool:
    """Whether an object is a turn, whatever it calls the speaker: a known role that says something."""
    said = role_of(turn)
    known = isinstance(said, str) and said.lower().strip() in names.ROLE_NAMES
    return known and content_key(turn) is not None


def turns_column(sample: list[Row], known: list[str]) -> tuple[str, str] | None:
    """The column that holds conversations: by its name, else by its values where no other column asks."""
    ordered = [name for wanted in names.MESSAGES if (name := named(known, (wanted,)))]
    asking = named(known, (*names.PROMPTS, *names.INSTRUCTION)) and named(
        known, (*names.ANSWERS, *names.INSTRUCTION_ANSWERS)
    )
    others = (
        [] if asking else [name for name in known if name not in ordered and name.lower() not in NO_MESSAGES]
    )
    for name in ordered + others:
        values = [row.get(name) for row in sample]
        if not (style := turn_style(values)):
            continue
        if name in ordered or (
            isinstance(first(sample, name), list) and not all(_paired(value) for value in values if value)
        ):
            return name, style
    return None


def _paired(value: Any) -> bool:
    """Whether a list holds questions with answers: under an unknown name those are but examples."""
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and in_pairs(value[0]) is not None
    )


def turns_prompt(sample: list[Row], known: list[str]) -> tuple[str, str] | None:
    """A prompt that is a list of messages, with its answer."""
    asking = named(known, names.PROMPTS)
    name = asking or named(known, names.HISTORY)
    if name is None or name == named(known, names.ANSWERS):
        return None
    style = turn_style([row.get(name) for row in sample])
    return (name, style) if style else None


def beside(sample: list[Row], known: list[str]) -> dict[str, str]:
    """What may come with a question: a system message, what was said before, tools."""
    found = extras(known)
    if (history := named(known, names.HISTORY)) and not isinstance(first(sample, history), int | float):
        found["history"] = history
    return found
