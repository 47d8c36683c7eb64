"""One row as the trainer sees it: its tokens with what is learnt marked, and what inference will send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from tuiftune.figures import percent
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

LEARNT = "bold green underline"
CUT = "yellow strike"


def render(document: dict[str, Any], console: Console, *, colour: bool, unicode: bool) -> None:
    """Print the row. Without colour, marks stand instead."""
    tokens = document["tokens"]
    learnt, total = document["learnt"], len(tokens)
    share = learnt / total if total else 0.0
    place = f"{printable(document['file'])}:{document['row']}"
    head = f"{place}  {total:,} tokens, {learnt:,} trained ({percent(share)})"
    console.print(Text(head, "bold"))
    how = printable(str(document["mask_from"]))
    own = "" if document["own_template"] else "; the model has no chat template, a plain one is used"
    console.print(Text(f"what is learnt: {document['loss_on']}, found by {how}{own}", "dim"))
    if muted := document["muted"]:
        answers = "1 answer is" if muted == 1 else f"{muted:,} answers are"
        console.print(Text(f"{answers} kept out of the loss by the row itself (weight 0)", "cyan"))
    for words in _of_the_template(document):
        console.print(Text(printable(words), "yellow"))
    if document["truncated"]:
        gone = document["length"] - document["max_length"]
        said = Text(f"cut at {document['max_length']:,} of {document['length']:,} tokens: ", "yellow")
        said.append(f"{gone:,} never seen, {document['lost']:,} of them of the answer", "bold yellow")
        console.print(said)
    console.print()
    console.print(_marked(tokens, colour, unicode))
    if document["truncated"]:
        console.print(_beyond(document, colour, unicode))
    console.print()
    console.print(_legend(document, colour, unicode))
    if document["inference"] is not None:
        console.print(compared(document["training"], document["inference"], unicode))


def _of_the_template(document: dict[str, Any]) -> list[str]:
    """What the chat template does to this row's answers."""
    found = list(document.get("template", []))
    if document.get("reasoning_kept"):
        found.append("the chat template cuts the reasoning out of the last answer: it was put back")
    if cut := document.get("reasoning_cut"):
        found.append(f"the chat template cuts the reasoning out of earlier answers ({cut})")
    return found


def _legend(document: dict[str, Any], colour: bool, unicode: bool) -> Text:
    opening, closing = _marks(unicode)
    out = Text("trained on", LEARNT) if colour else Text(f"{opening}trained on{closing}")
    if document["truncated"]:
        out.append("  ").append("cut off", CUT if colour else "")
    return out.append("  the rest is context: read, not learnt", "not bold not underline not strike dim")


def _beyond(document: dict[str, Any], colour: bool, unicode: bool) -> Text:
    """What max_length takes away, struck through or between marks."""
    text = printable("".join(token["text"] for token in document["beyond"]), lines=True)
    rest = document["length"] - document["max_length"] - len(document["beyond"])
    more = f" and {rest:,} more tokens" if rest else ""
    opening, closing = ("✂ ", "") if unicode else ("[cut off: ", "]")
    out = Text(opening, "yellow").append(text, CUT if colour else "")
    return out.append(closing + more, "yellow")


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


def compared(trained: str, sent: str, unicode: bool) -> Text:
    """Whether training's text begins with what inference sends; else the first difference."""
    if trained.startswith(sent):
        sign = "✓" if unicode else "ok"
        return Text(f"{sign} inference sends exactly what training has before the last answer", "green")
    pairs = enumerate(zip(trained, sent, strict=False))
    at = next((place for place, (a, b) in pairs if a != b), min(len(trained), len(sent)))
    sign = "!" if unicode else "!!"
    out = Text(f"{sign} training and inference differ at character {at + 1:,}\n", "bold yellow")
    before = printable(trained[max(0, at - 30) : at])
    out.append("  training:  " + before, "dim").append(f"{{{printable(trained[at : at + 40])}}}", "red")
    out.append("\n  inference: " + before, "dim").append(f"{{{printable(sent[at : at + 40])}}}", "green")
    return out
