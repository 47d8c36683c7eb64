"""A tiny base model that can use its prompt: it reads sources, and gives answers the form that examples have.

It knows no facts. Trained from nothing in a few minutes on conversations as `tuiftune decide` makes them.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuiftune.evaluate.contender import Question

WORDS = [f"w{n}" for n in range(40)]
MARKS = [f"m{n}" for n in range(8)]
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] }} <|end|> {% endfor %}"
    "{% if add_generation_prompt %}<|assistant|> {% endif %}"
)
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
FUNCTION = ["Answer", "from", "these", "sources.", "What", "is", "Show", "Say", "note", "and", "The", "now"]
CHECKED_EVERY, ENOUGH, MOST_STEPS, BATCH, LENGTH = 100, 0.97, 4000, 48, 192


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = [
        "<|pad|>",
        "<|end|>",
        "<|unk|>",
        *ROLES,
        *FUNCTION,
        *(f"[{n}]" for n in range(1, 9)),
        *WORDS,
        *MARKS,
    ]
    core = Tokenizer(models.WordLevel({word: at for at, word in enumerate(known)}, unk_token="<|unk|>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        unk_token="<|unk|>",
        additional_special_tokens=ROLES,
    )
    made.chat_template = TEMPLATE
    return made


def asked(text: str, reference: str = "") -> Question:
    from tuiftune.data.example import Message
    from tuiftune.evaluate.contender import Question

    return Question(text, [], reference, 0, (Message("user", text),))


def conversation(rng: random.Random) -> tuple[list[Any], str]:
    """Messages and the answer of one row to train on."""
    from tuiftune.evaluate.prompting import with_examples

    kind = rng.choice(["read", "read", "read", "form", "say"])
    if kind == "read":
        keys = rng.sample(WORDS, rng.randint(1, 3))
        facts = [(key, rng.choice(WORDS)) for key in keys]
        wanted, answer = rng.choice(facts)
        sources = "\n\n".join(f"[{n}] The {key} is {value} now" for n, (key, value) in enumerate(facts, 1))
        text = f"Answer from these sources.\n\n{sources}\n\nWhat is {wanted}"
        return list(asked(text).messages), answer
    many = rng.choice([0, 2, 2, 4])
    if kind == "form":
        before, after = rng.choice(MARKS), rng.choice(MARKS)
        shown = [(f"Show {word}", f"{before} {word} {after}") for word in rng.sample(WORDS, many + 1)]
        text, answer = shown.pop()
        if not many:
            answer = text.split()[1]
    else:
        lists = [" ".join(rng.choices(WORDS, k=3)) for _ in range(many + 1)]
        shown = [(f"Say {words}", words) for words in lists]
        text, answer = shown.pop()
    return list(with_examples(asked(text).messages, [asked(*pair) for pair in shown])), answer


def make_reader(directory: Path, told: bool = False) -> Path:
    """Train the model and write it to a directory."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    torch.set_num_threads(1)
    rng = random.Random(3)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    end = tokenizer.eos_token_id
    for step in range(1, MOST_STEPS + 1):
        rows, labels, texts = [], [], []
        for _ in range(BATCH):
            messages, answer = conversation(rng)
            turns = [{"role": one.role, "content": one.content} for one in messages]
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            texts.append([messages[-1].content.split()[0]])
            prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
            reply = [*tokenizer(answer, add_special_tokens=False)["input_ids"], end]
            rows.append(prompt + reply)
            labels.append([-100] * len(prompt) + reply)
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        wanted = torch.tensor([row + [-100] * (longest - len(row)) for row in labels])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, step / 50) * (1 - 0.9 * step / MOST_STEPS)
        found = model(input_ids=ids, attention_mask=mask, labels=wanted)
        optimizer.zero_grad()
        found.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % CHECKED_EVERY == 0:
            right = found.logits[:, :-1].argmax(-1) == wanted[:, 1:]
            trained = wanted[:, 1:] != -100
            whole = (right | ~trained).all(1)
            share = float(whole.float().mean())
            if told:
                told_of: dict[str, list[bool]] = {}
                for ok, (kind,) in zip(whole.tolist(), texts, strict=True):
                    told_of.setdefault(kind, []).append(ok)
                shares = {kind: f"{sum(one)}/{len(one)}" for kind, one in told_of.items()}
                sys.stderr.write(f"{shares} ")
                sys.stderr.write(f"{step} loss {float(found.loss.detach()):.3f} right {share:.3f}\n")
            if share >= ENOUGH:
                break
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


if __name__ == "__main__":
    make_reader(Path(sys.argv[1]), told=True)
