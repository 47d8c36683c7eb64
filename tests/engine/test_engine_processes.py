"""Two data-parallel processes are one run: they agree, stop, fail, end and go on together."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import tiny
from waiting import wait_until

from tuiftune.engine.distributed.ranks import VARIABLES, Ranks
from tuiftune.errors import UserError
from tuiftune.runs.state.liveness import status
from tuiftune.runs.state.narrate import Narrator
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine, Job

STEPS = 24
GONE_WITHIN = 10.0  # seconds
PAIR: dict[str, Any] = {"hardware__processes": 2, "training__micro_batch": 2}  # 2 × 2 × 2 = 8 rows a step
ENDLESS = {
    **PAIR,
    "training__max_steps": 100_000,
    "run__save_every": 50_000,
    "data__eval": 0.0,
    "evaluation__rows": 0,
}
INJECT = {"module": "benchmarks.faults.inject"}


def losses(run: Path) -> dict[int, float]:
    """The loss of each step; where a step ran twice, of its last time."""
    return {event["step"]: event["loss"] for event in tiny.events(run, "step")}


def end_of(run: Path) -> dict[str, Any]:
    return tiny.events(run, "end")[-1]


def kept(run: Path, step: int) -> dict[str, str]:
    """Hashes of weights, optimizer, schedule and both processes' random numbers."""
    folder = run / "checkpoints" / f"checkpoint-{step}"
    names = [
        "adapter_model.safetensors",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state_0.pth",
        "rng_state_1.pth",
    ]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def second_of(job: Job) -> psutil.Process:
    (second,) = psutil.Process(job.pid).children()
    return second


def gone(process: psutil.Process) -> bool:
    """Whether it ends in time; one that is only to be reaped has ended."""
    until = time.monotonic() + GONE_WITHIN
    while time.monotonic() < until:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def test_two_processes_are_the_run_of_one(engine: Engine, make_run: Callable[..., Path]) -> None:
    """Same rows a step, same losses, scores and tokens but for rounding; each has its share of the rows."""
    one, two = make_run(training__micro_batch=4), make_run(**PAIR)
    assert engine.train(one) == 0
    assert engine.train(two) == 0
    assert [start["processes"] for run in (one, two) for start in tiny.events(run, "start")] == [1, 2]
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    for kind, key in (("step", "tokens"), ("step", "lr"), ("eval", "step"), ("score", "rows")):
        assert [e[key] for e in tiny.events(two, kind)] == [e[key] for e in tiny.events(one, kind)]
    results = [json.loads((run / "result" / "result.json").read_text()) for run in (one, two)]
    assert results[1]["after"]["loss"] == pytest.approx(results[0]["after"]["loss"], rel=1e-4)
    assert [len(result["samples"]) for result in results] == [3, 3]
    assert [event["seq"] for event in tiny.events(two)] == list(range(1, len(tiny.events(two)) + 1))
    assert tiny.events(one, "links") == []
    (links,) = tiny.events(two, "links")
    assert (links["processes"], links["backend"]) == (2, "gloo")
    assert (links["hosts"], links["expected"]) == ([socket.gethostname()], None)
    assert links["bytes_per_second"] == pytest.approx(links["bytes"] / links["seconds"], rel=1e-6)
    assert 1e7 < links["bytes_per_second"] < 1e11
    assert not list((two / "control").glob("rank-*"))


def test_shares_of_the_evaluation_rows_may_be_uneven(engine: Engine, make_run: Callable[..., Path]) -> None:
    """17 rows, two at a time: five batches and four."""
    one, two = make_run(training__micro_batch=4, data__eval=17 / 80), make_run(**PAIR, data__eval=17 / 80)
    assert engine.train(one) == engine.train(two) == 0
    evals = [[event["loss"] for event in tiny.events(run, "eval")] for run in (one, two)]
    assert evals[1] == pytest.approx(evals[0], rel=1e-4)


