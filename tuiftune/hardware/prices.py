"""Prices of GPUs per hour, each with source and date: the table of GPUs', or a file of one's own."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from tuiftune import documents
from tuiftune.errors import UserError
from tuiftune.hardware.known_gpus import GPUS, find
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "TUIFTUNE_PRICES"
COLUMNS = ("gpu", "usd_per_hour", "source", "date")
OPTIONAL = ("provider", "spot")
OLD_DAYS = 365
MOST_BYTES = 4 * 1024**2
_YES, _NO = ("true", "yes", "1", "spot"), ("", "false", "no", "0", "on-demand")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one GPU and hour, from the cheapest offer known to the dearest.

    `date`: as its source has it; `days`: its age, None where the date is a season or a year only.
    """

    gpu: str
    low: float
    high: float
    source: str
    date: str
    provider: str = ""
    spot: bool = False
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """A table of prices, and what of it was left out, by line."""

    prices: tuple[Price, ...]
    left_out: tuple[str, ...] = ()

    def of(self, gpu: str) -> list[Price]:
        return [price for price in self.prices if price.gpu == gpu]

    @property
    def notes(self) -> list[str]:
        """What is to be known of the table: its old prices, and the lines that were left out."""
        old = [price for price in self.prices if price.days is not None and price.days > OLD_DAYS]
        told = (
            [f"{len(old)} prices are more than a year old, the oldest of {min(one.date for one in old)}"]
            if old
            else []
        )
        return told + list(self.left_out)


def known() -> Prices:
    """Return the prices of the table of GPUs."""
    found = []
    for gpu in GPUS:
        if gpu.usd_per_hour_low is not None and gpu.usd_per_hour_high is not None:
            when, _, source = gpu.price_date.partition(" (")
            found.append(
                Price(gpu.name, gpu.usd_per_hour_low, gpu.usd_per_hour_high, source.rstrip(")"), when)
            )
    return Prices(tuple(found))


def read(path: Path, today: date | None = None) -> Prices:
    """Read a CSV file with the columns gpu, usd_per_hour, source and date (YYYY-MM-DD), and if it has them
    provider and spot. A line without source or date is left out and told.

    Raises UserError if a column is missing, a GPU is unknown, a price is not a positive number, or no line is
    left.
    """
    place = printable(str(path))
    text = documents.read_text(path, MOST_BYTES)
    header = text.partition("\n")[0]
    semicolons = ";" in header and "," not in header  # as a spreadsheet writes where the comma is decimal
    rows = csv.DictReader(io.StringIO(text, newline=""), restval="", delimiter=";" if semicolons else ",")
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in rows.fieldnames]
    if missing:
        every = ", ".join(COLUMNS + OPTIONAL)
        raise UserError(f"has no column {', '.join(missing)}", place=place, remedy=f"its columns are {every}")
    found, left_out = [], []
    now = today or datetime.now(UTC).date()
    for row in rows:
        where = f"{place} line {rows.line_num}"
        given = {name: (row.get(name) or "").strip() for name in (*COLUMNS, *OPTIONAL)}
        if semicolons:
            given["usd_per_hour"] = given["usd_per_hour"].replace(",", ".")
        if not given["source"] or not given["date"]:
            left_out.append(f"{where}: left out, a price needs its source and date")
            continue
        found.append(_price(given, where, now))
    if not found:
        raise UserError("has no price with a source and a date", place=place)
    return Prices(tuple(found), tuple(left_out))


def _price(given: dict[str, str], where: str, today: date) -> Price:
    try:
        gpu = find(given["gpu"]).name
    except UserError as fault:
        raise UserError(fault.message, place=where, remedy=fault.remedy) from None
    try:
        usd = float(given["usd_per_hour"])
    except ValueError:
        usd = math.nan
    if not (math.isfinite(usd) and usd > 0):
        raise UserError(
            f"{printable(given['usd_per_hour'])!r} is not a price", place=where, remedy="write it like 1.99"
        )
    try:
        days = (today - date.fromisoformat(given["date"])).days
    except ValueError:
        raise UserError(
            f"{printable(given['date'])!r} is not a date", place=where, remedy="write it like 2026-11-29"
        ) from None
    if days < 0:
        raise UserError(f"{given['date']} has not come yet", place=where, remedy="check the date")
    if (spot := given["spot"].lower()) not in (*_YES, *_NO):
        raise UserError(f"{printable(spot)!r} is neither true nor false", place=where, remedy="write true")
    return Price(
        gpu,
        usd,
        usd,
        printable(given["source"]),
        given["date"],
        printable(given["provider"]),
        spot in _YES,
        days,
    )
