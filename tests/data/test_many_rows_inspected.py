"""Many rows are checked a piece at a time, with the findings of all at once; near-duplicates among some."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
import seeded

from tuiftune.data.checks import check, near
from tuiftune.data.clean.splitting import split_files
from tuiftune.data.inspect import inspect
from tuiftune.data.read.load import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Rows with repeats, near repeats, several answers to a prompt, secrets, empty ones and a template."""
    rng = random.Random(7)
    rows = []
    for number in range(260):
        asked, said = f"{rng.choice(seeded.ASKS)} it? {seeded.sentence(rng)}", seeded.sentence(rng)
        rows.append(
            {"prompt": asked, "completion": f"{said}. {seeded.sentence(rng)} {seeded.sentence(rng)}."}
        )
        if number % 9 == 0:
            rows.append({"prompt": asked, "completion": seeded.sentence(rng)})
        if number % 11 == 0:
            rows.append(dict(rows[rng.randrange(len(rows))]))
        if number % 13 == 0:
            rows.append({**rows[-1], "completion": rows[-1]["completion"] + " indeed"})
        if number % 17 == 0:
            rows.append({"prompt": f"What is {number} plus {number}?", "completion": "ghp_" + "a1B2" * 9})
        if number % 40 == 0:
            rows.append({"prompt": "And?", "completion": " "})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pieces_find_what_all_rows_do(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = inspect(load(str(spoilt))).document()
    assert sum(one["count"] > 0 for one in whole["checks"]) >= 6
    monkeypatch.setattr(check, "ROWS_AT_ONCE", 50)
    monkeypatch.setattr(near, "_KEYS", 50)
    told: list[tuple[str, float]] = []
    pieces = inspect(load(str(spoilt)), watch=lambda what, done: told.append((what, done)))
    assert pieces.document() == whole
    assert all(0 <= done <= 1 for _, done in told)
    assert len({done for what, done in told if what == "duplicates"}) > 4


def test_of_more_text_than_fits_some_rows_are_compared(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = inspect(load(str(spoilt)))
    monkeypatch.setattr(near, "MOST_BYTES", 100_000)
    some = inspect(load(str(spoilt)))
    (found,), (all_,) = (
        [one for one in report.checks if one.check == "near-duplicates"] for report in (some, everything)
    )
    assert 0 < found.count < all_.count
    assert " rows compared)" in found.title
    counts = [{one.check: one.count for one in report.checks} for report in (some, everything)]
    assert counts[0]["exact-duplicates"] == counts[1]["exact-duplicates"] > 0


def test_of_more_text_than_fits_a_split_says_how_many_rows_were_compared(
    spoilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "parts.jsonl"
    whole = split_files(load(str(spoilt)), out, "80/20", 1, dry_run=True).about
    assert whole["compared"] == whole["rows_read"] - whole["left_out"]
    monkeypatch.setattr(near, "MOST_BYTES", 100_000)
    assert split_files(load(str(spoilt)), out, "80/20", 1, dry_run=True).about["compared"] < whole["compared"]
