"""Rows in one JSON object: under `train`, under their names or labels, or as columns side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.detect.names import KNOWN_NAMES
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRAIN_KEYS = ("train", "training", "data", "rows", "examples", "instances", "items", "records", "samples")
HELD_OUT_KEYS = ("validation", "valid", "val", "test", "dev", "eval", "evaluation")


def rows_in(document: Any, path: Path) -> list[Any]:
    """The rows of a JSON object: a list under `train`, `data` …, columns side by side, or the object itself.

    Splits that are plainly held out (`test`, `val` …) are left alone. Raises UserError when nothing looks
    like rows.
    """
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        raise UserError(
            "neither rows nor an object", place=f"{path}:1", remedy="write one JSON object per line"
        )
    if (table := _table(document)) is not None:
        return table
    lowered = {key.lower(): key for key in document}
    for name in TRAIN_KEYS:
        if name in lowered:
            value = document[lowered[name]]
            if isinstance(value, list) and value and isinstance(value[0], dict | list | str):
                return value
            if isinstance(value, dict):
                return rows_in(value, path)
    if nested := _nested(document, lowered, path):
        return nested
    lists = {key: value for key, value in document.items() if isinstance(value, list)}
    tables = [value for value in lists.values() if value and isinstance(value[0], dict)]
    if len(lists) == len(document) > 1 and not tables and len({len(value) for value in lists.values()}) == 1:
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    if len(tables) == 1 and not any(key in lowered for key in ("messages", "conversations", "conversation")):
        return tables[0]
    return [document]


def _table(document: dict[str, Any]) -> list[Any] | None:
    """Rows as pandas writes them (orient split, tight, table or columns), or as a data server pages them."""
    names, cells = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(cells, list) and all(isinstance(row, list) for row in cells):
        wide = [" ".join(map(str, name)) if isinstance(name, list) else str(name) for name in names]
        if all(len(row) == len(wide) for row in cells):
            return [dict(zip(wide, row, strict=True)) for row in cells]
    if isinstance(document.get("schema"), dict) and isinstance(cells, list):
        key = document["schema"].get("primaryKey") or []
        return [
            {name: row[name] for name in row if name not in key} if isinstance(row, dict) else row
            for row in cells
        ]
    rows = document.get("rows")
    if isinstance(rows, list) and rows and all(isinstance(row, dict) and "row" in row for row in rows):
        inner = [row["row"] for row in rows]
        return inner if all(isinstance(row, dict) for row in inner) else None
    return _by_column(document)


def _without(row: Any, names: list[str]) -> Any:
    return {name: row[name] for name in row if name not in names} if isinstance(row, dict) else row


def _by_column(document: dict[str, Any]) -> list[Any] | None:
    """Columns that hold their cells under the numbers of the rows."""
    columns = list(document.values())
    if not columns or not all(isinstance(column, dict) and column for column in columns):
        return None
    index = list(columns[0])
    if not all(column.keys() == columns[0].keys() for column in columns[1:]):
        return None
    numbered = all(name.isdigit() for name in index) and not all(name.isdigit() for name in document)
    known = any(name.lower() in KNOWN_NAMES for name in document) and not any(
        name.lower() in KNOWN_NAMES for name in index
    )
    if not numbered and not known:
        return None
    return [{name: column[at] for name, column in document.items()} for at in index]


def _is_known(name: str) -> bool:
    return name.lower() in KNOWN_NAMES


def _nested(document: dict[str, Any], lowered: Mapping[str, str], path: Path) -> list[Any] | None:
    """Sentences under their labels, rows under their names, or rows somewhere in the one object inside."""
    values = list(document.values())
    named = bool(lowered.keys() & KNOWN_NAMES)
    by_label = len(values) > 1 and all(
        isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts) for texts in values
    )
    uneven = by_label and len({len(texts) for texts in values}) > 1
    if uneven or (by_label and len(values) > 2 and not named):
        return [
            {"text": text, "label": label}
            for label, texts in document.items()
            if label.lower() not in HELD_OUT_KEYS
            for text in texts
        ]
    if named:
        return None
    objects = [value for value in values if isinstance(value, dict) and value]
    if (
        len(objects) == len(values) > 1
        and len({frozenset(value) for value in objects}) <= 1 + len(values) // 10
    ):
        return objects
    if len(objects) == 1 and not any(isinstance(value, list) and value for value in values):
        return rows_in(objects[0], path)
    return None


def lists_beside(document: Any, rows: list[Any]) -> list[str]:
    """Names of the lists (other splits) in one JSON object that are not the rows, with those that stand next
    to them further in.
    """
    if not isinstance(document, dict) or (rows and rows[0] is document) or _table(document) is not None:
        return []
    found = []
    for key, value in document.items():
        if not isinstance(value, list | dict) or not value or value is rows:
            continue
        if isinstance(value, dict) and _holds(value, rows):
            found += [f"{key}.{name}" for name in lists_beside(value, rows)]
        elif key.lower() in HELD_OUT_KEYS or (isinstance(value, list) and isinstance(value[0], dict | list)):
            found.append(key)
    return found


def _holds(value: Any, rows: list[Any]) -> bool:
    return value is rows or (isinstance(value, dict) and any(_holds(inner, rows) for inner in value.values()))
