"""One row as the trainer sees it: its tokens and loss mask, and the prompt sent at inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from tuiftune.figures import percent, plural
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

TRAINED = "bold green underline"
TRUNCATED = "yellow strike"


def render(document: dict[str, Any], console: Console, *, color: bool, unicode: bool) -> None:
    """Print the row, of a comparison both sides. Without color, trained tokens are between marks."""
    if (other := document.get("rejected")) is None:
        return _side(document, console, color=color, unicode=unicode)
    place = {"file": document["file"], "row": document["row"]}
    for name, side in (("chosen", document), ("rejected", other)):
        console.print(Text(f"{name} answer", "bold magenta" if color else "bold"))
        _side(place | side, console, color=color, unicode=unicode)
        console.print()
    gap = document["trained"] - other["trained"]
    words = "as long as" if not gap else f"{abs(gap):,} tokens {'longer' if gap > 0 else 'shorter'} than"
    console.print(Text(f"the chosen answer is {words} the rejected one", "dim"))


def _side(document: dict[str, Any], console: Console, *, color: bool, unicode: bool) -> None:
    tokens = document["tokens"]
    trained, total = document["trained"], len(tokens)
    share = trained / total if total else 0.0
    place = f"{printable(document['file'])}:{document['row']}"
    head = f"{place}  {plural(total, 'token')}, {trained:,} trained ({percent(share)})"
    console.print(Text(head, "bold"))
    how = printable(str(document["mask_from"]))
    own = "" if document["own_template"] else "; the model has no chat template, so a plain one is used"
    thought = document.get("reasoning", "keep")
    treated = "" if thought == "keep" else f", reasoning: {thought}"
    console.print(Text(f"trained tokens: {document['loss_on']}{treated}, found by {how}{own}", "dim"))
    if masked := document["masked_answers"]:
        answers = "1 answer is" if masked == 1 else f"{masked:,} answers are"
        console.print(Text(f"{answers} masked: the data gives them weight 0", "cyan"))
    for words in _of_the_template(document):
        console.print(Text(printable(words), "yellow"))
    if document["truncated"]:
        gone = document["length"] - document["max_length"]
        said = Text(f"truncated at {document['max_length']:,} of {document['length']:,} tokens: ", "yellow")
        said.append(f"{gone:,} tokens dropped, {document['lost']:,} of them from the answer", "bold yellow")
        console.print(said)
    console.print()
    console.print(_marked(tokens, color, unicode))
    if document["truncated"]:
        console.print(_truncated(document, color, unicode))
    console.print()
    console.print(_legend(document, color, unicode))
    if document["inference"] is not None:
        console.print(compared(document["training"], document["inference"], unicode))


def _of_the_template(document: dict[str, Any]) -> list[str]:
    """Return what the chat template does to this row's answers."""
    found = list(document.get("template", []))
    if document.get("reasoning_kept"):
        found.append("the chat template removes the reasoning from the last answer; it was put back")
    if removed := document.get("reasoning_cut"):
        found.append(f"the chat template removes the reasoning from earlier answers ({removed})")
    if dropped := document.get("messages_dropped"):
        found.append(f"the chat template leaves out messages before an answer ({dropped})")
    return found


def _legend(document: dict[str, Any], color: bool, unicode: bool) -> Text:
    opening, closing = _marks(unicode)
    out = Text("trained tokens", TRAINED) if color else Text(f"{opening}trained tokens{closing}")
    if document["truncated"]:
        out.append("  ").append("truncated", TRUNCATED if color else "")
    return out.append(
        "  masked tokens: context only, not trained on", "not bold not underline not strike dim"
    )


def _truncated(document: dict[str, Any], color: bool, unicode: bool) -> Text:
    """Return the tokens beyond max_length, struck through or between marks."""
    text = printable("".join(token["text"] for token in document["truncated_tokens"]), lines=True)
    rest = document["length"] - document["max_length"] - len(document["truncated_tokens"])
    more = f" and {rest:,} more tokens" if rest else ""
    opening, closing = ("✂ ", "") if unicode else ("[truncated: ", "]")
    out = Text(opening, "yellow").append(text, TRUNCATED if color else "")
    return out.append(closing + more, "yellow")


def _marks(unicode: bool) -> tuple[str, str]:
    return ("⟦", "⟧") if unicode else ("[[", "]]")


def _marked(tokens: list[dict[str, Any]], color: bool, unicode: bool) -> Text:
    out, inside = Text(), False
    opening, closing = _marks(unicode)
    for token in tokens:
        shown = printable(token["text"], lines=True)
        if color:
            out.append(shown, TRAINED if token["trained"] else "dim")
            continue
        if token["trained"] != inside:
            out.append(opening if token["trained"] else closing)
            inside = token["trained"]
        out.append(shown)
    return out.append(closing if inside else "")


def compared(trained: str, sent: str, unicode: bool) -> Text:
    """Return whether the training text begins with the inference prompt, or the first difference."""
    if trained.startswith(sent):
        sign = "✓" if unicode else "ok"
        return Text(f"{sign} the inference prompt matches the training text", "green")
    pairs = enumerate(zip(trained, sent, strict=False))
    at = next((place for place, (a, b) in pairs if a != b), min(len(trained), len(sent)))
    sign = "!" if unicode else "!!"
    out = Text(
        f"{sign} the inference prompt differs from the training text at character {at + 1:,}\n",
        "bold yellow",
    )
    before = printable(trained[max(0, at - 30) : at])
    out.append("  training:  " + before, "dim").append(f"{{{printable(trained[at : at + 40])}}}", "red")
    out.append("\n  inference: " + before, "dim").append(f"{{{printable(sent[at : at + 40])}}}", "green")
    return out
