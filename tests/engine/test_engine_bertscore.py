"""BERTScore is what its definition says, by a tiny BERT."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

PAIRS = [
    ["the cat sat on the mat", "the cat sat on the mat"],
    ["the cat sat on the mat", "a dog ran under the old tree"],
    ["red", "the cat is red"],
    ["the cat is red", "red"],
    ["", "the cat"],
    ["a dog was under a tree", "the cat sat on the mat"],
]


@pytest.mark.long
def test_it_is_what_its_definition_says(engine: Engine, tmp_path: Path) -> None:
    model, request, told = tmp_path / "bert", tmp_path / "request.json", tmp_path / "told.json"
    engine.wait_for("embedding:make", str(model))
    request.write_text(json.dumps({"model": str(model), "layer": 3, "pairs": PAIRS}))
    engine.wait_for("embedding:by_definition", str(model), str(request), str(told))
    code, said = engine.run("bertscore", "--request", request)
    assert code == 0, said
    found = json.loads(said.strip().splitlines()[-1])
    wanted = json.loads(told.read_text())
    assert found["f1"] == pytest.approx(wanted, abs=1e-5)
    assert found["f1"][0] == pytest.approx(1.0)
    assert found["f1"][4] == 0.0
    assert found["f1"][2] == pytest.approx(found["f1"][3], abs=1e-5), "answer and reference may change places"
    assert max(found["f1"][1], found["f1"][5]) < found["f1"][0]
    request.write_text(json.dumps({"model": str(model), "layer": 9, "pairs": PAIRS}))
    assert engine.run("bertscore", "--request", request)[1].count("has 4 layers. Name 1 to 4.") == 1
    request.write_text(json.dumps({"model": str(tmp_path), "layer": None, "pairs": PAIRS}))
    assert "cannot be loaded" in engine.run("bertscore", "--request", request)[1]
