"""Decisions with real models whose truth is constructed: a tiny base model that reads and repeats forms, what
was fine-tuned from it, and the engine.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import reading_model as reading
import tiny
from conftest import Job
from talking import starting

from tuiftune import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

Rows = list[tuple[str, str]]
TRAINING: dict[str, Any] = {
    "data__eval": 0.4,
    "data__max_length": 128,
    "training__max_steps": 200,
    "training__learning_rate": 0.01,
    "training__effective_batch": 16,
    "training__micro_batch": 16,
    "method__rank": 16,
    "method__alpha": 32,
    "evaluation__rows": 8,
    "evaluation__max_new_tokens": 8,
}


def lookup(rng: random.Random) -> tuple[Rows, list[str]]:
    """What each item has stands in documents alone."""
    has = {key: rng.choice(reading.VALUES) for key in reading.KEYS}
    rows = [(reading.asks(key), reading.told(key, value)) for key, value in has.items()]
    return rows, [reading.fact(key, value) for key, value in has.items()]


def form(rng: random.Random) -> tuple[Rows, list[str]]:
    """The answer is the question's word, in a form that examples show."""
    begin, end = rng.choice(reading.OPENS), rng.choice(reading.CLOSES)
    return [(f"Show {one}", f"{begin} {one} {end}") for one in reading.KEYS + reading.VALUES], []


def style(rng: random.Random) -> tuple[Rows, list[str]]:
    """Each word has another word in the house's style: it can be learned, and is too much for a prompt."""
    house = dict(zip(reading.VALUES, rng.sample(reading.HOUSE, len(reading.VALUES)), strict=True))
    rows = []
    for _ in range(240):
        words = rng.sample(reading.VALUES, 3)
        rows.append((f"Say {' '.join(words)}", " ".join(house[one] for one in words)))
    return rows, []


def noise(rng: random.Random) -> tuple[Rows, list[str]]:
    """Labels by chance."""
    return [(f"note {one}", rng.choice(reading.LABELS)) for one in reading.KEYS + reading.VALUES], []


CASES = {
    "lookup": (lookup, {"retrieval"}),
    "form": (form, {"few-shot"}),
    "style": (style, {"tuned"}),
    "noise": (noise, {"nothing"}),
}


@pytest.fixture(scope="session")
def reader(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model, trained for a minute or two."""
    place = tmp_path_factory.mktemp("reader")
    output = place / "said"
    pid = engine.parent.start([str(place / "model")], output, call="reading_model:make")
    assert Job(engine, pid, output).wait(600) == 0, output.read_text()
    return place / "model"


def decided(words: list[str]) -> dict[str, Any]:
    from typer.testing import CliRunner

    from tuiftune.cli.main import build

    found = CliRunner().invoke(build(), ["decide", *words, "--rows", "40", "--max-new-tokens", "8", "--json"])
    assert found.exit_code == 0, found.output
    document: dict[str, Any] = json.loads(found.stdout)
    return document


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", CASES)
def test_the_truth_is_found_with_trained_models(
    case: str,
    seed: int,
    engine: Engine,
    reader: Path,
    make_run: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made, truth = CASES[case]
    rows, documents = made(random.Random(seed))
    data = tiny.write_rows(tmp_path / "rows.jsonl", [{"prompt": a, "completion": b} for a, b in rows])
    run = make_run(base=reader, rows=data, **TRAINING)
    assert engine.train(run) == 0
    words = ["--run", str(run)]
    if documents:
        texts = tiny.write_rows(tmp_path / "documents.jsonl", [{"text": one} for one in documents])
        words += ["--documents", str(texts)]
    monkeypatch.setattr(interpreter, "start", starting(engine, tmp_path))
    document = decided(words)
    scores = {one["key"]: one["exact_match"] for one in document["candidates"]}
    assert document["decision"]["action"] in truth, (document["decision"]["says"], scores)
    assert {"zero-shot", "tuned", "few-shot", "nearest", "rag", "tuned-few-shot"} <= set(scores)
