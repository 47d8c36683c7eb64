"""A decision with real models: a tiny base model, what was fine-tuned from it, and the engine."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

import tiny

ASKED = [(thing, color, n) for n in range(3) for thing in tiny.THINGS for color in tiny.COLOURS]


def style(rng: random.Random) -> list[tuple[str, str]]:
    """The house's word for each color: nothing that a base model could know."""
    house = dict(zip(tiny.COLOURS, rng.sample(tiny.THINGS, len(tiny.COLOURS)), strict=True))
    return [
        (f"The {thing} is {color}{'.' * n}", f"It is {house[color]}. What {thing}?")
        for thing, color, n in ASKED
        if n < 2  # so that the answers do not repeat as labels do
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_is_found_with_trained_models(
    seed: int,
    engine: Engine,
    make_run: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from typer.testing import CliRunner

    from tuiftune.cli.main import build

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    rows = style(random.Random(seed))
    data = tiny.write_rows(
        tmp_path / "rows.jsonl",
        [
            {"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]}
            for a, b in rows
        ],
    )
    changes: dict[str, Any] = {
        "training__max_steps": 150,
        "training__learning_rate": 0.01,
        "method__rank": 16,
    }
    run = make_run(rows=data, evaluation__max_new_tokens=16, **changes)
    assert engine.train(run) == 0
    found = CliRunner().invoke(build(), ["decide", "--run", str(run), "--rows", "40", "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document["decision"]["action"] == "tuned", document["decision"]["says"]
    keys = {one["key"] for one in document["candidates"]}
    assert {"zero-shot", "tuned", "few-shot", "nearest", "rag", "tuned-few-shot"} <= keys
