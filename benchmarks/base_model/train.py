"""Train `tuiftune/assets/base`, the embedded base model, from nothing on the generated corpus.

python -m benchmarks.base_model.train [--steps N] [--device cuda] [-o DIRECTORY]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from benchmarks.base_model.corpus import SEED, documents
from benchmarks.base_model.tokenizer import CONTEXT, SPECIAL, train_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerFast

TARGET = Path(__file__).parents[2] / "tuiftune" / "assets" / "base"
STEPS = 1800
TOKENS_A_STEP = 3072
LEARNING_RATE = 4e-3
WARMUP = 100
POOL = 2048  # documents that are sorted by length together, so that a batch has little padding


def configuration(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _ids(tokenizer: PreTrainedTokenizerFast, document: list[dict[str, str]] | str) -> list[int]:
    text = (
        f"{tokenizer.bos_token}{document}{tokenizer.eos_token}"
        if isinstance(document, str)
        else tokenizer.apply_chat_template(document, tokenize=False)
    )
    return _plain(tokenizer, text)


def _plain(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids


def _any_pieces(tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> list[int]:
    """A chat that says any pieces again, so that pieces which the corpus never needs are learnt too."""
    chosen = rng.sample(range(len(SPECIAL), len(tokenizer)), rng.randint(4, 24))
    begin, end, user, assistant = tokenizer.convert_tokens_to_ids(
        ["<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"]
    )
    return [begin, user, *_plain(tokenizer, "Repeat after me:"), *chosen, end, assistant, *chosen, end]


def batches(tokenizer: PreTrainedTokenizerFast, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """`steps` batches of ids (rows, length), right-padded, of about `TOKENS_A_STEP` tokens each."""
    rng = random.Random(seed)
    stream = documents(10**9, seed)
    waiting: list[list[list[int]]] = []
    for _ in range(steps):
        if not waiting:
            pool = [_ids(tokenizer, next(stream)) for _ in range(POOL)]
            pool += [_any_pieces(tokenizer, rng) for _ in range(POOL // 32)]
            pool.sort(key=len)
            rows: list[list[int]] = []
            for ids in pool:
                if rows and (len(rows) + 1) * len(ids) > TOKENS_A_STEP:
                    waiting.append(rows)
                    rows = []
                rows.append(ids)
            waiting.append(rows)
            rng.shuffle(waiting)
        rows = waiting.pop()
        longest = max(len(ids) for ids in rows)
        padding = tokenizer.pad_token_id
        yield torch.tensor([ids + [padding] * (longest - len(ids)) for ids in rows])


def learning_rate(step: int, steps: int) -> float:
    """Warm-up, then a cosine to a hundredth."""
    if step < WARMUP:
        return LEARNING_RATE * (step + 1) / WARMUP
    progress = (step - WARMUP) / max(1, steps - WARMUP)
    return LEARNING_RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(steps: int, device: str, seed: int) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    torch.manual_seed(seed)
    texts = (
        document if isinstance(document, str) else "\n".join(message["content"] for message in document)
        for document in documents(20_000, seed)
    )
    tokenizer = train_tokenizer(texts)
    model = LlamaForCausalLM(configuration(tokenizer)).to(device).train()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    kept = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": kept, "weight_decay": 0.0}], betas=(0.9, 0.95)
    )
    started, seen, smooth = time.monotonic(), 0, 0.0
    for step, ids in enumerate(batches(tokenizer, steps, seed)):
        rate = learning_rate(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids = ids.to(device)
        mask = ids != tokenizer.pad_token_id
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(~mask, -100)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen += int(mask.sum())
        if step % 50 == 0 or step == steps - 1:
            smooth = loss.item()
            elapsed = time.monotonic() - started
            print(
                f"step {step:5d}  loss {smooth:.3f}  lr {rate:.1e}  {seen:,} tokens  {elapsed:.0f} s",
                flush=True,
            )
    return model.eval().to("cpu"), tokenizer


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, target: Path) -> None:
    """Weights in bfloat16, tokenizer, and greedy generation that ends with a turn."""
    target.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
        max_new_tokens=64,
    )
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)
    for file in target.iterdir():
        file.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    started = time.monotonic()
    model, tokenizer = train(arguments.steps, arguments.device, arguments.seed)
    save(model, tokenizer, arguments.output)
    print(json.dumps({"parameters": model.num_parameters(), "seconds": round(time.monotonic() - started)}))


if __name__ == "__main__":
    main()
