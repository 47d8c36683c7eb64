"""The GPUs, as NVIDIA's management library (NVML) reports them, through `pynvml` (package nvidia-ml-py).

Every field is asked for on its own: what a GPU, driver or MIG slice does not answer is None. No driver and
no GPU are ordinary readings that say why. Its numbers change about once a second: more often tells nothing.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from tuiftune.hardware.machine import Gpu, GpuProcess
from tuiftune.hardware.nvml_faults import GONE, in_words, missing_package
from tuiftune.printable import printable

# A failed start may run `nvidia-modprobe`, so it is not tried again at every reading.
RETRY_SECONDS = 10.0

_SM, _MEMORY, _DIE = 1, 2, 0  # NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU

# nvmlClocksEventReasons, NVML API reference; idle (bit 0) slows nothing down and is left out.
_THROTTLE = {
    0x002: "clocks set",
    0x004: "power cap",
    0x008: "hw slowdown",
    0x010: "sync boost",
    0x020: "sw thermal",
    0x040: "hw thermal",
    0x080: "power brake",
    0x100: "display clock",
    0x200: "board limit",
    0x400: "reliability",
}


@dataclass(frozen=True, slots=True)
class NvmlReading:
    """The GPUs at one moment. `fault`: why there is no reading at all, with the remedy; else None.

    Where GPUs are cut into MIG slices, the slices stand in the place of their GPU. `Gpu.index` is the place
    in this reading, which is NVML's own index on a machine without MIG.
    """

    gpus: tuple[Gpu, ...]
    driver: str | None = None
    cuda: str | None = None  # the newest CUDA the driver runs, e.g. "13.0"
    fault: str | None = None


def read_gpus() -> NvmlReading:
    """Every GPU now. Never raises for a missing or failing driver; thread-safe; meant for once a second."""
    return _SESSION.read()


class Nvml:
    """One connection to the driver, opened at the first reading and again after the driver went away.

    `library` is the pynvml module, or a recording of one.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._open = False
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._fault: str | None = None
        self._failed_at = 0.0

    def read(self) -> NvmlReading:
        with self._lock:
            if not self._open:
                if self._fault is not None and time.monotonic() - self._failed_at < RETRY_SECONDS:
                    return NvmlReading((), fault=self._fault)
                self._start()
            if not self._open:
                return NvmlReading((), fault=self._fault)
            try:
                return self._reading()
            except _DriverGoneError as error:
                self._stop(f"the NVIDIA driver stopped responding: {in_words(error.code, error.text)}")
                return NvmlReading((), fault=self._fault)

    def _start(self) -> None:
        try:
            if self._library is None:
                self._library = importlib.import_module("pynvml")
            self._library.nvmlInit()
        except ImportError:
            self._stop(missing_package())
        except self._errors() as error:
            self._stop(in_words(getattr(error, "value", None), str(error)))
        else:
            self._open, self._fault = True, None
            self._constants.clear()

    def _stop(self, fault: str) -> None:
        self._open, self._fault, self._failed_at = False, fault, time.monotonic()

    def _errors(self) -> tuple[type[Exception], ...]:
        """What a call into NVML may raise: its own errors, and those of finding it or reading its text."""
        own = [getattr(self._library, name, None) for name in ("NVMLError", "NVMLLibraryMismatchError")]
        return (*(error for error in own if error is not None), OSError, UnicodeDecodeError)

    def _ask(self, call: str, *args: Any) -> Any:
        """NVML's answer, or None where it has none. Raises _DriverGoneError when nothing answers any more."""
        function = getattr(self._library, call, None)
        if function is None:  # an older nvidia-ml-py
            return None
        try:
            answer = function(*args)
        except self._errors() as error:
            code = getattr(error, "value", None)
            if code in GONE:
                raise _DriverGoneError(code, str(error)) from error
            return None
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer

    def _once(self, key: tuple[Any, ...], call: str, *args: Any) -> Any:
        """An answer that does not change while the driver runs."""
        if key not in self._constants:
            answer = self._ask(call, *args)
            if answer is None:
                return None
            self._constants[key] = answer
        return self._constants[key]

    def _reading(self) -> NvmlReading:
        gpus: list[Gpu] = []
        for position in range(self._ask("nvmlDeviceGetCount") or 0):
            handle = self._ask("nvmlDeviceGetHandleByIndex", position)
            if handle is None:
                gpus.append(Gpu(len(gpus), f"GPU {position} (does not respond)"))
                continue
            mode = self._ask("nvmlDeviceGetMigMode", handle)
            mig = None if mode is None else bool(mode[0])
            slices = self._slices(handle) if mig else []
            if not slices:
                gpus.append(self._gpu(handle, (position,), len(gpus), mig))
            for number, part in slices:
                gpus.append(self._slice(part, handle, (position, number), len(gpus)))
        cuda = self._once(("cuda",), "nvmlSystemGetCudaDriverVersion_v2")
        return NvmlReading(
            tuple(gpus),
            driver=_text(self._once(("driver",), "nvmlSystemGetDriverVersion")),
            cuda=None if not cuda else f"{cuda // 1000}.{cuda % 1000 // 10}",
            fault=None
            if gpus
            else "the NVIDIA driver runs, but shows no GPU: start the container with --gpus all",
        )

    def _slices(self, handle: Any) -> list[tuple[int, Any]]:
        most = self._ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0
        found = (
            (number, self._ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, number))
            for number in range(most)
        )
        return [(number, part) for number, part in found if part is not None]

    def _slice(self, part: Any, parent: Any, key: tuple[int, ...], index: int) -> Gpu:
        """A MIG slice. What only the whole GPU knows (power, temperature, clocks) stays None."""
        memory = self._ask("nvmlDeviceGetMemoryInfo", part)
        name = self._name(part, key, f"MIG slice {key[1]} of GPU {key[0]}")
        capability = self._once((*key[:1], "capability"), "nvmlDeviceGetCudaComputeCapability", parent)
        return Gpu(
            index,
            name,
            uuid=_text(self._once((*key, "uuid"), "nvmlDeviceGetUUID", part)),
            memory_total=_field(memory, "total"),
            memory_used=_field(memory, "used"),
            memory_free=_field(memory, "free"),
            compute_capability=_pair(capability),
            mig=True,
            mig_slice_of=key[0],
            processes=self._processes(part),
        )

    def _gpu(self, handle: Any, key: tuple[int, ...], index: int, mig: bool | None) -> Gpu:
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        use = self._ask("nvmlDeviceGetUtilizationRates", handle)
        return Gpu(
            index,
            self._name(handle, key, f"GPU {key[0]}"),
            uuid=_text(self._once((*key, "uuid"), "nvmlDeviceGetUUID", handle)),
            memory_total=_field(memory, "total"),
            memory_used=_field(memory, "used"),
            memory_free=_field(memory, "free"),
            utilisation=_field(use, "gpu"),
            memory_utilisation=_field(use, "memory"),
            power_w=_watts(self._ask("nvmlDeviceGetPowerUsage", handle)),
            power_limit_w=_watts(self._ask("nvmlDeviceGetEnforcedPowerLimit", handle)),
            temperature_c=self._temperature(handle),
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", handle, _SM),
            sm_clock_max_mhz=self._once((*key, "most"), "nvmlDeviceGetMaxClockInfo", handle, _SM),
            memory_clock_mhz=self._ask("nvmlDeviceGetClockInfo", handle, _MEMORY),
            throttle=self._throttle(handle),
            compute_capability=_pair(
                self._once((*key, "capability"), "nvmlDeviceGetCudaComputeCapability", handle)
            ),
            mig=mig,
            processes=self._processes(handle),
            draws=bool(self._ask("nvmlDeviceGetGraphicsRunningProcesses", handle)),
        )

    def _name(self, handle: Any, key: tuple[int, ...], otherwise: str) -> str:
        return _text(self._once((*key, "name"), "nvmlDeviceGetName", handle)) or otherwise

    def _temperature(self, handle: Any) -> int | None:
        degrees = self._ask("nvmlDeviceGetTemperature", handle, _DIE)
        if degrees is None:  # deprecated, and gone with CUDA 14
            degrees = self._ask("nvmlDeviceGetTemperatureV", handle, _DIE)
        return None if degrees is None else int(degrees)

    def _throttle(self, handle: Any) -> tuple[str, ...]:
        reasons = self._ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if reasons is None:  # its name before driver 535
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return tuple(word for bit, word in _THROTTLE.items() if (reasons or 0) & bit)

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        running = self._ask("nvmlDeviceGetComputeRunningProcesses", handle) or []
        return tuple(
            GpuProcess(
                int(process.pid), self._process_name(int(process.pid)), _field(process, "usedGpuMemory")
            )
            for process in running
        )

    def _process_name(self, pid: int) -> str:
        name = _text(self._ask("nvmlSystemGetProcessName", pid))
        # The program only: what follows it on its command line is the owner's business.
        return os.path.basename(name.split(" ")[0]) if name else f"process {pid}"


class _DriverGoneError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def _text(value: Any) -> str | None:
    return printable(value) if isinstance(value, str) else None


def _field(value: Any, name: str) -> int | None:
    number = getattr(value, name, None)
    return None if number is None else int(number)


def _watts(milliwatts: Any) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _pair(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))


_SESSION = Nvml()
