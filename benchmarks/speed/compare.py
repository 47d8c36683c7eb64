"""Tokens per second of tuiftune's own plan against TRL's defaults, side by side on one card.

    python benchmarks/speed/compare.py OUT.jsonl [--shape meta-llama/Llama-3.1-8B] [--steps 30] [--only NAME]
        [--model DIRECTORY] [--real ROWS.jsonl] [--again] [--unsloth DIRECTORY]

Same random-weight model in the public shape, same rows (4 × 2048 tokens a step, no padding), LoRA r16 on all
linear layers. TRL's run is its SFT trainer with its defaults and the model loaded in bfloat16; ours is
`tuiftune train` with everything else left at auto. Tokens per second are the median over the steps after the
tenth, from each run's own log. With `--real`, the rows are questions and answers of their own lengths (such
as GSM8K's), cut at 1,024 tokens, 16 a step; tokens are those of rows, padding left out, over all those steps.
With `--again` each of ours runs twice: the second time to the first step is with what the first has left
(compiled layers, files read). With `--unsloth`, Unsloth's packages are in that directory ("" where they are
installed) and its runs take part.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LENGTH, BATCH, WARM = 2048, 4, 10

# Limits below 24 GiB are what Unsloth reserved there, and 0.75 GiB of CUDA context; that of 7.6 GiB has the
# plan's margin in addition, which so little memory doesn't hold: what the run reserves is to be below 7.6.
OURS: dict[str, list[str]] = {
    "lora": ["method.technique=lora"],
    "lora within 24 GiB": ["method.technique=lora", "hardware.memory_limit=24GiB"],
    "lora within 24 GiB, four rows": [
        "method.technique=lora",
        "hardware.memory_limit=24GiB",
        "training.micro_batch=4",
    ],
    "qlora": ["method.technique=qlora"],
    "qlora, memory of TRL's": ["method.technique=qlora", "hardware.memory_limit=11.5GiB"],
    "qlora within 10.4 GiB": ["method.technique=qlora", "hardware.memory_limit=11.15GiB"],
    "qlora within 7.6 GiB": ["method.technique=qlora", "hardware.memory_limit=8.7GiB"],
    "qlora, products in 16 bit": ["method.technique=qlora", "training.fp8_compute=false"],
    "fp8": ["method.technique=lora", "model.quantization=fp8"],
    "fp8 within 24 GiB": [
        "method.technique=lora",
        "model.quantization=fp8",
        "hardware.memory_limit=24GiB",
    ],
    "fp8 within 17.2 GiB": [
        "method.technique=lora",
        "model.quantization=fp8",
        "hardware.memory_limit=17.95GiB",
    ],
    "fp8 within 12.1 GiB": [
        "method.technique=lora",
        "model.quantization=fp8",
        "hardware.memory_limit=12.85GiB",
    ],
    "fp8, saved every 20 steps": ["method.technique=lora", "model.quantization=fp8", "run.save_every=20"],
    "lora, padded": ["method.technique=lora", "data.padding_free=false"],
}
KEPT, RECOMPUTED = "training.activation_checkpointing=false", "training.activation_checkpointing=true"
LIGER, COMPILED = "training.kernels=liger", "training.compile=true"
LEAN = "method.adapter_dtype=bfloat16"
LEVERS: dict[str, list[str]] = {
    "compiled, all kept": ["method.technique=lora", COMPILED, KEPT],
    "compiled, all kept, lean": ["method.technique=lora", COMPILED, KEPT, LEAN],
    "compiled, recomputed, lean": ["method.technique=lora", COMPILED, RECOMPUTED, LEAN],
    "liger, all kept, lean": ["method.technique=lora", LIGER, KEPT, LEAN],
    "liger, recomputed, lean": ["method.technique=lora", LIGER, RECOMPUTED, LEAN],
    "eager, all kept, lean": ["method.technique=lora", KEPT, LEAN],
    "qlora, compiled, recomputed": ["method.technique=qlora", COMPILED, RECOMPUTED],
    "fp8, not compiled": [
        "method.technique=lora",
        "model.quantization=fp8",
        "training.compile=false",
        RECOMPUTED,
    ],
    "fp8, compiled, recomputed": ["method.technique=lora", "model.quantization=fp8", COMPILED, RECOMPUTED],
    "lora, not compiled": ["method.technique=lora", "training.compile=false", RECOMPUTED],
    "qlora, liger, recomputed": ["method.technique=qlora", LIGER, RECOMPUTED],
}
OFF = {"training.kernels": "none", "training.compile": "false", "training.micro_batch": "4"}
TRL = {"TRL lora": "lora", "TRL qlora": "qlora"}
UNSLOTH = {"Unsloth lora": "lora", "Unsloth qlora": "qlora", "Unsloth fp8": "fp8"}


def rows_file(path: Path, rows: int) -> Path:
    """Text rows far longer than the length, so that each is cut to exactly `LENGTH` tokens."""
    pick = random.Random(0)
    words = [
        "order",
        "refund",
        "parcel",
        "street",
        "winter",
        "coffee",
        "ticket",
        "garden",
        "window",
        "letter",
    ]
    with path.open("w", encoding="utf-8") as out:
        for _ in range(rows):
            out.write(json.dumps({"text": " ".join(pick.choices(words, k=3 * LENGTH))}) + "\n")
    return path


def theirs(
    script: str, model: Path, technique: str, steps: int, rows: Path, *, real: bool, packages: str = ""
) -> dict[str, Any]:
    """Another library as its documentation shows it, in a process of its own."""
    command = [sys.executable, str(HERE / script), str(model), technique, str(steps), str(rows)]
    command += ["real"] if real else []
    given = ":".join(filter(None, (packages, os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, "PYTHONPATH": given}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return {"failed": done.stdout[-600:] + done.stderr[-1500:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ours(
    model: Path, overrides: list[str], steps: int, rows: Path, work: Path, name: str, real: bool
) -> dict[str, Any]:
    texts = {"max_length": LENGTH, "format": "text", "loss_on": "all"}
    preset = work / "speed.yaml"
    preset.write_text(
        json.dumps(
            {
                "version": 1,
                "name": "speed",
                "model": {"base": str(model)},
                "data": {
                    "train": str(rows),
                    "eval": 0.0,
                    **({"max_length": 1024} if real else texts),
                },
                "method": {"rank": 16, "alpha": 32},
                "training": {"effective_batch": 16 if real else BATCH, "max_steps": steps},
                "evaluation": {"score": "none", "rows": 0, "samples": 0},
            }
        ),
        encoding="utf-8",
    )
    sets = [word for item in overrides for word in ("--set", item)]
    run = work / "runs" / name
    command = [
        sys.executable,
        "-m",
        "tuiftune",
        "train",
        str(preset),
        *sets,
        "--name",
        name,
        "--runs",
        str(run.parent),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        log = run / "engine.log"
        return {"failed": (done.stderr[-400:] + (log.read_text()[-600:] if log.exists() else ""))}
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    times = [(e["t"], e["tokens"]) for e in events if e["type"] == "step" and e["step"] > WARM]
    rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(times) if b[0] > a[0]]
    if real:  # steps have different numbers of tokens
        rates = [(times[-1][1] - times[0][1]) / (times[-1][0] - times[0][0])]
    memory = [e for e in events if e["type"] == "memory"]
    preflight = next((e for e in memory if e.get("preflight")), {})
    plan = json.loads((run / "plan.json").read_text())
    return {
        "tokens_per_second": round(statistics.median(rates)),
        "reported": [e.get("tokens_per_second") for e in events if e["type"] == "step"][-1],
        "peak_reserved": max((e.get("reserved") or 0) for e in memory) if memory else None,
        "predicted_tokens_per_second": plan["speed"]["tokens_per_second"],
        "predicted_needs": plan["memory"]["needs"],
        "preflight": {key: preflight.get(key) for key in ("allocated", "reserved", "seconds")},
        "padding_free": plan["resolved"]["data"]["padding_free"],
        "training": plan["resolved"]["training"],
        "predicted": {key: plan["memory"][key] for key in ("allocated", "reserved")},
        "peak_allocated": max((e.get("allocated") or 0) for e in memory) if memory else None,
        "base": next((e for e in events if e["type"] == "base"), None),
        "warnings": [e["message"] for e in events if e["type"] == "warning"],
        "first_step": round(next(e["t"] for e in events if e["type"] == "step") - events[0]["t"], 1),
        "phases": _phases(events),
        "loss": [e["loss"] for e in events if e["type"] == "step"][:: max(1, steps // 5)],
        "lost_to_saves": _lost(events),
    }


def _lost(events: list[dict[str, Any]]) -> list[float]:
    """Seconds that each checkpoint took from training: those steps of the six after it that were longer than
    the median, by how much. The thread that syncs and hashes it is at work then.
    """
    steps = {e["step"]: e["t"] for e in events if e["type"] == "step" and e["step"] > WARM}
    took = {b: steps[b] - steps[a] for a, b in pairwise(steps)}
    usual = statistics.median(took.values())
    saved = sorted({e["step"] for e in events if e["type"] == "checkpoint"} & set(took))
    after = ([took[step] for step in range(at + 1, at + 7) if step in took] for at in saved)
    return [round(sum(one) - usual * len(one), 3) for one in after]


def _phases(events: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    """When each phase began, in seconds after the first event, up to the first step."""
    first = next((e["seq"] for e in events if e["type"] == "step"), 1 << 60)
    told = [e for e in events if e["type"] == "phase" and e["seq"] < first and not e.get("done")]
    return [(e["name"], e["detail"], round(e["t"] - events[0]["t"], 1)) for e in told]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--shape", default="meta-llama/Llama-3.1-8B")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", default="", help="names of runs, with semicolons between them")
    parser.add_argument("--model", type=Path, help="a model directory that is there already")
    parser.add_argument(
        "--real", type=Path, help="rows with question and answer, instead of texts of one length"
    )
    parser.add_argument(
        "--levers", action="store_true", help="each lever by itself instead of the comparison"
    )
    parser.add_argument("--again", action="store_true", help="each of ours twice")
    parser.add_argument("--unsloth", help="directory of Unsloth's packages; empty: they are installed")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="speed-"))
    started = time.monotonic()
    model = options.model or work / "model"
    child = [sys.executable, str(HERE.parent / "gpu" / "shape.py"), options.shape, str(model)]
    subprocess.run(child, check=True)  # in a process of its own, so that its memory is given back
    rows = options.real or rows_file(work / "rows.jsonl", BATCH * (options.steps + 4))
    real = options.real is not None
    os.environ.setdefault("XDG_STATE_HOME", str(work / "state"))
    with options.out.open("a", encoding="utf-8") as out:
        peers = [*TRL, *(UNSLOTH if options.unsloth is not None else ())]
        names = [*LEVERS] if options.levers else [*peers, *OURS]
        if options.only:
            names = [name for name in options.only.split(";") if name in names]
        if options.again:
            names = [one for name in names for one in ([name] if name in peers else [name, f"{name}, again"])]
        for name in names:
            if name in TRL:
                result = theirs("trl_defaults.py", model, TRL[name], options.steps, rows, real=real)
            elif name in UNSLOTH:
                result = theirs(
                    "unsloth_defaults.py",
                    model,
                    UNSLOTH[name],
                    options.steps,
                    rows,
                    real=real,
                    packages=options.unsloth,
                )
            else:
                if options.levers:
                    off = [
                        f"{key}={value}" for key, value in OFF.items() if key not in " ".join(LEVERS[name])
                    ]
                    LEVERS[name] += off
                result = ours(
                    model,
                    (OURS | LEVERS)[name.removesuffix(", again")],
                    options.steps,
                    rows,
                    work,
                    name.replace(" ", "-").replace(",", "").replace("'", ""),
                    real,
                )
            out.write(json.dumps({"name": name, "shape": options.shape, **result}) + "\n")
            out.flush()
            print(f"{time.monotonic() - started:5.0f} s  {name:24} {json.dumps(result)[:400]}", flush=True)


if __name__ == "__main__":
    main()
