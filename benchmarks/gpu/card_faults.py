"""Faults that only a real card has: its memory taken by a stranger, and an index out of range on it.

    python benchmarks/gpu/card_faults.py MODEL_DIRECTORY ROWS.jsonl OUT.json       one card, three minutes

0. Undisturbed, for the losses.
1. The run is planned on a free card; while it loads, another process takes all memory but what less than
   half of its activations need. The first step is out of memory: a fresh process with half the micro batch,
   until it fits; done, with the same losses.
2. An embedding is asked for a row that isn't there (a device-side assert): exit 1, named, and resumed.
3. The same as 1 with next to nothing left: exit 6; `resume` once the memory is free again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOG = """
import sys, time, torch
leave = float(sys.argv[1])
torch.zeros(1, device="cuda")
print("ready", flush=True)
sys.stdin.readline()
free, total = torch.cuda.mem_get_info()
held = torch.empty(int(free - leave * 2**30), dtype=torch.uint8, device="cuda")
print("held", held.numel() / 2**30, flush=True)
time.sleep(600)
"""
BAD_INDEX = """
import sys, torch
from trl import SFTTrainer
step = SFTTrainer.training_step
def stepped(self, *args, **kwargs):
    if self.state.global_step == 4:
        table = torch.nn.Embedding(4, 4, device="cuda")
        table(torch.tensor([1000], device="cuda")).sum().item()
    return step(self, *args, **kwargs)
SFTTrainer.training_step = stepped
from tuiftune.engine.__main__ import main
sys.exit(main(["train", sys.argv[1]]))
"""


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    path = run / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [
        event for event in (json.loads(line) for line in lines if line.endswith("}")) if event["type"] == kind
    ]


def wait_for(what: Any, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.05)


def tuiftune(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *words], capture_output=True, text=True, check=False, cwd=ROOT
    )


class World:
    def __init__(self, model: str, rows: str) -> None:
        self.work = Path(tempfile.mkdtemp(prefix="card-faults-"))
        self.runs = self.work / "runs"
        document = {
            "version": 1,
            "model": {"base": model},
            "data": {"train": rows, "eval": 0.0, "max_length": 1024, "packing": True},
            "method": {"technique": "lora", "rank": 16},
            "training": {
                "max_steps": 12,
                "effective_batch": 16,
                "micro_batch": 16,
                "activation_checkpointing": False,
                "compile": False,
                "kernels": "none",
            },
            "evaluation": {"score": "none", "rows": 0, "samples": 0},
            "run": {"save_every": 2},
        }
        self.preset = self.work / "fault.yaml"
        self.preset.write_text(json.dumps(document), encoding="utf-8")

    def start(self, name: str) -> Path:
        done = tuiftune(
            "train", str(self.preset), "--name", name, "--runs", str(self.runs), "--detach", "--no-preflight"
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return self.runs / name

    def stranger(self, leave: float) -> subprocess.Popen[str]:
        """Ready to take all memory but `leave` GiB at the first word to it."""
        process = subprocess.Popen(
            [sys.executable, "-c", HOG, str(leave)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def state(self, name: str) -> dict[str, Any]:
        found = json.loads(tuiftune("runs", "--runs", str(self.runs), "--json").stdout)
        runs = found["runs"] if isinstance(found, dict) else found
        return next(run for run in runs if run["name"] == name)

    def ended(self, run: Path) -> bool:
        return bool(events(run, "end"))


def losses(run: Path) -> list[float]:
    return [event["loss"] for event in events(run, "step")]


def undisturbed(world: World) -> dict[str, Any]:
    run = world.start("undisturbed")
    wait_for(lambda: world.ended(run), 240)
    print("   ", events(run, "end")[-1]["state"], losses(run), flush=True)
    return {"what": "undisturbed", "end": events(run, "end")[-1], "losses": losses(run)}


def memory_taken(world: World, share: float, name: str) -> dict[str, Any]:
    """Take all memory but `share` of what activations are to need, once the weights are loaded."""
    kept = json.loads((world.runs / "undisturbed" / "plan.json").read_text(encoding="utf-8"))
    leave = round(share * kept["memory"]["components"]["activations kept"] / 2**30, 2)
    stranger = world.stranger(leave)
    assert stranger.stdin is not None
    assert stranger.stdout is not None
    run = world.start(name)
    wait_for(lambda: any(e["name"] == "loading" and e["detail"] == "trainer" for e in events(run, "phase")))
    stranger.stdin.write("now\n")
    stranger.stdin.flush()
    print("  a stranger", stranger.stdout.readline().strip(), "GiB", flush=True)
    try:
        wait_for(lambda: world.ended(run), 240)
    finally:
        stranger.kill()
        stranger.wait()
    end = events(run, "end")[-1]
    said = [e["message"] for e in events(run, "warning") if e["code"].startswith("micro_batch")]
    print(" ", end["state"], end["exit_code"], end["why"], *said, sep="\n    ", flush=True)
    if end["state"] != "done":
        resumed = tuiftune("resume", name, "--runs", str(world.runs))
        said.append(f"resumed with free memory: exit {resumed.returncode}")
        print("   ", said[-1], flush=True)
    return {
        "what": f"all memory but {leave} GiB taken",
        "end": end,
        "said": said,
        "losses": losses(run),
        "state": world.state(name)["state"],
    }


def bad_index(world: World) -> dict[str, Any]:
    run = world.start("assert")
    wait_for(lambda: len(events(run, "step")) > 1)
    tuiftune("stop", "assert", "--runs", str(world.runs))
    stopped = len(events(run, "checkpoint"))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BAD_INDEX.replace('"train", sys.argv[1]', '"train", sys.argv[1], "--resume"'),
            str(run),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    end = events(run, "end")[-1]
    print(" ", end["state"], done.returncode, end["why"], flush=True)
    resumed = tuiftune("resume", "assert", "--runs", str(world.runs))
    print("    resumed: exit", resumed.returncode, flush=True)
    return {
        "what": "device-side assert",
        "end": end,
        "exit": done.returncode,
        "checkpoints": stopped,
        "resumed": resumed.returncode,
    }


def main() -> None:
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    world = World(sys.argv[1], sys.argv[2])
    os.environ["XDG_STATE_HOME"] = str(world.work / "state")
    found = []
    for words, do in (
        ("undisturbed", lambda: undisturbed(world)),
        ("memory taken: less than half left", lambda: memory_taken(world, 0.45, "less")),
        ("an index out of range on the card", lambda: bad_index(world)),
        ("memory taken: next to nothing left", lambda: memory_taken(world, 0.001, "none")),
    ):
        print(words, flush=True)
        try:
            found.append(do())
        except Exception as fault:  # the others are still to be seen
            found.append({"what": words, "failed": repr(fault)})
            print("  failed:", repr(fault), flush=True)
        Path(sys.argv[3]).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
