"""The embedded dataset: messages to ticket lines, written to `tuiftune/assets/tickets.jsonl`.

python -m benchmarks.base_model.tickets            write it
python -m benchmarks.base_model.tickets --check    exit 1 when the file is not what the seed makes
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from benchmarks.base_model.service import MOODS, WISHES, Case, make_case

SEED = 20251
ROWS = 1014  # 26 of each of the 13 wishes in each of the 3 moods
TARGET = Path(__file__).parents[2] / "tuiftune" / "assets" / "tickets.jsonl"


def cases() -> list[Case]:
    """`ROWS` cases, balanced over wishes and moods. No number and no wording comes twice."""
    rng = random.Random(SEED)
    numbers = iter(rng.sample(range(1000, 10000), 9000))
    kinds = [(wish, mood) for wish in WISHES for mood in MOODS] * (ROWS // (len(WISHES) * len(MOODS)))
    rng.shuffle(kinds)
    seen: set[str] = set()
    made: list[Case] = []
    for wish, mood in kinds:
        case = make_case(rng, wish, mood, str(next(numbers)))
        while case.masked in seen:
            case = make_case(rng, wish, mood, case.number)
        seen.add(case.masked)
        made.append(case)
    return made


def document() -> str:
    """The file's text: one chat of two messages a line."""
    rows = (
        {
            "messages": [
                {"role": "user", "content": case.message},
                {"role": "assistant", "content": case.ticket},
            ]
        }
        for case in cases()
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare with the file that is there")
    arguments = parser.parse_args()
    if arguments.check:
        same = TARGET.exists() and TARGET.read_text(encoding="utf-8") == document()
        print("same" if same else f"{TARGET} is not what seed {SEED} makes")
        return 0 if same else 1
    TARGET.write_text(document(), encoding="utf-8")
    print(f"{ROWS} rows in {TARGET}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
