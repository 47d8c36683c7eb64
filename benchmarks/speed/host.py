"""What the host needs to launch a layer's work: steps so short that the card waits for it.

    python benchmarks/speed/host.py MODEL_DIRECTORY OUT.jsonl [--only NAME;NAME] [--length 128]

One row of few tokens a micro step, sixteen micro steps a step, LoRA r16 on all linear layers, through
`tuiftune train`. The median over the steps after the fifth, a micro step, and divided by layers × passes:
that is what `LAUNCH` in `plan/speed.py` holds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from compare import rows_file

MICRO_STEPS, STEPS, WARM = 16, 16, 5
KEPT, RECOMPUTED = "training.activation_checkpointing=false", "training.activation_checkpointing=true"
LAYERS: dict[str, list[str]] = {
    "plain": ["training.kernels=none", "training.compile=false"],
    "liger": ["training.kernels=liger", "training.compile=false"],
    "compile": ["training.kernels=none", "training.compile=true"],
}
KINDS = {
    f"{name}, {'kept' if memory == KEPT else 'recomputed'}": [*sets, memory]
    for name, sets in LAYERS.items()
    for memory in (KEPT, RECOMPUTED)
}


def measure(model: Path, rows: Path, work: Path, name: str, length: int) -> dict[str, Any]:
    preset = work / "host.yaml"
    preset.write_text(
        json.dumps(
            {
                "version": 1,
                "model": {"base": str(model)},
                "data": {
                    "train": str(rows),
                    "eval": 0.0,
                    "max_length": length,
                    "format": "text",
                    "loss_on": "all",
                },
                "method": {"technique": "lora", "rank": 16},
                "training": {"micro_batch": 1, "effective_batch": MICRO_STEPS, "max_steps": STEPS},
                "evaluation": {"score": "none", "rows": 0, "samples": 0},
            }
        ),
        encoding="utf-8",
    )
    folder = name.replace(", ", "-")
    command = [sys.executable, "-m", "tuiftune", "train", str(preset), "--no-preflight", "--name", folder]
    command += ["--runs", str(work / "runs"), *(word for item in KINDS[name] for word in ("--set", item))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"name": name, "failed": done.stderr[-400:]}
    run = work / "runs" / folder
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    times = [event["t"] for event in events if event["type"] == "step"][WARM:]
    second = statistics.median(b - a for a, b in pairwise(times)) / MICRO_STEPS
    layers = json.loads((model / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    passes = 3 if RECOMPUTED in KINDS[name] else 2
    return {"name": name, "micro_step": second, "layer_pass": second / layers / passes, "length": length}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="names of runs, with semicolons between them")
    parser.add_argument("--length", type=int, default=128, help="tokens of a row")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="host-"))
    rows = rows_file(work / "rows.jsonl", 400)
    os.environ.setdefault("XDG_STATE_HOME", str(work / "state"))
    with options.out.open("a", encoding="utf-8") as out:
        for name in KINDS:
            if options.only and name not in options.only.split(";"):
                continue
            result = measure(options.model, rows, work, name, options.length)
            out.write(json.dumps(result) + "\n")
            out.flush()
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
