"""What the plan predicts for runs over an FP8 base on one H200, before they are measured.

    python benchmarks/fp8/predict.py >benchmarks/fp8/predictions.jsonl

8B Llama shape, LoRA rank 16 on all linear layers, 4 × 2048 tokens a step: the runs of benchmarks/speed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from compare import LENGTH, OURS

from tuiftune.data.facts import DataFacts
from tuiftune.hardware.detect import detect
from tuiftune.models.resolve import resolve
from tuiftune.plan.resolve import make_plan
from tuiftune.preset.schema import Preset

MODEL = "meta-llama/Llama-3.1-8B"
FACTS = DataFacts(116, 0, LENGTH, LENGTH, (LENGTH,) * 21, "counted", "text")
COMMON = {
    "data.max_length": LENGTH,
    "method.rank": 16,
    "training.effective_batch": 4,
    "training.max_steps": 25,
}


def main() -> None:
    preset = Preset.model_validate({"model": {"base": MODEL}, "data": {"train": "rows.jsonl"}})
    machine = detect()
    for name, overrides in OURS.items():
        if not name.startswith(("fp8", "lora within 24 GiB")) and name != "lora":
            continue
        values = dict(one.split("=", 1) for one in overrides)
        fixed = {key: int(value) if value.isdigit() else value for key, value in values.items()}
        made = make_plan(preset.with_values({**COMMON, **fixed}), machine, resolve(MODEL), FACTS, gpu="H200")
        training, memory = made.resolved.training, made.memory
        found = {
            "name": name,
            "tokens_per_second": round(made.speed.tokens_per_second or 0),
            "allocated": memory.allocated,
            "reserved": memory.reserved,
            "needs": memory.needs,
            "micro_batch": training.micro_batch,
            "activation_checkpointing": training.activation_checkpointing,
            "compile": training.compile,
            "larger": made.larger and made.larger.micro_batch,
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
