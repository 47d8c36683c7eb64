"""A tiny model that can do what a base model must for a decision to have a truth: it answers from sources in
its prompt, and repeats the form of the examples before it. It knows no fact and no house style.

Words are tokens, keys and forms are drawn anew for every row: there is nothing to learn by heart. `make`
wrote `tests/fixtures/reader`, in four minutes on a busy core: in this directory, with PYTHONPATH=.:../..

    python -c 'import reading_model; reading_model.make("../fixtures/reader")'
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tiny import TEMPLATE

from tuiftune.data.example import Message
from tuiftune.evaluate.contender import Question
from tuiftune.evaluate.prompting import with_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = [f"item{n}" for n in range(80)]
VALUES = [f"v{n}" for n in range(40)]
HOUSE = [f"h{n}" for n in range(40)]  # words that only a house style has a use for
# Forms are of words: scores pass over signs.
OPENS = ["so", "thus", "hence", "result", "reply", "here", "value", "yes"]
CLOSES = ["done", "over", "end", "stop", "thanks", "ok", "full", "bye"]
SAYINGS = "Answer from these sources . Note today What has ? Show Say note [ ] 1 2 3 4 5 unknown"
LABELS = ["up", "down", "left"]
WORDS = sorted({*KEYS, *VALUES, *HOUSE, *OPENS, *CLOSES, *SAYINGS.split(), *LABELS})
LONGEST = 256
KINDS = ("sources", "form", "sources", "form", "plain")


def asks(key: str) -> str:
    return f"What has {key} ?"


def fact(key: str, value: str) -> str:
    return f"Note has {key} {value} today ."


def told(key: str, value: str) -> str:
    """The answer: the key first, so that what follows it in a source follows it here."""
    return f"{key} {value}"


def from_sources(sources: Sequence[str], asked: str) -> str:
    """As `evaluate.prompting.Retrieval` writes it."""
    told = "\n\n".join(f"[{n}] {text}" for n, text in enumerate(sources, 1))
    return f"Answer from these sources.\n\n{told}\n\n{asked}"


def example(rng: random.Random, kind: str) -> tuple[tuple[Message, ...], str]:
    """A prompt of a kind, and its answer."""
    if kind == "sources":
        keys = rng.sample(KEYS, rng.choice((1, 3, 5)))
        values = [rng.choice(VALUES) for _ in keys]
        at = rng.randrange(len(keys))
        text = from_sources([fact(*one) for one in zip(keys, values, strict=True)], asks(keys[at]))
        return (Message("user", text),), told(keys[at], values[at])
    if kind == "form":
        begin, end = rng.choice(OPENS), rng.choice(CLOSES)
        shown = rng.sample(KEYS + VALUES, rng.choice((2, 4, 8)) + 1)
        rows = [Question(f"Show {one}", [], f"{begin} {one} {end}", 0) for one in shown]
        return with_examples((Message("user", f"Show {shown[-1]}"),), rows[:-1]), rows[-1].reference
    if rng.random() < 0.5:
        one = rng.choice(KEYS + VALUES)
        return (Message("user", f"Show {one}"),), one
    return (Message("user", asks(rng.choice(KEYS))),), "unknown"


def make(directory: str, seed: str = "0", steps: str = "1000") -> None:
    """Train it and write it with its tokenizer."""
    tokenizer = make_tokenizer()
    model, _ = trained(tokenizer, int(seed), int(steps))
    tokenizer.save_pretrained(directory)
    model.save_pretrained(directory)


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|unk|>"]
    words = {word: at for at, word in enumerate([*special, *WORDS])}
    core = Tokenizer(models.WordLevel(words, unk_token="<|unk|>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        unk_token="<|unk|>",
        additional_special_tokens=special[2:5],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def trained(tokenizer: Any, seed: int, steps: int, say: Any = None) -> tuple[Any, float]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    rng = random.Random(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=LONGEST,
        rope_theta=1000.0,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("sdpa")
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)
    last = 0.0
    for step in range(steps):
        ids, labels = batch(tokenizer, rng, 48)
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        last = loss.item()
        if say and step % 100 == 99:
            say(step, last, model)
    return model.eval(), last


def batch(tokenizer: Any, rng: random.Random, rows: int, kind: str = "") -> tuple[Any, Any]:
    import torch

    found = []
    for _ in range(rows):
        messages, answer = example(rng, kind or rng.choice(KINDS))
        told = "".join(f"<|{one.role}|>{one.content}<|end|>" for one in messages) + "<|assistant|>"
        prompt = tokenizer(told)["input_ids"]
        found.append((prompt, tokenizer(f"{answer}<|end|>")["input_ids"]))
    longest = max(len(prompt) + len(answer) for prompt, answer in found)
    ids = torch.full((rows, longest), tokenizer.pad_token_id)
    labels = torch.full((rows, longest), -100)
    for line, (prompt, answer) in enumerate(found):
        whole = prompt + answer
        ids[line, : len(whole)] = torch.tensor(whole)
        labels[line, len(prompt) : len(whole)] = torch.tensor(answer)
    return ids, labels


def right(tokenizer: Any, model: Any, rows: int = 100) -> dict[str, float]:
    """The share of answers of new rows that are right from first to last token, by kind."""
    import torch

    rng = random.Random(99)
    found = {}
    with torch.no_grad():
        for kind in dict.fromkeys(KINDS):
            ids, labels = batch(tokenizer, rng, rows, kind)
            guesses = model(input_ids=ids).logits[:, :-1].argmax(-1)
            wanted = labels[:, 1:]
            found[kind] = ((guesses == wanted) | (wanted == -100)).all(-1).float().mean().item()
    return found
