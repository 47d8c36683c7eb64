"""Decisions with real models whose truth is constructed: a tiny base model that reads and repeats forms, what
was fine-tuned from it, and the engine.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import reading_model as reading
import tiny
from talking import starting

from tuiftune import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

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

STYLE: dict[str, Any] = {
    "training__max_steps": 150,
    "training__learning_rate": 0.01,
    "method__rank": 16,
    "evaluation__max_new_tokens": 16,
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
    """The house's word for each color: nothing that a base model could know."""
    house = dict(zip(tiny.COLOURS, rng.sample(tiny.THINGS, len(tiny.COLOURS)), strict=True))
    rows = [
        (f"The {thing} is {color}{'.' * n}", f"It is {house[color]}. What {thing}?")
        for n in range(2)  # so that the answers do not repeat as labels do
        for thing in tiny.THINGS
        for color in tiny.COLOURS
    ]
    return rows, []


def noise(rng: random.Random) -> tuple[Rows, list[str]]:
    """Labels by chance."""
    return [(f"note {one}", rng.choice(reading.LABELS)) for one in reading.KEYS + reading.VALUES], []


READER = Path(__file__).parents[1] / "fixtures" / "reader"  # made by `reading_model.make`
CASES = {
    "lookup": (lookup, {"retrieval"}),
    "form": (form, {"few-shot"}),
    "style": (style, {"tuned"}),
    "noise": (noise, {"nothing"}),
}


def written(case: str, seed: int, tmp_path: Path) -> tuple[Path, list[str]]:
    """The rows of a case in a file, and the options that name its documents."""
    rows, documents = CASES[case][0](random.Random(seed))
    data = tiny.write_rows(tmp_path / "rows.jsonl", [{"prompt": a, "completion": b} for a, b in rows])
    if not documents:
        return data, []
    texts = tiny.write_rows(tmp_path / "documents.jsonl", [{"text": one} for one in documents])
    return data, ["--documents", str(texts)]


def decided(words: list[str]) -> dict[str, Any]:
    from typer.testing import CliRunner

    from tuiftune.cli.main import build

    found = CliRunner().invoke(build(), ["decide", *words, "--rows", "40", "--json"])
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
    make_run: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    truth = CASES[case][1]
    data, options = written(case, seed, tmp_path)
    own = {"base": READER, **TRAINING} if case != "style" else STYLE  # whose words the reader doesn't know
    run = make_run(rows=data, **own)
    assert engine.train(run) == 0
    monkeypatch.setattr(interpreter, "start", starting(engine, tmp_path))
    room = [] if case == "style" else ["--max-new-tokens", "8"]
    document = decided(["--run", str(run), *room, *options])
    scores = {one["key"]: one["exact_match"] for one in document["candidates"]}
    assert document["decision"]["action"] in truth, (document["decision"]["says"], scores)
    assert {"zero-shot", "tuned", "few-shot", "nearest", "rag", "tuned-few-shot"} <= set(scores)


@pytest.mark.long
@pytest.mark.parametrize("case", ["lookup", "form"])
def test_what_a_prompt_can_do_is_found_before_any_training(
    case: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    data, options = written(case, 1, tmp_path)
    monkeypatch.setattr(interpreter, "start", starting(engine, tmp_path))
    document = decided(
        [str(data), "--model", str(READER), "--eval", "0.4", "--max-new-tokens", "8", *options]
    )
    assert document["decision"]["action"] in CASES[case][1], document["decision"]["says"]
    assert "not known before a run" in document["decision"]["says"]
