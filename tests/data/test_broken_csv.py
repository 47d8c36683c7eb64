"""A malformed record in a CSV file never ends the reading: all are counted, the first is named, the rest is
read.
"""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING

import pytest

from tuiftune.data.read.load import load
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.data.dataset import Dataset

ROWS = [f"How far is station {n}?,It is {n} km" for n in range(40)]


def read(tmp_path: Path, lines: list[str], end: str = "\n") -> Dataset:
    file = tmp_path / "rows.csv"
    file.write_bytes((end.join(["question,answer", *lines]) + end).encode())
    return load(str(file), keep_going=True)


def answers(dataset: Dataset) -> list[str]:
    return [example.reference for example in dataset.examples()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("broken", "count"),
    [
        ('"How" far?,Far', 1),  # goes on after its closing quote
        ('"How far?,Far', 1),  # never closed: the rows after it are not taken in
        ('How far?,"Far', 1),
        ('How far?,"Far "away" from here"', 1),
        ("How far?", 1),
    ],
)
def test_the_rows_around_a_broken_quote_are_read(tmp_path: Path, end: str, broken: str, count: int) -> None:
    for at in (0, 20, 40):
        found = read(tmp_path, [*ROWS[:at], broken, *ROWS[at:]], end)
        assert found.malformed.count == count
        assert found.malformed.first[0].place.endswith(f"rows.csv:{at + 2}")
        assert answers(found) == [row.partition(",")[2] for row in ROWS]


def test_every_one_is_counted_and_training_refuses_with_the_first(tmp_path: Path) -> None:
    lines = [*ROWS[:5], '"a"b,c', *ROWS[5:10], 'x,"never', *ROWS[10:]]
    found = read(tmp_path, lines)
    assert found.malformed.count == 2
    assert len(answers(found)) == len(ROWS)
    with pytest.raises(UserError, match=r"first of 2 malformed lines; 40 are rows") as fault:
        load(str(tmp_path / "rows.csv"))
    assert fault.value.place.endswith("rows.csv:7")
    assert "data clean" in fault.value.remedy


def test_lines_of_a_broken_cell_are_not_taken_for_rows(tmp_path: Path) -> None:
    """A text of several lines with a quote inside it: its lines have commas, and are no rows."""
    cell = ['Tell me,"First, we go', "to the station. Then", 'the "express", a train', 'comes, at last"']
    found = read(tmp_path, [*ROWS[:3], *cell, *ROWS[3:]])
    assert answers(found) == [row.partition(",")[2] for row in ROWS]
    assert found.malformed.count == 4


def test_sound_cells_over_many_lines_stay_and_suspicious_ones_are_told(tmp_path: Path) -> None:
    prose = "\n".join(f"Line {n} of a poem" for n in range(30))
    found = read(tmp_path, [*ROWS, f'A poem?,"{prose}"'])
    assert answers(found)[-1] == prose
    assert (found.malformed.count, found.lost) == (0, [])
    swallowed = read(tmp_path, [*ROWS[:3], 'x,"never closed', *ROWS[3:], 'y,and closed"'])
    assert any("closing quote may be missing" in told for told in swallowed.lost)


def test_sound_files_are_read_as_ever(tmp_path: Path) -> None:
    """What Python's writer writes comes back, whatever stands in the cells."""
    rng = random.Random(5)
    pieces = ['"', ",", "\n", "a", " b ", '""', "\r\n", "ü", ";", "x,y", "\\"]
    rows = [["".join(rng.choices(pieces, k=rng.randint(1, 12))) + "q" for _ in range(2)] for _ in range(400)]
    file = tmp_path / "rows.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["question", "answer"], *rows])
    found = load(str(file))
    assert found.malformed.count == 0
    assert found.frame["answer"].to_list() == [answer for _, answer in rows]
