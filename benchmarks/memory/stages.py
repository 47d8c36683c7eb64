"""What `tuiftune train` plans for every stage and what its preflight check then measures.

    python benchmarks/memory/stages.py OUT.jsonl --models FOLDER [--gpus 0,1] [--only NAME] [--limit SECONDS]

FOLDER has, or gets, model directories in public shapes (`benchmarks/gpu/shape.py`). As in `preflights.py`:
each run is the real command, 3 steps of 16 rows, its plan is frozen into the run's directory before the
engine starts, and it has a state directory of its own, so that none corrects another. Small ones share a GPU.
One JSON row a run.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preflights import ROOT, launch, measure

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {
    "0.5b": "Qwen/Qwen2.5-0.5B",
    "1b": "meta-llama/Llama-3.2-1B",
    "8b": "meta-llama/Llama-3.1-8B",
}
ROWS = 200
SAMPLED = ("grpo", "rloo")
STAGES = ("pretrain", "dpo", "kto", "orpo", "simpo", "reward", "grpo", "rloo", "distill")
LARGE = (  # (stage, technique) of the 8B shape
    ("dpo", "lora"),
    ("dpo", "qlora"),
    ("kto", "lora"),
    ("orpo", "qlora"),
    ("simpo", "lora"),
    ("reward", "lora"),
    ("grpo", "lora"),
    ("rloo", "qlora"),
)
SHARED = "hardware.memory_limit=40GiB"  # of those that share a GPU


def runs() -> list[tuple[str, str, str, str]]:
    """Name, stage, shape and technique of each, the longest first."""
    found = [("8b", stage, technique) for stage, technique in LARGE]
    found += [("1b", stage, "lora") for stage in STAGES]
    found += [("0.5b", stage, "full") for stage in STAGES if stage != "distill"]
    found += [("1b", "dpo", "qlora"), ("1b", "grpo", "qlora")]
    return [(f"{shape} {stage} {technique}", stage, shape, technique) for shape, stage, technique in found]


def rows_of_stages(folder: Path) -> dict[str, Path]:
    """Write the rows that each stage trains on: words drawn by lot, of varied lengths."""
    draw = random.Random(7)
    known = ["order", "refund", "parcel", "street", "winter", "coffee", "ticket", "garden", "answer"]

    def text(fewest: int, most: int) -> str:
        return " ".join(draw.choices(known, k=draw.randint(fewest, most)))

    def pair(_: int) -> dict[str, Any]:
        return {"prompt": text(30, 160), "chosen": text(20, 160), "rejected": text(20, 160)}

    def judged(at: int) -> dict[str, Any]:
        return {"prompt": text(30, 160), "completion": text(20, 160), "label": at % 2 == 0}

    def problem(at: int) -> dict[str, Any]:
        return {"prompt": text(20, 80), "answer": str(at)}

    forms: dict[str, Callable[[int], dict[str, Any]]] = {
        "pairs": pair,
        "judged": judged,
        "problems": problem,
        "documents": lambda _: {"text": text(200, 1500)},
        "chats": lambda _: {"prompt": text(30, 160), "completion": text(20, 160)},
    }
    places = {}
    for form, row in forms.items():
        places[form] = folder / f"{form}.jsonl"
        places[form].write_text("".join(json.dumps(row(at)) + "\n" for at in range(ROWS)), encoding="utf-8")
    of = {
        "pretrain": "documents",
        "kto": "judged",
        "grpo": "problems",
        "rloo": "problems",
        "distill": "chats",
    }
    return {stage: places[of.get(stage, "pairs")] for stage in STAGES}


def preset_of(stage: str, technique: str, model: Path, rows: Path, teacher: Path) -> dict[str, Any]:
    method: dict[str, Any] = {"stage": stage, "technique": technique}
    if technique != "full":
        method["rank"] = 16
    if stage in SAMPLED:
        method |= {
            "rewards": [{"reward": "exact_match"}, {"reward": "length", "tokens": 100}],
            "generations": 8,
            "max_completion_length": 128,
        }
    if stage == "distill":
        method |= {"teacher": str(teacher), "max_completion_length": 128}
    return {
        "version": 1,
        "model": {"base": str(model)},
        "data": {"train": str(rows), "eval": 0.05, "max_length": 1024},
        "method": method,
        "training": {"effective_batch": 16, "max_steps": 3},
        "evaluation": {"score": "none", "rows": 0, "samples": 0},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--gpus", default="0", help="numbers of GPUs, with commas between them")
    parser.add_argument("--only", default="", help="parts of names, with semicolons between them")
    parser.add_argument("--limit", type=float, default=1e9, help="start no further run after so many seconds")
    parser.add_argument("--base", type=Path, help="this model in place of every shape: tries the script out")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="stages-"))
    rows = rows_of_stages(work)
    wanted = options.only.split(";")
    asked = {name: what for name, *what in runs() if any(part in name for part in wanted)}
    models = {}
    for shape in {shape for _, shape, _ in asked.values()} | {"1b"}:
        models[shape] = options.base or options.models / f"shape-{shape}"
        if not options.base:
            command = [sys.executable, ROOT / "benchmarks" / "gpu" / "shape.py", SHAPES[shape], models[shape]]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def begin(name: str, gpu: str) -> subprocess.Popen[str]:
        stage, shape, technique = asked[name]
        preset = preset_of(stage, technique, models[shape], rows[stage], models["1b"])
        return launch(name, preset, [] if shape == "8b" else [SHARED], work, gpu)

    measure(deque(asked), begin, work / "runs", options)


if __name__ == "__main__":
    main()
