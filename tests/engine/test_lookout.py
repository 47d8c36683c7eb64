"""Which of several processes the others wait for, by their notes; and the stack of one that is deaf."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from waiting import wait_until

from tuiftune.engine.distributed import links, lookout, whereabouts
from tuiftune.engine.distributed.group import Group
from tuiftune.engine.distributed.links import Side
from tuiftune.engine.distributed.lookout import Lookout, judge
from tuiftune.engine.distributed.whereabouts import BACKWARD, FORWARD, LINKS, Note
from tuiftune.engine.process.report import Report
from tuiftune.errors import UserError
from tuiftune.runs.log.writer import Silence

if TYPE_CHECKING:
    from pathlib import Path

FIRST = Note(
    0, "one", 11, None, 5, "training", (7, 1, BACKWARD), 50.0, 1.0, ("torch/distributed/a.py:1 in wait",)
)
MEETING = replace(FIRST, at=(0, 0, LINKS), phase="loading")
WAITS = replace(FIRST, at=None, phase="loading", still=50.0)
LOADS = Note(1, "two", 12, None, 5, "loading", stack=("c.py:3 in read",), still=50.0)
SECOND = Note(1, "two", 12, None, 5, "training", (7, 1, FORWARD), 50.0, 1.0, ("b.py:2 in sleep",))


@pytest.mark.parametrize(
    ("notes", "silent", "rank", "says"),
    [
        ((FIRST, SECOND), {}, 1, "has been in the forward pass of step 7 for 50 s"),
        ((SECOND, FIRST), {}, 0, "the forward pass"),
        ((FIRST, replace(SECOND, at=(7, 2, FORWARD))), {}, 0, "the backward pass"),
        ((FIRST, replace(SECOND, at=FIRST.at)), {}, 1, "the backward pass"),  # in the middle of a pass
        ((FIRST, SECOND), {1: 25.0}, 1, "has not answered for 25 s"),
        ((FIRST, replace(SECOND, phase="evaluating", at=None)), {1: 25.0}, 1, "has not answered for 25 s"),
        ((MEETING, replace(MEETING, rank=1)), {}, None, ""),
        ((WAITS, LOADS), {}, 1, "has stood still for 50 s while loading the model, without"),
        ((LOADS, WAITS), {}, 0, "while loading the model"),
        ((WAITS, LOADS), {1: 25.0}, 1, "has not answered for 25 s"),
        ((WAITS, WAITS), {}, None, ""),
        (
            (replace(WAITS, phase="evaluating"), replace(LOADS, phase="exporting")),
            {},
            1,
            "while writing the result",
        ),
    ],
)
def test_the_one_that_is_behind_or_silent_is_named(
    notes: tuple[Note, ...], silent: dict[int, float], rank: int | None, says: str
) -> None:
    notes = tuple(replace(note, rank=at) for at, note in enumerate(notes))
    hung = judge(notes, silent)
    assert hung is not None
    assert hung.rank == rank
    assert says in hung.how


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (FIRST, replace(FIRST, rank=1)),
        (replace(SECOND, rank=0), SECOND),  # both compile, say
        (FIRST, replace(SECOND, seconds=30.0)),
        (replace(FIRST, seconds=30.0), SECOND),  # it only just came there
        (replace(FIRST, longest=20.0), SECOND),  # stays are long in this run
        (replace(FIRST, phase="saving", at=None), SECOND),
        (replace(FIRST, phase="evaluating"), SECOND),
        (WAITS, replace(LOADS, still=10.0)),  # it works
        (replace(WAITS, still=10.0), LOADS),  # nobody has waited for long
        (LOADS, replace(LOADS, rank=1)),  # both read from a slow disk, say
    ],
)
def test_nobody_is_named_while_all_move_or_one_works_alone(first: Note, second: Note) -> None:
    assert judge((first, second), {}) is None
    saves = replace(first, phase="saving", stack=("d.py:4 in save",))
    assert judge((saves, second), {1: 25.0}) is None


def test_one_that_never_started_is_named_while_another_waits_for_it(tmp_path: Path) -> None:
    """As when a launcher's second machine never came up."""
    looks = Lookout(Group(0, 2), Report(Silence()), tmp_path)
    whereabouts.write(replace(WAITS, still=10.0), tmp_path / "rank-0.json")
    assert looks.look() is None
    whereabouts.write(WAITS, tmp_path / "rank-0.json")
    hung = looks.look()
    assert hung is not None
    assert looks.words(hung) == "process 2 of 2 (rank 1) has not started; the other processes wait for it"
    assert [one["rank"] for one in looks.event(hung)["processes"]] == [0, 1]
    assert looks.look() is None, "told once"


