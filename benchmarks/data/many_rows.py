"""What rows cost before the first step, from ten thousand to ten million: read, split, tokenized; then again.

    python benchmarks/data/many_rows.py [--rows 10000 100000 1000000] [--words 100] [--text]
        [--processes N] [--folder DIR]

The tokenizer is that of `tokenizing.py`, the rows are `corpus.write_many`'s. Every job runs in a process of
its own: the first start with an empty cache, then a second one. Memory (PSS: what several processes share is
counted once) is sampled over the process and those it started; what is mapped from files counts as resident
while it is in use, and is given back when others need it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from corpus import write, write_many
from tokenizing import make_tokenizer


class Quiet:
    """A report that keeps when how many training rows were tokenized."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int]] = []

    def phase(
        self, name: str, detail: str = "", *, done: int | None = None, total: int | None = None
    ) -> None:
        if name == "tokenising" and detail.startswith("training rows") and done:
            self.rows.append((time.monotonic(), done))

    def warning(self, *said: str) -> None:
        print("warning:", *said, file=sys.stderr)

    def rate(self) -> float | None:
        """Rows a second, once the processes are there."""
        if len(self.rows) < 2:
            return None
        (began, first), (ended, last) = self.rows[0], self.rows[-1]
        return (last - first) / (ended - began)


class Memory:
    """The most that some processes (this one and its children) had resident, in MB: private, and with mapped
    files.
    """

    def __init__(self, processes: Callable[[], list[int]] | None = None) -> None:
        self._processes = processes or _family
        self.private = self.resident = 0
        self.cost = 0.0  # CPU seconds of looking
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        took = 0.0  # gigabytes of mapped files take long to be looked through
        while not self._over.wait(max(1.0, 20 * took)):
            began = time.monotonic()
            private = resident = 0
            for one in self._processes():
                try:
                    told = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:]
                    fields = dict(line.split(":", 1) for line in told)
                    private += int(fields["Pss_Anon"].split()[0]) >> 10
                    resident += int(fields["Pss"].split()[0]) >> 10
                except (OSError, KeyError, ValueError):
                    continue
            self.private, self.resident = max(self.private, private), max(self.resident, resident)
            self.cost, took = time.thread_time(), time.monotonic() - began

    def end(self) -> dict[str, int]:
        self._over.set()
        self._thread.join()
        return {"private MB": self.private, "resident MB": self.resident}


def _family() -> list[int]:
    import psutil

    own = psutil.Process()
    return [one.pid for one in (own, *own.children(recursive=True))]


def start(folder: Path, path: Path, stage_key: str, processes: int | None) -> dict[str, Any]:
    """What a run does with its rows up to its trainer, then 50 batches of 16 rows from the middle on."""
    from tuiftune.engine.process import libraries

    libraries.environment()
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets
    from transformers import AutoTokenizer

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.stages.base import stage
    from tuiftune.engine.training import kept, rows
    from tuiftune.preset.schema import Preset

    datasets.disable_caching()
    rows.MANY_BYTES = 1
    if processes:
        kept.processes = lambda: processes
    values: dict[str, Any] = {"model": {"base": str(folder)}, "method": {"stage": stage_key}}
    values["data"] = {"train": str(path), "max_length": 2048}
    wanted: Any = SimpleNamespace(preset=Preset.model_validate(values))
    base = Base(str(folder), str(folder), None, None, remote_code=False)
    report: Any = Quiet()

    def make() -> RowTokenizer:
        return RowTokenizer(AutoTokenizer.from_pretrained(folder), max_length=2048, loss_on="assistant")

    half = stage(stage_key)
    memory, cpu, began = Memory(), _cpu(), time.monotonic()
    examples = rows.load(wanted.preset, report, lambda: None)
    read, after_reading, own = time.monotonic(), _cpu(), time.process_time()
    training, held_out, _ = kept.prepared(base, half, make, examples, wanted, report, lambda: None)
    leaked = rows.leaked(training, held_out)
    ended, after_tokenizing, own = time.monotonic(), _cpu(), time.process_time() - own - memory.cost
    count = training.rows + (held_out.rows if held_out else 0)
    first = training.rows // 2
    training.dataset[first : first + 16]
    batch = time.monotonic()
    for step in range(1, 50):
        training.dataset[(first + 16 * step) % training.rows : (first + 16 * step) % training.rows + 16]
    steps = time.monotonic()
    rate = report.rate()
    return {
        "rows": count,
        "read s": round(read - began, 2),
        "read CPU s": round(after_reading - cpu, 2),
        "tokenize s": round(ended - read, 2),
        "tokenize CPU s": round(after_tokenizing - after_reading - memory.cost, 2),
        "of it in one process": round(own, 2),
        "rows a second": rate and round(rate),
        "first batch s": round(batch - ended, 2),
        "50 batches s": round(steps - ended, 2),
        "leaked": leaked,
        **memory.end(),
        "digest": training.digest[:16],
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu() -> float:
    """Seconds of this process and of those it has started and ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--processes", type=int, help="that tokenize; as many as there are cores if not given"
    )
    parser.add_argument("--words", type=int, default=100, help="in a row, on average")
    parser.add_argument("--text", action="store_true", help="plain text, for continued pre-training")
    parser.add_argument("--folder", type=Path, help="keep corpus and tokenizer here, and use them again")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        key = "pretrain" if given.text else "sft"
        print(json.dumps(start(given.folder / "chatml", given.child, key, given.processes)), flush=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        cache = folder / "cache"
        words = [sys.executable, __file__, "--folder", str(folder)]
        if given.text:
            words.append("--text")
        if given.processes:
            words += ["--processes", str(given.processes)]
        for count in given.rows:
            path = folder / f"{'text' if given.text else 'rows'}-{count}-{given.words}.jsonl"
            if not path.exists():
                write_many(path, count, given.words, text=given.text)
            if not (folder / "chatml").exists():
                make_tokenizer(folder, write(folder / "corpus.jsonl", 20_000), 32_000)
            shutil.rmtree(cache, ignore_errors=True)
            for _ in range(2):
                environment = {**os.environ, "TUIFTUNE_CACHE": str(cache)}
                subprocess.run([*words, "--child", str(path)], check=True, env=environment)
            shutil.rmtree(cache, ignore_errors=True)


if __name__ == "__main__":
    main()
