"""Record NVML's raw answers on a machine with a card, as a fixture for the tests.

    python benchmarks/record_nvml.py OUT.json [--samples 3] [--no-load]

Every call that `tuiftune.hardware.nvml` makes is recorded with its arguments and its answer or error, over
several samples: idle, under load (a matrix product in torch, where it is installed), and after it.
`tests/hardware` replays the file in the place of the driver. Process names are replaced; nothing else is.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tuiftune.hardware.nvml import Nvml

# Asked beside what the program needs today, so that the recording serves tomorrow's needs as well.
FURTHER = (
    ("nvmlDeviceGetTotalEnergyConsumption", ()),
    ("nvmlDeviceGetPowerManagementLimit", ()),
    ("nvmlDeviceGetCurrentClocksThrottleReasons", ()),
    ("nvmlDeviceGetTemperatureV", (0,)),
    ("nvmlDeviceGetPerformanceState", ()),
    ("nvmlDeviceGetFanSpeed", ()),
    ("nvmlDeviceGetEccMode", ()),
    ("nvmlDeviceGetPersistenceMode", ()),
    ("nvmlDeviceGetComputeMode", ()),
    ("nvmlDeviceGetMaxMigDeviceCount", ()),
    ("nvmlDeviceGetCurrPcieLinkGeneration", ()),
    ("nvmlDeviceGetCurrPcieLinkWidth", ()),
    ("nvmlDeviceGetGraphicsRunningProcesses", ()),
)

LOAD = """
import sys, torch
a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
for _ in range(20):
    b = a @ a
torch.cuda.synchronize()
print("running", flush=True)
import time
end = time.time() + float(sys.argv[1])
while time.time() < end:
    b = a @ a
    torch.cuda.synchronize()
"""


class Recorder:
    """The pynvml module, with every call written down: stands in for it wherever it is used."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._handles: list[tuple[int, Any]] = []
        self.calls: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._library, name)
        if not name.startswith("nvml") or not callable(attribute) or isinstance(attribute, type):
            return attribute

        def call(*args: Any) -> Any:
            entry: dict[str, Any] = {"call": name, "args": [self._encoded(name, arg) for arg in args]}
            self.calls.append(entry)
            began = time.perf_counter()
            try:
                answer = attribute(*args)
            except self._library.NVMLError as error:
                entry["error"] = {"code": error.value, "text": str(error)}
                raise
            finally:
                entry["microseconds"] = round((time.perf_counter() - began) * 1e6)
            entry["answer"] = self._encoded(name, answer)
            return answer

        return call

    def _encoded(self, call: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return "python" if call == "nvmlSystemGetProcessName" else value
        if isinstance(value, bytes):
            return {"bytes": value.decode("latin-1")}
        if isinstance(value, list | tuple):
            return [self._encoded(call, item) for item in value]
        names = [field[0] for field in getattr(value, "_fields_", ())] or list(getattr(value, "__dict__", {}))
        if names and not hasattr(value, "contents"):
            return {"fields": {name: self._encoded(call, getattr(value, name, None)) for name in names}}
        return {"handle": self._number(value)}

    def _number(self, handle: Any) -> int:
        import ctypes

        address = ctypes.cast(handle, ctypes.c_void_p).value or 0
        for number, (known, _) in enumerate(self._handles):
            if known == address:
                return number
        self._handles.append((address, handle))
        return len(self._handles) - 1


def sample(label: str, library: Any, keep: Nvml | None = None) -> tuple[dict[str, Any], Nvml]:
    """One reading and the further calls, as recorded; `keep` reads on with an open connection."""
    recorder = Recorder(library) if keep is None else keep._library
    session = Nvml(recorder) if keep is None else keep
    recorder.calls = []
    began = time.perf_counter()
    reading = session.read()
    seconds = time.perf_counter() - began
    for position in range(len(reading.gpus)):
        try:
            handle = recorder.nvmlDeviceGetHandleByIndex(position)
        except library.NVMLError:
            continue
        for name, args in FURTHER:
            try:
                getattr(recorder, name)(handle, *args)
            except (library.NVMLError, AttributeError):
                continue
    print(f"{label}: {len(recorder.calls)} calls, reading took {seconds * 1e3:.2f} ms", file=sys.stderr)
    for gpu in reading.gpus:
        print(f"  {gpu}", file=sys.stderr)
    return {"label": label, "reading_ms": round(seconds * 1e3, 3), "calls": recorder.calls}, session


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=3, help="under load, one second apart")
    parser.add_argument("--no-load", action="store_true")
    options = parser.parse_args()

    import pynvml

    first, session = sample("idle", pynvml)
    samples = [first]
    if not options.no_load:
        seconds = str(options.samples + 3)
        with subprocess.Popen(
            [sys.executable, "-c", LOAD, seconds], stdout=subprocess.PIPE, text=True
        ) as load:
            ready = load.stdout.readline().strip() if load.stdout else ""
            if ready == "running":
                for number in range(options.samples):
                    time.sleep(1.0)
                    samples.append(sample(f"load {number + 1}", pynvml, session)[0])
            else:
                print("no load: torch could not run on the card", file=sys.stderr)
        time.sleep(2.0)
        samples.append(sample("after", pynvml, session)[0])
    meta = {
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "system": platform.system(),
        "pynvml": _version(),
        "by": "benchmarks/record_nvml.py",
    }
    options.out.write_text(json.dumps({"meta": meta, "samples": samples}, indent=1) + "\n", encoding="utf-8")
    print(f"{options.out}: {len(samples)} samples", file=sys.stderr)


def _version() -> str:
    from importlib.metadata import version

    return version("nvidia-ml-py")


if __name__ == "__main__":
    main()
