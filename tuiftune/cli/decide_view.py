"""A decision drawn for a person: the sentence first, then every contender with score, tokens and price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tuiftune.cli.terminal import out, plain
from tuiftune.evaluate.wording import value, why_main
from tuiftune.figures import MISSING, count, duration, money, real
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.evaluate.decision import Candidate
    from tuiftune.jobs.deciding import Outcome


def show(outcome: Outcome) -> None:
    """Print a decision: a table on a terminal, one contender a line elsewhere."""
    console, splits, made = out(), outcome.splits, outcome.decision
    rows = len(splits.test) if made.rows_used.startswith("test") else len(splits.evaluation)
    console.print(Text(printable(made.says), style="bold"), soft_wrap=True)
    console.print(Text(f"{rows} rows: {made.rows_used}.", style="dim"), soft_wrap=True)
    main = outcome.candidates[0].evaluation.main.scorer
    why = why_main(main, outcome.task)
    console.print(Text(why, style="dim"), soft_wrap=True)
    chosen = made.chosen.key if made.chosen is not None else ""
    if plain():
        for one in outcome.candidates:
            cells = _cells(one)
            mark = " (recommended)" if one.key == chosen else ""
            console.print(
                Text(f"{cells[0]}{mark}: {'; '.join(cell for cell in cells[1:] if cell)}"), soft_wrap=True
            )
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("contender", f"{main.name} (95% CI)", "tokens in/out", "s/answer", "$/1,000"):
            table.add_column(heading, overflow="fold")
        for one in outcome.candidates:
            name, score, tokens, seconds, price, *_ = _cells(one)
            cells = [name, score, tokens.removeprefix("tokens "), seconds.removesuffix(" s an answer"), price]
            table.add_row(*cells, style="bold" if one.key == chosen else "")
        console.print(table)
    floor = outcome.floor.main
    console.print(Text(f"Always the most common answer: {value(floor)}", style="dim"), soft_wrap=True)
    for sentence in _sentences(outcome):
        console.print(Text(printable(sentence)), soft_wrap=True)


def _cells(one: Candidate) -> list[str]:
    used = one.evaluation.usage
    detail = f" ({one.detail})" if one.detail else ""
    tokens = ""
    if used.tokens_in is not None and used.tokens_out is not None:
        tokens = f"tokens {used.tokens_in:.0f}/{used.tokens_out:.0f}"
    seconds = "" if used.seconds is None else f"{real(used.seconds, 3)} s an answer"
    price = MISSING if one.price is None else money(one.price)
    return [printable(f"{one.name}{detail}"), value(one.evaluation.main), tokens, seconds, price]


def _sentences(outcome: Outcome) -> list[str]:
    told = []
    if outcome.break_even is not None:
        told.append(f"Fine-tuning pays for itself after {count(outcome.break_even)} answers.")
    monthly = [one for one in outcome.candidates if one.month is not None]
    if monthly:
        costs = "; ".join(f"{one.name} {money(one.month)}" for one in monthly)
        told.append(f"A month, with idle hours of local models: {costs}.")
    if all(one.price is None for one in outcome.candidates):
        told.append("Prices are not known: add --usd-per-hour, or --usd-in and --usd-out for an endpoint.")
    told += outcome.notes
    told += [f"Not measured: {key}, because {why}." for key, why in outcome.skipped]
    told.append(f"Measured in {duration(outcome.seconds)}. The same command reuses these answers.")
    return told
