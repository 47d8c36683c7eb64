"""Answers that come with a judgement: preferences, thumbs up and down, grades. None of them is learned as an
answer like any other unless the user says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.data.convert import weights
from tuiftune.data.detect import names, thumbs
from tuiftune.data.detect.columns import (
    beside,
    named,
    present,
    turn_style,
    turns_column,
    turns_prompt,
    values_of,
)
from tuiftune.data.detect.formats import ColumnsError, Recognition
from tuiftune.data.read.cells import is_missing, structured
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.data.read.json_rows import Row

_REJECTED = re.compile(
    r"reject|dispref|non_?pref|(?:^|_)loser$|^negative_(?:messages|response|answer|output)s?$"
)
_FLAG = re.compile(r"(?i)\s*(?:[-+]?[\d.,]+|true|false)\s*")
MASKS = frozenset(
    (*weights.WEIGHTS, *weights.MASKS, "masks", "weights", "loss_masks", "turn_weights", "train_mask")
)
_VERDICT_KEYS = frozenset((*thumbs.VERDICTS, *thumbs.LABELS, *thumbs.GRADES)) - {"accept"}
# What is judged here are answers to choose from, not the one that is learned.
_CHOICES = frozenset(("choices", "options", "candidates", "distractors", "mc1_targets", "mc2_targets"))
ANSWERS = ("completion", "response", "answer", "output", "assistant", "solution", "generation", "reply", "a")


def verdict_of(sample: list[Row], known: list[str], answer: str | None = None) -> tuple[str, str] | None:
    """(column, what it says) of a thumb up or down for each answer; a class under the name of a label isn't
    one.
    """
    by_key = {thumbs.key(name): name for name in reversed(known)}
    for key in (*thumbs.VERDICTS, *thumbs.LABELS, *thumbs.GRADES):
        name = by_key.get(key)
        if name is None or name == answer:
            continue
        values = values_of(sample, name)
        scale = thumbs.scale_of(values)
        if scale is None or (key in thumbs.LABELS and answer and _classes(sample, answer, name)):
            continue
        if key in thumbs.GRADES and len({thumbs.plain(value) for value in values}) < 2:
            continue
        words = dict.fromkeys(str(value)[:20] for value in values)
        return name, f'"{printable(name)}" is ' + " or ".join(printable(word) for word in list(words)[:2])
    return None


def _classes(sample: list[Row], answer: str, label: str) -> bool:
    """Whether a label is but another name of the answer, as a class and its number are."""
    pairs = {(str(row.get(answer)), str(row[label])) for row in sample if not is_missing(row.get(label))}
    answers, labels = {left for left, _ in pairs}, {right for _, right in pairs}
    return 1 < len(pairs) == len(answers) == len(labels) and len(sample) >= max(8, 4 * len(pairs))


def holds_answers(sample: list[Row], name: str) -> bool:
    """Whether a column's values are answers (texts, turns) rather than flags or numbers."""
    return any(
        isinstance(value, list | dict) or (isinstance(value, str) and not _FLAG.fullmatch(value))
        for value in values_of(sample, name)
    )


def preference_rows(sample: list[Row], known: list[str]) -> Recognition | None:
    """A better and a worse answer to a question or a conversation."""
    rejected = next((name for name in _all_named(known, names.REJECTED) if holds_answers(sample, name)), None)
    chosen = next((name for name in _all_named(known, names.CHOSEN) if holds_answers(sample, name)), None)
    rest = [name for name in known if name not in (chosen, rejected)]
    instruction = named(rest, names.INSTRUCTION)
    prompt = instruction or named(rest, names.PROMPTS)
    if rejected and not chosen and prompt:  # the answer that isn't rejected
        others = [name for name in rest if name != prompt]
        chosen = named(others, (*ANSWERS, *names.ANSWERS, *names.INSTRUCTION_ANSWERS))
        rest = [name for name in rest if name != chosen]
    if not chosen or not rejected:
        return None
    columns = {"chosen": chosen, "rejected": rejected}
    asked = turns_column(sample, [prompt]) if prompt else None
    asked = asked or (turns_prompt(sample, rest) if prompt else None)
    if turns := asked or turns_column(sample, rest):
        columns["messages"] = turns[0]
    elif prompt:
        columns["prompt"] = prompt
        if (extra := named(rest, names.INSTRUCTION_INPUTS)) and instruction and extra != prompt:
            columns["input"] = extra
        elif (context := named(rest, names.CONTEXTS)) and prompt.lower() in names.ASKED:
            columns["context"] = context
    columns |= beside(sample, [name for name in rest if name not in columns.values()])
    style = turn_style([row.get(chosen) for row in sample]) or "strings"
    share = min(present(sample, chosen), present(sample, rejected))
    return Recognition(
        "preference",
        round(0.5 + 0.5 * share, 2),
        (f'columns "{chosen}" and "{rejected}" as {style} in {share:.0%} of the rows checked',),
        columns,
    )


def _all_named(known: list[str], wanted: tuple[str, ...]) -> list[str]:
    lowered = {name.lower().strip(): name for name in reversed(known)}
    return [lowered[name] for name in wanted if name in lowered]


