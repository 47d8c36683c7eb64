"""Predict the runs of `configurations.py` before they are measured: one JSON row a run.

    python benchmarks/memory/predict.py first|second|third [OUT]      (predictions-SET.jsonl beside this file)

The planner's own estimate: no torch, no measurement. Commit its output before the runs it predicts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from configurations import SETS, Run

from tuiftune.models import catalogue
from tuiftune.plan.memory import estimate
from tuiftune.plan.settings import Settings

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture


def settings_of(run: Run, arch: Architecture) -> Settings:
    """The planner's settings for a measured run: one micro step an optimizer step, no padding."""
    targets = run.target_modules
    return Settings(
        technique=run.technique,
        micro_batch=run.micro_batch,
        length=run.length,
        rank=run.rank,
        targets=targets if isinstance(targets, str) else tuple(targets),
        dropout=run.dropout if run.technique != "full" else 0.0,
        checkpointing=run.checkpointing,
        kernels="liger" if run.liger else "none",
        optimizer=run.optimizer,
        weight_bytes=4 if run.master and run.technique == "full" else 2,
        autocast=run.master and run.technique == "full",
        adapter_bytes=2 if run.technique == "qlora" and not run.master else 4,
        attention="sdpa" if arch.kind.sdpa else "eager",
    )


def main() -> None:
    name = sys.argv[1]
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / f"predictions-{name}.jsonl"
    runs = SETS[name]()
    models = {entry.id: entry.architecture for entry in catalogue.entries()}
    missing = sorted({run.model for run in runs} - models.keys())
    if missing:
        sys.exit(f"not in the catalogue: {', '.join(missing)}")
    with place.open("w", encoding="utf-8") as out:
        for run in runs:
            arch = models[run.model]
            memory = estimate(arch, settings_of(run, arch))
            row = {
                **run.row(),
                "family": arch.family,
                "components": memory.components,
                "allocated": memory.allocated,
                "reserved": memory.reserved,
                "device": memory.device,
                "needs": memory.needs,
            }
            out.write(json.dumps(row) + "\n")
    print(f"{len(runs)} predictions in {place}")


if __name__ == "__main__":
    main()
