"""One detector per format: each returns a recognition with its evidence from a sample, or None."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiftune.data.convert.feedback import verdict_of
from tuiftune.data.convert.turns import items_of, role_of
from tuiftune.data.detect import names
from tuiftune.data.detect.columns import (
    LABEL_LENGTH,
    beside,
    extras,
    few_labels,
    first,
    listed,
    named,
    present,
    turn_style,
    turns_column,
    turns_prompt,
    values_of,
)
from tuiftune.data.detect.formats import ColumnsError, Recognition
from tuiftune.data.read.cells import python_value
from tuiftune.documents import loads
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.data.read.json_rows import Row

SENTENCE_SPACES = 2  # in more than half of the rows: sentences rather than names, addresses or dates
SENTENCE_SIGNS = 6  # of a script without spaces
PROSE_SPACES = 4  # in more than half of its values: prose rather than facts
_OPTION = re.compile(r"(?:(?:option|choice|answer|opt)[ _-]?)?[a-e]|(?:option|choice|opt)[ _-]?[1-9]")
_SIDES = (("completion", "output"), ("prompt", "instruction"))
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ T]\d.*)?")
_POINTER = re.compile(r"\d|[A-J]")
_ID = re.compile(r"(?:^|_)(?:id|ids|idx|index|uid|uuid|guid|no|nr|number|time|date|timestamp)$")


def chat_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    found = turns_column(sample, known) or turns_prompt(sample, known)
    if not found:
        return None
    name, style = found
    if name.lower() in names.HISTORY and not _asks_itself(sample, known, name):
        return None
    keys = "from and value" if style == "sharegpt" else "role and content"
    rest = [other for other in known if other != name]
    completion = named(rest, names.ANSWERS)
    if completion and (
        (name.lower() in names.PROMPTS and turns_column(sample, [completion]))
        or (_open(sample, name) and _answered(sample, completion))
    ):
        return _turns_in_two(sample, known, name, completion)
    evidence = [
        f'"{name}" is a list of messages with {keys} in {present(sample, name):.0%} of the rows checked'
    ]
    columns = {"messages": name, **extras(rest)}
    if not completion and _unanswered(sample, name):
        evidence.append("they end with a question, and most hold no answer")
        return Recognition("prompt-only", 0.9, tuple(evidence), columns)
    if verdict := verdict_of(sample, rest):
        return Recognition("kto", 0.95, (*evidence, verdict[1]), {**columns, "label": verdict[0]})
    return Recognition(style, round(0.5 + 0.5 * present(sample, name), 2), tuple(evidence), columns)


def _asks_itself(sample: list[Row], known: list[str], name: str) -> bool:
    """Whether a history holds the question: no other column than that of its answer says anything."""
    rest = [other for other in known if other != name]
    answer = named(rest, names.ANSWERS)
    return not any(_says_more(sample, other) for other in rest if other != answer)


def _open(sample: list[Row], name: str) -> bool:
    """Whether most conversations end with a question, whose answer must stand elsewhere."""
    ends = [items[-1] for row in sample if (items := items_of(row.get(name))) and isinstance(items[-1], dict)]
    roles = [names.ROLE_NAMES.get(str(role_of(turn)).lower().strip()) for turn in ends]
    return sum(role in ("user", "tool") for role in roles) > 0.5 * len(roles)


def _unanswered(sample: list[Row], name: str) -> bool:
    """Whether no conversation ends with an answer, and most hold none at all."""
    spoken = [
        [names.ROLE_NAMES.get(str(role_of(turn)).lower().strip()) for turn in items if isinstance(turn, dict)]
        for row in sample
        if (items := items_of(row.get(name)))
    ]
    said = [roles for roles in spoken if roles]
    without = sum("assistant" not in roles for roles in said)
    return without > 0.5 * len(said) and all(roles[-1] in ("user", "tool") for roles in said)


def prompt_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    """Prompts that nothing in the rows answers."""
    name = named(known, (*names.INSTRUCTION, *names.PROMPTS))
    if name is None or not isinstance(first(sample, name), str):
        return None
    columns = {"prompt": name, **beside(sample, known)}
    rest = [other for other in known if other not in columns.values()]
    if (context := named(rest, names.CONTEXTS)) and isinstance(first(sample, context), str):
        columns["context"] = context
    elif given := named(rest, names.INSTRUCTION_INPUTS):
        columns["input"] = given
    return Recognition("prompt-only", 0.9, (f"prompts alone, in {listed(columns.values())}",), columns)


def _answered(sample: list[Row], name: str) -> bool:
    return any(isinstance(row.get(name), str | list | dict) for row in sample)


def _turns_in_two(sample: list[Row], known: list[str], prompt: str, completion: str) -> Recognition:
    """A prompt and its completion, each a list of turns."""
    share = min(present(sample, prompt), present(sample, completion))
    evidence = f'"{prompt}" and "{completion}" are lists of messages in {share:.0%} of the rows checked'
    rest = [other for other in known if other not in (prompt, completion)]
    columns = {"prompt": prompt, "completion": completion, **beside(sample, rest)}
    if verdict := verdict_of(sample, rest):
        return Recognition("kto", 0.95, (evidence, verdict[1]), {**columns, "label": verdict[0]})
    return Recognition("prompt-completion", round(0.5 + 0.5 * share, 2), (evidence,), columns)


def instruction_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    instruction, output = named(known, names.INSTRUCTION), named(known, names.INSTRUCTION_ANSWERS)
    if not instruction or not output:
        return None
    columns = {"instruction": instruction, "output": output, **beside(sample, known)}
    if (extra := named(known, names.INSTRUCTION_INPUTS)) and extra != output:
        columns["input"] = extra
    share = min(present(sample, instruction), present(sample, output))
    listed = ", ".join(f'"{name}"' for name in columns.values())
    return Recognition("instruction", round(0.5 + 0.49 * share, 2), (f"columns {listed}",), columns)


def pairs_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    lowered = {name.lower().strip(): name for name in reversed(known)}
    for left, right in names.PAIRS:
        if left in lowered and right in lowered:
            prompt, completion = lowered[left], lowered[right]
            if right in names.LABELS and left in names.CLASSIFIED and _surely_labels(sample, completion):
                continue
            share = min(present(sample, prompt), present(sample, completion))
            columns = {"prompt": prompt, "completion": completion, **beside(sample, known)}
            evidence = [f'columns "{prompt}" and "{completion}" in {share:.0%} of the rows checked']
            context = named([name for name in known if name not in (prompt, completion)], names.CONTEXTS)
            if left in names.ASKED and context and isinstance(first(sample, context), str):
                columns["context"] = context
                evidence.append(f'"{context}" is placed before the question')
            return Recognition("prompt-completion", round(0.5 + 0.48 * share, 2), tuple(evidence), columns)
    return None


def _surely_labels(sample: list[Row], name: str) -> bool:
    """Labels under a name that usually holds answers: many rows, several values, none that reads like a
    sentence.
    """
    values = {str(row[name]) for row in sample if row.get(name) is not None}
    plain = not any(value.rstrip().endswith((".", "!", "?")) or value.count(" ") > 4 for value in values)
    return len(sample) >= 50 and len(values) > 1 and plain and few_labels(sample, name)


def classification_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    text, label = named(known, names.CLASSIFIED), named(known, names.LABELS)
    if text == label or not text or not label:
        label = named([name for name in known if name != text], names.LABELS)
    if not text or not label or isinstance(first(sample, text), list | dict):
        return None
    if isinstance(first(sample, label), list | dict):
        raise ColumnsError(
            f'"{printable(label)}" contains lists, and classification needs one label per row',
            remedy="write one label per row, or all as one text; --format text trains on the texts only",
        )
    values = [str(row[label]) for row in sample if row.get(label) is not None]
    if not values or max(map(len, values)) > 4 * LABEL_LENGTH:
        return None
    evidence = (
        f'"{text}" with a short "{label}": {len(set(values))} different in {len(values)} rows checked',
    )
    system = {role: name for role, name in extras(known).items() if role == "system"}
    confidence = 0.97 if few_labels(sample, label) else 0.75
    return Recognition("classification", confidence, evidence, {"text": text, "label": label, **system})


def text_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    """One text a row. None where another column holds texts too: which of them is trained on is asked."""
    name = named(known, names.TEXT)
    if name is None and len(known) == 1:
        name = known[0]
    if name is None or not isinstance(first(sample, name), str):
        return None
    if name.lower() in names.PROMPTS and name.lower() not in (*names.TEXT, "message"):
        return None  # prompts without answers
    others = [other for other in known if other != name]
    if len(others) == 1 and _may_be_labels(sample, others[0]) and others[0].lower() not in names.ABOUT:
        return None  # a class under a name of its own
    if any(_says_more(sample, other) for other in others):
        return None
    known_about = all(other.lower() in names.ABOUT for other in others)
    confidence = 0.95 if not others else 0.9 if known_about else 0.7
    evidence = f'one text column, "{name}"' + (f", next to {listed(others)}" if others else "")
    return Recognition("text", confidence, (evidence,), {"text": name})


def _may_be_labels(sample: list[Row], name: str) -> bool:
    """Whether a column holds several classes, and not what tells rows apart."""
    if _ID.search(name.lower()) or name.lower() in names.PARTITIONS or not few_labels(sample, name):
        return False
    return len({str(value) for value in values_of(sample, name)}) > 1


def _says_more(sample: list[Row], name: str) -> bool:
    """Return True if another column holds answers, messages or prose rather than facts about the text."""
    key = name.lower().strip()
    values = values_of(sample, name)
    if not values or key in names.ABOUT:
        return False
    if key in names.SAID or turn_style(values):
        return True
    prose = sum(isinstance(value, str) and value.count(" ") >= PROSE_SPACES for value in values)
    return prose > 0.5 * len(values)


def classified_by_values(sample: list[Row], known: list[str]) -> dict[str, str]:
    """The text and the label of a wide table whose names say neither, as far as only one column can be each:
    one of sentences, and one of few, short values that aren't dates. Empty where that isn't clear.
    """
    labels = [name for name in known if _may_be_labels(sample, name) and not _dates(sample, name)]
    texts = [name for name in known if name not in labels and _of_sentences(sample, name)]
    return {"text": texts[0], "label": labels[0]} if len(labels) == len(texts) == 1 else {}


def paired_by_values(sample: list[Row], known: list[str]) -> dict[str, str]:
    """A prompt and its answer where exactly two columns hold sentences, in their order: a proposal to look
    at, for nothing says which of them answers the other.
    """
    texts = [name for name in known if _of_sentences(sample, name)]
    return {"prompt": texts[0], "completion": texts[1]} if len(texts) == 2 else {}


def _dates(sample: list[Row], name: str) -> bool:
    return all(_DATE.fullmatch(str(value).strip()) for value in values_of(sample, name))


def _of_sentences(sample: list[Row], name: str) -> bool:
    values = values_of(sample, name)
    words = sum(isinstance(value, str) and _is_sentence(value) for value in values)
    return words > 0.5 * max(1, len(sample))


def _is_sentence(value: str) -> bool:
    return value.count(" ") >= SENTENCE_SPACES or len(names.UNSPACED.findall(value)) >= SENTENCE_SIGNS


def positional_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    """Rows without names, or with unknown ones: two text columns, judged by their values."""
    strings = [
        name
        for name in known
        if isinstance(first(sample, name), str | int) and not isinstance(first(sample, name), bool)
    ]
    if len(strings) != 2 or len(known) > 3 or any(name.lower() in _NAMED_OTHERWISE for name in strings):
        return None
    labels = [name for name in strings if _may_be_labels(sample, name)]
    if len(labels) == 1:
        text = next(name for name in strings if name != labels[0])
        return Recognition(
            "classification",
            0.8,
            (f'"{labels[0]}" has few, short values next to "{text}"',),
            {"text": text, "label": labels[0]},
        )
    if any(name.startswith("column_") for name in strings):
        evidence = "two columns without names, used as prompt and answer in this order"
        return Recognition(
            "prompt-completion", 0.6, (evidence,), {"prompt": strings[0], "completion": strings[1]}
        )
    return None


_NAMED_OTHERWISE = frozenset((*names.SYSTEM, *names.ROLE_KEYS, *names.HISTORY, *names.MESSAGES))


def refuse_printed(sample: list[Row], found: Recognition, place: str) -> None:
    """ColumnsError where the texts to be learned are lists as Python prints them."""
    for role in ("completion", "output", "text", "chosen"):
        name = found.columns.get(role)
        values = [row[name] for row in sample if name and isinstance(row.get(name), str)]
        listing = [value for value in values if value.lstrip()[:1] in ("[", "{")]
        if len(listing) < 0.9 * len(values) or len(values) < 3 or not name or turn_style(values):
            continue
        if all(python_value(value) is not None and not _json(value) for value in listing[:50]):
            raise ColumnsError(
                f'the cells of "{printable(name)}" contain Python lists in brackets',
                place=place,
                remedy=f"write plain text; to train on them unchanged: --format {found.format}",
            )


def refuse_choices(sample: list[Row], found: Recognition, place: str) -> None:
    """ColumnsError where the answers only point (by number or letter) into options that no role reads."""
    roles = found.columns
    name, prompt = (next((roles[one] for one in both if one in roles), None) for both in _SIDES)
    if name is None or prompt is None:
        return
    known = list(dict.fromkeys(key for row in sample for key in row if key not in roles.values()))
    listed_so = named(known, names.CHOICES)
    lettered = [key for key in known if _OPTION.fullmatch(key.lower())]
    columns = [listed_so] if listed_so and isinstance(first(sample, listed_so), list | dict) else lettered
    points = [str(row[name]).strip().strip("().").upper() for row in sample if row.get(name) is not None]
    if not points or not all(_POINTER.fullmatch(point) for point in points) or columns == lettered[:1]:
        return
    row = next((row for row in sample if all(row.get(column) for column in columns)), {})
    options = [text for column in columns for text in texts_in(row.get(column))]
    if not options or all(text in str(row.get(prompt)) for text in options):
        return
    raise ColumnsError(
        f'"{printable(name)}" only points (such as {points[0]}) into {listed(columns)}, not in the prompt',
        place=place,
        remedy="write the options into the prompt, or the text of the right one into the answer; to train on "
        f"them unchanged: --format {found.format}",
    )


def texts_in(value: object) -> list[str]:
    """The texts that a value holds, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    return [text for one in value for text in texts_in(one)] if isinstance(value, list) else [str(value)]


def _json(text: str) -> bool:
    try:
        loads(text)
    except ValueError:
        return False
    return True
