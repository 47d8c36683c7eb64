"""Format and columns as plain prompts, for a file whose format was not detected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.cli.prompts import Choice
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.data.detect.formats import NEEDED
from tuiftune.printable import printable
from tuiftune.wizard.proposals import wants_labels

if TYPE_CHECKING:
    from tuiftune.cli.prompts import Prompts
    from tuiftune.data.detect.mapping import Beginning
    from tuiftune.wizard.draft import Draft

ROWS = {  # by format, in the order of the list
    "prompt-completion": "a prompt and the answer to it",
    "classification": "a text and its label",
    "instruction": "an instruction and its output",
    "chat": "a list of messages with role and content",
    "sharegpt": "a list of messages with from and value",
    "text": "one text, all of which is trained on",
    "preference": "a prompt, the better answer and the worse one",
    "kto": "a prompt, an answer, and whether it is good",
    "prompt-only": "a prompt without an answer, for training on rewards",
}
ASKED = {
    "preference": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
    "prompt-only": ("prompt",),
}
OTHER = "other"
NO_COLUMN = "-"
WHY = (
    "The format says what a row is, and the roles say which column holds which part of it. The first rows "
    "are read like that at once; the preset keeps both as data.format and data.columns."
)


def mapped(asks: Prompts, draft: Draft, *, offered: bool) -> Draft | None:
    """Ask what the rows are and which column has which role, until the first rows can be read like that.
    Where that isn't `offered`, because something speaks against these rows, other data is the default.

    Returns the draft with format and columns, or None for other data. Raises UserError without any row.
    """
    from tuiftune.data.detect.mapping import beginning, probable, tried

    first = beginning(list(draft.data))
    for column in first.columns:
        example = f", such as {printable(column.example)[:60]}" if column.example else ""
        say(f"  column {printable(column.name)}: {column.kind}{example}")
    chosen = probable(first, labels=wants_labels(draft)) if offered else OTHER
    while True:
        options = [*(Choice(key, says) for key, says in ROWS.items()), Choice(OTHER, "use other data")]
        chosen = asks.choose("What is in a row?", options, chosen, why=WHY)
        if chosen == OTHER:
            return None
        columns = _roles(asks, first, chosen)
        if not (fault := tried(first, chosen, columns, draft.system).fault):
            return draft.with_(format=chosen, columns=columns)
        say(f"  {fault}")


def _roles(asks: Prompts, first: Beginning, kind: str) -> dict[str, str]:
    from tuiftune.data.detect.mapping import proposed

    guessed = proposed(first, kind)
    found: dict[str, str] = {}
    for role in ASKED.get(kind, NEEDED[kind]):
        options = [Choice(column.name, printable(column.name)) for column in first.columns]
        if role not in NEEDED[kind]:
            options.append(Choice(NO_COLUMN, "no column"))
        default = guessed.get(role) or next(
            (one.key for one in options if one.key not in found.values()), options[0].key
        )
        asked = asks.choose(f"Which column is the {role}?", options, default, why=WHY)
        if asked != NO_COLUMN:
            found[role] = asked
    return found
