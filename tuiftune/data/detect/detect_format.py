"""What format the rows are in, how sure that is, and what speaks for it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.data.convert.feedback import kto_pairs, preference_rows, refuse_judged
from tuiftune.data.detect import names
from tuiftune.data.detect.columns import first, listed, named, turn_style
from tuiftune.data.detect.format_detectors import (
    chat_rows,
    classification_rows,
    classified_by_values,
    instruction_rows,
    paired_by_values,
    pairs_rows,
    positional_rows,
    prompt_rows,
    refuse_choices,
    refuse_printed,
    text_rows,
)
from tuiftune.data.detect.formats import (
    FORMATS,
    NEEDED,
    ROLES_OF,
    SAMPLE,
    ColumnsError,
    Recognition,
    UndetectedError,
)
from tuiftune.data.read.json_rows import MOST_COLUMNS, too_wide
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.read.json_rows import Row

__all__ = ["SAMPLE", "Recognition", "recognize"]


def recognize(
    sample: list[Row],
    named: str = "auto",
    columns: Mapping[str, str] | None = None,
    place: str = "",
    elsewhere: frozenset[str] = frozenset(),
) -> Recognition:
    """Judge a sample of rows. `named` (a format) and `columns` overrule; a column that isn't there, nor
    `elsewhere`, is a UserError.
    """
    known = list(dict.fromkeys(key for row in sample for key in row))
    if not known:
        raise UserError("the rows are empty", place=place, remedy="name a file whose rows have columns")
    if len(known) > MOST_COLUMNS:
        raise too_wide(len(known), place)
    mapped = dict(columns or {})
    for role, column in mapped.items():
        if column and column not in known and column not in elsewhere:
            raise ColumnsError(
                f'column "{column}" for the role {role} not found',
                place=place,
                remedy=f"use one of the columns {listed(known)}",
            )
    if named == "auto" and mapped:
        named = _format_of_roles(mapped, sample, place)
    if named != "auto":
        if named not in FORMATS:
            raise UserError(
                f'unknown format "{named}"', place="data.format", remedy="use one of " + ", ".join(FORMATS)
            )
        filled = roles_as(named, sample, mapped)
        missing = [role for role in NEEDED[named] if role not in filled]
        if named == "prompt-only" and "messages" in filled:
            missing = []
        if named == "kto" and "messages" not in filled:
            missing += [role for role in ("prompt", "completion") if role not in filled]
        if missing:
            raise ColumnsError(
                f"column not found for {' and '.join(missing)} of the {named} format",
                place=place,
                remedy=f"name it in data.columns, e.g. {missing[0]}: {known[0]} (there are {listed(known)})",
            )
        return Recognition(named, 1.0, ("the format is set, not detected",), filled)
    for judge in (
        preference_rows,
        chat_rows,
        kto_pairs,
        instruction_rows,
        pairs_rows,
        classification_rows,
        text_rows,
        positional_rows,
    ):
        try:
            found = judge(sample, known)
        except ColumnsError as error:
            raise ColumnsError(error.message, place=place, remedy=error.remedy) from None
        if found:
            refuse_judged(sample, known, found, place)
            refuse_printed(sample, found, place)
            refuse_choices(sample, found, place)
            return found
    alone = all(name.lower().strip() in _WITHOUT_ANSWERS for name in known)
    if alone and (found := prompt_rows(sample, known)):
        return found
    roles = (
        _compared(known) or classified_by_values(sample, known) or paired_by_values(sample, known) or _EXAMPLE
    )
    such_as = ", ".join(f"{role}: {printable(name)}" for role, name in roles.items())
    options = " ".join(f"--column {shlex.quote(f'{role}={printable(name)}')}" for role, name in roles.items())
    raise UndetectedError(
        "the format was not detected",
        place=place,
        remedy=f"set the role of each column ({listed(known)}): in a preset data.columns, such as "
        f"{{{such_as}}}; for `tuiftune data` {options} (`data clean` writes rows that every command reads)",
    )


_EXAMPLE = {"prompt": "question", "completion": "answer"}
_WITHOUT_ANSWERS = {
    *(*names.PROMPTS, *names.INSTRUCTION_INPUTS, *names.CONTEXTS, *names.SYSTEM, *names.HISTORY),
    *(*names.TOOLS, *names.ABOUT),
} - {"text"}


def _compared(known: list[str]) -> dict[str, str]:
    """The columns of a comparison by their names, where their values do not tell that they are answers."""
    found = {"prompt": names.PROMPTS, "chosen": names.CHOSEN, "rejected": names.REJECTED}
    roles = {role: name for role, wanted in found.items() if (name := named(known, wanted))}
    return roles if {"chosen", "rejected"} <= roles.keys() else {}


def roles_as(named: str, sample: list[Row], mapped: Mapping[str, str]) -> dict[str, str]:
    """Which column plays which role if the rows are of this format: as mapped, else as names and values tell.

    A role mapped to an empty name is played by none. UserError for a role that the format doesn't have.
    """
    known = list(dict.fromkeys(key for row in sample for key in row))
    guess = _as_format(named, sample, known)
    given = {role_in(named, role): column for role, column in mapped.items()}
    return {role: column for role, column in {**guess, **given}.items() if column}


def role_in(kind: str, role: str) -> str:
    """Roles are forgiving: `answer` for completion, `output` for an instruction's answer, and the like."""
    wanted = ROLES_OF[kind]
    if role in wanted:
        return role
    groups = (
        ("prompt", "instruction", "text", "question"),
        ("completion", "output", "answer", "response", "label", "chosen"),
        ("messages", "conversations"),
    )
    for group in groups:
        if role in group:
            for other in group:
                if other in wanted:
                    return other
    raise UserError(
        f'the {kind} format does not have a role "{role}"',
        place="data.columns",
        remedy="use one of " + ", ".join(wanted),
    )


