"""What the recorder writes, the replay gives back: round trip through pynvml's own types."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
from nvml_replay import Replay

from tuiftune.hardware.nvml import Nvml

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "record_nvml.py"


def _recorder_module() -> Any:
    spec = importlib.util.spec_from_file_location("record_nvml", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["record_nvml"] = module
    spec.loader.exec_module(module)
    return module


class ConstructedDriver:
    """Stands where pynvml stands, and answers in pynvml's own types; what it lacks fails as pynvml fails."""

    NVMLError = pynvml.NVMLError
    _gpu = ctypes.create_string_buffer(8)

    def nvmlInit(self) -> None:  # noqa: N802
        return None

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802
        return b"570.1"

    def nvmlDeviceGetHandleByIndex(self, _: int) -> Any:  # noqa: N802
        return ctypes.cast(self._gpu, ctypes.POINTER(ctypes.c_long))  # a new object each time, as in pynvml

    def nvmlDeviceGetName(self, _: Any) -> str:  # noqa: N802
        return "Constructed Card"

    def nvmlDeviceGetMemoryInfo(self, _: Any) -> Any:  # noqa: N802
        return pynvml.c_nvmlMemory_t(total=100, free=60, used=40)

    def nvmlDeviceGetComputeRunningProcesses(self, _: Any) -> Any:  # noqa: N802
        return [SimpleNamespace(pid=5, usedGpuMemory=None)]

    def nvmlSystemGetProcessName(self, _: int) -> str:  # noqa: N802
        return "/home/someone/private-name"

    def __getattr__(self, name: str) -> Any:
        def fails(*_: Any) -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

        if name.startswith("nvmlDevice") or name.startswith("nvmlSystem"):
            return fails
        raise AttributeError(name)


def test_a_recording_reads_the_same_as_the_driver(tmp_path: Path) -> None:
    module = _recorder_module()
    sample, session = module.sample("idle", ConstructedDriver())
    again, _ = module.sample("later", ConstructedDriver(), session)
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"samples": [sample, again]}), "utf-8")

    direct = Nvml(ConstructedDriver()).read()
    replay = Replay.of_file(path)
    replayed = Nvml(replay)
    (gpu,) = replayed.read().gpus
    assert gpu.name == "Constructed Card"
    assert (gpu.memory_total, gpu.memory_used, gpu.memory_free) == (100, 40, 60)
    assert gpu.utilisation is None
    assert replayed.read().driver == direct.driver == "570.1"
    replay.sample = 1
    assert replayed.read().gpus[0].memory_total == 100
    assert gpu.processes[0].memory_bytes is None


def test_a_recording_holds_no_process_names(tmp_path: Path) -> None:
    sample, _ = _recorder_module().sample("idle", ConstructedDriver())
    assert "private" not in json.dumps(sample)
