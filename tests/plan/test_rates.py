"""Recommended learning rates, against the published formula worked out again here."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from test_make_plan import FACTS, plan

from tuiftune import sources, stages, techniques
from tuiftune.models.resolve import resolve
from tuiftune.plan.document import document
from tuiftune.plan.rates import usual
from tuiftune.stages import rates as stage_rates

if TYPE_CHECKING:
    from tuiftune.plan.model import Plan, Reason

# Model, hidden size, exponent (None: not calibrated), rows, batch, technique, rate at batch 128 from the
# sweep
# where that is taken instead.
CASES = [
    ("meta-llama/Llama-3.2-1B", 2048, 0.781, 5_000, 16, "lora", 1e-3),
    ("meta-llama/Llama-3.2-3B", 3072, 0.781, 20_000, 16, "qlora", 1e-3),
    ("meta-llama/Llama-3.1-8B", 4096, 0.781, 10_000, 16, "lora", None),
    ("meta-llama/Llama-3.1-8B", 4096, 0.781, 50_000, 32, "qlora", None),
    ("meta-llama/Llama-3.1-8B", 4096, 0.781, 10_000, 16, "full", None),
    ("meta-llama/Llama-3.1-70B", 8192, 0.781, 3_000, 16, "qlora", None),
    ("Qwen/Qwen2.5-0.5B", 896, 0.0775, 600, 16, "lora", None),
    ("Qwen/Qwen2.5-1.5B", 1536, 0.0775, 5_000, 16, "full", None),
    ("Qwen/Qwen3-4B", 2560, 0.0775, 2_000, 8, "lora", None),
    ("Qwen/Qwen3-8B", 4096, 0.0775, 10_000, 16, "dora", None),
    ("Qwen/Qwen2.5-14B", 5120, 0.0775, 150, 8, "lora", None),
    ("Qwen/Qwen3-32B", 5120, 0.0775, 250_000, 32, "qlora", None),
    ("google/gemma-2-9b", 3584, None, 10_000, 16, "lora", 3e-4),
    ("mistralai/Mistral-7B-Instruct-v0.3", 4096, None, 1_000, 16, "qlora", 3e-4),
    ("HuggingFaceTB/SmolLM3-3B", 2048, None, 20_000, 16, "lora", None),
    ("openai/gpt-oss-20b", 2880, None, 5_000, 16, "lora", 1e-4),
]


def made(base: str, rows: int, batch: int, technique: str, **values: Any) -> Plan:
    return plan(
        base,
        facts=replace(FACTS, rows=rows),
        training__effective_batch=batch,
        method__technique=technique,
        **values,
    )


def rate_of(found: Plan) -> Reason:
    return next(reason for reason in found.reasons if reason.key == "training.learning_rate")


def formula(hidden: int, exponent: float, batch: int, full: bool) -> float:
    return 5e-5 * (1 if full else 10) * (2000 / hidden) ** exponent * math.sqrt(batch / 128)


@pytest.mark.parametrize(("base", "hidden", "exponent", "rows", "batch", "technique", "swept"), CASES)
def test_sixteen_cases_follow_the_formula(
    base: str,
    hidden: int,
    exponent: float | None,
    rows: int,
    batch: int,
    technique: str,
    swept: float | None,
) -> None:
    assert resolve(base).architecture.hidden_size == hidden
    found = made(base, rows, batch, technique)
    reason, usual = rate_of(found), found.usual_rate
    assert usual is not None
    rate, full = reason.value, technique == "full"
    assert rate == usual.value == found.resolved.training.learning_rate
    assert usual.low <= rate <= usual.high
    by_formula = formula(hidden, 0.0775 if exponent is None else exponent, batch, full)
    if swept is not None:
        by_formula = swept * math.sqrt(batch / 128)
    factor = 3.0 if exponent is None else 1.5
    assert by_formula / factor <= rate <= by_formula * factor
    if exponent is None:
        assert "Not calibrated" in reason.why
        assert "3× higher or lower" in reason.why
    elif swept is not None:
        assert "the formula gives" in reason.why, "both are shown"
        assert {sources.SWEEP, sources.TINKER} <= {*sources.named(reason.source)}
    if not full:
        of_full = made(base, rows, batch, "full").resolved.training.learning_rate
        assert rate >= 8 * of_full, "adapters never train at a rate of full fine-tuning"


def test_few_steps_take_more_and_never_beyond_the_bound() -> None:
    few, many = (made("Qwen/Qwen3-8B", rows, 16, "lora") for rows in (160, 16_000))
    exact = formula(4096, 0.0775, 16, full=False)
    assert rate_of(few).value > rate_of(many).value
    assert rate_of(few).value <= 1.5 * exact
    assert "below 100 steps" in rate_of(few).why
    full = [made("Qwen/Qwen3-8B", rows, 16, "full").resolved.training.learning_rate for rows in (160, 16_000)]
    assert full[0] == full[1], "of adapters alone"


def test_the_rate_grows_with_the_square_root_of_the_batch() -> None:
    small, large = (rate_of(made("Qwen/Qwen3-8B", 50_000, batch, "lora")).value for batch in (8, 32))
    assert large / small == pytest.approx(2, rel=0.07)


@pytest.mark.parametrize(
    ("technique", "rate", "said"),
    [
        ("lora", 2e-5, "rate of full fine-tuning"),
        ("lora", 1e-6, "almost nothing"),
        ("lora", 3e-3, "diverge"),
        ("full", 1e-3, "diverge"),
        ("lora", 2e-4, ""),
        ("lora", 1e-4, ""),
        ("full", 2e-5, ""),
    ],
)
def test_a_rate_far_outside_the_band_is_warned_of(technique: str, rate: float, said: str) -> None:
    found = made("Qwen/Qwen3-8B", 10_000, 16, technique, training__learning_rate=rate)
    told = [note for note in found.notes if note.startswith("training.learning_rate")]
    assert len(told) == bool(said)
    assert all(said in note for note in told)
    assert found.resolved.training.learning_rate == rate, "it stays as it was set"


def test_where_guides_and_evidence_differ_both_are_shown() -> None:
    reason = rate_of(made("meta-llama/Llama-3.1-70B", 10_000, 16, "lora"))
    assert reason.value < 1e-4
    assert "practitioners' guides, 2025 say 1e-4 to 2e-4" in reason.why
    agreed = rate_of(made("Qwen/Qwen3-8B", 10_000, 16, "lora"))
    assert "practitioners" not in agreed.why


def test_the_plan_document_keeps_the_rate_and_the_addresses() -> None:
    written = document(made("Qwen/Qwen3-8B", 10_000, 16, "lora", training__learning_rate=3e-4))
    assert written["usual_rate"]["value"] == pytest.approx(1.7e-4)
    addresses = {one["key"]: one["source_url"] for one in written["reasons"]}
    assert addresses["training.learning_rate"] is None, "the user's own"
    assert addresses["method.rank"].startswith("https://")


@pytest.mark.parametrize("name", ["DPO", "KTO", "ORPO", "SIMPO", "GRPO", "REWARD"])
def test_a_stage_with_a_rate_of_its_own_gives_full_tuning_a_tenth(name: str) -> None:
    own = getattr(stage_rates, name)
    stage = replace(stages.usual(), adapter_rate=own)
    model = resolve("Qwen/Qwen3-8B")
    lora, full = (usual(stage, techniques.find(key), model, batch=64, steps=10) for key in ("lora", "full"))
    assert lora.value == own.value
    assert own.within[0] <= own.value <= own.within[1]
    assert full.value == pytest.approx(own.value / 10)
    assert own.why in lora.why
    assert sources.named(own.source) or own.source == sources.DEFAULT
    assert lora.far(2e-4) or name == "REWARD", "a rate of supervised fine-tuning is warned of"


@pytest.mark.parametrize(
    ("rows", "rank"), [(2_000, 16), (30_000, 32), (150_000, 128)], ids=["few", "more", "many"]
)
def test_rank_follows_the_trained_tokens(rows: int, rank: int) -> None:
    facts = replace(FACTS, rows=rows, longest_answer=60)
    found = plan("Qwen/Qwen3-8B", facts=facts, method__technique="lora")
    assert found.resolved.method.rank == rank


def test_rank_has_room_for_the_trained_tokens() -> None:
    long = replace(FACTS, rows=15_000, mean_length=2000.0)
    few = plan("Qwen/Qwen2.5-0.5B", facts=long, method__technique="lora", data__max_length=4096)
    assert few.resolved.method.rank == 64, "30 M tokens, 8.8 M parameters at rank 16"
    labels = replace(long, format="classification", labels=5)
    assert plan("Qwen/Qwen2.5-0.5B", facts=labels, method__technique="lora").resolved.method.rank == 8
