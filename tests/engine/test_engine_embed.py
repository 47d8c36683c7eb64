"""Documents are found by what they mean: with sentence-transformers, in a process of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tuiftune.errors import UserError
from tuiftune.evaluate.embedded import Embedded, Embeddings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

DOCUMENTS = ["the dog sleeps", "the cat sleeps", "an oak", "the mat"]


@pytest.mark.long
def test_words_that_mean_the_same_are_found(engine: Engine, tmp_path: Path) -> None:
    model = tmp_path / "meanings"
    engine.wait_for("embedding:make_of_meanings", str(model))
    embeddings = Embeddings(str(model))
    index = Embedded(DOCUMENTS, embeddings)
    assert index.find(["feline", "rug", "tree"], 1) == [[1], [3], [2]]
    assert index.find(["hound sleeps", "feline"], 2)[0] == [0, 1]
    assert index.find(["feline"], 9)[0][0] == 1
    assert embeddings.notes == []


@pytest.mark.long
def test_a_model_without_modules_is_the_mean_of_its_last_layer(engine: Engine, tmp_path: Path) -> None:
    """And texts longer than it reads are told."""
    model, texts, told = tmp_path / "bert", tmp_path / "texts.json", tmp_path / "told.json"
    engine.wait_for("embedding:make", str(model))
    texts.write_text(json.dumps(DOCUMENTS))
    engine.wait_for("embedding:mean_of_last_layer", str(model), str(texts), str(told))
    embeddings = Embeddings(str(model))
    found, queries = embeddings.of([*DOCUMENTS, "", "cat " * 40], ["the cat sleeps"])
    assert found[:4] == pytest.approx(np.array(json.loads(told.read_text())), abs=1e-5)
    assert queries[0] == pytest.approx(found[1], abs=1e-5)
    assert embeddings.notes == ["bert reads 32 tokens: of 1 texts, what comes after them was not searched"]
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        Embeddings(str(model)).of(DOCUMENTS, ["cat"])
