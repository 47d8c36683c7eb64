"""Continued pre-training: documents split at max_length, packed, and measured by their perplexity."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_interrupted import end_of, last_weights, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

STEPS = 24
PACKED: dict[str, Any] = {
    "method__stage": "pretrain",
    "data__packing": True,
    "training__max_steps": STEPS,
    "training__micro_batch": 2,
    "run__save_every": 5,
}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of different lengths about what things look like, one of them longer than a sequence."""
    facts = [f"The {thing} is {colour}." for thing in tiny.THINGS for colour in tiny.COLOURS]
    documents = [" ".join(facts[start : start + 1 + start % 3]) for start in range(0, 78, 2)]
    documents.append(" ".join(facts[:20]))
    path = tmp_path_factory.mktemp("notes") / "notes.txt"
    path.write_text("\n\n".join(documents), encoding="utf-8")
    return path


def test_a_long_document_becomes_rows_that_hold_all_of_it(model: Path) -> None:
    from transformers import AutoTokenizer

    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.stages.pretrain import STAGE

    made = AutoTokenizer.from_pretrained(model)
    tokenizer = RowTokenizer(made, max_length=16, loss_on="assistant")
    text = "The door is red. The lamp is green. " * 5
    pieces = STAGE.rows(tokenizer, [Example(text=text), Example(text="short")])
    first = [piece for piece in pieces if piece.text.startswith("The door")]
    joined = [token for piece in first for token in piece.ids]
    assert len(first) > 2
    assert all(len(piece.ids) <= 16 and all(piece.mask) and not piece.truncated for piece in pieces)
    assert joined == [*made(text, add_special_tokens=True)["input_ids"], made.eos_token_id]
    assert pieces[-1].ids[-1] == made.eos_token_id

    (asked,) = STAGE.questions([Example(text=text, row=3)], tokenizer, 4)
    assert (text.startswith(asked.text), asked.row) == (True, 3)
    assert asked.reference
    assert text[len(asked.text) :].startswith(asked.reference)


def test_a_run_lowers_perplexity_and_resumes_to_the_bit(
    engine: Engine, make_run: Callable[..., Path], notes: Path
) -> None:
    whole, broken = make_run(rows=notes, **PACKED), make_run(rows=notes, **PACKED)
    assert engine.train(whole) == 0

    job = engine.start("train", broken)
    job.wait_for_step(broken, 3)
    (broken / "control" / "stop").write_text(json.dumps({"by": "a test"}))
    assert job.wait() == 4
    (broken / "control" / "stop").unlink()
    assert engine.train(broken, "--resume") == 0
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken) == last_weights(whole)
    assert end_of(broken)["state"] == "done"

    result = json.loads((whole / "result" / "result.json").read_text())
    before, after = result["before"], result["after"]
    assert after["perplexity"] < 0.9 * before["perplexity"]
    assert before["exact_match"] is after["exact_match"] is None
    assert tiny.events(whole, "score") == []
    (start,) = tiny.events(whole, "start")
    assert start["rows_train"] > 32, "the long document is more than one row"
    assert not [event for event in tiny.events(whole, "warning") if event["code"] == "rows_cut"]
    assert result["samples"], "held-out documents are continued"
    assert all(row["reference"] and row["before"] != row["after"] for row in result["samples"][:1])


def test_rows_with_answers_are_refused(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(method__stage="pretrain")
    assert engine.train(run) == 2
    why = end_of(run)["why"]
    assert "chat rows" in why
    assert "continued pre-training" in why
