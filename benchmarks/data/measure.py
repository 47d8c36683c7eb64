"""What the data room costs, beside other ways to do the same: CPU seconds, wall seconds and peak memory of
each job.

    python benchmarks/data/measure.py [--rows 100000] [--million] [JOB …]

Every job runs in a process of its own on the same seeded corpus. `datasets` and `datasketch` are measured
where they are installed. CPU seconds are those of all threads: on a loaded machine they say more than the
clock.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from corpus import write

Result = dict[str, Any]


def structural(path: Path) -> Result:
    """Reading, structure, exact duplicates, same input with different answers, lengths, encoding."""
    from tuiftune.data.checks.check import Subject
    from tuiftune.data.checks.duplicates import duplicates
    from tuiftune.data.checks.encoding import encoding
    from tuiftune.data.checks.lengths import length_outliers
    from tuiftune.data.checks.structure import structure
    from tuiftune.data.read.load import load

    subject = Subject(load(str(path)))
    for stage in (structure, duplicates, length_outliers, encoding):
        list(stage(subject))
    return {"rows": subject.dataset.rows}


def structural_datasets(path: Path) -> Result:
    """The same by datasets.map: one pass of Python a row."""
    from datasets import load_dataset

    seen: set[int] = set()
    faulty = re.compile("[ÂÃ][\u0080-\u00bf]|\ufffd|[\x00-\x08\x0b-\x1f]")
    with tempfile.TemporaryDirectory() as cache:
        rows = load_dataset("json", data_files=str(path), split="train", cache_dir=cache)

        def judge(row: dict[str, str]) -> dict[str, Any]:
            text = f"{row['instruction']}\n{row['input']}\n{row['output']}"
            key = hash(text)
            repeated = key in seen
            seen.add(key)
            return {
                "length": len(text),
                "repeated": repeated,
                "empty": not row["output"].strip(),
                "faulty": bool(faulty.search(text)),
            }

        return {"rows": len(rows.map(judge))}


def near(path: Path) -> Result:
    """Exact near-duplicate pairs and groups, and leakage into a 5 % split."""
    from tuiftune.data.checks.check import Subject
    from tuiftune.data.checks.near import near_duplicates
    from tuiftune.data.read.load import load

    subject = Subject(load(str(path)))
    before = time.process_time()
    checks = {check.check: check.count for check in near_duplicates(subject)}
    return {"rows": subject.dataset.rows, **checks, "without reading": round(time.process_time() - before, 2)}


def near_quality(path: Path) -> Result:
    """Precision and recall of the pairs against the exact join in plain Python, on the first 10,000 rows."""
    from tuiftune.data.checks.near import Compared
    from tuiftune.data.read.load import load
    from tuiftune.data.similar.near import near_pairs

    texts = Compared([load(str(path))]).slice(0, 10_000)
    found = {(int(a), int(b)) for a, b in near_pairs(texts).pairs}
    sets = []
    for text in texts.to_list():
        words = re.findall(r"\w+", text.lower())
        sets.append(frozenset(zip(words, words[1:], words[2:], strict=False)))
    having: dict[Any, list[int]] = {}
    truth: set[tuple[int, int]] = set()
    for index, shingles in enumerate(sets):
        shared = Counter(other for shingle in shingles for other in having.get(shingle, ()))
        for other, common in shared.items():
            if common >= 0.7 * (len(shingles) + len(sets[other]) - common):
                truth.add((other, index))
        for shingle in shingles:
            having.setdefault(shingle, []).append(index)
    hit = len(found & truth)
    return {"pairs": len(truth), "precision": hit / max(1, len(found)), "recall": hit / max(1, len(truth))}


def near_datasketch(path: Path) -> Result:
    """MinHash LSH by datasketch, 128 permutations, on the first 20,000 rows."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.7, num_perm=128)
    pairs = rows = 0
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number == 20_000:
                break
            row = json.loads(line)
            words = re.findall(r"\w+", f"{row['instruction']} {row['input']} {row['output']}".lower())
            made = MinHash(num_perm=128)
            made.update_batch([" ".join(words[at : at + 3]).encode() for at in range(max(1, len(words) - 2))])
            pairs += len(index.query(made))
            index.insert(number, made)
            rows += 1
    return {"rows": rows, "pairs": pairs}