@pytest.mark.long
def test_both_check_first_and_what_one_cannot_hold_is_split_for_both(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """Checked as planned, and with rows that only the second has no room for: as if planned so."""
    plain, preflight = make_run(**PAIR), make_run(**PAIR, plan={"preflight": True})
    large = make_run(**{**PAIR, "training__micro_batch": 4}, plan={"preflight": True})
    fault = {
        "module": "hindered",
        "cannot_hold": 4,
        "environment": {"XDG_STATE_HOME": str(tmp_path / "state")},
    }
    assert engine.train(plain) == engine.train(preflight) == 0
    assert engine.start("train", large, fault=fault).wait() == 0
    assert losses(preflight) == losses(plain)
    assert losses(large) == pytest.approx(losses(plain), rel=1e-6)
    assert kept(preflight, 8) == kept(plain, 8)
    (memory,) = [event for event in tiny.events(preflight, "memory") if event.get("preflight")]
    assert memory["device"] > 50e6
    (warned,) = [event for event in tiny.events(large, "warning") if event["code"] == "micro_batch_lowered"]
    assert "2 at once, 2 times a step" in warned["message"]


def test_stopped_and_killed_they_resume_to_the_bit(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {**PAIR, "training__max_steps": STEPS, "run__save_every": 5, "method__dropout": 0.1}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0

    job = engine.start("train", broken)
    job.wait_for_step(broken, 2)
    control.request_stop(RunDir.open(broken), "a test")
    assert job.wait() == 4
    assert end_of(broken)["state"] == "stopped"
    stopped_at = max(losses(broken))
    assert set(
        json.loads((broken / "checkpoints" / f"checkpoint-{stopped_at}" / "manifest.json").read_text())[
            "files"
        ]
    ) >= set(kept(broken, stopped_at))
    control.clear(RunDir.open(broken))

    job = engine.start("train", broken, "--resume")
    job.wait_for_step(broken, stopped_at + 2)
    os.kill(second_of(job).pid, signal.SIGKILL)
    assert job.wait() == 1
    assert status(RunDir.open(broken)) == "died"
    assert "process 2 of 2 was terminated by SIGKILL" in tiny.events(broken, "warning")[-1]["message"]

    job = engine.start("train", broken, "--resume")
    job.wait_for_step(broken, stopped_at + 4)
    second = second_of(job)
    job.send(signal.SIGKILL)
    job.wait()
    assert gone(second)
    assert status(RunDir.open(broken)) == "died"

    assert engine.train(broken, "--resume") == 0
    assert losses(broken) == losses(whole)
    assert kept(broken, STEPS) == kept(whole, STEPS)
    results = [json.loads((run / "result" / "result.json").read_text()) for run in (whole, broken)]
    for key in ("before", "after", "best_step", "steps", "tokens", "samples"):
        assert results[0][key] == results[1][key], key


@pytest.mark.parametrize(
    ("number", "state", "whom"),
    [
        (signal.SIGTERM, "preempted", "all"),
        (signal.SIGUSR1, "preempted", "first"),
        (signal.SIGINT, "stopped", "all"),
    ],
)
def test_signals_save_on_both(
    number: signal.Signals, state: str, whom: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    """To the engine, or to all of its group, as a service or a batch system sends them."""
    run = make_run(**ENDLESS)
    job = engine.start("train", run)
    job.wait_for_step(run, 1)
    second = second_of(job)
    os.killpg(job.pid, signal.SIGHUP)
    second.send_signal(number)  # the first decides
    job.wait_for_step(run, max(losses(run)) + 3)
    if whom == "all":
        os.killpg(job.pid, number)
    else:
        job.send(number)
    assert job.wait() == 4
    assert gone(second)
    assert (end_of(run)["state"], end_of(run)["why"]) == (state, f"{number.name} received")
    (saved,) = tiny.events(run, "checkpoint")
    assert saved["step"] == max(losses(run))
    assert (run / "checkpoints" / f"checkpoint-{saved['step']}" / "rng_state_1.pth").is_file()


def test_a_kill_asked_for_ends_both(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**ENDLESS)
    job = engine.start("train", run)
    job.wait_for_step(run, 1)
    second = second_of(job)
    assert control.kill(RunDir.open(run))
    assert job.wait() == -signal.SIGKILL
    assert gone(second)


@pytest.mark.long
def test_one_that_holds_the_other_up_is_named_with_its_host_and_stack(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """Late where they meet, stopped by a signal, asleep within a step: told once each, and it goes on."""
    run, asleep, late = make_run(**ENDLESS), tmp_path / "asleep", tmp_path / "late"
    late.touch()
    fault = {
        "module": "hindered",
        "impatient": 2.0,
        "second_late_while": str(late),
        "second_sleeps_while": str(asleep),
    }
    job = engine.start("train", run, fault=fault)

    def waited_for() -> list[dict[str, Any]]:
        begun = (run / "events.jsonl").exists()
        return [one for one in tiny.events(run, "warning") if "in late" in one["message"]] if begun else []

    wait_until(waited_for)
    waited = waited_for()[0]
    late.unlink()
    job.wait_for_step(run, 2)
    second = second_of(job)
    who = f"process 2 of 2 (rank 1, {socket.gethostname()}, PID {second.pid})"

    def of_second() -> list[dict[str, Any]]:
        """Of this process: on a busy machine the other one may take as long for a step."""
        return [one for one in tiny.events(run, "warning") if one["message"].startswith(who)]

    def found(words: str) -> list[dict[str, Any]]:
        return [one for one in of_second() if words in one["message"]]

    second.suspend()
    wait_until(lambda: bool(found("SIGSTOP")))
    second.resume()
    job.wait_for_step(run, max(losses(run)) + 2)
    asleep.touch()
    wait_until(lambda: bool(found("in asleep")))
    (stopped,), (sleeps,) = found("SIGSTOP"), found("in asleep")
    assert stopped["code"] == sleeps["code"] == waited["code"] == "stuck"
    assert f"{who} has stood still for" in waited["message"]
    assert "while tokenizing the data, without using the CPU; the other processes wait" in waited["message"]
    assert f"{who} is stopped (SIGSTOP); the other processes wait for it" in stopped["message"]
    assert f"{who} has been in the forward pass of step {max(losses(run)) + 1:,} for" in sleeps["message"]
    hung = tiny.events(run, "hung")[-1]
    assert hung["stuck"] == 1
    leader, other = hung["processes"]
    assert "in asleep" in other["stack"][0]
    assert "hindered.py:" in other["stack"][0]
    assert any("in training_step" in call for call in other["stack"])
    assert (leader["pid"], other["pid"]) == (job.pid, second.pid)
    assert "in asleep" not in " ".join(leader["stack"])
    assert f"stack of process 2: {other['stack'][0]}" in told(run)
    assert control.kill(RunDir.open(run))
    assert job.wait() == -signal.SIGKILL
    assert gone(second)


def told(run: Path) -> str:
    """What `tuiftune watch --plain` says of a run."""
    narrator, state = Narrator(), RunState()
    lines = []
    for event in tiny.events(run):
        state.fold(event)
        lines.append(narrator.tell(event, state) or "")
    return "\n".join(lines)


def test_another_number_of_processes_is_refused(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**{**PAIR, "training__max_steps": STEPS})
    job = engine.start("train", run)
    job.wait_for_step(run, 2)
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    plan = json.loads((run / "plan.json").read_text())
    plan["resolved"]["hardware"]["processes"] = "auto"
    (run / "plan.json").write_text(json.dumps(plan))
    assert engine.train(run, "--resume") == 2
    assert "processes was 2, is 1" in end_of(run)["why"]


@pytest.mark.parametrize("what", ["loss inf", "gradient nan"])
def test_what_only_one_of_them_meets_ends_both(
    what: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    """In an accumulation, where the others don't wait for it; both end at that step."""
    run = make_run(**PAIR, run__save_every=1, data__eval=0.0, evaluation__rows=0)
    job = engine.start("train", run, fault={**INJECT, "kind": what, "step": 3, "rank": 1})
    assert job.wait() == 5
    assert end_of(run)["state"] == "nan"
    assert "is NaN or infinite at step 3;" in end_of(run)["why"]
    assert max(losses(run)) == 2
    assert not (run / "checkpoints" / "checkpoint-3").exists()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_memory_that_one_of_them_lacks_halves_both(engine: Engine, make_run: Callable[..., Path]) -> None:
    """Its engine starts afresh, with two processes again and the same rows a step."""
    changes = {**PAIR, "training__micro_batch": 4, "run__save_every": 2}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    job = engine.start("train", broken, fault={**INJECT, "kind": "oom", "step": 3, "rank": 1})
    assert job.wait(240) == 0, "two processes import all the libraries anew"
    (warning,) = [event for event in tiny.events(broken, "warning") if event["code"] == "micro_batch_halved"]
    assert "micro-batch size of 2 instead of 4 and an accumulation of 2" in warning["message"]
    assert [(e["processes"], e["resumed_from"]) for e in tiny.events(broken, "start")] == [(2, None), (2, 2)]
    assert losses(broken) == pytest.approx(losses(whole), rel=1e-4)
    assert [event["state"] for event in tiny.events(broken, "end")] == ["done"]


def test_a_first_that_hangs_is_ended_with_the_second(engine: Engine, make_run: Callable[..., Path]) -> None:
    """As under NCCL, where rank 0 waits for gradients that nobody sends, and no connection breaks."""
    run = make_run(**ENDLESS)
    job = engine.start("train", run, fault={**INJECT, "kind": "hang", "step": 3, "rank": 0})
    assert job.wait() == 1
    assert status(RunDir.open(run)) == "died"
    assert "process 2 of 2 was terminated by SIGKILL" in tiny.events(run, "warning")[-1]["message"]


def test_a_launcher_of_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"one of 2 processes.*without torchrun"):
        Ranks(2)
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    Ranks(1)
    assert not any(name in os.environ for name in VARIABLES)


def test_ranks_on_several_hosts_know_how_many_are_on_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # as it was, afterwards
    given = {"TUIFTUNE_BACKEND": "slurm", "MASTER_PORT": "29500", "SLURM_NTASKS": "8", "SLURM_PROCID": "5"}
    for name, value in (given | {"SLURM_LOCALID": "1", "SLURM_NTASKS_PER_NODE": "4"}).items():
        monkeypatch.setenv(name, value)
    assert Ranks(8).rank == 5
    told = [os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")]
    assert told == ["5", "1", "8", "4"]


@pytest.mark.long
@pytest.mark.parametrize("hosts", [1, 2])
def test_ranks_that_a_backends_launcher_started_are_the_run(
    hosts: int, engine: Engine, make_run: Callable[..., Path]
) -> None:
    """As torchrun starts them: each is told which it is and where they meet, and none starts another."""
    ours, theirs = make_run(**PAIR), make_run(**PAIR)
    assert engine.train(ours) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = {"TUIFTUNE_BACKEND": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    meet |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": str(2 // hosts)}
    jobs = [
        engine.start(
            "train",
            theirs,
            fault={
                "module": "hindered",
                "environment": {**meet, "RANK": str(rank), "LOCAL_RANK": str(rank // hosts)},
            },
        )
        for rank in range(2)
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    assert [start["processes"] for start in tiny.events(theirs, "start")] == [2]
    assert losses(theirs) == losses(ours)
    assert kept(theirs, 8) == kept(ours, 8)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"WORLD_SIZE": "4", "RANK": "1"},
            r"one of 4 processes, and the run.s plan is for 2",
        ),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, r"MASTER_PORT: .*are not set"),
        ({"WORLD_SIZE": "many"}, r"WORLD_SIZE: 'many' is not a valid number of processes"),
    ],
)
def test_a_launcher_that_disagrees_with_the_plan_is_refused(
    given: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUIFTUNE_BACKEND", "slurm")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    if "SLURM_NTASKS" not in given:
        monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(UserError, match=says):
        Ranks(2)


def test_one_process_of_a_backend_starts_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As srun starts the one task of a job."""
    monkeypatch.setenv("TUIFTUNE_BACKEND", "slurm")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")
    ranks = Ranks(2)
    assert (ranks.launched, ranks.rank) == (False, 0)
