"""How fast a reinforcement stage samples: all answers of a step at once, as it does, and 16 at once.

    python benchmarks/rollouts.py MODEL ROWS.jsonl [--answers 128] [--new 128] [--steps 3]

`tuiftune train`, GRPO with LoRA on questions and answers (such as GSM8K's), 8 answers a prompt, everything
else at auto. The engine's own sampling is timed in each step, and then again with the first 16 prompts of it.
Prints one line a step; the first has warm-up in it.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAMPLING = "tuiftune.engine.stages.rewarded"
FEW = 16
OUT = "ROLLOUTS_OUT"


class _Timer(importlib.abc.MetaPathFinder):
    """Times sampling in the engine's process."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != SAMPLING:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def timed(module: Any) -> None:
            load(module)
            _time(module.Rewarded)

        spec.loader.exec_module = timed  # type: ignore[method-assign]
        return spec


def _time(trainer: Any) -> None:
    import torch

    def sample(self: Any, prompts: Any, *args: Any, **kwargs: Any) -> Any:
        def once(some: Any) -> tuple[Any, float]:
            began = time.perf_counter()
            found = super(trainer, self)._generate_single_turn(some, *args, **kwargs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return found, time.perf_counter() - began

        found, seconds = once(prompts)
        if not self.rehearses:
            _, few = once(prompts[:FEW])
            tokens = sum(map(len, found[0]))
            with open(os.environ[OUT], "a", encoding="utf-8") as out:
                out.write(
                    f"{len(prompts)} at once: {len(prompts) / seconds:.1f} answers/s; {FEW} at once: "
                    f"{FEW / few:.1f}; {tokens} tokens\n"
                )
        return found

    trainer._generate_single_turn = sample


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--answers", type=int, default=128)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="rollouts-"))
    preset = {
        "version": 1,
        "model": {"base": options.model},
        "data": {"train": str(options.rows.resolve()), "eval": 0.0, "max_length": 512},
        "method": {
            "stage": "grpo",
            "technique": "lora",
            "generations": 8,
            "max_completion_length": options.new,
            "rewards": [{"reward": "length", "tokens": 100}],
        },
        "training": {"effective_batch": options.answers, "max_steps": options.steps},
        "evaluation": {"score": "none", "rows": 0, "samples": 0},
    }
    (work / "rollouts.yaml").write_text(json.dumps(preset), encoding="utf-8")
    (work / "sitecustomize.py").write_text(
        f"import runpy, sys\nsys.meta_path.insert(0, runpy.run_path({__file__!r})['_Timer']())\n",
        encoding="utf-8",
    )
    given = [str(work), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(given), OUT: str(work / "out")}
    command = [sys.executable, "-m", "tuiftune", "train", str(work / "rollouts.yaml"), "--runs", str(work)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    print((work / "out").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