def secrets(path: Path) -> Result:
    """Secrets, personal data and control tokens."""
    from tuiftune.data.checks.check import Subject
    from tuiftune.data.checks.secrets import secrets as scan
    from tuiftune.data.checks.special_tokens import special_tokens
    from tuiftune.data.read.load import load

    subject = Subject(load(str(path)))
    before, clock = time.process_time(), time.monotonic()
    counts = {check.check: check.count for stage in (scan, special_tokens) for check in stage(subject)}
    took = time.process_time() - before
    rate = subject.dataset.rows / took
    return {
        **counts,
        "rows a CPU second": round(rate),
        "rows a second": round(subject.dataset.rows / (time.monotonic() - clock)),
    }


def tokens(path: Path) -> Result:
    """Template and tokenizer of the built-in model over 20,000 rows."""
    from tuiftune import assets
    from tuiftune.data.read.load import load
    from tuiftune.data.tokens import lengths

    dataset = load(str(path))
    clock = time.monotonic()
    found = lengths(dataset, assets.BASE)
    took = time.monotonic() - clock
    return {
        "rows": len(found.total),
        "tokens": int(found.total.sum()),
        "rows a second": round(len(found.total) / took),
    }


def whole(path: Path) -> Result:
    """`data inspect`: every check."""
    from tuiftune.data.inspect import inspect
    from tuiftune.data.read.load import load

    return {"rows": inspect(load(str(path))).dataset.rows}


def clean(path: Path) -> Result:
    """`data clean`: repair, near-duplicates dropped, secrets masked, split 80/10/10."""
    from tuiftune.data.clean.run import Settings
    from tuiftune.data.clean.run import clean as repair
    from tuiftune.data.read.load import load

    settings = Settings(near=True, split="80/10/10")
    with tempfile.TemporaryDirectory() as folder:
        done = repair(load(str(path)), Path(folder) / "clean.jsonl", settings)
        return {"written": sum(rows for rows, _ in done.written.values())}


def mix(path: Path) -> Result:
    """`data mix`: a tenth of an epoch from general data beside."""
    from tuiftune.data.mix.sources import Mix, Source, mixed
    from tuiftune.data.mix.split import split
    from tuiftune.data.read.load import load

    train, held = split(load(str(path)), 0.05, 42)
    general = Source(str(path.parent / "general.jsonl"), share=0.1)
    return {"rows": len(mixed(train, held, Mix((general,)), 42, "main").examples)}


JOBS: dict[str, Callable[[Path], Result]] = {
    "structural": structural,
    "structural_datasets": structural_datasets,
    "near": near,
    "near_quality": near_quality,
    "near_datasketch": near_datasketch,
    "secrets": secrets,
    "tokens": tokens,
    "whole": whole,
    "clean": clean,
    "mix": mix,
}


def run(name: str, path: Path) -> Result:
    """One job in a process of its own, with its CPU seconds, wall seconds and peak memory in MB."""
    clock = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, "--child", name, "--path", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return {"job": name, "failed": done.stderr.strip().splitlines()[-1:]}
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.monotonic() - clock
    return {
        "job": name,
        "cpu_s": round(cpu, 2),
        "wall_s": round(wall, 2),
        **json.loads(done.stdout.splitlines()[-1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", default=list(JOBS), metavar="JOB", help=", ".join(JOBS))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="also 1,000,000 rows: checks, repair, mixing")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        result = JOBS[given.child](given.path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(json.dumps({"peak_mb": peak, **result}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "rows.jsonl", given.rows)
        write(Path(folder) / "general.jsonl", given.rows, seed=99)
        print(json.dumps({"rows": given.rows, "bytes": path.stat().st_size}), flush=True)
        for name in given.jobs:
            print(json.dumps(run(name, path)), flush=True)
        if given.million:
            many = Path(folder) / "million"
            many.mkdir()
            for part in range(10):
                write(many / f"part-{part}.jsonl", 100_000, seed=part + 1)
            for name in ("whole", "clean", "mix"):
                print(json.dumps({**run(name, many), "job": f"million: {name}"}), flush=True)


if __name__ == "__main__":
    main()
