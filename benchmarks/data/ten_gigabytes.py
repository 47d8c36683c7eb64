"""Ten million rows (10 GB, 2.5 billion tokens) inspected, tokenized, trained on and resumed in 4 GiB.

    python benchmarks/data/ten_gigabytes.py --folder DIR [--rows 10000 100000 1000000 10000000] [--limit 4]

Every command is the program's own, in a memory control group (version 1, as root; without one nothing is
limited, and the figures say so): `data inspect`; `train` of a model of two layers up to step 50, killed;
`resume`, stopped ten steps later; `resume` in the middle of the rows, stopped after ten more; and `train`
again, by another name. Training half of ten million rows would take weeks here, so the checkpoint in the
middle is the last one with its counters moved (`moved`): opening, mapping, skipping and the first batch are
real, what the model has learned is not. 45 GB of disk for ten million rows. The figures go to
DIR/figures.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from corpus import write, write_many
from many_rows import Memory
from tokenizing import make_tokenizer

PROGRAM = [sys.executable, "-m", "tuiftune"]
WORDS, NUMBERS = 157, 0.08  # 1,010 bytes and 250 tokens a row
STEPS, MORE, BATCH = 50, 10, 4
HELD_OUT = 100  # rows: of so many the eval loss of this model takes half a minute, of 5% of all of them a day
PRESET = """
version: 1
name: many
model: {{base: {model}}}
data: {{train: {rows}, eval: {share}}}
method: {{technique: lora, rank: 4}}
training: {{epochs: 1, effective_batch: {batch}}}
evaluation: {{rows: 16, max_new_tokens: 8, samples: 1, every: 1000000}}
run: {{save_every: 25}}
"""


class Group:
    """Control groups of at most so many bytes of memory, which count CPU seconds; none without the right to
    make them.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.memory, self.cpu = (Path("/sys/fs/cgroup") / kind / name for kind in ("memory", "cpuacct"))
        with suppress(OSError):
            for path in (self.memory, self.cpu):
                path.mkdir(exist_ok=True)
            (self.memory / "memory.limit_in_bytes").write_text(str(limit))
        self.there = (self.cpu / "cgroup.procs").exists()

    def enter(self) -> None:
        for path in (self.memory, self.cpu) if self.there else ():
            (path / "cgroup.procs").write_text(str(os.getpid()))

    def processes(self) -> list[int]:
        return [int(one) for one in _text(self.memory / "cgroup.procs").split()]

    def begin(self) -> None:
        """Count anew, without what earlier commands left in the page cache."""
        with suppress(OSError):
            (self.memory / "memory.force_empty").write_text("0")
        for path in (self.cpu / "cpuacct.usage", self.memory / "memory.failcnt"):
            with suppress(OSError):
                path.write_text("0")

    def figures(self) -> dict[str, Any]:
        """`limit reached`: how often pages were given back to stay within it."""
        if not self.there:
            return {"control group": "none"}
        told = dict(line.split() for line in _text(self.memory / "memory.oom_control").splitlines())
        return {
            "CPU s": round(int(_text(self.cpu / "cpuacct.usage")) / 1e9, 1),
            "limit reached": int(_text(self.memory / "memory.failcnt")),
            "killed": int(told.get("oom_kill", 0)),
        }

    def end(self) -> None:
        for path in (self.memory, self.cpu):
            with suppress(OSError):
                path.rmdir()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class Runs:
    """The program's commands in a group, and how each did."""

    def __init__(self, folder: Path, group: Group) -> None:
        self.folder, self.group = folder, group
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TUIFTUNE_CACHE": str(folder / "cache"),
            "TUIFTUNE_RUNS": str(folder / "runs"),
            "HF_HUB_OFFLINE": "1",
        }

    def call(
        self, name: str, *words: str, then: Callable[[Callable[[], bool]], None] | None = None
    ) -> dict[str, Any]:
        """One command; `then` is called while it runs, told whether it still does, and has it end."""
        self.group.begin()
        memory, began = Memory(self.group.processes), time.monotonic()
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*PROGRAM, *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                preexec_fn=self.group.enter,
            )
            if then is not None:
                then(lambda: child.poll() is None)
            code = child.wait()
        return {
            "command": name,
            "s": round(time.monotonic() - began, 1),
            "code": code,
            **memory.end(),
            **self.group.figures(),
            "load": round(os.getloadavg()[0], 1),
        }

    def train(self, name: str, run: str, until: int, end: list[str], *words: str) -> dict[str, Any]:
        """Train or resume a run until a step, and end it by another command."""
        log = self.folder / "runs" / run / "events.jsonl"
        begin = log.stat().st_size if log.exists() else 0
        started = time.time()

        def then(runs: Callable[[], bool]) -> None:
            while runs() and not any((one.get("step") or 0) >= until for one in _steps(log, begin)):
                time.sleep(1)
            subprocess.run([*PROGRAM, "stop", run, *end], env=self.environment, check=False)

        figures = self.call(name, *words, then=then)
        return {**figures, **_told(_events(log, begin), started)}


def _events(log: Path, begin: int) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(begin)
        return [json.loads(line) for line in file if line.endswith(b"\n")]


def _steps(log: Path, begin: int) -> list[dict[str, Any]]:
    return [one for one in _events(log, begin) if one["type"] == "step"]


