"""What `tuiftune train` plans and what its preflight check then measures on the longest real rows.

    python benchmarks/memory/preflights.py ROWS.jsonl OUT.jsonl --models FOLDER [--gpus 0,1] [--only NAME]

FOLDER has model directories (`benchmarks/gpu/shape.py`) named as in `RUNS`. Each run is the real command with
its levers set, 3 steps of 16 rows; the plan is frozen into the run's directory before the engine starts.
One JSON row a run. Every run has a state directory of its own, so that none corrects another; small ones
share a card.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
TOGETHER = 5
SHARED = "hardware.memory_limit=24GiB"  # of those that share a card
KEPT, ALL = "training.activation_checkpointing=false", "training.activation_checkpointing=true"
PLAIN, COMPILED, LIGER = "training.compile=false", "training.compile=true", "training.kernels=liger"
NONE = "training.kernels=none"
JOINED, PADDED = "data.padding_free=true", "data.padding_free=false"
LORA, QLORA, DORA, FULL = (f"method.technique={name}" for name in ("lora", "qlora", "dora", "full"))


def rows(number: int) -> str:
    return f"training.micro_batch={number}"


RUNS: dict[str, tuple[str, list[str]]] = {
    "8b lora auto": ("llama-8b", [LORA]),
    "8b qlora auto": ("llama-8b", [QLORA]),
    "8b lora 24 GiB": ("llama-8b", [LORA, "hardware.memory_limit=24GiB"]),
    "8b qlora 12 GiB": ("llama-8b", [QLORA, "hardware.memory_limit=12GiB"]),
    "1b lora auto": ("llama-1b", [LORA]),
    "1b lora kept joined": ("llama-1b", [LORA, KEPT, PLAIN, NONE, JOINED, rows(8)]),
    "1b lora kept padded": ("llama-1b", [LORA, KEPT, PLAIN, NONE, PADDED, rows(8)]),
    "1b lora all recomputed compiled": ("llama-1b", [LORA, ALL, COMPILED, NONE, JOINED, rows(16)]),
    "1b lora every second": ("llama-1b", [LORA, "training.activation_checkpointing=2", PLAIN, NONE, rows(8)]),
    "1b lora every fourth liger": (
        "llama-1b",
        [LORA, "training.activation_checkpointing=4", PLAIN, LIGER, rows(8)],
    ),
    "1b lora attention dropout": (
        "llama-1b",
        [LORA, KEPT, PLAIN, NONE, rows(4), "method.target_modules=attention", "method.dropout=0.05"],
    ),
    "1b lora lean": ("llama-1b", [LORA, KEPT, PLAIN, NONE, rows(8), "method.adapter_dtype=bfloat16"]),
    "1b qlora auto": ("llama-1b", [QLORA]),
    "1b qlora kept liger joined": ("llama-1b", [QLORA, KEPT, PLAIN, LIGER, JOINED, rows(4)]),
    "1b dora": ("llama-1b", [DORA, ALL, rows(4)]),
    "1b full auto": ("llama-1b", [FULL]),
    "1b full 8-bit recomputed": (
        "llama-1b",
        [FULL, ALL, PLAIN, NONE, rows(4), "training.optimizer=adamw_8bit"],
    ),
    "1b full compiled": ("llama-1b", [FULL, KEPT, COMPILED, NONE, rows(4)]),
    "1b lora packed": ("llama-1b", [LORA, KEPT, PLAIN, NONE, "data.packing=true", rows(4)]),
    "qwen3 lora auto": ("qwen3-1.7b", [LORA]),
    "qwen3 qlora auto": ("qwen3-1.7b", [QLORA]),
    "qwen3 full": ("qwen3-1.7b", [FULL, ALL, rows(8)]),
    "gemma3 lora auto": ("gemma3-1b", [LORA]),
    "gemma3 lora padded": ("gemma3-1b", [LORA, KEPT, PLAIN, NONE, PADDED, rows(4)]),
    "gemma3 lora joined": ("gemma3-1b", [LORA, KEPT, PLAIN, NONE, JOINED, rows(4)]),
    "gemma3 qlora": ("gemma3-1b", [QLORA, ALL, JOINED, rows(8)]),
}


def alone(name: str) -> bool:
    """Whether a run has a card for itself, all of whose memory is its plan's."""
    return name.startswith("8b")


def takes(gpu: str, name: str, running: list[tuple[str, str, subprocess.Popen[str]]]) -> bool:
    there = [other for other, one, _ in running if one == gpu]
    if alone(name) or any(alone(other) for other in there):
        return not there
    return len(there) < TOGETHER


