"""Ten million tokenized rows: written, mapped again as a second start does, and trained on from the middle.

    python benchmarks/data/deep_resume.py [--rows 10000000] [--tokens 30] [--folder DIR]

The tokens are made up; files, digest, mapping, sampler and skipped batches are those of a run (transformers'
random sampler, accelerate's `skip_first_batches`). 2.4 GB of disk for ten million rows of 30 tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from many_rows import Memory

BATCH, AT_ONCE = 16, 4096


def written(folder: Path, rows: int, tokens: int) -> list[str]:
    """The files of so many rows of random tokens."""
    from tuiftune.engine.model.columns import Packed
    from tuiftune.engine.training.shards import Shards

    rng, shards = np.random.default_rng(0), Shards(folder, ("input_ids", "labels"))
    sizes = np.full(2 * AT_ONCE, tokens, dtype=np.int64).tobytes()
    for _ in range(-(-rows // AT_ONCE)):
        numbers = rng.integers(0, 32_000, (AT_ONCE, 1 + 2 * tokens))
        numbers[:, 0] = tokens
        keys = numbers[:, 1].tobytes()
        shards.add(Packed(numbers.tobytes(), sizes, keys, AT_ONCE, AT_ONCE, 0, 0, 0, {}))
    shards.flush()
    return shards.names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--tokens", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    import torch
    from accelerate import skip_first_batches
    from torch.utils.data import DataLoader, RandomSampler

    from tuiftune.engine.training.shards import mapped

    told: dict[str, Any] = {"rows": given.rows}
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        memory = Memory()

        def took(name: str, began: tuple[float, float]) -> None:
            told[name] = [round(time.monotonic() - began[0], 2), round(time.process_time() - began[1], 2)]

        began = time.monotonic(), time.process_time()
        names = written(folder, given.rows, given.tokens)
        took("written: s, CPU s", began)
        began = time.monotonic(), time.process_time()
        dataset, keys = mapped(folder, names)
        took("mapped: s, CPU s", began)
        generator = torch.Generator().manual_seed(42)
        loader: Any = DataLoader(
            dataset,
            batch_size=BATCH,
            sampler=RandomSampler(dataset, generator=generator),
            collate_fn=lambda rows: rows,
        )
        began = time.monotonic(), time.process_time()
        batches = iter(skip_first_batches(loader, len(loader) // 2))
        next(batches)
        took("first batch from the middle: s, CPU s", began)
        began = time.monotonic(), time.process_time()
        for _ in range(49):
            next(batches)
        took("49 more: s, CPU s", began)
        assert len(keys) == len(dataset)
        print(json.dumps({**told, **memory.end(), "load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
