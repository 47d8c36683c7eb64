"""The result of a run for a person: scores before and after, answers side by side, next steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from tuiftune import paths, techniques
from tuiftune.cli.terminal import sign, unicode
from tuiftune.data.chat.reasoning import matches
from tuiftune.figures import interval as between
from tuiftune.figures import percent
from tuiftune.printable import printable
from tuiftune.runs.reports.scores import how_compared, measured
from tuiftune.runs.reports.verdict import of
from tuiftune.runs.state.narrate import figure

if TYPE_CHECKING:
    from rich.console import Console

    from tuiftune.runs.reports.verdict import Verdict
    from tuiftune.runs.store.directory import RunDir

BAR = 12  # cells of a full bar
FEW_ROWS = 500  # below this number of rows, a rate is shown with its confidence interval
NARROWEST = 72  # columns needed to show two answers side by side


def show(run: RunDir, console: Console) -> None:
    """Print the result of a finished run, with answers side by side if the terminal is wide enough."""
    result = run.result() or {}
    before, after = _part(result, "before"), _part(result, "after")
    console.print()
    console.print(Text("Result", style="bold"))
    console.print(_scores(before, after))
    for words in how_compared(before, after):
        console.print(Text(words, style="dim"), soft_wrap=not console.is_terminal)
    verdict = of(result)
    if verdict is not None and verdict.says:
        console.print(_judged(verdict), soft_wrap=True)
    samples = [sample for sample in result.get("samples") or [] if isinstance(sample, dict)]
    if samples:
        console.print()
        console.print(Text("Sample answers before and after", style="bold"))
        if console.is_terminal and not console.is_dumb_terminal and console.width >= NARROWEST:
            console.print(_side_by_side(samples))
        else:
            for sample in samples:
                console.print(_one_below_the_other(sample), soft_wrap=not console.is_terminal)
    console.print()
    for line in _next(run, result):
        console.print(line, soft_wrap=True)


def _judged(verdict: Verdict) -> Text:
    """Return whether the model is better than its base model, and what to try if it is not."""
    mark, style = (sign("ok"), "green") if verdict.better else (sign("warn"), "yellow")
    return Text.assemble((f"{mark} {verdict.says}", style), f" {verdict.fix}" if verdict.fix else "")


def _part(result: dict[str, Any], name: str) -> dict[str, Any]:
    part = result.get(name)
    return part if isinstance(part, dict) else {}


def _scores(before: dict[str, Any], after: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    table.add_column("")
    for key, name in (("loss", "eval loss"), ("perplexity", "perplexity")):
        if after.get(key) is not None:
            table.add_row(
                name, figure(before.get(key)), _better(before, after, key), _fall(before, after, key)
            )
    for name, first, second in measured(before, after):
        shown = _better({"share": second}, {"share": first}, "share", percent(second))
        table.add_row(name, percent(first), shown, _bar(second))
    share = after.get("exact_match")
    if share is not None:
        table.add_row(
            "exact match",
            percent(before.get("exact_match")),
            _better(after, before, "exact_match", percent(share)),
            Text.assemble(_bar(share), f"  {_of_rows(after)}"),
        )
    return table


def _better(worse: dict[str, Any], better: dict[str, Any], key: str, text: str | None = None) -> Text:
    """Return a value after training: green with a sign if it fell (or, with both exchanged, rose)."""
    first, second = worse.get(key), better.get(key)
    gained = first is not None and second is not None and second < first
    value = text or figure(second)
    mark, style = (sign("ok"), "green") if gained else (sign("info"), "yellow")
    return Text(f"{value} {mark}", style=style)


def _fall(before: dict[str, Any], after: dict[str, Any], key: str) -> Text:
    """Return the value after training as a share of the one before, as a bar."""
    first, second = before.get(key), after.get(key)
    if not first or second is None:
        return Text()
    left = second / first
    words = "under 1%" if left < 0.01 else f"{percent(left)}"
    return Text.assemble(_bar(min(1.0, left)), f"  {words} of the base model's")


def _bar(share: float) -> Text:
    full = round(share * BAR)
    on, off = ("█", "░") if unicode() else ("#", ".")
    return Text.assemble((on * full, "cyan"), (off * (BAR - full), "bright_black"))


def _of_rows(part: dict[str, Any]) -> str:
    """Return `61 of 64 (95% CI 87–98%)`: with few rows a rate alone is misleading."""
    rows, share, interval = part.get("rows") or 0, part["exact_match"], part.get("interval")
    words = f"{round(share * rows)} of {rows}"
    if interval and rows < FEW_ROWS:
        words += f" (95% CI {between(*interval)})"
    return words


def _side_by_side(samples: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 1, 0), pad_edge=False, header_style="dim")
    for name, ratio in (("prompt", 4), ("before", 4), ("after", 3)):
        table.add_column(name, ratio=ratio, overflow="fold")
    table.expand = True
    for sample in samples:
        table.add_row(_text(sample, "prompt"), _text(sample, "before", "dim"), _answer(sample))
    return table


def _one_below_the_other(sample: dict[str, Any]) -> Text:
    lines = Text.assemble("prompt  ", _text(sample, "prompt"), "\nbefore  ", _text(sample, "before"))
    return lines.append("\nafter   ").append(_answer(sample)).append("\n")


def _answer(sample: dict[str, Any]) -> Text:
    """Return the fine-tuned model's answer with a sign, and the reference answer if it differs."""
    given, wanted = _text(sample, "after"), _text(sample, "reference")
    if matches(str(sample.get("after", "")), str(sample.get("reference", ""))):
        return Text.assemble((f"{sign('ok')} ", "green"), given)
    return Text.assemble((f"{sign('bad')} ", "red"), given, "\n", ("reference: ", "dim"), wanted)


def _text(sample: dict[str, Any], key: str, style: str = "") -> Text:
    return Text(printable(str(sample.get(key, ""))) or "(empty)", style=style)


def _trained_adapters(result: dict[str, Any]) -> bool:
    """Return True if adapters were trained; so for an unknown technique of another version."""
    known = techniques.every().get(str(result.get("technique")))
    return known is None or known.adapters


def _next(run: RunDir, result: dict[str, Any]) -> list[Text]:
    """Return the path of the model, and what to do next."""
    model = str(result.get("model") or run.result_path / "model")
    here = paths.from_here(model)
    lines = [
        Text.assemble(
            ("Fine-tuned model", "bold"), f"  {printable(here if len(here) < len(model) else model)}"
        )
    ]
    size, trained = result.get("parameters"), result.get("trainable")
    if isinstance(size, int) and isinstance(trained, int) and _trained_adapters(result):
        lines.append(
            Text(f"                  {trained:,} trainable and {size:,} frozen parameters", style="dim")
        )
    lines.append(Text("Next steps", style="bold"))
    for command, why in (
        (f"tuiftune report {run.name}", "settings, loss curve and all scores"),
        (f"tuiftune chat {run.name} --with base", "ask both models"),
        (f"tuiftune export {run.name}", "merged weights, GGUF, Ollama, vLLM and more"),
        ("tuiftune data inspect FILE", "check your own data"),
        ("tuiftune new", "fine-tune a model on it"),
    ):
        lines.append(Text.assemble(f"  {command:<34}", (why, "dim")))
    return lines
