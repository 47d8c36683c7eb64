"""How a run was judged at each moment, and what of that is wrong for a course.

python -m benchmarks.health.judge DIRECTORY     of logs by `benchmarks.health.make`
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.health.courses import COURSES, Course
from tuiftune.plan import planned
from tuiftune.runs import health
from tuiftune.runs.state.run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_TIME = 0.1  # of the run, after the fault begins …
AT_LEAST = 3  # … or so many steps, in the shortest runs
SETTLED = 8  # steps, before which no loss is a spike yet


@dataclass(frozen=True)
class Judged:
    """Findings after each event.

    Attributes:
        steps: of the run.
        losses, evals: (step, loss), the latter while training.
        told: (step, codes, headline) whenever they changed.
        fixes: (step, fixes) likewise.
    """

    steps: int
    losses: list[tuple[int, float]]
    evals: list[tuple[int, float]]
    told: list[tuple[int, tuple[str, ...], str]]
    fixes: list[tuple[int, tuple[str, ...]]]

    def faults(self, course: Course) -> list[str]:
        """Return what is wrong with the judgement of a course; nothing if it is right."""
        wrong = []
        fine = {*course.expects, *course.allows}
        for step, codes, _ in self.told:
            wrong += [f"{code} at step {step}" for code in codes if code not in fine]
        if course.expects:
            if (begins := self.begins(course)) is None:
                return ["the fault doesn't show in the numbers"]
            until = begins + max(AT_LEAST, round(IN_TIME * self.steps))
            first = [step for step, codes, _ in self.told if any(code in course.expects for code in codes)]
            if not first or first[0] > until:
                wrong.append(f"not told by step {until}: {first[:1] or 'never'}")
        return wrong

    def begins(self, course: Course) -> int | None:
        """Return the step at which the fault of a course shows in the numbers; None where it doesn't."""
        if course.onset == "lowest eval":
            return min(self.evals, key=lambda seen: seen[1])[0]
        if course.onset == "spike":
            pairs = pairwise(self.losses)
            jumps = (at for (_, sooner), (at, later) in pairs if at > SETTLED and later > 3 * sooner)
            return next(jumps, None)
        return math.ceil(course.begins * self.steps)


def judged(events: Iterable[dict[str, Any]]) -> Judged:
    """Fold events as a watcher does, and judge after each of them."""
    state, foreseen = RunState(), planned.NOTHING
    losses: list[tuple[int, float]] = []
    evals: list[tuple[int, float]] = []
    told: list[tuple[int, tuple[str, ...], str]] = []
    fixes: list[tuple[int, tuple[str, ...]]] = []
    for event in events:
        if event["type"] == "plan":
            foreseen = planned.read(event)
            continue
        state.fold(event)
        if event["type"] not in ("step", "eval", "end"):
            continue
        if event["type"] == "step" and event["loss"] is not None:
            losses.append((event["step"], event["loss"]))
        elif event["type"] == "eval" and event["when"] == "during":
            evals.append((event["step"], event["loss"]))
        now = health.judge(state, foreseen)
        codes = tuple(remark.code for remark in now.remarks)
        if not told or told[-1][1:] != (codes, now.headline):
            told.append((state.step, codes, now.headline))
            fixes.append((state.step, tuple(remark.remedy for remark in now.remarks)))
    return Judged(state.total_steps or state.step, losses, evals, told, fixes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    by_name = {course.name: course for course in COURSES}
    for path in sorted(parser.parse_args().directory.glob("*.jsonl")):
        if path.stem not in by_name:
            continue
        one = judged(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        course = by_name[path.stem]
        wrong = one.faults(course) if course.judged else []
        seen = "  ".join(
            f"{step}:{'+'.join(codes) or headline.split(':')[0]}" for step, codes, headline in one.told
        )
        sys.stdout.write(f"{'WRONG' if wrong else 'right'}  {path.stem}  {seen}\n")
        sys.stdout.writelines(f"       {fault}\n" for fault in wrong)


if __name__ == "__main__":
    main()
