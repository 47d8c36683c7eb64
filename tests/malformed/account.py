"""The account of the malformed inputs: `PYTHONPATH=tests python -m malformed.account [KIND]` prints it."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from malformed.generate import Case, cases
from malformed.measure import Outcome, run

SECONDS = 10.0
BYTES = 1 << 30
LONGEST_LINE = 600  # characters of the one line that says what is wrong
SOUND = (0, 2, 3)  # read as what it is · bad input · doesn't fit


@dataclass(frozen=True, slots=True)
class Tried:
    case: Case
    command: tuple[str, ...]
    outcome: Outcome

    @property
    def fault(self) -> str:
        """What the command did that no malformed input may make it do; "" for nothing."""
        seen = self.outcome
        last = seen.said.strip().splitlines()[-1:] or [""]
        faults = {
            "traceback": seen.traceback,
            f"{seen.seconds:.1f} s": seen.seconds > SECONDS,
            f"{seen.memory >> 20} MiB": seen.memory > BYTES,
            f"exit {seen.code}": seen.code not in SOUND,
            "says nothing": seen.code != 0 and not last[0],
            "no one line": seen.code == 2
            and (not last[0].startswith(("error: ", "tuiftune: ")) or len(last[0]) > LONGEST_LINE),
        }
        if self.command[:2] == ("preset", "check"):
            faults.pop("no one line")  # it lists every fault, a line each
        return ", ".join(name for name, is_so in faults.items() if is_so)


def tried(folder: Path, kind: str = "") -> list[Tried]:
    """Every command on every input, two inputs at a time. What `plan` reads as sound isn't trained."""
    made = [case for case in cases(folder) if kind in f"{case.kind} {case.name}"]

    def do(job: tuple[int, Case]) -> list[Tried]:
        number, case = job
        own = folder / f"job{number}"
        own.mkdir()
        done: list[Tried] = []
        for command in case.commands:
            if command[0] == "train" and any(
                one.command[0] == "plan" and one.outcome.code == 0 for one in done
            ):
                continue
            done.append(Tried(case, command, run(command, own)))
        return done

    with ThreadPoolExecutor(2) as pool:
        return [one for done in pool.map(do, enumerate(made)) for one in done]


def table(all_tried: list[Tried]) -> str:
    """Counts by kind and command: inputs, exit codes, worst time and memory, faults."""
    groups: dict[tuple[str, str], list[Tried]] = {}
    for one in all_tried:
        groups.setdefault(
            (one.case.kind, " ".join(one.command[: 2 if one.command[0] in ("preset", "data") else 1])), []
        ).append(one)
    lines = [
        "| kind | command | inputs | exit codes | worst time | worst memory | faults |",
        "|---|---|---|---|---|---|---|",
    ]
    for (kind, command), group in sorted(groups.items()):
        codes = Counter(one.outcome.code for one in group)
        slowest = max(one.outcome.seconds for one in group)
        largest = max(one.outcome.memory for one in group) >> 20
        faults = sum(bool(one.fault) for one in group)
        said = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
        lines.append(
            f"| {kind} | {command} | {len(group)} | {said} | {slowest:.1f} s | {largest} MiB | {faults} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        everything = tried(Path(place), sys.argv[1] if len(sys.argv) > 1 else "")
        for one in everything:
            if one.fault:
                said, command = one.outcome.said.strip()[-300:], " ".join(one.command)[:160]
                print(f"{one.fault} | {one.case.kind} | {one.case.name} | {command} | {said!r}")
        print(table(everything))
        print(
            len({(one.case.kind, one.case.name) for one in everything}),
            "inputs,",
            len(everything),
            "commands",
        )
