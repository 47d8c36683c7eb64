"""The Slurm backend: the engine as a batch job, followed over the directory that the cluster's nodes share.

The batch script is kept in the run's directory. Slurm's time limit and preemption end a run with a
checkpoint; the job is then requeued and continues, unless it was asked to stop. Account, quality of service,
constraints and a time limit come from sbatch's own variables (SBATCH_ACCOUNT, SBATCH_TIMELIMIT …).
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.interpreter import command, environment
from tuiftune.jobs import slurm_commands as commands
from tuiftune.jobs.backends.local import BACKEND as LOCAL
from tuiftune.jobs.backends.local import note_killed
from tuiftune.printable import printable
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import Vitals, vitals
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine_call import Job
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 1.0
ARRIVES_WITHIN = 60.0  # seconds, as long as NFS may show a file as it was (acregmax)
NOTICE_SECONDS = 120  # before the time limit, in which a checkpoint is saved
SPARE_MINUTES = 15  # of the time limit beyond the run's own limit, for loading and scoring
MOST_BYTES = 64 * 1024
NUMBER = re.compile(r"\s*([0-9]+)(?:;.*)?")  # what sbatch prints of a job, perhaps with its cluster
SCRIPT, NOTE = "slurm.sh", "slurm.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask Slurm for: a partition (its default where empty), nodes, tasks, and GPUs of a type.

    `gpus` is per node, None for none; `gpu` is the type as the cluster calls it, "" for any.
    """

    partition: str = ""
    nodes: int = 1
    gpu: str = ""
    gpus: int | None = None

    def document(self) -> dict[str, object]:
        return {"partition": self.partition, "nodes": self.nodes, "gpu": self.gpu, "gpus": self.gpus}


class Slurm:
    """Submits, asks and cancels by Slurm's own commands."""

    def submit(self, job: Job, run: RunDir) -> int:
        if (waiting := _job_of(run)) is not None and commands.state(waiting)[0] not in (*commands.OVER, ""):
            raise UserError(
                f"the run is job {waiting} of Slurm already",
                place=run.name,
                remedy=f"stop it first: `tuiftune stop {run.name}`",
            )
        control.clear(run)
        run.pid_path.unlink(missing_ok=True)
        place = run.control_path
        place.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        wanted = _wanted(run)
        said = _submitted(run, job, wanted)
        # A cluster's own wrapper may greet first.
        number = next(
            (found[1] for line in reversed(said.splitlines()) if (found := NUMBER.fullmatch(line))), ""
        )
        if not number:
            raise UserError(
                f"gave no number of a job: {printable(said)[:160] or 'nothing'}",
                place="sbatch",
                remedy="look for it: squeue --me",
                exit_code=ExitCode.FAILED,
            )
        write_text(place / NOTE, json.dumps({**wanted.document(), "job": int(number)}) + "\n")
        control.note_submitted(run, f"job {number} of Slurm")
        return int(number)

    def status(self, run: RunDir) -> Vitals:
        number = _job_of(run)
        if number is None:
            return vitals(run)
        try:
            state, why = commands.state(number)
        except UserError as fault:
            return _unasked(vitals(run), number, fault)
        if state in commands.WAITING:
            return Vitals("queued", f"job {number} of Slurm: {why.lower() or state.lower()}")
        seen = vitals(run)
        if state in (*commands.RUNS, *commands.ENDING):
            return seen if seen.running or state in commands.ENDING else _starting(seen, number)
        if seen.running and (seen.silent_for or 0.0) < ARRIVES_WITHIN:
            return seen  # its last words may still be on their way through the shared file system
        if seen.state == "queued":
            control.note_submitted(run, None)
        if seen.running or seen.state in ("new", "queued"):  # by its last word; Slurm knows better
            ended = state.lower().replace("_", " ") or "no longer known to Slurm"
            return Vitals("died", f"job {number} is {ended}; see engine.log", None, seen.silent_for, 1)
        return seen

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        number = _job_of(run)
        if number is None:
            return LOCAL.stop(run, by, kill=kill)
        state = commands.state(number)[0]
        if state in (*commands.OVER, ""):
            return False
        if state in commands.WAITING:
            commands.cancel(number)
            control.note_submitted(run, None)
        elif kill:
            commands.cancel(number)  # SIGTERM before SIGKILL, so there may be time for a checkpoint
            if vitals(run).state in ("running", "died", "preempted"):
                note_killed(run, by)
        else:
            control.request_stop(run, by)
        return True

    def returned(self, job: int) -> int | None:
        """Slurm tells exit codes to its accounting only; the run's log has its own."""
        del job
        return None

    def stream(self, run: RunDir) -> Iterator[list[Event]]:
        reader = EventReader(run.events_path)
        running = True
        while running:
            seen = self.status(run)
            running = seen.running or seen.state == "queued"
            while events := reader.poll():
                yield events
            if running:
                time.sleep(POLL_SECONDS)


