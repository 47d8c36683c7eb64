"""Final numbers: what is the same number, and what is not, for number match and for the reward alike."""

from __future__ import annotations

import time

import pytest

from tuiftune import rewards
from tuiftune.evaluate import scorers
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.final_number import final
from tuiftune.rewards.base import Asked

SAME = (
    ("1/2", "0.5"),
    ("3 1/2", "3.5"),
    ("in 2024 3/2", "1.5"),
    ("\u00bd", "1/2"),
    (r"\boxed{3\frac{1}{2}}", "3.5"),
    ("1e3", "1,000"),
    ("-1.5e-3", "-0.0015"),
    ("2.5 \u00d7 10\u00b3", "2500"),
    (r"2.5 \times 10^{3}", "2500"),
    ("50%", "0.5"),
    ("50%", "50"),
    ("50 percent", "1/2"),
    ("$1,234.50", "1234.5"),
    ("1 234,5", "1234.5"),
    ("1.234,50", "1234.5"),
    ("12,34,567", "1234567"),
    ("3,5", "3.5"),
    ("25 m\u00b2", "25"),
    ("25 m2", "25"),
    ("5km/h", "5"),
    ("5 million", "5000000"),
    ("\u22125", "-5"),
    ("\u20135", "-5"),
    ("-$5", "-5"),
    ("x = - 5", "-5"),
    ("10-5=5", "5"),
    ("20 \u00b1 5", "20"),
    ("at 10:30", "10:30"),
    ("of 4 and 6, 6", "6"),
    ("\u7b54\u6848\u662f42\u5143", "42"),
    ("#### 1. Add both\nso it is 12", "#### 12"),
    ("#### $12 of 40", "12"),
    ("9" * 9000, "9" * 9000),
    ("\u0663\u066b\u0665", "3.5"),  # Arabic-Indic digits and decimal separator
    ("\u0661\u066c\u0662\u0663\u0664", "1234"),
    ("\u0664\u0662\u066a", "42%"),
    ("\uff13\uff0e\uff15", "3.5"),  # full width
    ("\u7b54\u6848\u662f1\uff0c234\u5143", "1234"),
    ("3.5\u4e07\u5143", "35000"),  # ten thousands
    ("2 \u5104", "200000000"),
    ("5 lakh", "500000"),
    ("1\u4e075000", "5000"),  # two numbers: not read as one
)
OTHER = (
    ("\u0663\u066b\u0665", "\u0667\u066b\u0665"),
    ("3.5\u4e07", "3.5\u4ebf"),
    ("3\uff0c5", "3.5"),  # a list
    ("1/2", "2"),
    ("1/3", "0.33"),
    ("1/0", "0"),
    ("3 1/2", "2"),
    ("1e3", "3"),
    ("1e999999999", "1"),
    ("0.5%", "0.5"),
    ("50%", "5000"),
    ("1.234,50", "50"),
    ("3,5", "35"),
    ("1,234", "1.234"),
    ("1,2,3", "123"),
    ("25 m2", "2"),
    ("2^10", "10"),
    ("5 million", "5"),
    ("-$5", "5"),
    ("5-10", "10"),
    ("5-10", "-10"),
    ("2024-05-12", "-12"),
    ("10:45", "#### 10:30"),
    ("20 \u00b1 5", "5"),
    ("9" * 9000, "9" * 8999 + "8"),
    ("no number", "5"),
)


@pytest.mark.parametrize(
    ("answer", "reference", "wanted"),
    [(*pair, 1.0) for pair in SAME] + [(*pair, 0.0) for pair in OTHER],
    ids=lambda value: str(value)[:20].encode("unicode_escape").decode(),
)
def test_scorer_and_reward_read_numbers_alike(answer: str, reference: str, wanted: float) -> None:
    (reward,) = rewards.made([{"reward": "numeric_match"}])
    assert reward.score([Asked("q", answer, reference, 1)]) == [wanted]
    assert scorers.every()["number_match"].parts([Pair(answer, reference)], "") == [(wanted,)]


def test_long_texts_are_read_in_time() -> None:
    began = time.process_time()
    for part in ("1,", "1 ", "10^", "1/", "\u00bd", "####1", "\\frac{1}{", "$ ", "= "):
        final(part * 5_000)
    assert time.process_time() - began < 10  # a quadratic reading takes a minute
