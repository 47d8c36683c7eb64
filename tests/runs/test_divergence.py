"""Divergence: found soon where a loss blows up, and never in losses that only jump."""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import pytest

from tuiftune.plan.cost import patience
from tuiftune.runs.health.divergence import Divergence, lower_rate

STEPS = 100


def longest(losses: list[float], base: float | None = None, held: dict[int, float] | None = None) -> int:
    """The longest suspicion, in steps with a high loss."""
    seen, most = Divergence(total=len(losses)), 0
    seen.evaluate(0, base, before=True)
    for step, loss in enumerate(losses, 1):
        seen.take(step, loss)
        if held and step in held:
            seen.evaluate(step, held[step])
        most = max(most, seen.high)
    return most


def falling(rng: random.Random, start: float, floor: float, noise: float, steps: int = STEPS) -> list[float]:
    """A loss that falls to a floor, each step off by a factor."""
    return [(floor + (start - floor) * 0.95**step) * 2.718 ** rng.gauss(0, noise) for step in range(steps)]


def blown_up(losses: list[float], at: int, rng: random.Random, to: float) -> list[float]:
    return [*losses[:at], *[to * 2.718 ** rng.gauss(0, 0.2) for _ in losses[at:]]]


def quiet(name: str, rng: random.Random, steps: int) -> list[float]:
    """Losses of runs that are as they should be, or at least don't diverge."""
    good = falling(rng, 3.0, 1.0, 0.1, steps)
    return {
        "good": good,
        "batches of one row": falling(rng, 3.0, 1.0, 0.6, steps),
        "high at first": falling(rng, 14.0, 0.3, 0.2, steps),
        "preferences, from ln 2": [
            max(0.0, 0.69 - 0.3 * at / steps + rng.gauss(0, 0.2 * min(1, at))) for at in range(steps)
        ],
        "little to gain": falling(rng, 1.3, 1.2, 0.15, steps),
        "six rows of other difficulty": [rng.choice((0.5, 1.0, 2.0, 4.0, 6.0, 8.0)) for _ in range(steps)],
        "one spike": [*good[: steps // 2], 40.0, *good[steps // 2 + 1 :]],
        "a spike in ten": [loss * (8.0 if rng.random() < 0.1 else 1.0) for loss in good],
        "a warmup hump": [loss + (1.0 if at in range(3, 6) else 0.0) for at, loss in enumerate(good)],
        "known by heart": [0.01 * 2.718 ** rng.gauss(0, 1.0) for _ in range(steps)],
        "nothing moves": [7.3 * 2.718 ** rng.gauss(0, 0.1) for _ in range(steps)],
    }[name]


NAMES = [
    "good",
    "batches of one row",
    "high at first",
    "preferences, from ln 2",
    "little to gain",
    "six rows of other difficulty",
    "one spike",
    "a spike in ten",
    "a warmup hump",
    "known by heart",
    "nothing moves",
]


@pytest.mark.parametrize("steps", [30, 100, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_losses_that_only_jump_never_stop_a_run(name: str, steps: int) -> None:
    for seed in range(20):
        assert longest(quiet(name, random.Random(seed), steps)) < patience("auto", steps), seed


@pytest.mark.parametrize("steps", [30, 100, 1000])
@pytest.mark.parametrize("at", [0.1, 0.5])
@pytest.mark.parametrize("to", [9.0, 40.0])
def test_a_loss_that_blows_up_is_found_within_a_tenth_and_stops(steps: int, at: float, to: float) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        begins = round(at * steps)
        losses = blown_up(falling(rng, 3.0, 1.0, 0.05, steps), begins, rng, to)
        soon = losses[: begins + max(7, steps // 10)]
        seen = Divergence(total=steps)
        for step, loss in enumerate(soon, 1):
            seen.take(step, loss)
        assert seen.steps >= 1, seed
        assert longest(losses) >= patience("auto", steps), seed


def test_half_of_the_gain_lost_is_divergence_too_and_a_good_evaluation_speaks_against_it() -> None:
    rng = random.Random(5)
    losses = blown_up(falling(rng, 3.0, 1.0, 0.05), 50, rng, 2.6)
    assert longest(losses) > 20
    assert longest(losses, 3.0, dict.fromkeys(range(50, 100, 2), 1.1)) < patience("auto", STEPS)


def test_an_evaluation_far_above_the_base_counts_where_training_has_not_gained() -> None:
    still = [3.0] * STEPS
    assert longest(still, 3.0, {50: 3.0}) == 0
    assert longest(still, 3.0, {50: 5.0}) > 30
    memorised = falling(random.Random(6), 3.0, 0.1, 0.05)
    assert longest(memorised, 3.0, {50: 5.0}) == 0, "that is overfitting"


def test_patience_is_set_or_a_share_of_the_steps() -> None:
    assert [patience("auto", steps) for steps in (10, 30, 200, 1000, 100_000)] == [5, 5, 10, 50, 100]
    assert (patience(0, 1000), patience(7, 1000), patience(None, None)) == (0, 7, 5)


def test_what_is_remembered_goes_through_json_and_back() -> None:
    seen = Divergence(total=STEPS)
    for step, loss in enumerate(falling(random.Random(7), 3.0, 1.0, 0.1), 1):
        seen.take(step, loss)
    again = Divergence(**json.loads(json.dumps(asdict(seen))))
    for step in range(101, 120):
        for one in (seen, again):
            one.take(step, 9.0)
    assert seen.steps == again.steps > 10


def test_a_resumed_run_forgets_what_it_takes_back() -> None:
    rng = random.Random(8)
    seen = Divergence(total=STEPS)
    for step, loss in enumerate(blown_up(falling(rng, 3.0, 1.0, 0.1), 50, rng, 20.0)[:60], 1):
        seen.take(step, loss)
    assert seen.steps > 5
    for step in range(41, 60):
        seen.take(step, 1.1)
        assert seen.since is None


def test_the_rate_to_try_is_a_third_and_not_above_the_usual_one() -> None:
    assert lower_rate(1.0, 2e-4) == 2e-4
    assert lower_rate(3e-4, 2e-4) == 1e-4
    assert lower_rate(1e-4, 2e-4) == 3e-5
    assert lower_rate(0.01, None) == 0.003
