"""A dataset with its texts repaired: only suspect rows are looked at one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from tuiftune.data.checks.secrets import PERSONAL, SECRETS, scan
from tuiftune.data.checks.special_tokens import COMMON
from tuiftune.data.clean.text_fixes import SUSPECT, masked, mended, without_tokens
from tuiftune.data.dataset import FATAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.data.dataset import Dataset

Mask = Literal["none", "secrets", "all"]
MASKED: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "secrets": frozenset(SECRETS),
    "all": frozenset(SECRETS) | frozenset(PERSONAL),
}
HIDDEN = "•" * 8  # a secret before it is masked: told, not shown
TEXTS = ("system", "prompt", "answer", "rejected")
ORDER = r"(^| )(order:|missing:(turn|content)( |$))"


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was repaired: what was done, and the texts before and after (secrets already masked)."""

    index: int
    done: tuple[str, ...]
    before: str
    after: str


def repaired(
    dataset: Dataset, mask: Mask = "secrets", watch: Callable[[str, float], None] | None = None
) -> tuple[Dataset, list[Change]]:
    """Return the rows in order with fixed texts, and the changes. `watch` may raise to cancel."""
    kinds = MASKED[mask]
    suspect = pl.col("fault").str.contains(ORDER).fill_null(False)
    patterns = [SUSPECT]
    if kinds:
        patterns.append(
            scan({kind: pattern for kind, pattern in {**SECRETS, **PERSONAL}.items() if kind in kinds})
        )
    for name in TEXTS:
        column = pl.col(name)
        for pattern in patterns:
            suspect |= column.str.contains(pattern).fill_null(False)
        suspect |= column.str.contains_any(list(COMMON)).fill_null(False)
    frame = dataset.frame
    indices = frame.select(suspect).to_series().arg_true()
    changes: list[Change] = []
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    for number, (index, row) in enumerate(
        zip(indices.to_list(), frame[indices].iter_rows(named=True), strict=True)
    ):
        if watch and number % 1000 == 0:
            watch("repairing", number / len(indices))
        fresh, done = _row(row, kinds)
        if done:
            changes.append(Change(index, tuple(done), shown(row, kinds, HIDDEN), shown(fresh, kinds)))
            rows.append(fresh)
            places.append(index)
    if not rows:
        return dataset, []
    stay = pl.Series("at", range(frame.height), dtype=pl.UInt32)
    changed = pl.DataFrame(rows, schema=frame.schema).with_columns(at=pl.Series(places, dtype=pl.UInt32))
    whole = (
        pl.concat([frame.with_columns(at=stay).filter(~stay.is_in(places)), changed]).sort("at").drop("at")
    )
    return replace(dataset, frame=whole), changes


def _row(row: dict[str, Any], kinds: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    done: dict[str, None] = {}

    def fix(text: str | None) -> str | None:
        if not text:
            return text
        out, what = mended(text)
        done.update(dict.fromkeys(what))
        bare = without_tokens(out)
        if bare != out:
            done["special tokens removed"] = None
            out = bare.strip()
        covered = masked(out, kinds)
        if covered != out:
            done["secrets redacted"] = None
        return covered

    chat = row["messages"] is not None
    several = {name: row[name] for name in ("answer_turns", "rejected_turns") if row[name]}
    fresh = {**row, **{name: fix(row[name]) for name in (("system", "rejected") if chat else TEXTS)}}
    if chat:
        turns = [{**turn, "content": fix(turn["content"]) or ""} for turn in row["messages"]]
        ordered = in_order(turns, open_end=row["rejected"] is not None)
        if ordered != turns:
            done["messages reordered"] = None
            fresh["fault"] = (
                " ".join(f for f in (row["fault"] or "").split() if not f.startswith("order:")) or None
            )
        fresh["messages"] = ordered
        fresh["prompt"] = "\n".join(turn["content"] for turn in ordered if turn["role"] != "assistant")
        learnt = "\n".join(turn["content"] for turn in ordered if turn["role"] == "assistant")
        fresh["answer"] = learnt if row["rejected"] is None else fix(row["answer"])
    for name, turns in several.items():
        fresh[name] = [{**turn, "content": fix(turn["content"]) or ""} for turn in turns]
        fresh[name.removesuffix("_turns")] = "\n".join(turn["content"] for turn in fresh[name])
    if row["label"] is not None and row["label"] == row["answer"]:
        fresh["label"] = fresh["answer"]
    if row["fault"] and "bytes" in row["fault"].split():
        done["encoding fixed"] = None
    return fresh, list(done)


def in_order(turns: list[dict[str, Any]], *, open_end: bool) -> list[dict[str, Any]]:
    """Empty turns dropped (but a tool may return nothing), turns of one role in a row joined, and what
    follows the last answer left off.
    """
    out: list[dict[str, Any]] = []
    for turn in turns:
        if not turn["content"].strip() and turn["role"] != "tool":
            continue
        if out and out[-1]["role"] == turn["role"] and turn["role"] in ("user", "assistant"):
            both = f"{out[-1]['content']}\n\n{turn['content']}"
            muted = 0 in (out[-1]["weight"], turn["weight"])  # what the source won't have learned, stays so
            out[-1] = {**out[-1], "content": both, "weight": 0.0 if muted else turn["weight"]}
        else:
            out.append(turn)
    if not open_end:
        while out and out[-1]["role"] != "assistant" and any(turn["role"] == "assistant" for turn in out):
            out.pop()
    return out


def shown(row: dict[str, Any], kinds: frozenset[str] = MASKED["secrets"], sign: str | None = None) -> str:
    """The row's texts in one, with secrets masked (behind `sign`): what a diff may show."""
    text = "\n".join(row[name] for name in TEXTS if row[name])
    return masked(text, kinds | MASKED["secrets"], sign)


def sound(dataset: Dataset) -> pl.Series:
    """Rows that can be trained on after cleaning: message order is fixed, wrong roles are not."""
    return dataset.usable & ~dataset.frame["fault"].str.contains(FATAL).fill_null(False)
