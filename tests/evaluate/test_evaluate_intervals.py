"""Intervals and paired tests: against scipy, published figures, and simulated truth."""

from __future__ import annotations

import random

import pytest
from scipy import stats

from tuiftune.evaluate import measured, scorers
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.evaluate.statistics import newcombe, wilson

EXACT = scorers.every()["exact_match"]
LENGTH = scorers.every()["length"]
MACRO = scorers.every()["macro_f1"]


def rate(right: str) -> measured.Measured:
    return measured.measure(EXACT, "", [Pair("x" if one == "1" else "y", "x") for one in right])


def lengths(words: list[int]) -> measured.Measured:
    return measured.measure(LENGTH, "", [Pair("w " * count, "") for count in words])


@pytest.mark.parametrize(("matched", "rows"), [(0, 5), (1, 1), (48, 64), (64, 64), (500, 3000)])
def test_wilson_is_that_of_scipy(matched: int, rows: int) -> None:
    theirs = stats.binomtest(matched, rows).proportion_ci(method="wilson")
    assert wilson(matched, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_newcombe_is_that_of_his_paper() -> None:
    # Table III of Newcombe 1998: cells 36, 12, 2, 0 give 0.20, method 10: 0.0569 to 0.3404.
    low, high = newcombe(36, 12, 2, 50)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=5e-4)


def test_newcombe_corrects_a_positive_correlation() -> None:
    both, gained, lost, rows = 20, 6, 2, 40
    neither = rows - both - gained - lost
    low, high = newcombe(both, gained, lost, rows)
    bounds = [stats.binomtest(n, rows).proportion_ci(method="wilson") for n in (both + gained, both + lost)]
    after, before = (both + gained) / rows, (both + lost) / rows
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    phi = (both * neither - gained * lost - rows / 2) / margins**0.5
    below, above = after - bounds[0].low, bounds[1].high - before
    assert after - before - low == pytest.approx((below**2 + above**2 - 2 * phi * below * above) ** 0.5)
    up, down = bounds[0].high - after, before - bounds[1].low
    assert high - after + before == pytest.approx((up**2 + down**2 - 2 * phi * up * down) ** 0.5)


def test_a_difference_of_rates_has_test_interval_and_smallest() -> None:
    found = measured.compare(rate("0" * 20 + "1" * 20), rate("1" * 36 + "0" * 4))
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert found.p == pytest.approx(stats.binomtest(4, 24).pvalue)
    assert found.shown
    assert found.interval is not None
    assert 0 < found.interval[0] < 0.4 < found.interval[1]


def test_equal_answers_show_nothing_and_say_what_would_show() -> None:
    found = measured.compare(rate("1" * 30 + "0" * 34), rate("1" * 30 + "0" * 34))
    assert found is not None
    assert (found.value, found.p, found.smallest) == (0.0, 1.0, 6 / 64)


def test_means_are_compared_by_rows() -> None:
    rng = random.Random(1)
    before = [rng.randint(5, 40) for _ in range(40)]
    after = [count + rng.choice([0, 1, 2]) for count in before]
    found = measured.compare(lengths(before), lengths(after))
    assert found is not None
    assert found.shown, "an unpaired test could not tell"
    assert stats.ttest_ind(before, after).pvalue > 0.3
    assert found.interval is not None
    assert found.interval[0] < sum(after) / 40 - sum(before) / 40 < found.interval[1]


def test_the_interval_of_a_mean_is_bca() -> None:
    values = [1, 2, 2, 3, 3, 3, 4, 9, 15, 30]
    found = lengths(values)
    assert found.interval is not None
    low, high = found.interval
    assert low > 3.0, "skewed to the right, as BCa tells and a symmetric interval would not"
    assert high - found.value > found.value - low  # type: ignore[operator]


def test_rows_that_are_all_alike_still_have_an_interval_of_a_share() -> None:
    fields = scorers.every()["json_fields"]
    found = measured.measure(fields, "", [Pair('{"a": 1}', '{"a": 1}')] * 20)
    assert found.value == 1.0
    assert found.interval is not None
    assert found.interval[0] == pytest.approx(wilson(20, 20)[0])


def test_the_intervals_hold_the_truth_about_95_times_in_100() -> None:
    rng = random.Random(3)
    held = 0
    for _ in range(200):
        right = "".join("1" if rng.random() < 0.7 else "0" for _ in range(50))
        interval = rate(right).interval
        assert interval is not None
        held += interval[0] <= 0.7 <= interval[1]
    assert 180 <= held <= 200


def test_sums_are_compared_by_swapping_rows() -> None:
    rng = random.Random(5)
    wanted = [rng.choice("abc") for _ in range(60)]
    same = [one if rng.random() < 0.6 else rng.choice("abc") for one in wanted]
    better = [one if rng.random() < 0.95 else rng.choice("abc") for one in wanted]
    score = [
        measured.measure(MACRO, "", [Pair(*row) for row in zip(given, wanted, strict=True)])
        for given in (same, better)
    ]
    found = measured.compare(*score)
    assert found is not None
    assert found.shown
    assert found.interval is not None
    assert found.interval[0] > 0
    none = measured.compare(score[0], score[0])
    assert none is not None
    assert (none.value, none.p) == (0.0, 1.0)


def test_chance_alone_is_seldom_called_a_difference() -> None:
    rng = random.Random(7)
    shown = 0
    for _ in range(40):
        first, second = ([rng.randint(1, 30) for _ in range(24)] for _ in range(2))
        found = measured.compare(lengths(first), lengths(second))
        assert found is not None
        shown += found.shown
    assert shown <= 6


def test_two_rows_that_change_alike_have_no_interval() -> None:
    """What floats round is no spread: the interval was the difference itself, with p = 0.5."""
    bleu = scorers.every()["bleu"]
    wrong, right = ([Pair(said, "a b c d")] * 2 for said in ("x", "a b c d"))
    found = measured.compare(measured.measure(bleu, "", wrong), measured.measure(bleu, "", right))
    assert found is not None
    assert found.interval is None
    assert found.smallest is None
    assert not found.shown
