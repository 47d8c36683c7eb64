"""One row as the trainer sees it: its tokens with what is learnt marked, and what inference will send."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

LEARNT = "bold green underline"


def ask_engine(arguments: list[str]) -> dict[str, Any]:
    """The engine's document for one row. Raises UserError with the engine's own line when it refuses."""
    command = [sys.executable, "-m", "tuiftune.engine", "tokens", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        document: dict[str, Any] = json.loads(done.stdout)
        return document
    said = done.stderr.strip().splitlines() or ["the engine failed"]
    known = {int(code) for code in ExitCode}
    code = ExitCode(done.returncode) if done.returncode in known else ExitCode.FAILED
    raise UserError(said[-1], exit_code=code)


def render(
    document: dict[str, Any], sent: str | None, console: Console, *, colour: bool, unicode: bool
) -> None:
    """Print the row. `sent` is what inference sends, where known. Without colour, marks stand instead."""
    tokens = document["tokens"]
    learnt, total = document["learnt"], len(tokens)
    share = learnt / total if total else 0.0
    head = (
        f"{printable(document['file'])}:{document['row']}  {total:,} tokens, {learnt:,} learnt ({share:.0%})"
    )
    console.print(Text(head, "bold"))
    how = printable(str(document["mask_from"]))
    own = "" if document["own_template"] else "; the model has no chat template, ChatML is used"
    console.print(Text(f"what is learnt: {document['loss_on']}, found by {how}{own}", "dim"))
    if document["truncated"]:
        console.print(
            Text(
                f"cut: {document['length']:,} tokens, max_length {document['max_length']:,}; ", "yellow"
            ).append(f"{document['lost']:,} learnt tokens lost", "bold yellow")
        )
    console.print()
    console.print(_marked(tokens, colour, unicode))
    console.print()
    legend = Text("learnt", LEARNT) if colour else Text(_marks(unicode)[0] + "learnt" + _marks(unicode)[1])
    console.print(legend.append("  the rest is context: read, not learnt", "not bold not underline dim"))
    if sent is not None:
        console.print(compared(tokens, sent, unicode))


def _marks(unicode: bool) -> tuple[str, str]:
    return ("⟦", "⟧") if unicode else ("[[", "]]")


def _marked(tokens: list[dict[str, Any]], colour: bool, unicode: bool) -> Text:
    out, inside = Text(), False
    opening, closing = _marks(unicode)
    for token in tokens:
        shown = printable(token["text"], lines=True)
        if colour:
            out.append(shown, LEARNT if token["learnt"] else "dim")
            continue
        if token["learnt"] != inside:
            out.append(opening if token["learnt"] else closing)
            inside = token["learnt"]
        out.append(shown)
    return out.append(closing if inside else "")


def compared(tokens: list[dict[str, Any]], sent: str, unicode: bool) -> Text:
    """Whether training's text before the last answer is what inference sends; else the first difference."""
    last = max((place for place, token in enumerate(tokens) if token["learnt"]), default=-1)
    start = last
    while start > 0 and tokens[start - 1]["learnt"]:
        start -= 1
    trained = "".join(token["text"] for token in tokens[: max(start, 0)])
    if trained == sent:
        sign = "✓" if unicode else "ok"
        return Text(f"{sign} inference sends exactly the {start:,} tokens before the answer", "green")
    pairs = enumerate(zip(trained, sent, strict=False))
    at = next((place for place, (a, b) in pairs if a != b), min(len(trained), len(sent)))
    sign = "!" if unicode else "!!"
    out = Text(f"{sign} training and inference differ at character {at + 1:,}\n", "bold yellow")
    before = printable(trained[max(0, at - 30) : at])
    out.append("  training:  " + before, "dim").append(printable(trained[at : at + 40]), "red")
    out.append("\n  inference: " + before, "dim").append(printable(sent[at : at + 40]), "green")
    return out
