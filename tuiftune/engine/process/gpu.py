"""The GPU while the run works: its memory as PyTorch and the driver see it, and samples for the watchers."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.engine.distributed.lookout import Lookout
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stop

HEARTBEAT_EVERY = 5.0
SAMPLE_EVERY = 2.0
STUCK_AFTER = 600.0  # seconds; the first steps may compile for minutes
STUCK_SOONEST = 60.0  # seconds, once MEASURED steps are known: people wait for no less
MEASURED = 5  # steps
STUCK_TIMES = 20  # times the usual step
STUCK_LONGEST = 3  # times the longest step so far: shapes that are new compile again
BUSY, IDLE = 90, 5  # percent: a GPU that waits in an exchange computes all the time, the awaited one doesn't
GPU_FIELDS = (
    "index",
    "name",
    "utilisation",
    "memory_used",
    "memory_total",
    "power_w",
    "temperature_c",
    "throttle",
)


_PEAKS: dict[str, int] = {}  # in bytes, of training before its counters were reset


def memory_of(device: str) -> dict[str, int | None]:
    """Bytes: `allocated` and `reserved` at their peak by PyTorch, `device` as the driver sees the GPU now.

    Without a GPU there is no allocator to ask; `device` is then this process's resident memory.
    """
    if device != "cuda":
        import psutil

        return {"allocated": None, "reserved": None, "device": psutil.Process().memory_info().rss}
    import torch

    free, total = torch.cuda.mem_get_info()
    return {
        "allocated": max(torch.cuda.max_memory_allocated(), _PEAKS.get("allocated", 0)),
        "reserved": max(torch.cuda.max_memory_reserved(), _PEAKS.get("reserved", 0)),
        "device": total - free,
    }


def held_by_others() -> int:
    """Bytes of this process's GPU that other processes hold; 0 without a GPU that still answers."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    from tuiftune.plan.memory import CONTEXT

    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:
        return 0
    return max(0, total - free - torch.cuda.memory_reserved() - CONTEXT)


def forget_peaks(device: str) -> None:
    """Reset peak-memory counters. The plan predicts training only, not loading and evaluation."""
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        _PEAKS.clear()


@contextmanager
def aside(device: str) -> Iterator[None]:
    """What is done inside takes what memory there is: its peaks are not the training's."""
    before = memory_of(device)
    try:
        yield
    finally:
        forget_peaks(device)
        if device == "cuda":
            _PEAKS.update({name: before[name] or 0 for name in ("allocated", "reserved")})


def keep_within(limit: int | None) -> None:
    """Let PyTorch's allocator refuse what would take this process beyond `limit` bytes of the GPU."""
    if limit is None:
        return
    import torch

    from tuiftune.plan.memory import CONTEXT

    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(share_of(limit - CONTEXT, total))


def share_of(limit: int, total: int) -> float:
    """A limit as the share of a GPU, in (0, 1]."""
    return min(1.0, max(limit, 1) / total)


def show_only(gpus: int | list[int] | str, count: int) -> None:
    """Show PyTorch as many GPUs as there are processes, before it is imported. All see the same ones: they
    reach into one another's memory.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as NVML numbers them
    wanted = [str(gpu) for gpu in gpus] if isinstance(gpus, list) else []
    given = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    chosen = (wanted or given or [str(gpu) for gpu in range(count)])[:count]
    if os.environ.get("CUDA_VISIBLE_DEVICES") != "":  # empty means that no GPU is to be used
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)


def name_of(device: str) -> str:
    """What the run computes on, as a person would say it."""
    if device != "cuda":
        return "CPU"
    import torch

    return str(torch.cuda.get_device_name())


class StepWatch:
    """Notices a step that doesn't end, once each."""

    def __init__(self) -> None:
        self._at: tuple[str, int] | None = None
        self._since = self._longest = 0.0
        self._latest: deque[float] = deque(maxlen=32)  # seconds of a step
        self._told = False

    def look(self, phase: str, step: int, now: float) -> float | None:
        """Take in where the run is at `now` (seconds). The seconds that a stuck step has taken, else None."""
        if (phase, step) != self._at:
            if self._at is not None and self._at[0] == phase == "training":
                self._latest.append(now - self._since)
                self._longest = max(self._longest, self._latest[-1])
            self._at, self._since, self._told = (phase, step), now, False
            return None
        waited = now - self._since
        if phase != "training" or self._told or waited < self._bound():
            return None
        self._told = True
        return waited

    def _bound(self) -> float:
        """Seconds from which on a step is stuck."""
        if len(self._latest) < MEASURED:
            return max(STUCK_AFTER, STUCK_TIMES * self._longest)
        usual = STUCK_TIMES * statistics.median(self._latest)
        return max(min(STUCK_SOONEST, STUCK_AFTER), usual, STUCK_LONGEST * self._longest)


