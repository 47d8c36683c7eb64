"""`python -m tuiftune.evaluate.custom_worker FILE`: a metric file's `score` of each row on its input."""

from __future__ import annotations

import inspect
import json
import runpy
import sys


def main(path: str) -> int:
    """Print one number a row. Exit 1, with the last line on standard error, if the file fails."""
    out = sys.stdout
    sys.stdout = sys.stderr  # what the file prints must not look like a score
    try:
        score = runpy.run_path(path).get("score")
        if not callable(score):
            sys.stderr.write("defines no function score(answer, reference)\n")
            return 1
        wanted = inspect.signature(score).parameters
    except BaseException as fault:
        sys.stderr.write(f"\n{type(fault).__name__}: {' '.join(str(fault).split())}\n")
        return 1
    more = [name for name in ("prompt", "row") if name in wanted]
    for line in sys.stdin:
        row = json.loads(line)  # raw: written by `evaluate.scorers.custom`
        try:
            value = score(row["answer"], row["reference"], **{name: row[name] for name in more})
        except BaseException as fault:
            said = " ".join(str(fault).split())
            sys.stderr.write(f"\nrow {row['row']}: {type(fault).__name__}: {said}\n")
            return 1
        out.write(json.dumps(value if value is None else float(value)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
