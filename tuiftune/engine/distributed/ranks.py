"""Several processes for one run: rank 0, which is the engine, forks the others and ends with them.

They find one another by torchrun's environment variables and are accelerate's and DDP's from there on.
torchrun's own agent isn't used (torch 2.13, distributed/elastic): at a signal it gives its workers 30 s and
kills them then, whatever they are saving; SIGUSR1 ends it at once; `kill -9` of it leaves them behind; and
whatever they ended with, it ends with 1.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from tuiftune.engine.process.faults import Ending
from tuiftune.engine.process.stopping import SIGNALS
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
BACKEND = "TUIFTUNE_BACKEND"  # a backend's name: the launcher's variables are meant for this run
MEETING_PLACE = "ranks"
ECHO = "echo"  # the state of a rank that only saw another's end
DIED = "died"  # that of one which ended without a word, as a whole run may
AGREED = ("done", "stopped", "preempted", "diverged")  # ends that all ranks come to together
GRACE = 3.0  # seconds for rank 0 to see for itself that another has failed
REAPING = 20.0  # seconds for the end of a process to be known to its parent, on a busy machine
PR_SET_PDEATHSIG = 1
LONGEST_WORD = 4096


class Ranks:
    """Rank 0's view of the others."""

    def __init__(self, size: int) -> None:
        """UserError where a launcher that no backend answers for has started this process as one of several,
        or one has started another number than the run's plan is for.
        """
        self.size = size
        self.rank = 0
        self.launched = started() > 1  # every rank by a backend's launcher, none by us
        given = os.environ.get("WORLD_SIZE", "1")
        if not self.launched and given != "1":
            raise UserError(
                f"it was started as one of {given} processes",
                place="WORLD_SIZE",
                remedy="start the run once, without torchrun: it starts the processes itself",
            )
        if self.launched and started() != size:
            raise UserError(
                f"it was started as one of {started()} processes, and the run's plan is for {size}",
                place=BACKEND,
                remedy=f"start {size} of them, or plan the run for {started()}: hardware.processes",
            )
        if self.launched and "MASTER_PORT" not in os.environ:
            raise UserError(
                "MASTER_ADDR and MASTER_PORT are not set",
                place="MASTER_PORT",
                remedy="set both in the launcher",
            )
        if self.launched:
            self.rank = int(_given("RANK", "SLURM_PROCID", "0"))
            local = _given("LOCAL_RANK", "SLURM_LOCALID", str(self.rank))
            os.environ.update(RANK=str(self.rank), LOCAL_RANK=local)
            here = _given("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE", str(size))
            os.environ.update(WORLD_SIZE=str(size), LOCAL_WORLD_SIZE=here)
        else:
            for name in VARIABLES:
                os.environ.pop(name, None)
        self._changed = threading.Condition()
        self._pids: dict[int, int] = {}
        self._endings: dict[int, Ending] = {}
        self._watchers: list[threading.Thread] = []
        self._concluding = threading.Event()
        self._meeting_place: Path | None = None

    def start(self, meeting_place: Path) -> tuple[int, int]:
        """Fork the others. Returns the rank, and the end of a pipe for its last word (-1 for rank 0).

        To be called by the main thread while it is the only one: forked threads are lost, their locks stay.
        """
        if self.size == 1 or self.launched:
            return self.rank, -1
        self._meeting_place = meeting_place
        meeting_place.unlink(missing_ok=True)
        leader = os.getpid()
        share = max(1, len(os.sched_getaffinity(0)) // self.size) if hasattr(os, "sched_getaffinity") else 1
        os.environ.setdefault("OMP_NUM_THREADS", str(share))
        os.environ.update(WORLD_SIZE=str(self.size), LOCAL_WORLD_SIZE=str(self.size))
        pipes = {}
        for rank in range(1, self.size):
            ours, theirs = os.pipe()
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                os.close(ours)
                _end_with(leader)
                _renew_threads()
                os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
                return rank, theirs
            os.close(theirs)
            self._pids[rank], pipes[rank] = pid, ours
        os.environ.update(RANK="0", LOCAL_RANK="0")
        for rank, pid in self._pids.items():
            watcher = threading.Thread(target=self._watch, args=(rank, pid, pipes[rank]), daemon=True)
            watcher.start()
            self._watchers.append(watcher)
        return 0, -1

    def guard(self, conclude: Callable[[Ending], None]) -> None:
        """Let the run end where a rank has failed, and rank 0 hangs in waiting for it (as under NCCL)."""

        def look() -> None:
            with self._changed:
                self._changed.wait_for(lambda: self._failed() is not None)
            if not self._concluding.wait(GRACE) and (ending := self._failed()) is not None:
                conclude(ending)

        if self.size > 1 and not self.launched:
            threading.Thread(target=look, name="guard", daemon=True).start()

    def cause(self, seconds: float = REAPING) -> Ending | None:
        """How the rank ended that rank 0 lost its connection to; None where none of ours has failed."""
        if self.launched:
            return None
        self._concluding.set()
        with self._changed:
            self._changed.wait_for(lambda: self._failed(echoes=False) is not None, seconds)
            return self._failed()

    def end(self) -> None:
        """Return once no other rank is left. What they know, rank 0 knows: none has anything to save."""
        self._concluding.set()
        with self._changed:
            for rank, pid in self._pids.items():
                if rank not in self._endings:  # and so not reaped: the process id is still its own
                    os.kill(pid, signal.SIGKILL)
        for watcher in self._watchers:
            watcher.join(timeout=REAPING)
        if self._meeting_place is not None:
            self._meeting_place.unlink(missing_ok=True)

    def _failed(self, *, echoes: bool = True) -> Ending | None:
        failed = [ending for ending in self._endings.values() if ending.state not in AGREED]
        causes = [ending for ending in failed if ending.state != ECHO]
        if causes or not echoes:
            return causes[0] if causes else None
        if not failed:
            return None
        return Ending("failed", ExitCode.FAILED, failed[0].why)

    def _watch(self, rank: int, pid: int, pipe: int) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with self._changed:
            os.set_blocking(pipe, False)
            try:
                said = os.read(pipe, LONGEST_WORD)
            except BlockingIOError:
                said = b""
            os.close(pipe)
            _, status = os.waitpid(pid, 0)
            self._endings[rank] = self._ending(rank, said, os.waitstatus_to_exitcode(status))
            self._changed.notify_all()

    def _ending(self, rank: int, said: bytes, code: int) -> Ending:
        which = f"process {rank + 1} of {self.size}"
        try:
            document = json.loads(said)  # raw: our own process wrote it
            return Ending(
                str(document["state"]),
                ExitCode(document["exit_code"]),
                f"{which}: {document['why']}",
                int(document["others"]),
            )
        except (ValueError, KeyError, TypeError):
            how = f"was terminated by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            return Ending(DIED, ExitCode.FAILED, f"{which} {how} without a message")


def started() -> int:
    """The processes that a backend's launcher (torchrun, srun) started for one run; 1 where none did."""
    return int(_given("WORLD_SIZE", "SLURM_NTASKS", "1")) if os.environ.get(BACKEND) else 1


def _given(name: str, slurm: str, else_: str) -> str:
    """A variable of torchrun's, or what srun calls it. UserError where it is no number."""
    value = os.environ.get(name) or os.environ.get(slurm) or else_
    if not value.isdigit():
        raise UserError(f"{value!r} is not a valid number of processes", place=name)
    return value


def _renew_threads() -> None:
    """Let torch, if it is here already, replace its forked pool of threads while nobody else asks for it:
    of two threads that ask at once, one finds none (torch 2.15, caffe2's pthreadpool).
    """
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(torch.get_num_threads())


def follow_launcher() -> None:
    """For a rank above 0 that a launcher started: it tells every rank to stop, and rank 0 sees to it."""
    for number in (*SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def say(pipe: int, ending: Ending) -> None:
    """A rank's last word to rank 0; a launcher hears it by the exit code."""
    if pipe < 0:
        return
    document = {**asdict(ending), "why": ending.why[: LONGEST_WORD // 8]}
    os.write(pipe, json.dumps(document).encode())


def _end_with(leader: int) -> None:
    """Leave stopping to rank 0, and don't outlive it, however it ends."""
    follow_launcher()
    if sys.platform == "linux":  # the kernel sees to it, also where this process hangs in a GPU's driver
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == leader:
            time.sleep(1)
        os._exit(int(ExitCode.FAILED))

    threading.Thread(target=watch, name="leader", daemon=True).start()
