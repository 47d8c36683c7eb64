"""Predictions against measurements, as a Markdown table with every miss shown.

python benchmarks/memory/compare.py MEASURED.jsonl PREDICTIONS.jsonl
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

GIB = 1 << 30
CONTEXT = int(
    0.75 * GIB
)  # outside the allocator where a row does not say: one H200, every single-process run


def rows_of(place: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {row["name"]: row for row in rows}


def main() -> None:
    measured = rows_of(Path(sys.argv[1]))
    predicted = rows_of(Path(sys.argv[2]))
    print("| Run | allocated GiB | predicted | error | reserved + context | needs | above |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    errors, above, failed = [], [], []
    for name, row in measured.items():
        if "failed" in row or name not in predicted:
            failed.append((name, row.get("failed", "not predicted")))
            continue
        guess = predicted[name]
        error = guess["allocated"] / row["peak_allocated"] - 1
        truth = row["peak_reserved"] + CONTEXT
        over = guess["needs"] / truth - 1
        errors.append(abs(error))
        above.append(over)
        mark = " **below**" if over < 0 else ""
        print(
            f"| {name} | {row['peak_allocated'] / GIB:.2f} | {guess['allocated'] / GIB:.2f} | {error:+.2%} "
            f"| {truth / GIB:.2f} | {guess['needs'] / GIB:.2f} | {over:+.1%}{mark} |"
        )
    for name, why in failed:
        print(f"| {name} | – | | {str(why)[:60]} | | | |")
    if not errors:
        sys.exit("no run was both predicted and measured")
    below, far = sum(over < 0 for over in above), sum(over > 0.12 for over in above)
    print(
        f"\n{len(errors)} runs: allocated is off by {statistics.median(errors):.2%} in the median, "
        f"{statistics.mean(errors):.2%} on average, {max(errors):.2%} at worst. "
        f"`needs` is below reserved + context in {below} and more than 12 % above it in {far}."
    )


if __name__ == "__main__":
    main()
