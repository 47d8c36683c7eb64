"""`python -m benchmarks.faults --seed N --kills 200 [--short]`: every class of fault, and what it cost."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.faults import classes, damage
from benchmarks.faults.world import KINDS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.faults.classes import Outcome

Try = tuple[str, "Callable[[World], Outcome | None]"]
NUMBERS = ("loss nan", "loss inf", "gradient nan", "gradient inf", "weight nan", "weight nan and SIGTERM")
OTHERS = (
    classes.hung_up,
    classes.stop_file,
    classes.disk_full,
    classes.small_disk,
    classes.host_memory,
    classes.torn_log,
    classes.spoilt_log,
    classes.stale_pid,
)
SHORT = {"kinds": 2, "kills": 50, "workers": 2}  # within a minute on two cores


def tries(times: int) -> list[Try]:
    """Every fault but the kills, `times` times."""
    once: list[Try] = [("damage", partial(damage.damaged, file=f, way=w)) for f, w in damage.DAMAGES]
    once += [("signal", partial(classes.signalled, number=number)) for number in classes.SIGNALS]
    once += [("number", partial(classes.not_a_number, what=what)) for what in NUMBERS]
    once += [("changed", partial(classes.changed_settings, what=what)) for what in classes.CHANGED]
    once += [(attempt.__name__, attempt) for attempt in OTHERS]
    return once * times


def firsts(todo: list[Try]) -> list[Try]:
    """One of each kind."""
    return list({name: one for one in todo for name in [one[0]]}.values())


def work(world: World, todo: list[Try], kills: int, until: float) -> Iterator[Outcome]:
    """This worker's kills, then of the tries that are left in `todo`, which all workers share."""
    yield from classes.kills(world, kills, until)
    while todo and time.monotonic() < until:
        _, attempt = todo.pop()
        outcome = attempt(world)
        if outcome is not None:
            yield outcome


def table(outcomes: list[Outcome]) -> str:
    """Class, tries, lost, silent: as Markdown."""
    names = sorted({one.name for one in outcomes})
    count = {
        "tries": Counter(one.name for one in outcomes),
        "lost": Counter(one.name for one in outcomes if one.lost),
        "silent": Counter(one.name for one in outcomes if one.silent),
    }
    lines = ["| class | tries | lost | silent |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {' | '.join(str(kept[name]) for kept in count.values())} |" for name in names]
    lines.append(f"| **all** | {' | '.join(str(sum(kept.values())) for kept in count.values())} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing was lost and nothing silent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", type=int)
    parser.add_argument("--times", type=int, default=1, help="how often each other fault is tried")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--processes", type=int, choices=(1, 2), default=1, help="data-parallel, a run")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop trying after that long")
    parser.add_argument("--short", action="store_true", help="50 kills and one of each other fault")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every try there")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    began = time.monotonic()
    until = began + given.minutes * 60
    whole = {"kinds": len(KINDS), "kills": 200, "workers": 1}
    amount = {
        **(SHORT if given.short else whole),
        **{key: value for key, value in vars(given).items() if value},
    }
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="tuiftune-faults-") as folder:
        first = World(Path(folder) / "0", given.seed, kinds=amount["kinds"], processes=given.processes)
        worlds = [first] + [
            World(Path(folder) / str(number), given.seed + number, first, processes=given.processes)
            for number in range(1, amount["workers"])
        ]
        todo = tries(given.times)
        first.random.shuffle(todo)
        todo = firsts(todo) if given.short else todo
        share = -(-amount["kills"] // len(worlds))

        def run(world: World) -> None:
            for outcome in work(world, todo, share, until):
                outcomes.append(outcome)
                if outcome.lost or outcome.silent:
                    print(f"! {outcome}", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(len(worlds)) as pool:
            list(pool.map(run, worlds))  # raises what one of them raised
        first.parent.close()
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s\n")
    print(table(outcomes))
    if given.json:
        given.json.write_text("".join(json.dumps(vars(one)) + "\n" for one in outcomes))
    return 1 if any(one.lost or one.silent for one in outcomes) or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