def test_a_process_is_still_only_while_nothing_happens_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own: it uses 1% of ten seconds, then 20%, then 1% twice, and tells progress."""
    clock = {"now": 100.0, "cpu": 7.0}
    monkeypatch.setattr(whereabouts, "time", SimpleNamespace(monotonic=lambda: clock["now"]))
    monkeypatch.setattr(whereabouts, "_cpu_seconds", lambda: clock["cpu"])
    here, report = whereabouts.Whereabouts(), Report(Silence())
    seen = []
    for used, told in ((0.0, False), (0.1, False), (2.0, False), (0.1, False), (0.1, False), (0.1, True)):
        clock = {"now": clock["now"] + 10, "cpu": clock["cpu"] + used}
        if told:
            report.phase("loading", "data", done=3)
        seen.append(here.note(0, 1, report).still)
    assert seen == [0, 10, 0, 10, 20, 0]


def test_the_cpu_time_of_children_counts() -> None:
    """As of processes that tokenize."""
    before = whereabouts._cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            wait_until(lambda: whereabouts._cpu_seconds() - before > 0.3, every=0.1)
        finally:
            child.kill()


DEAF = """
import ctypes, sys, time
from pathlib import Path
from tuiftune.engine.distributed import lookout
from tuiftune.engine.distributed.group import Group
from tuiftune.engine.distributed.lookout import Lookout
from tuiftune.engine.process.report import Report
from tuiftune.runs.log.writer import Silence

def hangs():
    ctypes.PyDLL(None).sleep(600)  # in C, with Python's lock: none of its threads runs

lookout.NOTE_EVERY = 0.05
group, report = Group(1, 2), Report(Silence())
report.phase("training")
group.whereabouts.mark(2, 7, 1)
Lookout(group, report, Path(sys.argv[1])).start()
while not Path(sys.argv[1], "rank-1.json").exists():
    time.sleep(0.01)
hangs()
"""


def test_a_process_in_which_python_stands_still_gives_its_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "SILENT", 0.3)
    group, report = Group(0, 2), Report(Silence())
    report.phase("training")
    group.whereabouts.mark(BACKWARD, 7, 1)
    mine = Lookout(group, report, tmp_path)
    with subprocess.Popen([sys.executable, "-c", DEAF, str(tmp_path)]) as process:
        try:
            wait_until(lambda: whereabouts.read(tmp_path / "rank-1.json"))
            found = []
            beat = iter(range(10**6))

            def look() -> bool:
                whereabouts.write(group.whereabouts.note(0, next(beat), report), tmp_path / "rank-0.json")
                found.append(mine.look())
                return found[-1] is not None

            wait_until(look)
        finally:
            process.kill()
    hung = found[-1]
    assert hung is not None
    assert hung.rank == 1
    assert hung.note.stack[0] == "<string>:11 in hangs"
    words = mine.words(hung)
    assert f"process 2 of 2 (rank 1, {hung.note.host}, PID {process.pid}) has not answered for" in words
    assert "It is at <string>:11 in hangs" in words
    assert mine.look() is None, "told once"


GPU = Side("one", "NVIDIA H200", "2.15.0", "2.27.3", ())


def test_processes_with_another_nccl_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"NCCL: process 2 of 2 \(two\) has NCCL 2\.26\.2, process 1 \(one\)"):
        links._refuse_mixed([GPU, replace(GPU, host="two", nccl="2.26.2")])
    links._refuse_mixed([GPU, GPU])


def test_the_table_of_links_holds_for_equal_gpus_of_one_machine() -> None:
    assert links._expected([GPU, GPU]) == 3.4e11
    assert links._expected([GPU, replace(GPU, host="two")]) is None
    assert links._expected([GPU, replace(GPU, gpu="NVIDIA L4")]) is None
    assert links._expected([replace(GPU, gpu="Unknown GPU")] * 2) is None
    assert links._expected([replace(GPU, gpu=None)] * 2) is None


def test_slow_links_are_told_with_their_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    message, fix = links._slow(4.1e9, 3.4e11, replace(GPU, without_peer=((0, 1),)))
    assert message.startswith("the GPUs exchange 4.1 GB/s; the plan counts on 340 GB/s")
    assert "GPU 0 and GPU 1 have no peer access" in message
    assert "nvidia-smi topo -m" in fix
    monkeypatch.setenv("NCCL_P2P_DISABLE", "1")
    assert "NCCL_P2P_DISABLE is set" in links._slow(4.1e9, 3.4e11, GPU)[0]
