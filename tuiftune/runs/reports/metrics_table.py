"""The measurements of a run as a table, one row an event, for whatever else one works with.

Rows come in the order of the log: `type` is step, eval, score, gpu or memory, and a cell that the event has
no value for is empty. Steps that a resume repeated are left out, as in every curve. Two passes over the log,
so that a long one needs no memory: the first finds the GPUs and the repeated steps.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from tuiftune import metrics
from tuiftune.errors import UserError
from tuiftune.outputs import STANDARD, is_stream, writing
from tuiftune.printable import printable
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.readings import number, text, whole
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.metrics.metric import Metric
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir

    Watch = Callable[[int], None]

Cell = float | int | str | None

FIRST = ("type", "t", "seconds", "step", "when")
TEXTS = ("type", "when")
KINDS = ("step", "eval", "score", "memory", "gpu")
SUFFIXES = (".csv", ".jsonl", ".parquet")


def export(run: RunDir, output: Path, watch: Watch | None = None) -> int:
    """Write the table to `output`, as its suffix says: .csv, .jsonl or .parquet. Returns the number of rows;
    `watch` gets the events so far.

    A stream whose name has no such suffix gets CSV.

    UserError for another ending, a run without measurements, or a file that cannot be written; what stood
    there stays until the new file is whole.
    """
    suffix = ".csv" if is_stream(output) and output.suffix not in SUFFIXES else output.suffix
    if suffix not in SUFFIXES:
        raise UserError(
            "is not a supported table format",
            place=printable(str(output)),
            remedy=f"use a name that ends in {', '.join(SUFFIXES)}",
        )
    table = Table.of(run, watch)
    if str(output) != STANDARD:
        with suppress(FileExistsError):
            output.parent.mkdir(parents=True, exist_ok=True)
    with writing(output) as raw:
        if suffix == ".parquet":
            return _parquet(table, raw)
        file = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        rows = (write_csv if suffix == ".csv" else _jsonl)(table, file)
        file.detach()
    return rows


@dataclass(slots=True)
class Table:
    """A run's measurements: its columns, and its rows as often as they are asked for."""

    run: RunDir
    events: int = 0
    gpus: list[int] = field(default_factory=list)
    repeats: list[tuple[int, int]] = field(default_factory=list)  # (event, step that it went back to)
    watch: Watch | None = None
    unregistered: dict[str, Metric] = field(default_factory=dict)

    @classmethod
    def of(cls, run: RunDir, watch: Watch | None = None) -> Table:
        """Look through the log once. UserError if nothing was measured yet."""
        table = cls(run, watch=watch)
        step, measured, gpus = 0, False, set()
        for event in _events(run):
            table.events += 1
            if watch:
                watch(table.events)
            kind = event["type"]
            measured = measured or kind in KINDS
            for metric in _measured(event):
                if not metric.registered and len(table.unregistered) < metrics.MOST_UNREGISTERED:
                    table.unregistered[metric.name] = metric
            if kind == "step" and (at := whole(event, "step")) is not None:
                if at <= step:
                    table.repeats.append((table.events, at))
                step = at
            elif kind == "gpu":
                gpus |= {index for index, _ in _gpus(event)}
        if not measured:
            raise UserError("no metrics yet", place=run.name, remedy="wait for its first step")
        table.gpus = sorted(gpus)
        return table

    @property
    def columns(self) -> list[str]:
        named = [metric.name for kind in KINDS for metric in metrics.of(kind)]
        gpus = [f"gpu{index}_{metric.name}" for index in self.gpus for metric in metrics.of("card")]
        return [*FIRST, *named, *sorted(self.unregistered), *gpus]

    def rows(self) -> Iterator[dict[str, Cell]]:
        """One mapping of columns to values an event; columns without a value are left out."""
        clock = RunState()
        step = 0
        repeats = iter([*self.repeats, (self.events + 1, 0)])
        upto, _ = next(repeats)
        lowest = self._lowest_after()
        cut = next(lowest, None)
        for place, event in enumerate(itertools.islice(_events(self.run), self.events), 1):
            if self.watch:
                self.watch(self.events + place)
            kind = event["type"]
            # Only what tells the time is folded: one step tells the clock that training began.
            whole_event = kind in ("start", "phase", "end") or not clock.step
            clock.fold(event if whole_event else {key: event.get(key) for key in ("t", "clock")})
            if place == upto:
                upto, _ = next(repeats)
                cut = next(lowest, None)
            if kind not in KINDS:
                continue
            at = whole(event, "step")
            step = at if kind == "step" and at is not None else step
            if cut is not None and at is not None and at >= cut and kind != "score":
                continue
            yield self._row(event, kind, clock.seconds, step if at is None else at)

    def _row(self, event: Event, kind: str, seconds: float, step: int) -> dict[str, Cell]:
        row: dict[str, Cell] = {
            "type": kind,
            "t": number(event, "t"),
            "seconds": round(seconds, 3),
            "step": step,
        }
        if kind in ("eval", "score"):
            row["when"] = text(event, "when")
        for metric in _measured(event):
            if metric.registered or metric.name in self.unregistered:
                value = number(event, metric.key)
                row[metric.name] = int(value) if metric.whole and value is not None else value
        for index, gpu in _gpus(event) if kind == "gpu" else ():
            for metric in metrics.of("card"):
                row[f"gpu{index}_{metric.name}"] = number(gpu, metric.key)
            causes = gpu.get("throttle")
            row[f"gpu{index}_throttle"] = ";".join(map(str, causes)) if isinstance(causes, list) else None
        return {column: value for column, value in row.items() if value is not None}

    def _lowest_after(self) -> Iterator[int]:
        """For the part of the log before each repeat: the lowest step that any later one went back to."""
        lows = list(itertools.accumulate((step for _, step in reversed(self.repeats)), min))
        return reversed(lows)


