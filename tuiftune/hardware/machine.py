"""What this machine is, as values. `detect.py` and `nvml.py` fill them; what was not read is None."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuProcess:
    pid: int
    name: str
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU (or MIG slice) at one moment. Memory in bytes, power in watts, clocks in MHz, use 0–100."""

    index: int
    name: str
    uuid: str | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    utilisation: int | None = None
    memory_utilisation: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: int | None = None
    sm_clock_mhz: int | None = None
    sm_clock_max_mhz: int | None = None
    memory_clock_mhz: int | None = None
    throttle: tuple[str, ...] = ()
    compute_capability: tuple[int, int] | None = None
    mig: bool | None = None
    mig_slice_of: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    draws: bool = False  # a desktop or another program draws on it

    @property
    def bf16(self) -> bool | None:
        """Whether the GPU computes in bfloat16 natively: compute capability 8.0 (Ampere) or later."""
        return None if self.compute_capability is None else self.compute_capability >= (8, 0)


@dataclass(frozen=True, slots=True)
class Host:
    """Memory in bytes. `memory_limit` is the cgroup's, where there is one below the physical total."""

    hostname: str
    system: str
    python: str
    cpu: str
    cores: int
    memory_total: int
    memory_available: int
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    path: str
    mount: str
    filesystem: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Session:
    """How the user sits at this machine."""

    ssh: bool
    multiplexer: str | None  # "tmux", "screen"
    container: str | None  # "docker", "podman", "kubernetes", …
    term: str


@dataclass(frozen=True, slots=True)
class Machine:
    gpus: tuple[Gpu, ...]
    driver: str | None
    cuda: str | None
    nvml_fault: str | None  # why there is no reading at all, in words for the user; None when NVML answered
    host: Host
    disks: tuple[Disk, ...]
    session: Session

    @property
    def memory(self) -> int:
        """Host memory this process may use, in bytes: the physical total or the cgroup limit, the smaller."""
        return min(self.host.memory_total, self.host.memory_limit or self.host.memory_total)
