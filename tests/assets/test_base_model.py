"""The embedded base model: small, whole, and real."""

from __future__ import annotations

import json
import re

import pytest

from tuiftune.assets import BASE, TRAIN
from tuiftune.models.resolve import resolve

MEGABYTE = 1_000_000
QUESTION = [{"role": "user", "content": "Hello. Please block card 7316, I lost it."}]


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(BASE)


@pytest.fixture(scope="module")
def model():
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)


def test_model_and_dataset_take_at_most_five_megabytes():
    files = [path for path in [*BASE.rglob("*"), TRAIN] if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 5 * MEGABYTE
    assert all(path.stat().st_mode & 0o044 for path in files), (
        "an installed package is read by others than its owner"
    )


def test_parameters_are_those_that_the_config_promises(model):
    assert model.num_parameters() == resolve("builtin:tiny").parameters
    assert model.config.max_position_embeddings >= 1024


def test_the_template_marks_what_the_assistant_says_and_its_end_of_turn(tokenizer):
    chat = [
        {"role": "system", "content": "Be brief."},
        *QUESTION,
        {"role": "assistant", "content": "Card 7316 is blocked."},
        {"role": "user", "content": "Thanks."},
        {"role": "assistant", "content": "You are welcome."},
    ]
    encoded = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    learnt = [token for token, on in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if on]
    assert tokenizer.decode(learnt) == "Card 7316 is blocked.<|end|>You are welcome.<|end|>"
    assert tokenizer.eos_token == "<|end|>"


def test_a_prompt_is_the_beginning_of_the_whole_chat(tokenizer):
    answer = [*QUESTION, {"role": "assistant", "content": "Done."}]
    prompt = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template(answer, tokenize=False)
    assert whole == f"{prompt}Done.<|end|>"


@pytest.mark.parametrize(
    "text", ["billing | high", "£3.50 → 4 €", "日本語 🙂\n\tnaïve", "  two  spaces ", "\x1b[31m"]
)
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_digits_are_tokens_of_their_own(tokenizer):
    pieces = [tokenizer.decode([token]) for token in tokenizer.encode("order 4821", add_special_tokens=False)]
    assert pieces[-4:] == ["4", "8", "2", "1"]


def test_it_answers_in_prose_about_what_it_was_asked_and_stops(tokenizer, model):
    inputs = tokenizer.apply_chat_template(
        QUESTION, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    written = model.generate(**inputs)[0, inputs["input_ids"].shape[1] :].tolist()
    assert written[-1] == tokenizer.eos_token_id
    answer = tokenizer.decode(written, skip_special_tokens=True)
    assert "card 7316" in answer.lower()
    assert "|" not in answer
    assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,'?]+(\. [A-Z][A-Za-z0-9 ,'?]+)*[.?]", answer)


def test_every_token_was_learnt_well_enough_to_be_said(model):
    """Tokens that training never showed would all be alike, and no adapter could tell them apart."""
    import torch

    rows = torch.nn.functional.normalize(model.get_input_embeddings().weight.detach(), dim=1)
    likeness = rows @ rows.T
    likeness.fill_diagonal_(-1)
    specials = len(json.loads((BASE / "tokenizer.json").read_text())["added_tokens"])
    assert likeness[specials:, specials:].max() < 0.99