def _told(events: list[dict[str, Any]], started: float) -> dict[str, Any]:
    """What the log of a run says of its beginning: seconds from its start on."""
    told: dict[str, Any] = {}
    tokenized = [
        one
        for one in events
        if one["type"] == "phase" and one["name"] == "tokenising" and one["detail"].startswith("training")
    ]
    if tokenized:
        first, last = tokenized[0], tokenized[-1]
        told["tokenized rows"] = (last["done"] or 0) - (first["done"] or 0)
        seconds = last["t"] - first["t"]
        told["tokenizing s"] = round(seconds, 1)
        told["rows a second"] = round(told["tokenized rows"] / seconds) if seconds else None
    steps = [one for one in events if one["type"] == "step"]
    training = [one for one in events if one["type"] == "phase" and one["name"] == "training"]
    if training and steps:
        first = steps[0]["t"] - training[0]["t"]
        told["first batch and step s"] = round(first, 2)
        told["first batch s"] = round(first * (steps[0]["data_wait"] or 0.0), 2)
        told["until the first step s"] = round(steps[0]["t"] - started, 1)
        told["step s"] = round((steps[-1]["t"] - steps[0]["t"]) / max(1, len(steps) - 1), 2)
        told["steps"] = [steps[0]["step"], steps[-1]["step"]]
    told["warnings"] = sorted({one["code"] for one in events if one["type"] == "warning"})
    return told


def make_model(folder: Path, tokenizer: Path) -> None:
    """A Llama of two layers with random weights, around a tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    known = AutoTokenizer.from_pretrained(tokenizer)
    config = LlamaConfig(
        vocab_size=len(known),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=known.pad_token_id,
        eos_token_id=known.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    known.save_pretrained(folder)


def moved(run: Path, row: int) -> int:
    """The newest checkpoint of a run as if it had been saved when so many rows had been trained on. Returns
    its step.
    """
    import torch

    from tuiftune.runs.store.checkpoint_store import _seal
    from tuiftune.runs.store.checkpoints import found_in

    _, newest = found_in(run / "checkpoints").checkpoints[0]
    step = row // BATCH
    goal = newest.with_name(f"checkpoint-{step}")
    shutil.copytree(newest, goal)
    state = json.loads((goal / "trainer_state.json").read_text())
    state["epoch"] = state["epoch"] * step / state["global_step"]
    state["global_step"] = step
    (goal / "trainer_state.json").write_text(json.dumps(state))
    schedule = torch.load(goal / "scheduler.pt", weights_only=True)
    schedule |= {"last_epoch": step, "_step_count": step + 1}
    torch.save(schedule, goal / "scheduler.pt")
    _seal(goal, step, 1)
    return step


def measured(folder: Path, rows: int, group: Group, jobs: list[str]) -> None:
    path = folder / f"rows-{rows}.jsonl"
    if not path.exists():
        write_many(path, rows, WORDS, numbers=NUMBERS)
    if not (folder / "tokenizer").exists():
        make_tokenizer(folder / "tokenizer", write(folder / "corpus.jsonl", 20_000), 32_000)
        make_model(folder / "model", folder / "tokenizer" / "chatml")
    preset = folder / f"many-{rows}.yaml"
    share = HELD_OUT / rows
    preset.write_text(PRESET.format(model=folder / "model", rows=path, share=share, batch=BATCH))
    runs = Runs(folder, group)

    def keep(figures: dict[str, Any]) -> None:
        figures = {"rows": rows, "bytes": path.stat().st_size, **figures}
        print(json.dumps(figures), flush=True)
        with (folder / "figures.jsonl").open("a") as file:
            file.write(json.dumps(figures) + "\n")

    if "inspect" in jobs:
        keep(runs.call(f"inspect-{rows}", "data", "inspect", str(path), "--model", str(folder / "model")))
    if "train" not in jobs:
        return
    run, train = f"many-{rows}", ["train", str(preset), "--name"]
    keep(runs.train(f"train-{rows}", run, STEPS, ["--kill"], *train, run))
    keep({"command": f"disk-{rows}", **_disk(folder)})
    keep(runs.train(f"resume-{rows}", run, STEPS + MORE, [], "resume", run))
    step = moved(folder / "runs" / run, rows // 2)
    keep(runs.train(f"middle-{rows}", run, step + MORE, [], "resume", run))
    keep(runs.train(f"again-{rows}", f"{run}-again", 2, ["--kill"], *train, f"{run}-again"))


def _disk(folder: Path) -> dict[str, Any]:
    sizes = {}
    for kind in (folder / "cache").iterdir():
        sizes[kind.name] = sum(one.stat().st_size for one in kind.rglob("*") if one.is_file()) >> 20
    return {f"{name} MB": size for name, size in sizes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, required=True, help="for all files, which stay there")
    parser.add_argument("--limit", type=float, default=4.0, help="GiB of memory")
    parser.add_argument("--jobs", nargs="+", choices=("inspect", "train"), default=["inspect", "train"])
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    group = Group(f"ten-gigabytes-{os.getpid()}", int(given.limit * (1 << 30)))
    for rows in given.rows:
        measured(given.folder, rows, group, given.jobs)
    group.end()


if __name__ == "__main__":
    main()
