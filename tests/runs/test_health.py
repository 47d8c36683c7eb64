"""Remarks on a run: each fault is told apart on a log made for it, and recorded healthy runs get none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuiftune.plan import planned
from tuiftune.runs import health
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.directory import RunDir

RECORDED = Path(__file__).parents[1] / "fixtures"
GIB = 1 << 30
PLAN = {
    "memory": {"needs": 40 * GIB},
    "speed": {"tokens_per_second": 1000.0},
    "alternatives": [
        {
            "changes": {"method.technique": "qlora"},
            "says": "QLoRA",
            "fits": True,
            "needs": 1,
            "tokens_per_second": 9e9,
        },
        {
            "changes": {"training.activation_checkpointing": False},
            "says": "checkpointing off: +34.0 GiB, 1.40× faster",
            "fits": True,
            "needs": 74 * GIB,
            "tokens_per_second": 1400.0,
        },
        {
            "changes": {"training.micro_batch": 64},
            "says": "micro batch 64: +90.0 GiB, 1.60× faster",
            "fits": False,
            "needs": 130 * GIB,
            "tokens_per_second": 1600.0,
        },
    ],
}


def course(losses: list[float], held_out: dict[int, float] | None = None, **more: Any) -> RunState:
    """A run of `losses`, a second a step; `more` is put into each step event."""
    state = RunState()
    state.fold({"type": "start", "total_steps": 100, "trainable": 1 << 20, "t": 0.0})
    state.fold({"type": "eval", "step": 0, "loss": max(3.0, losses[0]), "when": "before", "t": 0.0})
    state.fold({"type": "phase", "name": "training", "t": 0.0})
    for step, loss in enumerate(losses, 1):
        state.fold({"type": "step", "step": step, "loss": loss, "t": float(step), **more})
        if held_out and step in held_out:
            state.fold(
                {"type": "eval", "step": step, "loss": held_out[step], "when": "during", "t": float(step)}
            )
    return state


def readings(state: RunState, number: int, *gpus: dict[str, Any], **host: Any) -> RunState:
    for _ in range(number):
        t = (state.last_at or 0.0) + 2.0
        gpus = [{"index": at, "memory_total": 140 * GIB, **gpu} for at, gpu in enumerate(gpus)]
        state.fold({"type": "gpu", "gpus": gpus, "t": t, **host})
    return state


def codes(state: RunState, plan: dict[str, Any] | None = None) -> list[str]:
    return [remark.code for remark in health.remarks(state, planned.read(plan or {}))]


FALLING = [2.0 * 0.97**step for step in range(60)]
BUSY = {"utilisation": 97, "memory_used": 120 * GIB}


def test_a_healthy_run_gets_no_remark_and_says_what_was_looked_at() -> None:
    state = course(
        [9.0 * 0.93**step + 0.5 for step in range(60)], {20: 2.9, 40: 1.2, 60: 0.8}, data_wait=0.01
    )
    readings(state, 12, BUSY, host_memory_used=9, host_memory_total=24, disk_free=50 * GIB)
    judged = health.judge(state, planned.read(PLAN))
    assert judged.remarks == ()
    assert judged.headline == (
        "healthy: numbers, training loss, eval loss, rows, RAM, disk, GPU, data, memory"
    )
    assert health.judge(RunState()).headline == "too early to tell"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("overfitting", course(FALLING, {20: 1.2, 40: 1.5, 60: 1.9})),
        ("no_change", course([2.5] * 60, {20: 3.0, 40: 3.001})),
        ("spike", course([*FALLING[:30], 30.0, *FALLING[31:]])),
        ("diverged", course([*FALLING[:30], *[1.0 * 1.3**step for step in range(10)]])),
        ("no_gain", course(FALLING, {20: 3.01, 40: 3.02, 60: 3.0})),
        ("nan", course([*FALLING[:5]], loss_text="nan")),
        ("data_bound", course(FALLING, data_wait=0.34)),
        (
            "throttled",
            readings(course(FALLING), 12, {**BUSY, "throttle": ["hw thermal"], "temperature_c": 91}),
        ),
        ("power_cap", readings(course(FALLING), 12, {**BUSY, "throttle": ["power cap"]})),
        ("gpu_idle", readings(course(FALLING), 12, {**BUSY, "utilisation": 31})),
        ("memory_tight", readings(course(FALLING), 12, {**BUSY, "memory_used": 139 * GIB})),
        ("memory_unused", readings(course(FALLING), 12, {**BUSY, "memory_used": 42 * GIB})),
        ("host_memory", readings(course(FALLING), 1, host_memory_used=95, host_memory_total=100)),
        ("disk", readings(course(FALLING), 1, disk_free=GIB // 4)),
    ],
)
def test_each_fault_is_told_apart(code: str, state: RunState) -> None:
    (remark,) = health.remarks(state, planned.read(PLAN))
    assert remark.code == code
    assert all((remark.title, remark.words, remark.remedy, remark.why))
    assert health.judge(state, planned.read(PLAN)).headline.endswith(remark.title)


def test_idle_memory_is_spent_on_what_the_plan_predicts_and_on_nothing_else() -> None:
    idle = readings(course(FALLING), 12, {**BUSY, "memory_used": 42 * GIB})
    (remark,) = health.remarks(idle, planned.read(PLAN))
    assert remark.title == "98.0 GiB idle"
    assert "checkpointing off, 1.4× faster" in remark.words
    assert "--set training.activation_checkpointing=false" in remark.remedy
    assert codes(idle) == [], "without a plan nothing is made up"
    slower = {**PLAN, "speed": {"tokens_per_second": 1390.0}}
    assert codes(idle, slower) == [], "1 % is not worth a word"
    full = readings(course(FALLING), 12, {**BUSY, "memory_used": 104 * GIB})
    assert codes(full, PLAN) == [], "36 GiB are free, and 34 would leave too little"


def test_a_passing_throttle_or_a_single_evaluation_is_no_alarm() -> None:
    once = readings(course(FALLING), 12, BUSY)
    readings(once, 3, {**BUSY, "throttle": ["hw thermal"]})
    assert codes(once, PLAN) == []
    assert codes(course(FALLING, {10: 1.6, 20: 1.2, 40: 1.3, 60: 1.1})) == []
    assert codes(course(FALLING, {20: 1.2, 40: 1.205, 60: 1.207})) == [], "within the noise"
    loading = RunState()
    loading.fold({"type": "phase", "name": "loading", "t": 0.0})
    assert codes(readings(loading, 30, {**BUSY, "utilisation": 0})) == []


def test_a_cap_that_will_end_the_run_is_told_before_it_does() -> None:
    state = course(FALLING[:50])  # a second a step, 50 to go
    price = {"usd_per_hour": 36.0}  # a cent a second
    assert codes(state, {"resolved": {"budget": {**price, "max_usd": 2.0}}}) == []
    (remark,) = health.remarks(state, planned.read({"resolved": {"budget": {**price, "max_usd": 0.7}}}))
    assert remark.code == "budget"
    assert remark.words.startswith(
        "the budget limit of $0.70 will be reached in 20 s, but the run needs 50 s more"
    )
    assert codes(state, {"resolved": {"budget": {"max_hours": 0.02}}}) == ["budget"]
    assert codes(state, {"resolved": {"budget": {"max_usd": 5.0}}}) == ["no_price"]


@pytest.mark.parametrize("name", ["demo", "h200-lora", "h200-qlora"])
def test_recorded_runs_raise_no_false_alarm_at_any_moment(name: str) -> None:
    run = RunDir(RECORDED / name)
    foreseen, state, found = run.planned(), RunState(), set()
    for event in EventReader(run.events_path).poll():
        state.fold(event)
        found |= {(remark.code, remark.severity) for remark in health.remarks(state, foreseen)}
    assert found == ({("memory_unused", "info")} if "h200" in name else set())


def test_a_run_that_diverged_says_it_in_its_own_words() -> None:
    state = course(FALLING[:20])
    why = "diverged at a learning rate of 1: the gradient norm is not finite. Try 0.002: `tuiftune resume`"
    state.fold({"type": "end", "state": "diverged", "exit_code": 9, "why": why, "t": 21.0})
    plan = {
        "resolved": {"training": {"learning_rate": 1.0}, "method": {"technique": "lora", "rank": 16}},
        "model": {"parameters": 1_049_728},
    }
    (remark,) = health.remarks(state, planned.read(plan))
    assert remark.code == "diverged"
    assert remark.words.endswith("diverged at a learning rate of 1: the gradient norm is not finite")
    assert remark.remedy.startswith("set training.learning_rate=0.002;")
    state.fold({"type": "start", "total_steps": 100, "resumed_from": 10, "t": 22.0})
    assert health.remarks(state, planned.read(plan)) == []


def of_pairs(margins: list[float], chosen: list[float], rejected: list[float], accuracy: float) -> RunState:
    state = course([0.69])
    for step, (margin, one, other) in enumerate(zip(margins, chosen, rejected, strict=True), 2):
        state.fold(
            {
                "type": "step",
                "step": step,
                "loss": 0.6,
                "t": float(step),
                "rewards/margins": margin,
                "rewards/accuracies": accuracy,
                "logps/chosen": one,
                "logps/rejected": other,
            }
        )
    return state


def found_in(state: RunState) -> set[str]:
    return {remark.code for remark in health.remarks(state)}


def test_pairs_are_judged_by_margin_likelihoods_and_chance() -> None:
    rising, falling = [step / 50 for step in range(50)], [-20.0 - step / 5 for step in range(50)]
    steady = [-20.0] * 50
    assert not found_in(of_pairs(rising, steady, falling, 0.8)) & {"margin_falls", "both_fall", "guessing"}
    assert "margin_falls" in found_in(of_pairs([*rising[:30], *rising[10:30][::-1]], steady, falling, 0.8))
    assert "both_fall" in found_in(of_pairs(rising, falling, falling, 0.8))
    assert "guessing" in found_in(of_pairs([0.0] * 50, steady, steady, 0.51))


def test_rewards_without_a_difference_and_answers_that_only_grow_are_told() -> None:
    def sampled(same: float, lengths: list[float], kl: float = 0.0) -> RunState:
        state = course([0.0])
        state.fold({"type": "eval", "step": 0, "loss": 0.9, "reward": 0.1, "when": "during", "t": 0.0})
        for step, length in enumerate(lengths, 2):
            more = {
                "reward": step / 60,
                "frac_reward_zero_std": same,
                "kl": kl,
                "completions/mean_length": length,
            }
            state.fold({"type": "step", "step": step, "loss": 0.0, "t": float(step), **more})
        state.fold({"type": "eval", "step": 60, "loss": 0.9, "reward": 0.1, "when": "during", "t": 99.0})
        return state

    assert not found_in(sampled(0.2, [50.0] * 60)) & {"no_signal", "reward_by_length", "kl_high"}
    assert "no_signal" in found_in(sampled(1.0, [50.0] * 60))
    assert "reward_by_length" in found_in(sampled(0.2, [50.0 + 3 * step for step in range(60)]))
    assert "kl_high" in found_in(sampled(0.2, [50.0] * 60, kl=20.0))
