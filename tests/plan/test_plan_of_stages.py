"""What a stage changes in a plan: documents in pieces, packed, at a lower learning rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_make_plan import FACTS, plan

from tuiftune.errors import UserError
from tuiftune.plan.padding import as_trained

DOCUMENTS = replace(
    FACTS, format="text", rows=100, mean_length=2500.0, longest=10_000, quantiles=tuple(range(0, 5001, 250))
)
PRETRAIN = {"facts": DOCUMENTS, "method__stage": "pretrain", "method__technique": "lora"}


def reason(key: str, **values: object) -> tuple[object, str]:
    made = plan(**values)  # type: ignore[arg-type]
    return next((one.value, one.source) for one in made.reasons if one.key == key)


def test_documents_are_counted_in_pieces_and_none_of_their_tokens_is_lost() -> None:
    preset = plan(**PRETRAIN, data__max_length=1000).resolved  # type: ignore[arg-type]
    pieces = as_trained(DOCUMENTS, preset)
    assert pieces is not None
    assert 250 < pieces.rows < 400, "documents of 2,500 tokens make three pieces, mostly"
    assert pieces.rows * pieces.mean_length == pytest.approx(DOCUMENTS.rows * DOCUMENTS.mean_length, rel=0.01)
    assert (pieces.longest, max(pieces.quantiles)) == (1000, 1000)
    short = replace(DOCUMENTS, longest=900)
    assert as_trained(short, preset) is short
    assert as_trained(FACTS, plan().resolved) is FACTS, "rows of other stages are truncated"


def test_tokens_of_a_plan_are_those_of_whole_documents() -> None:
    made = plan(**PRETRAIN, data__max_length=1000, training__epochs=2)  # type: ignore[arg-type]
    assert made.tokens == pytest.approx(2 * 250_000, rel=0.05)
    assert made.resolved.data.packing is True


def test_the_rate_is_lower_and_rows_share_sequences_unless_told_otherwise() -> None:
    usual, _ = reason("training.learning_rate", method__technique="lora")
    many = {**PRETRAIN, "facts": replace(DOCUMENTS, rows=10_000)}  # in more than 100 steps
    lower, source = reason("training.learning_rate", **many)
    assert lower == pytest.approx(float(usual) / 2)  # type: ignore[arg-type]
    assert source.startswith("tuiftune default")
    assert reason("data.packing", **PRETRAIN)[0] is True
    assert reason("data.packing", **PRETRAIN, data__packing=False) == (False, "preset")
    assert reason("data.packing")[0] is False


def test_answers_that_are_not_there_are_not_compared() -> None:
    assert reason("evaluation.score", **PRETRAIN)[0] == "none"
    assert reason("evaluation.score", **{**PRETRAIN, "facts": None})[0] == "none"
    with pytest.raises(UserError, match="without answers"):
        plan(**PRETRAIN, evaluation__score="exact_match")  # type: ignore[arg-type]
