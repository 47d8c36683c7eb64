"""Texts that differ in case and blanks alone are one text."""

import random
import re

import polars as pl

from tuiftune.data.similar.normalized import normalized, single_spaced

BLANKS = (" ", "  ", "\n", " \n", "\n ", "\t", "\r\n", "\u00a0", " \u3000", "\u2028 ", "")


def test_every_run_of_blanks_is_one_space() -> None:
    drawn = random.Random(7)
    texts = [
        "".join(drawn.choice(BLANKS) + drawn.choice(("Zwei", "b", "ß", "東", "É")) for _ in range(12))
        + drawn.choice(BLANKS)
        for _ in range(2_000)
    ]
    frame = pl.DataFrame({"text": [*texts, "", " \n ", "a"]})
    expected = [re.sub(r"\s+", " ", text).strip() for text in frame["text"]]
    assert frame.select(single_spaced(pl.col("text")))["text"].to_list() == expected
    assert frame.select(normalized("text"))["text"].to_list() == [text.lower() for text in expected]


def test_a_text_that_is_missing_is_an_empty_one() -> None:
    frame = pl.DataFrame({"text": [None, "A  b"]})
    assert frame.select(normalized("text"))["text"].to_list() == ["", "a b"]
