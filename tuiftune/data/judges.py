"""One judge a format: what in a sample of rows speaks for it. Each returns its verdict, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data import names
from tuiftune.data.formats import Recognition
from tuiftune.data.turns import in_pairs
from tuiftune.documents import loads
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiftune.data.json_rows import Row

LABEL_LENGTH = 64  # characters; longer answers are not labels


def listed(known: Iterable[str]) -> str:

    shown = [printable(name)[:40] for name in known]
    return ", ".join(shown[:12]) + (" …" if len(shown) > 12 else "") or "none"


def first(sample: list[Row], name: str) -> Any:
    return next((row[name] for row in sample if row.get(name) is not None), None)


def _named(known: list[str], wanted: Iterable[str]) -> str | None:
    lowered = {name.lower().strip(): name for name in reversed(known)}
    return next((lowered[name] for name in wanted if name in lowered), None)


def _present(sample: list[Row], name: str) -> float:
    return sum(row.get(name) is not None for row in sample) / max(1, len(sample))


def turn_style(values: list[Any]) -> str | None:
    """Whether the values are lists of turns: chat (role/content) or sharegpt (from/value)."""
    chat = share = seen = 0
    for value in values:
        if value is None:
            continue
        seen += 1
        if isinstance(value, str) and value.lstrip()[:1] == "[":
            value = _parsed(value)
        if isinstance(value, dict):
            nested = list(value.values())
            value = nested if nested and all(isinstance(turn, dict) for turn in nested) else [value]
        if isinstance(value, list) and value:
            turn = next((item for item in value if isinstance(item, dict)), {})
            chat += "role" in turn or in_pairs(turn) is not None
            share += "from" in turn and "value" in turn
    if seen and max(chat, share) >= 0.5 * seen:
        return "sharegpt" if share > chat else "chat"
    return None


def _parsed(text: str) -> Any:
    """A list that is kept as JSON in a text cell."""
    try:
        return loads(text)
    except ValueError:
        return None


def _extras(known: list[str]) -> dict[str, str]:
    found = {"system": _named(known, names.SYSTEM), "tools": _named(known, names.TOOLS)}
    return {role: column for role, column in found.items() if column}


def _turns_column(sample: list[Row], known: list[str]) -> tuple[str, str] | None:
    ordered = [name for wanted in names.MESSAGES if (name := _named(known, (wanted,)))]
    for name in ordered + [name for name in known if name not in ordered]:
        style = turn_style([row.get(name) for row in sample])
        value = first(sample, name)
        if style and (isinstance(value, list) or (isinstance(value, dict | str) and name in ordered)):
            return name, style
    return None


def preference_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    chosen, rejected = _named(known, names.CHOSEN), _named(known, names.REJECTED)
    if not chosen or not rejected:
        return None
    columns = {"chosen": chosen, "rejected": rejected}
    rest = [name for name in known if name not in (chosen, rejected)]
    prompt = _named(rest, names.PROMPTS)
    asked = _turns_column(sample, [prompt]) if prompt else None
    turns = asked or _turns_column(sample, rest)
    if turns:
        columns["messages"] = turns[0]
    elif prompt:
        columns["prompt"] = prompt
    columns.update({role: name for role, name in _extras(rest).items() if role == "system"})
    style = turn_style([row.get(chosen) for row in sample]) or "strings"
    share = min(_present(sample, chosen), _present(sample, rejected))
    return Recognition(
        "preference",
        round(0.5 + 0.5 * share, 2),
        (f'columns "{chosen}" and "{rejected}" as {style} in {share:.0%} of the rows looked at',),
        columns,
    )


def chat_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    found = _turns_column(sample, known)
    if not found:
        return None
    name, style = found
    keys = "from and value" if style == "sharegpt" else "role and content"
    completion = _named([other for other in known if other != name], names.ANSWERS)
    if completion and name.lower() in names.PROMPTS and _turns_column(sample, [completion]):
        return _turns_in_two(sample, known, name, completion)
    evidence = [
        f'"{name}" is a list of turns with {keys} in {_present(sample, name):.0%} of the rows looked at'
    ]
    columns = {"messages": name, **_extras([other for other in known if other != name])}
    label = _named(known, names.KTO_LABELS)
    if label and all(isinstance(row.get(label), bool) for row in sample if row.get(label) is not None):
        evidence.append(f'"{label}" is true or false')
        return Recognition("kto", 0.95, tuple(evidence), {**columns, "label": label})
    return Recognition(style, round(0.5 + 0.5 * _present(sample, name), 2), tuple(evidence), columns)


def _turns_in_two(sample: list[Row], known: list[str], prompt: str, completion: str) -> Recognition:
    """A prompt and its completion, each a list of turns."""
    share = min(_present(sample, prompt), _present(sample, completion))
    evidence = f'"{prompt}" and "{completion}" are lists of turns in {share:.0%} of the rows looked at'
    rest = [other for other in known if other not in (prompt, completion)]
    columns = {"prompt": prompt, "completion": completion, **_system(rest)}
    label = _named(rest, names.KTO_LABELS)
    if label and all(isinstance(row.get(label), bool) for row in sample if row.get(label) is not None):
        return Recognition(
            "kto", 0.95, (evidence, f'"{label}" is true or false'), {**columns, "label": label}
        )
    return Recognition("prompt-completion", round(0.5 + 0.5 * share, 2), (evidence,), columns)


def kto_pairs(sample: list[Row], known: list[str]) -> Recognition | None:
    label = _named(known, names.KTO_LABELS)
    if not label or not all(isinstance(row.get(label), bool) for row in sample if row.get(label) is not None):
        return None
    rest = [name for name in known if name != label]
    prompt, completion = _named(rest, names.PROMPTS), _named(rest, names.ANSWERS)
    if not prompt or not completion or prompt == completion:
        return None
    return Recognition(
        "kto",
        0.95,
        (f'columns "{prompt}" and "{completion}", and "{label}" is true or false',),
        {"prompt": prompt, "completion": completion, "label": label, **_system(rest)},
    )


def _system(known: list[str]) -> dict[str, str]:
    name = _named(known, names.SYSTEM)
    return {"system": name} if name else {}


def instruction_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    instruction, output = _named(known, names.INSTRUCTION), _named(known, names.INSTRUCTION_ANSWERS)
    if not instruction or not output:
        return None
    columns = {"instruction": instruction, "output": output, **_system(known)}
    if (extra := _named(known, names.INSTRUCTION_INPUTS)) and extra != output:
        columns["input"] = extra
    if history := _named(known, ("history",)):
        columns["history"] = history
    share = min(_present(sample, instruction), _present(sample, output))
    listed = ", ".join(f'"{name}"' for name in columns.values())
    return Recognition("instruction", round(0.5 + 0.49 * share, 2), (f"columns {listed}",), columns)


def pairs_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    lowered = {name.lower().strip(): name for name in reversed(known)}
    for left, right in names.PAIRS:
        if left in lowered and right in lowered:
            prompt, completion = lowered[left], lowered[right]
            if right in names.LABELS and left in names.CLASSIFIED and _surely_labels(sample, completion):
                continue
            share = min(_present(sample, prompt), _present(sample, completion))
            columns = {"prompt": prompt, "completion": completion, **_system(known)}
            evidence = [f'columns "{prompt}" and "{completion}" in {share:.0%} of the rows looked at']
            context = _named([name for name in known if name not in (prompt, completion)], names.CONTEXTS)
            if left in names.ASKED and context and isinstance(first(sample, context), str):
                columns["context"] = context
                evidence.append(f'"{context}" goes before the question')
            return Recognition("prompt-completion", round(0.5 + 0.48 * share, 2), tuple(evidence), columns)
    return None


def _few_labels(sample: list[Row], name: str) -> bool:
    """Few distinct, short values for the rows there are: labels rather than answers."""
    values = [str(row[name]) for row in sample if row.get(name) is not None]
    if len(values) < 8 or max(map(len, values)) > LABEL_LENGTH or any("\n" in value for value in values):
        return False
    return len(set(values)) <= max(2, 0.25 * len(values))


def _surely_labels(sample: list[Row], name: str) -> bool:
    """Labels under a name that usually holds answers: many rows, several values, none that reads like a
    sentence.
    """
    values = {str(row[name]) for row in sample if row.get(name) is not None}
    plain = not any(value.rstrip().endswith((".", "!", "?")) or value.count(" ") > 4 for value in values)
    return len(sample) >= 50 and len(values) > 1 and plain and _few_labels(sample, name)


def classification_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    text, label = _named(known, names.CLASSIFIED), _named(known, names.LABELS)
    if text == label or not text or not label:
        label = _named([name for name in known if name != text], names.LABELS)
    if not text or not label or isinstance(first(sample, label), list | dict):
        return None
    values = [str(row[label]) for row in sample if row.get(label) is not None]
    if not values:
        return None
    few = _few_labels(sample, label)
    if max(map(len, values)) > 4 * LABEL_LENGTH:
        return None
    evidence = (
        f'"{text}" with a short "{label}": {len(set(values))} different in {len(values)} rows looked at',
    )
    return Recognition(
        "classification", 0.97 if few else 0.75, evidence, {"text": text, "label": label, **_system(known)}
    )


def text_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    name = _named(known, names.TEXT)
    if name is None and len(known) == 1:
        name = known[0]
    if name is None or not isinstance(first(sample, name), str):
        return None
    others = [other for other in known if other != name]
    known_about = all(other.lower() in names.ABOUT for other in others)
    confidence = 0.95 if not others else 0.9 if known_about else 0.7
    evidence = f'one text column, "{name}"' + (f", beside {listed(others)}" if others else "")
    if name.lower() in names.PROMPTS and name.lower() not in names.TEXT:
        confidence, evidence = 0.5, evidence + ": prompts without answers"
    return Recognition("text", confidence, (evidence,), {"text": name})


def positional_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    """Rows without names, or with unknown ones: two text columns, judged by their values."""
    strings = [
        name
        for name in known
        if isinstance(first(sample, name), str | int) and not isinstance(first(sample, name), bool)
    ]
    if len(strings) != 2 or len(known) > 3:
        return None
    labels = [name for name in strings if _few_labels(sample, name)]
    if len(labels) == 1:
        text = next(name for name in strings if name != labels[0])
        return Recognition(
            "classification",
            0.8,
            (f'"{labels[0]}" holds few, short values beside "{text}"',),
            {"text": text, "label": labels[0]},
        )
    if any(name.startswith("column_") for name in strings):
        evidence = "two columns without names, taken as prompt and answer in that order"
        return Recognition(
            "prompt-completion", 0.6, (evidence,), {"prompt": strings[0], "completion": strings[1]}
        )
    return None
