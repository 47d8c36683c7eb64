"""What a stage changes in a plan: documents in pieces, packed, at a lower learning rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_make_plan import FACTS, plan

from tuiftune.errors import UserError
from tuiftune.plan.bar import segments
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
    with pytest.raises(UserError, match="does not have reference answers"):
        plan(**PRETRAIN, evaluation__score="exact_match")  # type: ignore[arg-type]


PAIRS = replace(FACTS, format="preference")
DPO = {"facts": PAIRS, "method__stage": "dpo", "method__technique": "lora"}


def test_pairs_are_two_sequences_a_row_and_a_pass_of_the_reference() -> None:
    pinned = {
        "training__micro_batch": 4,
        "training__activation_checkpointing": False,
        "training__compile": False,
        "data__padding_free": False,
    }
    pairs = plan(**DPO, **pinned)  # type: ignore[arg-type]
    answers = plan(method__technique="lora", **pinned)
    doubled = plan(method__technique="lora", **{**pinned, "training__micro_batch": 8})
    assert pairs.memory.allocated == doubled.memory.allocated > answers.memory.allocated
    assert pairs.tokens == pytest.approx(2 * (answers.tokens or 0) / 3, rel=0.01), "one epoch, not three"
    third = (pairs.speed.tokens_per_second or 0) / (doubled.speed.tokens_per_second or 1)
    assert 0.6 < third < 0.85, "a forward pass more than the two that a step takes"


def test_a_stage_has_its_own_values_and_rates() -> None:
    assert reason("method.beta", **DPO)[0] == 0.1
    assert reason("method.beta", **DPO, method__beta=0.3) == (0.3, "preset")
    for stage in ("dpo", "orpo", "simpo"):
        with pytest.raises(UserError, match="beta of 0"):
            plan(**{**DPO, "method__stage": stage}, method__beta=0)  # type: ignore[arg-type]
    assert reason("training.learning_rate", **DPO)[0] == 5e-6
    full = {**DPO, "method__technique": "full", "base": "Qwen/Qwen2.5-0.5B"}
    assert reason("training.learning_rate", **full)[0] == 5e-7
    tiny = float(reason("training.learning_rate", **DPO, base="builtin:tiny")[0])  # type: ignore[arg-type]
    assert tiny > 2e-5, "tiny models take higher rates at every stage"
    assert reason("data.padding_free", **DPO)[0] is False
    with pytest.raises(UserError, match="each sequence by itself"):
        plan(**DPO, data__packing=True)  # type: ignore[arg-type]


def test_judged_answers_are_compared_within_a_micro_batch_of_two_or_more() -> None:
    rows = replace(FACTS, format="kto")
    kto = {"facts": rows, "method__stage": "kto", "method__technique": "lora"}
    made = plan(**kto, training__effective_batch=8)  # type: ignore[arg-type]
    assert int(made.resolved.training.micro_batch) >= 2
    with pytest.raises(UserError, match="needs 2 of them"):
        plan(**kto, training__micro_batch=1)  # type: ignore[arg-type]


def test_logits_of_a_whole_batch_are_planned_and_a_score_has_none() -> None:
    pinned = {
        "training__micro_batch": 4,
        "training__activation_checkpointing": True,
        "training__compile": False,
    }

    def head(stage: str) -> int:
        made = plan(facts=PAIRS, method__stage=stage, method__technique="lora", **pinned)
        return made.memory.components["head and loss"]

    with pytest.raises(UserError, match="no model of type granite that scores answers"):
        plan("ibm-granite/granite-3.3-2b-instruct", facts=PAIRS, method__stage="reward")
    assert head("reward") == 0
    assert head("orpo") > 10 * head("dpo")
    assert head("orpo") == pytest.approx(1.2 * head("simpo"), rel=0.01), "its next-token loss has logits, too"
    simpo = plan(
        facts=PAIRS, method__stage="simpo", method__technique="lora", **pinned | {"training__compile": True}
    )
    lost = simpo.memory.needs / simpo.memory.allocated - 1
    assert lost > 0.12, "what ORPO and SimPO lost to the allocator on H200s, at most"


def test_sampled_answers_are_planned_with_their_keys_and_values_and_their_time() -> None:
    rows = replace(FACTS, format="prompt-completion")
    grpo = {"facts": rows, "method__stage": "grpo", "method__technique": "lora", "training__micro_batch": 8}
    grpo["training__activation_checkpointing"] = True
    made = plan(**grpo)  # type: ignore[arg-type]
    more = plan(**grpo, method__max_completion_length=2048)  # type: ignore[arg-type]
    assert made.resolved.method.beta == 0.0
    assert made.steps == 10_000 * 8 // 64, "8 answers to each prompt, 64 a step"
    assert (more.seconds or 0) > 4 * (made.seconds or 0)
    assert more.memory.needs > made.memory.needs
    assert "generation" in made.memory.components
    with pytest.raises(UserError, match="not a multiple of the 8 answers"):
        plan(**grpo, training__effective_batch=36)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="6 prompts to train on, and a step takes 8") as few:
        plan(**{**grpo, "facts": replace(rows, rows=6)})  # type: ignore[arg-type]
    assert few.value.remedy.startswith("48 at most")
    with pytest.raises(UserError, match="an answer of 200,000 has no place"):
        plan(**grpo, method__max_completion_length=200_000)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="exact_mach is not a reward"):
        plan(**grpo, method__rewards=[{"reward": "exact_mach"}])  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", ["grpo", "rloo"])
def test_with_all_weights_trained_there_is_no_reference_to_stay_near(stage: str) -> None:
    rows = {"facts": replace(FACTS, format="prompt-completion"), "method__stage": stage}
    assert plan(**rows, method__technique="full").resolved.method.beta == 0.0  # type: ignore[arg-type]
    with pytest.raises(UserError, match="has no reference model") as found:
        plan(**rows, method__technique="full", method__beta=0.1)  # type: ignore[arg-type]
    assert found.value.place == "method.beta"
    near = plan(**rows, method__technique="lora", method__beta=0.1)  # type: ignore[arg-type]
    assert near.resolved.method.beta == 0.1


TAUGHT = {"method__stage": "distill", "method__technique": "lora", "method__teacher": "Qwen/Qwen3-8B"}


def test_a_teacher_is_planned_next_to_the_model_that_learns_from_it() -> None:
    small = {
        "model__base": "Qwen/Qwen3-1.7B",
        "method__max_completion_length": 128,
        "training__micro_batch": 4,
        "training__activation_checkpointing": True,
    }
    made, larger = (
        plan(**TAUGHT | small | more)  # type: ignore[arg-type]
        for more in ({}, {"method__teacher": "Qwen/Qwen3-14B"})
    )
    parts = made.memory.components
    assert parts["teacher"] == 2 * 8_190_735_360
    assert larger.memory.needs - made.memory.needs > larger.memory.components["teacher"] - parts["teacher"]
    assert (larger.seconds or 0) > (made.seconds or 0)
    shown = {one.name for one in segments(made.memory, 1 << 40)}
    assert {"teacher", "generation"} <= shown | ({"generation"} if not parts["generation"] else set())
    assert sum(one.bytes for one in segments(made.memory, 0)) == made.memory.needs
    assert made.tokens


def test_a_teacher_of_another_vocabulary_or_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"vocabulary of 152,064 tokens.*one of 151,936"):
        plan(**TAUGHT | {"model__base": "Qwen/Qwen3-1.7B", "method__teacher": "Qwen/Qwen2.5-7B"})  # type: ignore[arg-type]
    with pytest.raises(UserError, match="on-policy distillation needs a model to learn from"):
        plan(**TAUGHT | {"method__teacher": ""})  # type: ignore[arg-type]
