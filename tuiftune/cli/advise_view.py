"""The output of `tuiftune advise`: the recommendation with its weights, and the passages for a question."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from tuiftune import sources
from tuiftune.cli.terminal import out, say, unicode
from tuiftune.figures import count, plural, size
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tuiftune.advice.approach import Contribution, Verdict
    from tuiftune.advice.bm25 import Hit, Index
    from tuiftune.advice.suggest import Suggestion
    from tuiftune.sources import Source
    from tuiftune.wizard.recommend import Recommendation

_BAR = 24
_COLORS = {"prompt": "cyan", "rag": "magenta", "fine-tune": "green"}
CONFIDENCE = {"clear": "clear", "likely": "likely", "close": "a close call"}
_SHOWN = 500  # characters of a passage


def usage() -> None:
    """Print the questions and their options on standard error, if there is no terminal to ask them in."""
    from tuiftune.advice.questions import QUESTIONS

    say("error: advise: no answers given. Answer some of these as QUESTION=OPTION, or add --data FILE:")
    for question in QUESTIONS:
        say(f"{question.key}: {question.asks}")
        for option in question.options:
            say(f"    {question.key}={option.key:<12} {option.says}")
    say("Example: tuiftune advise task=classify examples=thousands tried=prompting")


def document(
    verdict: Verdict,
    answers: Mapping[str, str],
    detected: Sequence[str],
    models: Sequence[Suggestion],
    values: Recommendation | None,
) -> dict[str, Any]:
    """Return the document of `advise --json`."""
    return {
        "approach": verdict.approach,
        "title": verdict.title,
        "summary": verdict.summary,
        "confidence": verdict.confidence,
        "margin": verdict.margin,
        "runner_up": verdict.runner_up,
        "scores": verdict.scores,
        "answers": dict(answers),
        "detected": list(detected),
        "contributions": [
            {
                "question": one.question,
                "answer": one.answer,
                "says": one.says,
                "points": one.points,
                "sources": list(one.sources),
            }
            for one in verdict.contributions
        ],
        "disagreements": [
            {
                "topic": one.topic,
                "matters": one.matters,
                "views": [
                    {"sources": list(names), "says": says, "verdict": outcome}
                    for names, says, outcome in one.views
                ],
            }
            for one in verdict.disagreements
        ],
        "steps": [{"says": step.says, "command": step.command or None} for step in verdict.steps],
        "notes": list(verdict.notes),
        "models": [
            {
                "base": one.reference,
                "parameters": one.parameters,
                "technique": one.technique,
                "needs": one.needs,
                "capacity": one.capacity,
                "fits": one.fits,
                "licence": one.licence,
                "gated": one.gated,
                "why": one.why,
            }
            for one in models
        ],
        "recommended": dict(values.values) if values else {},
        "reasons": [
            {
                "key": one.key,
                "value": one.value,
                "why": one.why,
                "source": one.source,
                "source_url": sources.link(one.source),
            }
            for one in (values.reasons if values else ())
        ],
        "advice": list(values.advice) if values else [],
    }


def show(
    verdict: Verdict,
    detected: Mapping[str, str],
    data: str | None,
    models: Sequence[Suggestion],
    values: Recommendation | None,
    console: Console | None = None,
) -> None:
    """Print the recommendation: scores as bars, reasons, disagreeing sources, and next steps."""
    console = console or out()
    _line(console, f"{verdict.title} ({CONFIDENCE[verdict.confidence]})", style="bold")
    _line(console, verdict.summary)
    console.print()
    most = max(1.0, *(abs(score) for score in verdict.scores.values()))
    for name, score in sorted(verdict.scores.items(), key=lambda item: -item[1]):
        _line(console, f"  {name:<10} {_bar(score, most):<{_BAR}} {score:+g}", style=_COLORS[name])
    _heading(console, "Reasons")
    _rows(console, [_contribution(one, detected) for one in verdict.contributions])
    if verdict.disagreements:
        _heading(console, "Where sources disagree (the mean of both sides is used)")
        for dispute in verdict.disagreements:
            _line(console, f"  {dispute.topic}")
            _rows(
                console,
                [
                    (", ".join(names), f"{says}. By this source alone: {_name(outcome)}")
                    for names, says, outcome in dispute.views
                ],
            )
    if models:
        _heading(console, "Models that fit this machine")
        _rows(console, [_model(one) for one in models])
    if values and values.reasons:
        _heading(console, "Recommended settings for this data")
        _rows(console, [(f"{one.key} {one.value}", f"{one.why} [{one.source}]") for one in values.reasons])
        _rows(console, [(_dot(), line) for line in values.advice])
    _heading(console, "Next steps")
    for number, step in enumerate(verdict.steps, 1):
        _rows(console, [(f"{number}.", step.says)])
        if step.command:
            command = step.command.replace("DATA", shlex.quote(data)) if data else step.command
            _line(console, f"      $ {command}", style="bold")
    _rows(console, [(_dot(), note) for note in verdict.notes])
    _heading(console, "Sources")
    _rows(console, [(_dot(), one.full) for one in _named(verdict, values)])


def _named(verdict: Verdict, values: Recommendation | None) -> tuple[Source, ...]:
    """Every source that the recommendation and its values name."""
    names = [name for one in verdict.contributions for name in one.sources]
    return sources.listed([*names, *(one.source for one in (values.reasons if values else ()))])


def retrieved(built: Index, found: Mapping[str, Sequence[Hit]]) -> dict[str, Any]:
    """Return the document of `advise --documents … --json`."""
    return {
        "passages": len(built.passages),
        "files": len({passage.file for passage in built.passages}),
        "words": sum(built.lengths),
        "questions": [
            {
                "question": question,
                "hits": [
                    {
                        "file": hit.passage.file,
                        "line": hit.passage.line,
                        "score": round(hit.score, 4),
                        "matched": list(hit.matched),
                        "text": hit.passage.text,
                    }
                    for hit in hits
                ],
            }
            for question, hits in found.items()
        ],
    }


def show_retrieved(built: Index, found: Mapping[str, Sequence[Hit]], console: Console | None = None) -> None:
    """Print the passages found for each question, best first."""
    console = console or out()
    files = len({passage.file for passage in built.passages})
    say(
        f"Indexed {plural(len(built.passages), 'passage')} from {plural(files, 'file')}, "
        f"{built.vocabulary:,} different words."
    )
    if not found:
        say('Search them with --ask "your question".')
    for question, hits in found.items():
        _heading(console, question)
        if not hits:
            says = "no passage shares a word with this question, so these documents cannot answer it"
            _line(console, f"  {says}")
        for hit in hits:
            _line(
                console,
                f"  {hit.passage.file}:{hit.passage.line}  score {hit.score:.2f}  ({', '.join(hit.matched)})",
                "bold",
            )
            text = " ".join(hit.passage.text.split())
            _line(console, f"    {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}")


def _contribution(one: Contribution, detected: Mapping[str, str]) -> tuple[str, str]:
    moved = "\n".join(f"{name} {points:+g}" for name, points in one.points.items())
    told = "from your data" if one.question in detected else "your answer"
    answer = f"\n{told}: {one.answer}" if one.answer else ""
    return moved, f"{one.says} [{', '.join(one.sources)}]{answer}"


def _model(one: Suggestion) -> tuple[str, str]:
    memory = f"{size(one.needs)} of {size(one.capacity)}"
    gate = ". Gated: request access on the Hugging Face Hub first" if one.gated else ""
    return one.reference, f"{count(one.parameters)}, {one.technique}, at least {memory}: {one.why}{gate}"


def _dot() -> str:
    return "·" if unicode() else "-"


def _name(approach: str) -> str:
    from tuiftune.advice.recommendation import TITLES

    return TITLES[approach].lower().replace("(rag)", "(RAG)")


def _bar(score: float, most: float) -> str:
    return ("█" if unicode() else "#") * max(0, round(score / most * _BAR))


def _heading(console: Console, text: str) -> None:
    console.print()
    _line(console, text, style="bold")


def _line(console: Console, text: str, style: str = "") -> None:
    """Print one line, wrapped under its own indent, without reading markup from it."""
    from rich.padding import Padding
    from rich.text import Text

    stripped = text.lstrip(" ")
    indent = len(text) - len(stripped)
    console.print(Padding(Text(printable(stripped), style=style), (0, 0, 0, indent), expand=False))


def _rows(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Print two columns under an indent, the second wrapped."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for first, second in rows:
        table.add_row(Text(printable(first, lines=True)), Text(printable(second, lines=True)))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
