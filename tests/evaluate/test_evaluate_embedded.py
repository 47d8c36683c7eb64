"""Retrieval by embeddings as a contender: what is asked for, how often, and what is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tuiftune.data.example import Message
from tuiftune.errors import UserError
from tuiftune.evaluate import embedded
from tuiftune.evaluate.contender import Question
from tuiftune.evaluate.embedded import Embedded, Embeddings
from tuiftune.evaluate.prompting import Retrieval

if TYPE_CHECKING:
    from tuiftune.engine_call import Job


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[dict[str, Any]]]:
    """A directory, and the requests it got: each text's vector points where its first letter does."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "config.json").write_text("{}")
    asked: list[dict[str, Any]] = []

    def ask(job: Job, *, place: str) -> bytes:
        request = json.loads(Path(job.arguments[-1]).read_text())
        asked.append(request)
        for name in ("documents", "queries"):
            angles = np.array([(ord(text[0]) - 97) / 26 * np.pi / 2 for text in request[name]])
            np.save(Path(request["to"]) / f"{name}.npy", np.stack([np.cos(angles), np.sin(angles)], 1))
        return b'{"longest": 8, "cut": 0}'

    monkeypatch.setattr(embedded, "ask", ask)
    return tmp_path / "letters", asked


def question(text: str) -> Question:
    return Question(text, [], "reference", 0, (Message("user", text),))


def test_each_text_is_embedded_once_and_the_nearest_come_first(
    model: tuple[Path, list[dict[str, Any]]],
) -> None:
    directory, asked = model
    said: list[str] = []
    index = Embedded(["alpha", "mike", "zulu"], Embeddings(str(directory), said.append))
    assert index.find(["november", "bravo"], 2) == [[1, 2], [0, 1]]
    assert index.find(["bravo", "november", "bravo"], 1) == [[0], [1], [0]]
    assert len(asked) == 1, "known queries are not embedded again"
    assert index.find(["yankee"], 5) == [[2, 1, 0]]
    assert (asked[1]["documents"], asked[1]["queries"]) == ([], ["yankee"])
    assert said == ["embedding 5 texts with letters", "embedding 1 texts with letters"]
    assert Embedded([], Embeddings(str(directory))).find(["a"], 3) == [[]]


def test_the_passages_stand_before_the_question_and_never_are_its_own_row(
    model: tuple[Path, list[dict[str, Any]]],
) -> None:
    rows, prompts = ["apple: red", "banana: yellow"], ["apple", "banana"]
    made = Embeddings(str(model[0]))
    way = Retrieval(rows, 1, "training rows", Embedded(rows, made), prompts, made.name)
    assert (way.key, way.name) == ("rag-embeddings", "retrieval (RAG) by embeddings")
    assert way.detail == "k = 1, training rows, letters"
    (first,), (second,) = way.messages([question("apple"), question("avocado")])
    assert "banana: yellow" in first.content
    assert "apple: red" not in first.content
    assert second.content.endswith("avocado")
    assert "apple: red" in second.content


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model there") as fault:
        Embeddings(str(tmp_path))
    assert "--embeddings" in str(fault.value.place)
