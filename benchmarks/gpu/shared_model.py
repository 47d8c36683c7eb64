"""One model over two GPUs with rows of 2,048 tokens: memory and speed, planned and measured.

    python benchmarks/gpu/shared_model.py OUT.jsonl MODEL_DIRECTORY full|lora|qlora [--steps 12] [--batch 16]

The run is `tuiftune train` with `hardware.parallel: fsdp` over two processes, the rest at auto; the plan is
that of the run's directory, made before it began. It is killed after its last step but one, so that neither
checkpoint nor result takes disk. With `builtin:tiny` as the model it runs on a CPU, to try the script out.
Prints and appends one JSON row.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))
LENGTH, WARM = 2048, 3


def told_by(run: Path) -> list[dict[str, Any]]:
    path = run / "events.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("model")
    parser.add_argument("technique")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16, help="rows a step")
    parser.add_argument("--limit", type=float, default=300, help="seconds until it is given up")
    parser.add_argument("--set", action="append", default=[], help="a further setting")
    options = parser.parse_args()
    cpu = options.model.startswith("builtin:")
    preset = {
        **texts(options.model, options.batch, options.steps),
        "method": {"technique": options.technique},
        "hardware": {"parallel": "fsdp", **({"processes": 2} if cpu else {"gpus": 2})},
    }
    row = trained(preset, options.steps, options.limit, options.set)
    append(options.out, {"model": Path(options.model).name, "technique": options.technique, **row})


def texts(model: str, batch: int, steps: int) -> dict[str, Any]:
    """What the presets have in common: rows of one length, as many as the steps take, and no evaluation."""
    from compare import rows_file

    rows = rows_file(Path(tempfile.mkdtemp(prefix="rows-")) / "rows.jsonl", batch * steps)
    return {
        "version": 1,
        "model": {"base": model},
        "data": {
            "train": str(rows),
            "eval": 0.0,
            "max_length": LENGTH // 16 if model.startswith("builtin:") else LENGTH,
            "format": "text",
            "loss_on": "all",
        },
        "training": {"effective_batch": batch, "max_steps": steps},
        "evaluation": {"score": "none", "rows": 0, "samples": 0},
        "run": {"save_every": 10_000},
    }


def trained(preset: dict[str, Any], steps: int, limit: float, sets: list[str]) -> dict[str, Any]:
    """Train it, up to the last step but one or for so many seconds: its row."""
    work = Path(tempfile.mkdtemp(prefix="shared-"))
    (work / "shared.yaml").write_text(json.dumps(preset), encoding="utf-8")
    run = work / "runs" / "shared"
    command = [sys.executable, "-m", "tuiftune", "train", str(work / "shared.yaml"), "--name", "shared"]
    command += ["--runs", str(run.parent), *(word for one in sets for word in ("--set", one))]
    environment = {**os.environ, "XDG_STATE_HOME": str(work / "state")}
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    late = ""
    while process.poll() is None:
        done = [event for event in told_by(run) if event["type"] == "step"]
        if len(done) >= steps - 1:
            break
        if time.monotonic() - began > limit:
            late = f"given up after {limit:.0f} s, at step {len(done)}"
            break
        time.sleep(0.3)
    if process.poll() is None:
        if (run / "engine.pid").exists():
            os.kill(json.loads((run / "engine.pid").read_text())["pid"], signal.SIGKILL)
        else:
            process.kill()
    _, said = process.communicate()
    return row_of(run, said) | ({"late": late} if late else {})


def append(out: Path, row: dict[str, Any]) -> None:
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps({key: row[key] for key in row if key != "training"}), flush=True)


def row_of(run: Path, said: str) -> dict[str, Any]:
    told = told_by(run)
    if not (run / "plan.json").exists() or not told:
        return {"failed": said[-600:]}
    plan = json.loads((run / "plan.json").read_text())
    memory = [event for event in told if event["type"] == "memory"]
    preflight = next((event for event in memory if event.get("preflight")), {})
    steps = [event for event in told if event["type"] == "step"]
    rates = [
        (after["tokens"] - before["tokens"]) / (after["t"] - before["t"])
        for before, after in pairwise(steps[WARM:])
    ]
    phases = [event for event in told if event["type"] == "phase" and not event.get("done")]
    row: dict[str, Any] = {
        "predicted": {key: plan["memory"][key] for key in ("allocated", "reserved", "device", "needs")},
        "preflight": {key: preflight.get(key) for key in ("allocated", "reserved", "device", "seconds")},
        "trained": {
            key: max((event.get(key) or 0 for event in memory), default=0)
            for key in ("allocated", "reserved", "device")
        },
        "shards": next((event["parameter_bytes"] for event in told if event["type"] == "shards"), None),
        "link": next((event for event in told if event["type"] == "links"), None),
        "tokens_per_second": round(statistics.median(rates)) if rates else None,
        "predicted_tokens_per_second": plan["speed"]["tokens_per_second"],
        "loss": [event["loss"] for event in steps],
        "phases": [(one["name"], one["detail"], round(one["t"] - told[0]["t"], 1)) for one in phases],
        "first_step": round(steps[0]["t"] - told[0]["t"], 1) if steps else None,
        "warnings": [event["message"] for event in told if event["type"] == "warning"],
        "training": plan["resolved"]["training"],
    }
    ends = [event for event in told if event["type"] == "end"]
    if ends and not steps:
        row["failed"] = ends[-1].get("why") or said[-600:]
        log = run / "engine.log"
        row["log"] = log.read_text()[-1500:] if log.exists() else ""
    return row


if __name__ == "__main__":
    main()
