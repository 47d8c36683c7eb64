"""Reasoning in answers is kept, masked or dropped by choice, answer by answer."""

from __future__ import annotations

import pytest

from tuiftune import assets
from tuiftune.data.chat.local import read_tokenizer
from tuiftune.data.example import Example, Message

THOUGHTS = ("<think>\nFour.\n</think>\n\n", "<think>\nDoubled.\n</think>\n\n")
ROW = Example(
    (
        Message("user", "2 + 2?"),
        Message("assistant", f"{THOUGHTS[0]}It is 4."),
        Message("user", "And twice?"),
        Message("assistant", f"{THOUGHTS[1]}It is 8."),
    )
)


def trained(reasoning: str, loss_on: str = "assistant") -> tuple[str, str]:
    """The row's text, and what of it is trained."""
    tokenizer = read_tokenizer(assets.BASE, max_length=512, loss_on=loss_on, reasoning=reasoning)
    (row,) = tokenizer.rows([ROW])
    ids = [token for token, learned in zip(row.ids, row.mask, strict=True) if learned]
    return row.text, tokenizer.backend.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize(
    ("reasoning", "read", "learned"),
    [
        ("keep", (True, True), (True, True)),
        ("mask", (True, True), (False, False)),
        ("drop", (False, False), (False, False)),
        ("last", (False, True), (False, True)),
    ],
)
def test_each_choice_says_what_is_read_and_what_is_trained(
    reasoning: str, read: tuple[bool, bool], learned: tuple[bool, bool]
) -> None:
    text, answers = trained(reasoning)
    assert tuple(word in text for word in ("Four", "Doubled")) == read
    assert tuple(word in answers for word in ("Four", "Doubled")) == learned
    assert "think" not in answers or reasoning in ("keep", "last")
    assert all(part in answers for part in ("It is 4.", "It is 8."))
    assert "And twice" not in answers


def test_reasoning_is_masked_in_whole_texts_and_last_answers_too() -> None:
    text, everything = trained("mask", "all")
    assert "Four" in text
    assert "Four" not in everything
    assert "And twice" in everything
    assert trained("mask", "completion")[1].strip().startswith("It is 8.")


def test_rows_without_reasoning_are_as_they_were() -> None:
    plain = Example((Message("user", "2 + 2?"), Message("assistant", "It is 4.")))
    found = []
    for reasoning in ("keep", "mask", "drop", "last"):
        tokenizer = read_tokenizer(assets.BASE, max_length=512, reasoning=reasoning)
        (row,) = tokenizer.rows([plain])
        found.append((row.ids, row.mask))
    assert all(one == found[0] for one in found)