def write_csv(table: Table, file: TextIO) -> int:
    """Comma-separated with a heading, RFC 4180 but for the newline. Returns the number of rows."""
    writer = csv.DictWriter(file, table.columns, restval="", lineterminator="\n")
    writer.writeheader()
    rows = 0
    for row in table.rows():
        writer.writerow(row)
        rows += 1
    return rows


def _jsonl(table: Table, file: TextIO) -> int:
    rows = 0
    for row in table.rows():
        file.write(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n")
        rows += 1
    return rows


def _parquet(table: Table, file: BinaryIO) -> int:
    import polars

    texts = {*TEXTS, *(f"gpu{index}_throttle" for index in table.gpus)}
    whole_numbers = {"step", *(metric.name for metric in metrics.METRICS if metric.whole)}
    kinds = {
        column: polars.String
        if column in texts
        else polars.Int64
        if column in whole_numbers
        else polars.Float64
        for column in table.columns
    }
    values: dict[str, list[Any]] = {column: [] for column in table.columns}
    for row in table.rows():
        for column, cells in values.items():
            cells.append(row.get(column))
    polars.DataFrame(values, schema=kinds).write_parquet(file)
    return len(values["type"])


def _events(run: RunDir) -> Iterator[Event]:
    reader = EventReader(run.events_path)
    while events := reader.poll():
        yield from events


def _measured(event: Event) -> Iterator[Metric]:
    """The metrics that an event has a number of, those of its GPUs left out."""
    for key in event:
        metric = metrics.find(event["type"], key)
        if metric is not None and number(event, key) is not None:
            yield metric


def _gpus(event: Event) -> Iterator[tuple[int, dict[str, Any]]]:
    gpus = event.get("gpus")
    for gpu in gpus if isinstance(gpus, list) else ():
        if isinstance(gpu, dict):
            yield whole(gpu, "index") or 0, gpu
