"""Eval loss after equal steps: TRL's SFT trainer in bfloat16, and `tuiftune train` in 16 bit, FP8 and NF4.

    python benchmarks/fp8/against_trl.py START ROWS.jsonl OUT.jsonl [--steps 200] [--seeds 2] [--jobs 4]
        [--only "TRL;16 bit;fp8;nf4;nf4 in 16 bit;nf4 in fp8"]

START is a model directory, such as `quality.py` leaves; ROWS are questions and answers (GSM8K's): the last
256 are the evaluation set, the first half of the others is trained on. Equal in all runs: LoRA rank 16 on
all linear layers, token ids, loss mask (answers), 16 rows a step, learning rate and its schedule, no weight
decay, the seed. The rest is at TRL's defaults and at auto. Each adapter is scored as it is after its last
step, by one function, in plain PEFT: over the 16-bit base model, and over what it was trained over. TRL's
curve is by that function too, ours is the run's own. Rows are appended as runs end; a table is printed at
the end.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from quality import DEVICE, EVALUATION, evaluate, over
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

ROOT = Path(__file__).resolve().parents[2]
BATCH, LENGTH, EVERY, RATE, WARMUP = 16, 1024, 25, 2e-4, 0.05
HELD = {
    "TRL": "none",
    "16 bit": "none",
    "fp8": "fp8",
    "nf4": "nf4",
    "nf4 in 16 bit": "nf4",
    "nf4 in fp8": "nf4",
}
USUAL = ("TRL", "16 bit", "fp8", "nf4")  # the others say what nf4 leaves to the plan: what it multiplies in
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "16 bit": {"model": {"quantization": "none"}, "method": {"technique": "lora"}},
    "fp8": {"model": {"quantization": "fp8"}, "method": {"technique": "lora"}},
    "nf4": {"method": {"technique": "qlora"}},
    "nf4 in 16 bit": {"method": {"technique": "qlora"}, "training": {"fp8_compute": False}},
    "nf4 in fp8": {"method": {"technique": "qlora"}, "training": {"fp8_compute": True}},
}
Row = tuple[list[int], int]  # token ids, and how many are the prompt's


def messages(row: dict[str, Any]) -> list[dict[str, str]]:
    said = {"role": "assistant", "content": row["answer"]}
    return [{"role": "user", "content": row["question"]}, said]


def tokens_of(row: dict[str, Any], tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids of the chat template, and its labels: those of the answer and of what ends it."""
    both = messages(row)
    prompt = tokenizer.apply_chat_template(both[:1], add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]
    ids = list(tokenizer.apply_chat_template(both, return_dict=True)["input_ids"])
    assert ids[: len(prompt)] == list(prompt)
    end = len(ids) - ids[::-1].index(tokenizer.eos_token_id)  # a line feed may follow
    return ids, [-100] * len(prompt) + ids[len(prompt) : end] + [-100] * (len(ids) - end)


def check_tokens(file: Path, start: Path, made: list[tuple[list[int], list[int]]]) -> None:
    """Assert that the first rows are to `tuiftune train` what they are here, to the token."""
    command = [sys.executable, "-m", "tuiftune", "data", "tokens", str(file), "--model", str(start), "--json"]
    for number, (ids, labels) in enumerate(made, start=1):
        done = subprocess.run(
            [*command, "--row", str(number)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout)["tokens"]
        assert [one["id"] for one in told] == ids, number
        assert [one["id"] if one["trained"] else -100 for one in told] == labels, number


def held_out(tokens: list[tuple[list[int], list[int]]]) -> list[Row]:
    """Rows as `quality.evaluate` takes them: all after the prompt counts, so a last line feed is left out."""
    rows = []
    for ids, labels in tokens:
        trained = [at for at, label in enumerate(labels) if label != -100]
        rows.append((ids[: trained[-1] + 1], trained[0]))
    return rows


class Curve(TrainerCallback):  # type: ignore[misc]
    """The eval loss by the function that scores all runs, every so many steps."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.found: list[tuple[int, float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step % EVERY == 0 or state.global_step == state.max_steps:
            self.found.append((state.global_step, evaluate(model, self.rows)))


def run_trl(start: Path, tokens: Path, out: Path, steps: int, seed: int) -> None:
    """TRL's run, in this process: the adapter and `curve.json` are left in `out`."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    made = json.loads(tokens.read_text(encoding="utf-8"))
    data = {key: [row[at] for row in made["train"]] for at, key in enumerate(("input_ids", "labels"))}
    model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.bfloat16).to(DEVICE)
    curve = Curve(held_out(made["eval"]))
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(out / "trainer"),
            max_steps=steps,
            gradient_accumulation_steps=2,  # of 8 rows, its default
            learning_rate=RATE,
            lr_scheduler_type="linear",
            warmup_steps=warmup(steps),
            weight_decay=0.0,
            max_length=LENGTH,
            seed=seed,
            save_strategy="no",
            report_to=[],
            logging_steps=1,
            disable_tqdm=True,
            use_cpu=DEVICE == "cpu",
        ),
        train_dataset=Dataset.from_dict(data),
        processing_class=AutoTokenizer.from_pretrained(start),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[curve],
    )
    taken = [trainer.train_dataset[at] for at in range(len(made["train"]))]
    assert [[row["input_ids"], row["labels"]] for row in taken] == made["train"]
    trainer.train()
    trainer.save_model(str(out / "adapter"))
    seen = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
    told = {"curve": curve.found, "tokens": [round(one) for one in seen]}
    told["training"] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    (out / "curve.json").write_text(json.dumps(told), encoding="utf-8")


