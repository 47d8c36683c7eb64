"""A plan for a person: whether it fits, memory bar, time and cost, values with reasons, alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from tuiftune import techniques
from tuiftune.cli.terminal import sign, unicode
from tuiftune.figures import money, plural, roughly, short, size, sizes
from tuiftune.plan.bar import cells, segments
from tuiftune.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tuiftune.plan.model import Plan


def show(plan: Plan, console: Console, *, linear: bool | None = None) -> None:
    """Print a plan.

    Args:
        linear: print one line per value, without tables and bars, which a screen reader cannot read well.
            None: only on a dumb terminal.
    """
    linear = console.is_dumb_terminal if linear is None else linear
    show_needs(plan, console, linear=linear)
    if linear:
        for line in _linear(plan):
            console.print(line, soft_wrap=True)
    else:
        console.print(_values(plan))
        if plan.alternatives:
            console.print()
            console.print(_alternatives(plan))
    for note in plan.notes:
        console.print(Text(f"{sign('info')} {printable(note)}", style="dim"))


def show_needs(plan: Plan, console: Console, *, linear: bool) -> None:
    """Print whether the plan fits, its memory, time and cost."""
    capacity = int(plan.gpu.get("memory_available") or plan.gpu["memory_total"])
    console.print(_verdict(plan, capacity))
    console.print()
    for line in memory_lines(plan, capacity, min(console.width, 100), linear=linear):
        console.print(line)
    console.print()
    console.print(_time(plan))
    console.print()


MAIN = (  # the values that a summary names
    "method.technique",
    "method.rank",
    "training.learning_rate",
    "training.epochs",
    "training.effective_batch",
    "training.micro_batch",
    "data.max_length",
)


def briefly(plan: Plan) -> list[str]:
    """Return whether the plan fits, its time and cost, and its main values, in ten lines at most."""
    capacity = int(plan.gpu.get("memory_available") or plan.gpu["memory_total"])
    lines = [*_verdict(plan, capacity).plain.split("\n"), *_time(plan).plain.split("\n")]
    resolved = plan.resolved.model_dump(mode="json")
    values = []
    for key in MAIN:
        section, _, name = key.partition(".")
        if name == "rank" and not techniques.every()[plan.resolved.method.technique].adapters:
            continue
        if (value := resolved.get(section, {}).get(name)) is not None:
            values.append(f"{name.replace('_', ' ')} {_value(value)}")
    return [*lines, ", ".join(values)]


def memory_lines(plan: Plan, capacity: int, width: int, *, linear: bool = False) -> list[Text]:
    """Return the memory bar and its legend, two components per line; if `linear`, one size per line."""
    parts = segments(plan.memory, capacity)
    if linear:
        return [Text(f"{part.label}: {size(part.bytes)}") for part in parts]
    bar = Text()
    blocks = unicode()
    for part, number in cells(parts, width):
        if part.name == "free":
            bar.append(("░" if blocks else ".") * number, style="bright_black")
        else:
            label = part.sign + ("█" if blocks else part.sign) * (number - 1)
            bar.append(label, style=part.color)
    lines = [bar]
    entries = [
        Text.assemble((f"{part.sign} ", part.color), f"{part.label:<23}", f"{size(part.bytes):>10}")
        for part in parts
    ]
    for left, right in zip(entries[::2], [*entries[1::2], Text()], strict=False):
        lines.append(Text.assemble(left, "   ", right))
    return lines


def _verdict(plan: Plan, capacity: int) -> Text:
    count = plan.gpu["count"]
    where = printable(str(plan.gpu["name"]))
    many = f"{count} × " if count > 1 else ""
    if plan.gpu.get("kind") == "cpu":
        where = "RAM of this machine"
        many = f"{count} processes sharing the " if count > 1 else ""
    method = techniques.every()[plan.resolved.method.technique].name
    needs, there = sizes(plan.memory.needs, capacity)
    head = f"{printable(plan.resolved.model.base)} · {method} · {many}{where}"
    if plan.near_limit:
        line = f"\n{sign('warn')} fits, close to the limit: needs {needs} of {there}"
        return Text.assemble((head, "bold"), (line, "yellow"))
    if plan.fits:
        line = f"\n{sign('ok')} fits: needs {needs} of {there}"
        return Text.assemble((head, "bold"), (line, "green"))
    line = f"\n{sign('bad')} does not fit: needs {needs}, {there} available"
    return Text.assemble((head, "bold"), (line, "red"))


def _time(plan: Plan) -> Text:
    speed = plan.speed.tokens_per_second
    words = []
    if plan.steps:
        words.append(f"{plural(plan.steps, 'step')}, {plural(plan.tokens, 'token')}")
    if plan.seconds is not None:
        words.append(f"about {roughly(plan.seconds)}")
    if plan.usd is not None:
        words.append(f"{money(plan.usd)} at {money(plan.usd_per_hour)}/hour")
    if speed is not None:
        words.append(f"{speed:,.0f} tokens/s")
    return Text.assemble(("Time  ", "bold"), " · ".join(words), ("\n      " + plan.speed.basis, "dim"))


def _linear(plan: Plan) -> list[Text]:
    """Return one line for each value, with its reason and source, and for each alternative."""
    lines = [
        f"{reason.key}: {_value(reason.value)}. {printable(reason.why)} ({reason.source})"
        for reason in plan.reasons
    ]
    for other in plan.alternatives:
        speed = f", {other.tokens_per_second:,.0f} tokens/s" if other.tokens_per_second is not None else ""
        fits = "fits, " if other.fits else ""  # what doesn't says so itself
        lines.append(f"alternative: {printable(other.says)}: {fits}needs {size(other.needs)}{speed}")
    return [Text(line) for line in lines]


def _values(plan: Plan) -> Table:
    table = _table("Value", "Reason", "Source")
    table.columns[0].ratio, table.columns[1].ratio, table.columns[2].ratio = 3, 5, 3
    table.expand = True
    for reason in plan.reasons:
        key = reason.key.rpartition(".")[2]
        table.add_row(
            Text(f"{key}: {_value(reason.value)}"),
            Text(printable(reason.why)),
            Text(reason.source, style="dim"),
        )
    return table


def _alternatives(plan: Plan) -> Table:
    table = _table("Alternatives" if plan.fits else "Alternatives that may fit", "Needs", "tokens/s")
    for other in plan.alternatives:
        speed = f"{other.tokens_per_second:,.0f}" if other.tokens_per_second is not None else "–"
        mark = sign("ok") if other.fits else sign("bad")
        table.add_row(
            Text(f"{mark} {printable(other.says)}", style="" if other.fits else "dim"),
            Text(size(other.needs), justify="right"),
            Text(speed, justify="right"),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return short(value)
    return printable(str(value))