class Pulse:
    """Two threads: a heartbeat with the current step, and samples of the GPUs and the host."""

    def __init__(
        self,
        report: Report,
        run: Path,
        lost: Callable[[], Stop | None] = lambda: None,
        lookout: Lookout | None = None,
    ) -> None:
        self._report, self._run, self._lost, self._lookout = report, run, lost, lookout
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._sample, name="samples", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let both threads end; nothing is emitted after this returns."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _beat(self) -> None:
        watch, told_at = StepWatch(), -1
        while True:
            self._report.heartbeat()
            if "directory_lost" not in self._report.warned and (stop := self._lost()):
                self._report.warning("directory_lost", stop.why, "the run stops after this step")
            stuck = watch.look(self._report.phase_name, self._report.step, time.monotonic())
            told = self._tell_hung() or told_at == self._report.step
            told_at = self._report.step if told else -1
            if stuck is not None and not told:
                self._tell_all()
                self._report.warning(
                    "stuck",
                    f"step {self._report.step + 1} has taken {stuck:.0f} s, much longer than earlier steps"
                    + idle_among(_gpus()),
                    "a GPU or disk may be stuck: see `tuiftune logs`; kill the run with `tuiftune stop "
                    "--kill`, "
                    "then continue with `tuiftune resume`",
                )
            if self._over.wait(HEARTBEAT_EVERY):
                return

    def _tell_hung(self) -> bool:
        """Name the process that the others wait for, with its stack. Returns whether there is one."""
        if self._lookout is None or (hung := self._lookout.look()) is None:
            return False
        self._report.emit("hung", step=self._report.step, **self._lookout.event(hung))
        self._report.warning("stuck", self._lookout.words(hung), hung.fix)
        return True

    def _tell_all(self) -> None:
        """Give the stacks of all processes, if there are several."""
        if self._lookout is not None and (where := self._lookout.everybody()) is not None:
            self._report.emit("hung", step=self._report.step, **self._lookout.event(where))

    def _sample(self) -> None:
        import psutil

        psutil.cpu_percent(None)
        while not self._over.wait(SAMPLE_EVERY):
            memory = psutil.virtual_memory()
            self._report.emit(
                "gpu",
                gpus=_gpus(),
                cpu=psutil.cpu_percent(None),
                host_memory_used=memory.total - memory.available,
                host_memory_total=memory.total,
                process_memory=psutil.Process(os.getpid()).memory_info().rss,
                disk_free=_free(self._run),
            )


def idle_among(gpus: list[dict[str, Any]]) -> str:
    """Words on the one of this run's GPUs that the others wait for, as far as NVML shows it; else nothing."""
    shown = [int(part) for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.isdigit()]
    load = {gpu["index"]: gpu["utilisation"] for gpu in gpus if gpu["index"] in shown}
    idle = [index for index, share in load.items() if share is not None and share <= IDLE]
    busy = [index for index, share in load.items() if share is not None and share >= BUSY]
    return f": GPU {idle[0]} is idle; the others wait for it" if len(idle) == 1 and busy else ""


def _free(place: Path) -> int | None:
    try:
        return shutil.disk_usage(place).free
    except OSError:  # it was deleted or moved, which `ground` reports
        return None


def _gpus() -> list[dict[str, Any]]:
    from tuiftune.hardware.nvml import read_gpus

    return [{key: getattr(gpu, key) for key in GPU_FIELDS} for gpu in read_gpus().gpus]