def warmup(steps: int) -> int:
    return min(-int(-WARMUP * steps // 1), steps - 1)


def ours(name: str, start: Path, work: Path, out: Path, steps: int, seed: int) -> dict[str, Any]:
    """`tuiftune train`: where its last adapter is, its curve, and what was planned."""
    preset = {
        "version": 1,
        "model": {"base": str(start), **SETTINGS[name].get("model", {})},
        "data": {
            "train": str(work / "train.jsonl"),
            "eval": str(work / "eval.jsonl"),
            "max_length": LENGTH,
            "packing": False,
        },
        "method": {"rank": 16, "alpha": 32, **SETTINGS[name]["method"]},
        "training": {
            "effective_batch": BATCH,
            "max_steps": steps,
            "learning_rate": RATE,
            "schedule": "linear",
            "warmup_ratio": WARMUP,
            "weight_decay": 0.0,
            "seed": seed,
            "early_stopping": 0,
            "divergence_patience": 0,
            **SETTINGS[name].get("training", {}),
        },
        "evaluation": {"score": "none", "rows": 0, "samples": 0, "every": EVERY},
    }
    out.mkdir(parents=True)
    (out / "preset.yaml").write_text(json.dumps(preset), encoding="utf-8")
    command = [sys.executable, "-m", "tuiftune", "train", str(out / "preset.yaml"), "--name", "run"]
    done = subprocess.run(
        [*command, "--runs", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    run = out / "run"
    if done.returncode or not (run / "events.jsonl").exists():
        log = run / "engine.log"
        return {"failed": done.stderr[-600:] + (log.read_text()[-1500:] if log.exists() else "")}
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    last = [event for event in events if event["type"] == "step"]
    plan = json.loads((run / "plan.json").read_text())
    return {
        "adapter": str(run / "checkpoints" / f"checkpoint-{last[-1]['step']}"),
        "curve": [(event["step"], event["loss"]) for event in events if event["type"] == "eval"],
        "tokens": [event["tokens"] for event in last],
        "training": [event["loss"] for event in last],
        "plan": {part: plan["resolved"][part] for part in ("model", "method", "training")},
        "base": next((event for event in events if event["type"] == "base"), None),
        "warnings": [event["message"] for event in events if event["type"] == "warning"],
    }


def theirs(start: Path, work: Path, out: Path, steps: int, seed: int) -> dict[str, Any]:
    out.mkdir(parents=True)
    given = [str(start), str(work / "tokens.json"), str(out), str(steps), str(seed)]
    command = [sys.executable, __file__, "--trl", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stdout[-600:] + done.stderr[-2000:]}
    return {"adapter": str(out / "adapter"), **json.loads((out / "curve.json").read_text())}


def score(kind: str, start: Path, adapter: Path | None, rows: list[Row]) -> float:
    """The eval loss of an adapter in plain PEFT over the base held so, or of the base alone."""
    model = over(kind, start)
    found = evaluate(model if adapter is None else PeftModel.from_pretrained(model, adapter), rows)
    del model
    gc.collect()
    return found


def main() -> None:
    if sys.argv[1:2] == ["--trl"]:
        start, tokens, out = map(Path, sys.argv[2:5])
        run_trl(start, tokens, out, int(sys.argv[5]), int(sys.argv[6]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("start", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=4, help="runs at a time")
    parser.add_argument("--eval", type=int, default=EVALUATION, help="rows of the evaluation set")
    parser.add_argument("--only", default=";".join(USUAL), help="names of runs, with semicolons between them")
    options = parser.parse_args()
    start, began = options.start.resolve(), time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="against-"))
    os.environ.setdefault("XDG_STATE_HOME", str(work / "state"))
    lines = [json.loads(line) for line in options.rows.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    rows, test = lines[: -options.eval], lines[-options.eval :]
    rows = rows[: len(rows) // 2 // BATCH * BATCH]
    tokenizer = AutoTokenizer.from_pretrained(start)
    made = {"train": [tokens_of(row, tokenizer) for row in rows]}
    made["eval"] = [tokens_of(row, tokenizer) for row in test]
    assert max(len(ids) for ids, _ in made["train"] + made["eval"]) <= LENGTH
    (work / "tokens.json").write_text(json.dumps(made), encoding="utf-8")
    for part, which in (("train", rows), ("eval", test)):
        text = "".join(json.dumps({"messages": messages(row)}) + "\n" for row in which)
        (work / f"{part}.jsonl").write_text(text, encoding="utf-8")
    scored = held_out(made["eval"])
    lock = Lock()
    results: list[dict[str, Any]] = []

    def write(row: dict[str, Any]) -> None:
        with options.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")

    def one(name: str, seed: int) -> None:
        out, at = work / f"{name.replace(' ', '-')}-{seed}", time.monotonic()
        if name == "TRL":
            found = theirs(start, work, out, options.steps, seed)
        else:
            found = ours(name, start, work, out, options.steps, seed)
        row: dict[str, Any] = {"run": name, "seed": seed, "seconds": round(time.monotonic() - at, 1), **found}
        with lock:
            if adapter := found.get("adapter"):
                row["loss"] = score(HELD[name], start, Path(adapter), scored)
                row["loss over 16 bit"] = (
                    row["loss"] if HELD[name] == "none" else score("none", start, Path(adapter), scored)
                )
            results.append(row)
            write(row)
        shown = {
            key: row.get(key) for key in ("run", "seed", "seconds", "loss", "loss over 16 bit", "failed")
        }
        print(f"{time.monotonic() - began:5.0f} s  {json.dumps(shown)}", flush=True)

    chosen = [name for name in HELD if name in options.only.split(";")]
    wanted = [(name, seed) for seed in range(options.first, options.first + options.seeds) for name in chosen]
    with ThreadPoolExecutor(options.jobs) as pool:
        waits = [pool.submit(one, *each) for each in wanted]
        with lock:
            before = {
                kind: score(kind, start, None, scored) for kind in dict.fromkeys(HELD[n] for n in chosen)
            }
            write({"base": before, "rows": len(rows), "held out": len(test), "steps": options.steps})
        check_tokens(work / "train.jsonl", start, made["train"][:3])
        for wait in waits:
            wait.result()
    table(before, results)


def table(before: dict[str, float], results: list[dict[str, Any]]) -> None:
    done = [row for row in results if "loss" in row]
    by = {(row["run"], row["seed"]): row for row in done}
    print(f"base model: {json.dumps({key: round(value, 4) for key, value in before.items()})}")
    print(
        "| Run | seed | eval loss | times TRL's | adapter over 16 bit | times TRL's | steps of TRL's rows |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    ratios: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(done, key=lambda row: (row["seed"], list(HELD).index(row["run"]))):
        peer = by.get(("TRL", row["seed"]))
        both = (row["loss"], row["loss over 16 bit"])
        words = ["", "", ""]
        if peer:
            parts = (both[0] / peer["loss"], both[1] / peer["loss"])
            ratios.setdefault(row["run"], []).append(parts)
            equal = [a == b for a, b in zip(row["tokens"], peer["tokens"], strict=False)]
            words = [f"{parts[0]:.4f}", f"{parts[1]:.4f}", f"{sum(equal)} of {len(equal)}"]
        shown = [row["run"], str(row["seed"]), f"{both[0]:.4f}", words[0], f"{both[1]:.4f}", *words[1:]]
        print(f"| {' | '.join(shown)} |")
    for name, pairs in ratios.items():
        first, second = (statistics.mean(pair[at] for pair in pairs) for at in (0, 1))
        print(f"mean of {len(pairs)}: {name} {first:.4f} of TRL's loss, over 16 bit {second:.4f}")


if __name__ == "__main__":
    main()