def _format_of_roles(mapped: Mapping[str, str], sample: list[Row], place: str) -> str:
    roles = set(mapped)
    if {"chosen", "rejected"} <= roles:
        return "preference"
    if roles & {"messages", "conversations"}:
        values = [row.get(mapped.get("messages") or mapped["conversations"]) for row in sample]
        return "sharegpt" if turn_style(values) == "sharegpt" else "chat"
    if "instruction" in roles:
        return "instruction"
    if {"text", "label"} <= roles:
        return "classification"
    if roles & {"prompt", "completion", "question", "answer", "response"}:
        return "kto" if "label" in roles else "prompt-completion"
    if roles == {"text"}:
        return "text"
    guess = recognize(sample, place=place)
    return guess.format


def _as_format(kind: str, sample: list[Row], known: list[str]) -> dict[str, str]:
    """The columns that would play this format's roles, as far as names and values tell."""
    judges = {
        "instruction": instruction_rows,
        "chat": chat_rows,
        "sharegpt": chat_rows,
        "prompt-completion": pairs_rows,
        "classification": classification_rows,
        "text": text_rows,
        "preference": preference_rows,
        "kto": kto_pairs,
        "prompt-only": prompt_rows,
    }
    found = judges[kind](sample, known)
    if found:
        return found.columns
    if kind in ("kto", "prompt-only") and (chat := chat_rows(sample, known)):
        return chat.columns
    if kind == "prompt-completion" and (
        other := instruction_rows(sample, known) or classification_rows(sample, known)
    ):
        left = other.columns.get("instruction") or other.columns["text"]
        return {"prompt": left, "completion": other.columns.get("output") or other.columns["label"]}
    if kind == "prompt-completion" and (two := preference_rows(sample, known)):
        asked = two.columns.get("messages") or two.columns.get("prompt")
        kept = ("system", "history", "tools")
        rest = {role: name for role, name in two.columns.items() if role in kept}
        return {"prompt": asked, "completion": two.columns["chosen"], **rest} if asked else {}
    if kind == "classification" and (pair := pairs_rows(sample, known)):
        return {"text": pair.columns["prompt"], "label": pair.columns["completion"]}
    if kind == "classification":
        return classified_by_values(sample, known)
    if kind == "text":
        strings = [name for name in known if isinstance(first(sample, name), str)]
        return {"text": strings[0]} if strings else {}
    return {}