def start(name: str, options: argparse.Namespace, work: Path, gpu: str) -> subprocess.Popen[str]:
    folder, sets = RUNS[name]
    preset: dict[str, Any] = {
        "version": 1,
        "model": {"base": str(options.models / folder)},
        "data": {"train": str(options.rows), "eval": 0.02, "max_length": 1024},
        "method": {"rank": 16},
        "training": {"effective_batch": 16, "max_steps": 3},
        "evaluation": {"score": "none", "rows": 0, "samples": 0},
    }
    return launch(name, preset, sets if alone(name) else [SHARED, *sets], work, gpu)


def launch(name: str, preset: dict[str, Any], sets: list[str], work: Path, gpu: str) -> subprocess.Popen[str]:
    """Start a run of a preset on one GPU, with a state directory of its own."""
    place = work / f"{name.replace(' ', '-')}.yaml"
    place.write_text(json.dumps(preset), encoding="utf-8")
    command = [sys.executable, "-m", "tuiftune", "train", str(place), "--name", name.replace(" ", "-")]
    command += ["--runs", str(work / "runs"), *(word for item in sets for word in ("--set", item))]
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(work / name.replace(" ", "-")),
        "CUDA_VISIBLE_DEVICES": gpu,
    }
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def row_of(name: str, run: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    _, said = process.communicate()
    row: dict[str, Any] = {"name": name, "exit": process.returncode}
    if not (run / "plan.json").exists():
        return {**row, "failed": said[-400:]}
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    preflight = next((e for e in told if e["type"] == "memory" and e.get("preflight")), None)
    training, data = plan["resolved"]["training"], plan["resolved"]["data"]
    row |= {
        "chosen": {
            key: training[key]
            for key in ("micro_batch", "activation_checkpointing", "kernels", "compile", "optimizer")
        },
        "padding_free": data["padding_free"],
        "attention": plan["resolved"]["model"]["attention"],
        "predicted": {key: plan["memory"][key] for key in ("allocated", "reserved", "device", "needs")},
        "available": plan["gpu"]["memory_available"],
        "measured": preflight and {key: preflight[key] for key in ("allocated", "reserved", "device")},
        "trained": {
            key: max((e.get(key) or 0 for e in told if e["type"] == "memory"), default=0)
            for key in ("allocated", "reserved", "device")
        },
        "seconds": preflight and preflight["seconds"],
        "warnings": [e["code"] for e in told if e["type"] == "warning"],
    }
    if process.returncode:
        row["failed"] = next((e["why"] for e in reversed(told) if e["type"] == "end"), said[-400:])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--gpus", default="0")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", default="none", help="names that begin so are left out")
    parser.add_argument("--limit", type=float, default=1e9, help="start no further run after so many seconds")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="preflights-"))
    waiting = deque(name for name in RUNS if options.only in name and not name.startswith(options.skip))
    measure(waiting, lambda name, gpu: start(name, options, work, gpu), work / "runs", options)


def measure(
    waiting: deque[str],
    begin: Callable[[str, str], subprocess.Popen[str]],
    runs: Path,
    options: argparse.Namespace,
) -> None:
    """Begin each waiting run on a GPU that takes it, until the time is up; write a row when it has ended."""
    running: list[tuple[str, str, subprocess.Popen[str]]] = []
    began = time.monotonic()
    with options.out.open("a", encoding="utf-8") as out:
        while running or (waiting and time.monotonic() - began < options.limit):
            for gpu in options.gpus.split(","):
                late = time.monotonic() - began > options.limit
                if waiting and not late and takes(gpu, waiting[0], running):
                    name = waiting.popleft()
                    running.append((name, gpu, begin(name, gpu)))
            for entry in list(running):
                name, _, process = entry
                if process.poll() is None:
                    continue
                running.remove(entry)
                row = row_of(name, runs / name.replace(" ", "-"), process)
                out.write(json.dumps(row) + "\n")
                out.flush()
                words = row.get("failed") or words_of(row)
                print(f"{time.monotonic() - began:5.0f} s  {name:34} {words}", flush=True)
            time.sleep(0.1)


def words_of(row: dict[str, Any]) -> str:
    measured, predicted = row["measured"], row["predicted"]
    if not measured:
        return f"no preflight: {row['warnings']}"
    error = predicted["allocated"] / measured["allocated"] - 1
    over = predicted["needs"] / (measured["reserved"] + 0.75 * 2**30) - 1
    held = f"allocated {measured['allocated'] / 2**30:6.2f} GiB, off {error:+.1%}; needs {over:+.1%}"
    return f"{held}; {row['seconds']:.0f} s {row['warnings']}"


if __name__ == "__main__":
    main()
