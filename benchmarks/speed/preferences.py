"""Pairs per second of DPO: tuiftune's own plan beside TRL's defaults, one after the other on one GPU.

    python benchmarks/speed/preferences.py OUT.jsonl MODEL_DIRECTORY [--steps 20] [--only TRL|tuiftune]

LoRA rank 16 on all linear layers, 8 pairs a step whose sides have about 900 tokens each. TRL's run is its DPO
trainer with its defaults, the model in bfloat16 and 4 pairs at a time (its own 8 are tried first); ours is
`tuiftune train` with everything else at auto. Seconds a step: the median after the fifth, from each run's own
clock, which makes the two comparable however each counts tokens.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

PAIRS, WARM = 8, 5


def rows_file(path: Path, rows: int) -> Path:
    draw = random.Random(3)
    known = ["order", "refund", "parcel", "street", "winter", "coffee", "ticket", "garden", "window"]

    def text(words: int) -> str:
        return " ".join(draw.choices(known, k=words))

    lines = [{"prompt": text(100), "chosen": text(200), "rejected": text(200)} for _ in range(rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def theirs(model_path: str, rows: Path, steps: int, at_once: int) -> dict[str, Any]:
    """Train with TRL's DPO trainer as its documentation shows it. Runs in a process of its own."""
    import time

    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer

    times: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            torch.cuda.synchronize()
            times.append(time.monotonic())

    lines = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.bfloat16, device_map={"": 0}),
        args=DPOConfig(
            output_dir=tempfile.mkdtemp(),
            max_steps=steps,
            per_device_train_batch_size=at_once,
            gradient_accumulation_steps=PAIRS // at_once,
            save_strategy="no",
            report_to=[],
            logging_steps=1,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(lines),
        processing_class=AutoTokenizer.from_pretrained(model_path),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Clock()],
    )
    torch.cuda.reset_peak_memory_stats()
    trainer.train()
    waits = [b - a for a, b in pairwise(times[WARM:])]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "pairs_per_second": round(PAIRS / statistics.median(waits), 2),
        "peak_reserved": torch.cuda.max_memory_reserved(),
        "at_once": at_once,
        "loss": losses,
    }


def apart(model: str, rows: Path, steps: int) -> dict[str, Any]:
    """TRL's run in a process of its own, of as many pairs at a time as the GPU holds."""
    found: dict[str, Any] = {}
    for at_once in (PAIRS, PAIRS // 2, PAIRS // 4):
        command = [sys.executable, __file__, "-", model, "--rows", str(rows), "--steps", str(steps)]
        done = subprocess.run(
            [*command, "--child", str(at_once)], capture_output=True, text=True, check=False
        )
        if not done.returncode:
            return dict(json.loads(done.stdout.splitlines()[-1]))
        found = {"failed": done.stderr[-600:]}
    return found


def ours(model: str, rows: Path, steps: int, work: Path) -> dict[str, Any]:
    preset = work / "dpo.yaml"
    preset.write_text(
        json.dumps(
            {
                "version": 1,
                "model": {"base": model},
                "data": {"train": str(rows), "eval": 0.0, "max_length": 1024},
                "method": {"stage": "dpo", "technique": "lora", "rank": 16, "alpha": 32},
                "training": {"effective_batch": PAIRS, "max_steps": steps},
                "evaluation": {"score": "none", "rows": 0, "samples": 0},
            }
        ),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "tuiftune", "train", str(preset), "--name", "dpo"]
    done = subprocess.run(
        [*command, "--runs", str(work / "runs")], capture_output=True, text=True, check=False
    )
    run = work / "runs" / "dpo"
    if done.returncode:
        log = run / "engine.log"
        return {"failed": done.stderr[-400:] + (log.read_text()[-600:] if log.exists() else "")}
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    told = [event for event in events if event["type"] == "step"]
    waits = [b["t"] - a["t"] for a, b in pairwise(told[WARM:])]
    plan = json.loads((run / "plan.json").read_text())
    memory = [event for event in events if event["type"] == "memory"]
    tokens = plan["speed"]["tokens_per_second"]
    return {
        "pairs_per_second": round(PAIRS / statistics.median(waits), 2),
        "peak_reserved": max((event.get("reserved") or 0) for event in memory),
        "predicted_reserved": plan["memory"]["reserved"],
        "reported_tokens_per_second": [event.get("tokens_per_second") for event in told][-1],
        "predicted_tokens_per_second": tokens,
        "training": plan["resolved"]["training"],
        "loss": [event["loss"] for event in told],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(theirs(options.model, options.rows, options.steps, options.child)))
        return
    work = Path(tempfile.mkdtemp(prefix="preferences-"))
    rows = rows_file(work / "pairs.jsonl", PAIRS * (options.steps + 4))
    with options.out.open("a", encoding="utf-8") as out:
        for name in ("TRL", "tuiftune"):
            if options.only and name != options.only:
                continue
            found = (
                ours(options.model, rows, options.steps, work)
                if name == "tuiftune"
                else apart(options.model, rows, options.steps)
            )
            out.write(json.dumps({"name": f"DPO, {name}", **found}) + "\n")
            out.flush()
            print(json.dumps({"name": f"DPO, {name}", **found})[:500], flush=True)


if __name__ == "__main__":
    main()