BACKEND = Slurm()


def want(run: RunDir, wanted: Wanted) -> None:
    """Note what a run is to ask for. Raises UserError if it cannot be written."""
    run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    write_text(run.control_path / NOTE, json.dumps(wanted.document()) + "\n")


def offered() -> list[str]:
    """Return the values of `--on` for this machine: Slurm's default partition, if Slurm is here."""
    return [] if any(commands.missing()) else ["slurm"]


def check() -> None:
    """Raise UserError if this machine cannot submit to Slurm."""
    for program in commands.missing():
        raise UserError(
            f"{program} is not installed", place="--on slurm", remedy="run it on the cluster's login node"
        )


def _submitted(run: RunDir, job: Job, wanted: Wanted) -> str:
    """What sbatch answers to a run's batch script. UserError with its reason where it refuses.

    Every Slurm takes `--gres=gpu:N`, but a cluster's own filter of submissions may insist on
    `--gpus-per-node`, which Slurm has with cons_tres only (slurm.schedmd.com/gres.html). It is tried second.
    """
    path = run.control_path / SCRIPT
    write_text(path, script(run, job, wanted))
    try:
        return commands.ask("sbatch", "--parsable", str(path)).strip()
    except UserError:
        if not wanted.gpus or "select/cons_tres" not in commands.ask("scontrol", "show", "config"):
            raise
        write_text(path, script(run, job, wanted, per_node=True))
        with suppress(UserError):
            return commands.ask("sbatch", "--parsable", str(path)).strip()
        write_text(path, script(run, job, wanted))
        raise


