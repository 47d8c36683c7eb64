"""Reasoning in answers is kept, masked or dropped by choice, answer by answer."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tuiftune import assets
from tuiftune.data.chat.local import read_tokenizer
from tuiftune.data.example import Example, Message

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize("reasoning", ["keep", "mask", "drop", "last"])
def test_rows_are_asked_as_they_are_trained(reasoning: str) -> None:
    """Scores were of prompts with reasoning in them where training had none."""
    tokenizer = read_tokenizer(assets.BASE, max_length=512, reasoning=reasoning)
    (row,) = tokenizer.rows([ROW])
    prompt = tokenizer.prompt(ROW.prompt)
    assert prompt == row.ids[: len(prompt)]
    assert row.text[row.rendered.start :].startswith("<think>") is (reasoning != "drop")


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


def masked(*turns: tuple[str, str], folder: Path = assets.BASE) -> str:
    """What is trained of a conversation where reasoning is masked."""
    tokenizer = read_tokenizer(folder, max_length=512, reasoning="mask")
    (row,) = tokenizer.rows([Example(tuple(Message(role, said) for role, said in turns))])
    return "|".join(row.text[start:end] for start, end in row.rendered.spans)


def test_each_block_of_reasoning_is_masked() -> None:
    said = "<think>Four.</think>\n<think>Surely.</think>It is 4."
    assert masked(("user", "2 + 2?"), ("assistant", said)) == "\n|It is 4.<|end|>"
    assert masked(("user", "2 + 2?"), ("assistant", "<think>4</think>4")) == "4<|end|>"


def test_reasoning_that_another_message_quotes_is_masked() -> None:
    said = "<think>Four.</think>"
    turns = (("user", f"Why {said}?"), ("assistant", f"{said}1"), ("user", "So?"), ("assistant", f"{said}2"))
    assert masked(*turns) == "1<|end|>|2<|end|>"


def test_reasoning_between_marks_of_the_templates_own_is_masked(tmp_path: Path) -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>{% if m.thinking is defined %}"
        "<|channel|>analysis<|message|>{{ m.thinking }}<|pause|>{% endif %}"
        "<|channel|>final<|message|>{{ m.content }}<|end|>{% else %}<|user|>{{ m.content }}<|end|>"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    shutil.copytree(assets.BASE, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text(source)
    said = masked(
        ("user", "2 + 2?"), ("assistant", "<think>Four.</think>It is 4."), folder=tmp_path / "model"
    )
    assert "Four" not in said
    assert said.endswith("<|channel|>final<|message|>It is 4.<|end|>")
