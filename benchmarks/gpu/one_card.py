"""A model on one GPU over an FP8 or NF4 base, rows of 2,048 tokens: memory and speed, planned and measured.

    python benchmarks/gpu/one_card.py OUT.jsonl MODEL_DIRECTORY fp8|nf4|none [--steps 12] [--batch 4]

`tuiftune train` with LoRA of rank 16, the rest at auto; the plan is that of the run's directory, made before
it began. The run is killed after its last step but one, so that neither checkpoint nor result takes disk. For
70B, `shape.py --sparse` makes files with holes. The 16-bit weights are read through the files' pages and not
held, in FP8 too: the kernel takes those pages back, so RAM may be smaller than the model (`peak_ram` has both
parts). With `builtin:tiny` it runs on a CPU, to try the script out. Prints and appends one JSON row.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import Any

from shared_model import append, texts, trained

GIB = 1 << 30


def settings(model: str, kind: str, batch: int, steps: int) -> dict[str, Any]:
    preset = texts(model, batch, steps)
    preset["method"] = {"technique": "qlora" if kind == "nf4" else "lora", "rank": 16, "alpha": 32}
    if kind != "nf4":
        preset["model"]["quantization"] = kind
    if not model.startswith("builtin:"):
        preset["hardware"] = {"gpus": 1}
    return preset


def watch(found: dict[str, int], done: threading.Event) -> None:
    """The most memory of any process's own, and of pages of files that it reads, in bytes."""
    while not done.wait(0.5):
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = [line.split() for line in status.read_text().splitlines()]
            except OSError:
                continue
            for key in ("RssAnon:", "RssFile:"):
                size = next((int(line[1]) << 10 for line in lines if line[:1] == [key]), 0)
                found[key[3:-1].lower()] = max(found.get(key[3:-1].lower(), 0), size)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("model")
    parser.add_argument("base", choices=("none", "fp8", "nf4"), help="what the base model is held in")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=4, help="rows a step")
    parser.add_argument("--limit", type=float, default=300, help="seconds until it is given up")
    parser.add_argument("--set", action="append", default=[], help="a further setting")
    options = parser.parse_args()
    ram: dict[str, int] = {}
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(ram, done))
    watcher.start()
    began = time.monotonic()
    preset = settings(options.model, options.base, options.batch, options.steps)
    row = trained(preset, options.steps, options.limit, options.set)
    seconds = round(time.monotonic() - began, 1)
    done.set()
    watcher.join()
    row = {"seconds": seconds, "peak_ram": ram, **row}
    append(options.out, {"model": Path(options.model).name, "base": options.base, **row})
    if "predicted" not in row:
        return
    for key in ("allocated", "reserved", "device"):
        parts = [row["predicted"][key], row["preflight"][key], row["trained"][key]]
        shown = ["-" if not part else f"{part / GIB:.2f}" for part in parts]
        print(f"{key:10} GiB predicted {shown[0]}, in the preflight check {shown[1]}, in training {shown[2]}")
    print(f"needs      GiB predicted {row['predicted']['needs'] / GIB:.2f}")
    print(
        f"tokens/s   predicted {row['predicted_tokens_per_second']:.0f}, measured {row['tokens_per_second']}"
    )
    print(f"first step after {row['first_step']} s", flush=True)


if __name__ == "__main__":
    main()
