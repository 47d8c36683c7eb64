"""Lengths of padded batches, steps as the trainer counts them, checkpoints as often as reliability asks."""

from __future__ import annotations

import random

import pytest

from tuiftune.data.facts import DataFacts
from tuiftune.plan import cost
from tuiftune.plan.padding import lengths_of
from tuiftune.preset.schema import Preset


def facts(rows: int = 1000, lengths: list[int] | None = None) -> DataFacts:
    ordered = sorted(lengths or [100])
    quantiles = tuple(ordered[round(i / 20 * (len(ordered) - 1))] for i in range(21))
    return DataFacts(
        rows=rows,
        rows_eval=0,
        mean_length=sum(ordered) / len(ordered),
        longest=ordered[-1],
        quantiles=quantiles,
        basis="counted",
        format="chat",
    )


def preset(**training: object) -> Preset:
    return Preset.model_validate(
        {"model": {"base": "builtin:tiny"}, "data": {"train": "x.jsonl"}, "training": training}
    )


def test_without_data_every_row_is_max_length() -> None:
    lengths = lengths_of(None, 777)
    assert (lengths.mean, lengths.longest, lengths.rows) == (777.0, 777, None)
    assert lengths.padded(8) == 777.0


@pytest.mark.parametrize("micro", [2, 4, 16])
def test_padded_length_is_the_mean_longest_row_of_a_batch(micro: int) -> None:
    draw = random.Random(5)
    rows = [max(5, int(draw.lognormvariate(5, 0.7))) for _ in range(5000)]
    lengths = lengths_of(facts(5000, rows), 100_000)
    cut = [min(row, 100_000) for row in rows]
    truth = sum(max(draw.sample(cut, micro)) for _ in range(4000)) / 4000
    assert lengths.padded(micro) == pytest.approx(truth, rel=0.08)


def test_rows_are_cut_at_max_length() -> None:
    lengths = lengths_of(facts(10, [100, 200, 4000, 4000]), 500)
    assert lengths.longest == 500
    assert lengths.mean < 500


@pytest.mark.parametrize(
    ("rows", "epochs", "effective", "micro", "steps"),
    [(100, 1, 16, 4, 7), (100, 3, 16, 16, 21), (100, 0.5, 16, 1, 4), (3, 1, 16, 1, 1), (96, 2, 16, 8, 12)],
)
def test_steps_are_counted_as_the_trainer_counts_them(
    rows: int, epochs: float, effective: int, micro: int, steps: int
) -> None:
    counted = cost.amount(
        preset(epochs=epochs, effective_batch=effective), lengths_of(facts(rows), 2048), micro, 1, False
    )
    assert counted.steps == steps


def test_without_data_steps_are_not_known_unless_said() -> None:
    assert cost.amount(preset(), lengths_of(None, 64), 1, 1, False).steps is None
    assert cost.amount(preset(max_steps=9), lengths_of(None, 64), 1, 1, False).steps == 9


@pytest.mark.parametrize(("steps", "seconds"), [(10_000, 3.0), (1000, 20.0), (3000, 1.0), (50_000, 0.2)])
def test_at_most_five_minutes_or_two_per_cent_are_lost(steps: int, seconds: float) -> None:
    every, _ = cost.save_every(steps, seconds)
    assert every * seconds <= min(300, 0.02 * steps * seconds) + 1e-9


def test_a_short_run_is_not_all_saving() -> None:
    every, why = cost.save_every(100, 0.1)
    assert every == 100
    assert "10 s" in why


@pytest.mark.parametrize(
    ("saved", "steps", "every"), [(1, 29, 2), (20, 1000, 60), (100, 100, 100), (50, 900, 50), (50, None, 50)]
)
def test_three_evaluations_without_a_gain_are_no_few_steps(saved: int, steps: int | None, every: int) -> None:
    found, why = cost.evaluate_every(saved, steps)
    assert (found, "at each" in why) == (every, every == saved)
