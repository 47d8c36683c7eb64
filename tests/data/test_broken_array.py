"""A malformed element of a JSON array never ends the reading: it is counted and named, the rest is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tuiftune.data.read import json_array
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.data.dataset import Dataset


def row(n: int) -> str:
    asked = {"role": "user", "content": f"How far is station {n}?", "name": "x"}
    return json.dumps({"messages": [asked, {"role": "assistant", "content": f"{n} km"}], "id": n})


ROWS = [row(n) for n in range(30)]


def read(tmp_path: Path, text: str) -> Dataset:
    file = tmp_path / "rows.json"
    file.write_text(text)
    return load(str(file), keep_going=True)


def answers(dataset: Dataset) -> list[str]:
    return [example.reference for example in dataset.examples()]


@pytest.mark.parametrize("between", [",\n", ",", ", ", "\n,\n  "])
@pytest.mark.parametrize(
    "broken",
    [
        ROWS[0][:-1],  # its last brace is missing
        ROWS[0].replace('"content": "0 km"', '"content: "0 km"'),
        ROWS[0].replace("0 km", 'the "0" km'),
        ROWS[0].replace('"id": 0', '"id": nix'),
        ROWS[0].replace('"id": 0', '"id": 0, "id": 1'),
        "nothing",
    ],
)
def test_the_elements_around_it_are_read(
    tmp_path: Path, broken: str, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for piece in (1 << 20, 300):
        monkeypatch.setattr(json_array, "PIECE", piece)
        monkeypatch.setattr("tuiftune.data.read.json_document.PIECE", piece)
        for at in (1, 15, 30):
            found = read(tmp_path, "[" + between.join([*ROWS[:at], broken, *ROWS[at:]]) + "]")
            assert answers(found) == [f"{n} km" for n in range(30)], (piece, at)
            assert found.malformed.count == 1
            assert f"element {at + 1}" in found.malformed.first[0].message or "twice" in str(
                found.malformed.first[0]
            )


def test_a_truncated_array_keeps_what_is_whole(tmp_path: Path) -> None:
    text = "[" + ",\n".join(ROWS)
    for cut, whole in ((text, 30), (text[:-20], 29), (text + ",", 30)):
        found = read(tmp_path, cut)
        assert len(answers(found)) == whole
        assert found.malformed.count == 1
        with pytest.raises(UserError):
            load(str(tmp_path / "rows.json"))


def test_a_broken_first_element_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="element 1: not JSON"):
        read(tmp_path, "[" + ",\n".join(["{nothing}", *ROWS]) + "]")