def script(run: RunDir, job: Job, wanted: Wanted, *, per_node: bool = False) -> str:
    """Return the batch script of a run. It asks for GPUs by `--gres`, or by `--gpus-per-node`."""
    planned = run.planned()
    processes = _processes(run)
    if processes % wanted.nodes:
        raise UserError(
            f"{processes} processes cannot be spread evenly over {wanted.nodes} nodes",
            place="--nodes",
            remedy="set hardware.processes to a multiple of it",
        )
    tasks = processes // wanted.nodes
    options = {
        "job-name": f"tuiftune-{run.name}",
        "nodes": str(wanted.nodes),
        "ntasks-per-node": str(tasks),
        "output": "control/slurm.log",  # from the run's directory on, as a path may have a %
        "open-mode": "append",
        "signal": f"TERM@{NOTICE_SECONDS}",  # to the engine itself, which saves a checkpoint
        "chdir": str(run.path),
    }
    if wanted.partition:
        options["partition"] = wanted.partition
    if wanted.gpus:
        gpus = [wanted.gpu, str(tasks)] if wanted.gpu else [str(tasks)]
        options["gpus-per-node" if per_node else "gres"] = ":".join(gpus if per_node else ["gpu", *gpus])
    if (seconds := planned.limit_seconds) is not None:
        options["time"] = str(math.ceil(seconds / 60) + SPARE_MINUTES)
    engine = [word for word in job.command() if word != "--resume"]
    found = environment().get("PYTHONPATH")
    after = "from tuiftune.jobs.backends.slurm import after; import sys; after(sys.argv[1])"
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH --{name}={value}" for name, value in options.items()),
        "#SBATCH --requeue",
        "# Written by tuiftune at every start of this run.",
        f"run={shlex.quote(str(run.path))}",
        "export PYTHONSAFEPATH=1 TUIFTUNE_BACKEND=slurm",
        *([f"export PYTHONPATH={shlex.quote(found)}"] if found else []),
        'first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        # The address by which Slurm itself reaches the node, whose name may not be a host's.
        "export MASTER_ADDR=$(scontrol show node \"$first\" | sed -n 's/.*NodeAddr=\\([^ ]*\\).*/\\1/p')",
        "export MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))",
        "trap : TERM  # the engine is told, too, and what comes after it decides on a requeue",
        "resume=",
        'compgen -G "$run/checkpoints/checkpoint-*" >/dev/null && resume=--resume',
        "srun --kill-on-bad-exit=0 --output=engine.log --open-mode=append \\",
        f"    {shlex.join(engine)} $resume",
        "code=$?",
        "trap '' TERM  # which Slurm sends a requeued job's script again and again",
        f'{shlex.join(command("x")[:2])} -c {shlex.quote(after)} "$run"',
        "exit $code",
    ]
    return "\n".join(lines) + "\n"


def after(path: str) -> None:
    """Requeue the job that this is called in, if its run was preempted and nobody asked it to stop.

    Slurm itself requeues what a more important job preempts. A job that somebody canceled stays so.
    """
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

    run = RunDir.open(Path(path))
    number = os.environ.get("SLURM_JOB_ID")
    if number and vitals(run).state == "preempted" and control.stop_requested(run) is None:
        state, why = commands.state_now(int(number))
        again = state in commands.WAITING or why == "BeginTime"  # a requeued job waits for a while
        if again or state == "RUNNING":
            run.pid_path.unlink(missing_ok=True)  # of a process that has ended, as a new job has none
            control.note_submitted(run, f"job {number} of Slurm, requeued")
        if state == "RUNNING" and not again:
            commands.ask("scontrol", "requeue", number)


def _unasked(seen: Vitals, number: int, fault: UserError) -> Vitals:
    """What a job is, by the log alone, while Slurm does not answer: a controller restarts now and then."""
    why = f"job {number} of Slurm, which cannot be asked: {fault.message}"
    if seen.state in ("new", "queued"):
        return Vitals("queued", why)
    return Vitals("running", why, None, seen.silent_for) if seen.state == "died" else seen


def _starting(seen: Vitals, number: int) -> Vitals:
    """What a job is whose engine has said nothing yet: before its first word, or after a requeue."""
    if seen.state in ("new", "queued", "died", "preempted"):
        return Vitals("running", f"job {number} of Slurm is starting", None, None)
    return seen


def _processes(run: RunDir) -> int:
    hardware = run.planned().resolved.get("hardware") or {}
    count = hardware.get("processes")
    return count if isinstance(count, int) else 1


def _wanted(run: RunDir) -> Wanted:
    noted = _noted(run)
    partition, gpu, gpus, nodes = (noted.get(key) for key in ("partition", "gpu", "gpus", "nodes"))
    return Wanted(
        str(partition or ""),
        nodes if isinstance(nodes, int) and nodes > 0 else 1,
        str(gpu or ""),
        gpus if isinstance(gpus, int) else None,
    )


def _job_of(run: RunDir) -> int | None:
    number = _noted(run).get("job")
    return number if isinstance(number, int) else None


def _noted(run: RunDir) -> dict[str, object]:
    path = run.control_path / NOTE
    return {} if paths.gone(path) else documents.read_json(path, MOST_BYTES)


__all__ = ["BACKEND", "Wanted", "after", "check", "script", "want"]
