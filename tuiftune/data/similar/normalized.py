"""Texts without the differences that don't count when rows are compared: upper case and blanks."""

from __future__ import annotations

import polars as pl

_TO_CHANGE = r"\s{2,}|[^\S ]"  # and not `\s+`: to put a space where one is took most of the time


def normalized(column: str) -> pl.Expr:
    """Lower case, single spaces, no blanks at the ends."""
    return single_spaced(pl.col(column).fill_null("").str.to_lowercase())


def single_spaced(text: pl.Expr) -> pl.Expr:
    """Every run of blanks as one space, none at the ends."""
    return text.str.replace_all(_TO_CHANGE, " ").str.strip_chars()