def kto_pairs(sample: list[Row], known: list[str]) -> Recognition | None:
    """A question and an answer with a thumb up or down. None where the two are no such pair: a text with its
    class is classification.
    """
    rest = [name for name in known if thumbs.key(name) not in _VERDICT_KEYS]
    instruction, output = named(rest, names.INSTRUCTION), named(rest, names.INSTRUCTION_ANSWERS)
    if instruction and output:
        columns = {"prompt": instruction, "completion": output}
        if (extra := named(rest, names.INSTRUCTION_INPUTS)) and extra != output:
            columns["input"] = extra
    else:
        lowered = {name.lower().strip(): name for name in reversed(rest)}
        named_so = [*names.PAIRS, *((one, two) for one in names.PROMPTS for two in ANSWERS if one != two)]
        fits = (pair for pair in named_so if pair[1] in ANSWERS and pair[0] in lowered and pair[1] in lowered)
        pair = next(fits, None)
        if pair is None:
            return None
        columns = {"prompt": lowered[pair[0]], "completion": lowered[pair[1]]}
    verdict = verdict_of(sample, known, columns["completion"])
    if verdict is None:
        return None
    evidence = f'columns "{columns["prompt"]}" and "{columns["completion"]}", and {verdict[1]}'
    others = [name for name in rest if name not in columns.values() and name != verdict[0]]
    return Recognition("kto", 0.95, (evidence,), {**columns, **beside(sample, others), "label": verdict[0]})


def refuse_judged(sample: list[Row], known: list[str], found: Recognition, place: str) -> None:
    """ColumnsError where a column that isn't read says that some of these answers must not be learned."""
    if found.format == "classification":
        return _refuse_judged_labels(sample, known, found, place)
    if found.format not in ("chat", "sharegpt", "instruction", "prompt-completion"):
        return None
    train = f"train on all of them with --format {found.format} (data.format in a preset)"
    for name in known:
        if name in found.columns.values():
            continue
        key, values = thumbs.key(name), values_of(sample, name)
        shown = printable(name)[:40]
        if _REJECTED.search(key) and holds_answers(sample, name):
            raise ColumnsError(
                f'"{shown}" may contain worse answers, and no column says which',
                place=place,
                remedy=f"name the columns of a preference (chosen, rejected); {train}",
            )
        if key not in _CHOICES and (inner := _judged_inside(key, values)):
            raise ColumnsError(
                f'"{shown}" rates the answers ({printable(inner)}), not used: bad ones would be trained on',
                place=place,
                remedy=f"drop the rows whose answers are bad, and the column; or write true and false into a "
                f"column label; {train}",
            )
        graded = thumbs.grades(values) or _two_words(values) or thumbs.grades_in_words(values)
        answer = found.columns.get("completion") or found.columns.get("output")
        numbered = key in thumbs.LABELS and thumbs.grades(values)
        if numbered and answer and _classes(sample, answer, name):
            continue
        if (key in thumbs.GRADES and graded) or numbered:
            few = ", ".join(sorted({printable(str(value))[:12] for value in values}))[:60]
            raise ColumnsError(
                f'"{shown}" grades the answers ({few}), not used: the worst would be trained like the best',
                place=place,
                remedy=f"drop the rows whose answers are not good enough, and the column; {train}",
            )
        if key in MASKS and any(_masks(value, key) for value in values):
            raise ColumnsError(
                f'"{shown}" excludes answers from the loss, which is not supported in a separate column',
                place=place,
                remedy=f"write it into the messages as weight: 0, or drop such rows; {train}",
            )
    return None


def _refuse_judged_labels(sample: list[Row], known: list[str], found: Recognition, place: str) -> None:
    """ColumnsError where a column says in words (accept, reject) which of the labels are wrong."""
    for name in known:
        values = values_of(sample, name)
        if name not in found.columns.values() and thumbs.judges(values):
            few = ", ".join(sorted({printable(str(value))[:12] for value in values}))[:60]
            raise ColumnsError(
                f'"{printable(name)[:40]}" judges the labels ({few}), not used: wrong ones would be trained',
                place=place,
                remedy="drop the rows whose labels are wrong, and the column; train on all of them with "
                "--format classification (data.format in a preset)",
            )


def _judged_inside(key: str, values: list[Any]) -> str | None:
    """What says that some answers are bad in a column that is no plain thumb: objects, lists, several scales,
    or words that only judge.
    """
    held: dict[str, list[Any]] = {}
    for value in values:
        for inner, plain in thumbs.leaves(value, key):
            held.setdefault(inner, []).append(plain)
    inside = any(isinstance(value, list | dict) for value in values) or held.keys() != {key}
    for inner, found in held.items():
        verdict = inner in thumbs.VERDICTS and any(thumbs.is_up(value, inner) is False for value in found)
        several = inner in thumbs.LABELS and (
            thumbs.thumbs_of_several_scales(found) or (inside and _two_words(found))
        )
        graded = inside and inner in thumbs.GRADES and (_two_words(found) or key in thumbs.VERDICTS)
        if verdict or several or thumbs.judges(found) or (graded and len({*map(str, found)}) > 1):
            few = ", ".join(sorted({printable(str(value))[:12] for value in found}))[:60]
            return few if inner == key else f"{inner}: {few}"
    return None


def _two_words(values: list[Any]) -> bool:
    return thumbs.scale_of(values) is not None and len({thumbs.plain(value) for value in values}) > 1


def _masks(value: Any, key: str) -> bool:
    """Whether a mask (or any in a list of them) keeps something out."""
    if isinstance(value, str):
        value = structured(value) or value
    if isinstance(value, list):
        return any(_masks(inner, key) for inner in value)
    try:
        said = weights.number(value)
    except (ValueError, OverflowError):
        return False
    inverse = (key in weights.MASKS and key != "mask") or key == "masks"
    return said is not None and (said != 0 if inverse else said == 0)
