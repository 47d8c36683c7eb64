"""NVML readings: recorded from a real H200 where the file is there, constructed for what it cannot show."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from nvml_replay import NVMLError, Replay

from tuiftune.hardware import nvml
from tuiftune.hardware.nvml import Nvml

FIXTURES = Path(__file__).parent / "fixtures"
RECORDED = FIXTURES / "nvml-h200.json"
NOT_SUPPORTED = NVMLError(3, "Not Supported")
H = "handle 0"

needs_recording = pytest.mark.skipif(
    not RECORDED.exists(),
    reason="no recording yet: benchmarks/record_nvml.py makes it on a machine with a card",
)


def constructed(*changes: tuple[object, ...], count: int = 1) -> Replay:
    """A constructed card that answers everything; `changes` replace single answers."""
    answers: dict[tuple[object, ...], object] = {
        ("nvmlInit",): None,
        ("nvmlDeviceGetCount",): count,
        ("nvmlSystemGetDriverVersion",): "580.95.05",
        ("nvmlSystemGetCudaDriverVersion_v2",): 13000,
        ("nvmlDeviceGetHandleByIndex", 0): H,
        ("nvmlDeviceGetMigMode", H): NOT_SUPPORTED,
        ("nvmlDeviceGetName", H): "Constructed Card",
        ("nvmlDeviceGetUUID", H): "GPU-0000",
        ("nvmlDeviceGetMemoryInfo", H): SimpleNamespace(total=24_000, used=4_000, free=20_000),
        ("nvmlDeviceGetUtilizationRates", H): SimpleNamespace(gpu=97, memory=41),
        ("nvmlDeviceGetPowerUsage", H): 251_500,
        ("nvmlDeviceGetEnforcedPowerLimit", H): 350_000,
        ("nvmlDeviceGetTemperature", H, 0): 71,
        ("nvmlDeviceGetClockInfo", H, 1): 1755,
        ("nvmlDeviceGetClockInfo", H, 2): 9501,
        ("nvmlDeviceGetMaxClockInfo", H, 1): 2100,
        ("nvmlDeviceGetCurrentClocksEventReasons", H): 0x1 | 0x4 | 0x40,
        ("nvmlDeviceGetCudaComputeCapability", H): (8, 6),
        ("nvmlDeviceGetComputeRunningProcesses", H): [SimpleNamespace(pid=77, usedGpuMemory=3_000)],
        ("nvmlDeviceGetGraphicsRunningProcesses", H): [],
        ("nvmlSystemGetProcessName", 77): "/usr/bin/python3 train.py --key secret",
    }
    answers.update({tuple(change[:-1]): change[-1] for change in changes})
    return Replay.of_calls(*((*key, answer) for key, answer in answers.items()))


def test_every_field_of_a_gpu_that_answers_everything() -> None:
    reading = Nvml(constructed()).read()
    (gpu,) = reading.gpus
    assert (reading.driver, reading.cuda, reading.fault) == ("580.95.05", "13.0", None)
    assert (gpu.index, gpu.name, gpu.uuid) == (0, "Constructed Card", "GPU-0000")
    assert (gpu.memory_total, gpu.memory_used, gpu.memory_free) == (24_000, 4_000, 20_000)
    assert (gpu.utilisation, gpu.memory_utilisation) == (97, 41)
    assert (gpu.power_w, gpu.power_limit_w, gpu.temperature_c) == (251.5, 350.0, 71)
    assert (gpu.sm_clock_mhz, gpu.sm_clock_max_mhz, gpu.memory_clock_mhz) == (1755, 2100, 9501)
    assert gpu.throttle == ("power cap", "hw thermal")  # idle, bit 0, slows nothing down
    assert gpu.compute_capability == (8, 6)
    assert gpu.bf16 is True
    assert gpu.mig is None


def test_a_gpu_that_a_desktop_draws_on_is_known() -> None:
    screen = ("nvmlDeviceGetGraphicsRunningProcesses", H, [SimpleNamespace(pid=9, usedGpuMemory=None)])
    assert Nvml(constructed(screen)).read().gpus[0].draws
    assert not Nvml(constructed()).read().gpus[0].draws
    assert not Nvml(constructed((*screen[:2], NOT_SUPPORTED))).read().gpus[0].draws


def test_a_process_is_named_without_its_arguments() -> None:
    (process,) = Nvml(constructed()).read().gpus[0].processes
    assert (process.pid, process.name, process.memory_bytes) == (77, "python3", 3_000)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (("nvmlDeviceGetMemoryInfo", H), "memory_total"),
        (("nvmlDeviceGetUtilizationRates", H), "utilisation"),
        (("nvmlDeviceGetPowerUsage", H), "power_w"),
        (("nvmlDeviceGetEnforcedPowerLimit", H), "power_limit_w"),
        (("nvmlDeviceGetClockInfo", H, 1), "sm_clock_mhz"),
        (("nvmlDeviceGetClockInfo", H, 2), "memory_clock_mhz"),
        (("nvmlDeviceGetMaxClockInfo", H, 1), "sm_clock_max_mhz"),
        (("nvmlDeviceGetCudaComputeCapability", H), "compute_capability"),
        (("nvmlDeviceGetUUID", H), "uuid"),
    ],
)
@pytest.mark.parametrize("code", [3, 4, 13, 15, 999])
def test_a_field_that_fails_is_none_and_the_others_stay(
    call: tuple[object, ...], field: str, code: int
) -> None:
    (gpu,) = Nvml(constructed((*call, NVMLError(code)))).read().gpus
    assert getattr(gpu, field) is None
    assert gpu.name == "Constructed Card"
    assert gpu.temperature_c == 71


def test_fields_that_fail_all_at_once_leave_a_gpu_with_its_number() -> None:
    """A card that fell off the bus (15) still counts, and no reading fails for it."""
    replay = constructed()
    for entry in replay.samples[0]["calls"]:
        if "Device" in entry["call"] and entry["call"] not in {
            "nvmlDeviceGetCount",
            "nvmlDeviceGetHandleByIndex",
        }:
            entry["raw"] = NVMLError(15, "GPU is lost")
    replay.samples[0]["calls"] += [
        {"call": "nvmlDeviceGetTemperatureV", "args": [H, 0], "raw": NVMLError(15)},
        {"call": "nvmlDeviceGetCurrentClocksThrottleReasons", "args": [H], "raw": NVMLError(15)},
    ]
    (gpu,) = Nvml(replay).read().gpus
    assert gpu.name == "GPU 0"
    assert gpu.memory_total is None
    assert gpu.bf16 is None


def test_a_gpu_without_a_handle_does_not_hide_the_next_one() -> None:
    second = "handle 1"
    replay = constructed(("nvmlDeviceGetHandleByIndex", 0, NVMLError(15)), count=2)
    moved = [
        {**entry, "args": [second if arg == H else arg for arg in entry["args"]]}
        for entry in replay.samples[0]["calls"]
    ]
    replay.samples[0]["calls"] += [*moved, {"call": "nvmlDeviceGetHandleByIndex", "args": [1], "raw": second}]
    first, other = Nvml(replay).read().gpus
    assert first.name == "GPU 0 (does not respond)"
    assert (other.index, other.name) == (1, "Constructed Card")


def test_names_in_bytes_and_with_control_characters_are_made_fit_to_show() -> None:
    (gpu,) = Nvml(constructed(("nvmlDeviceGetName", H, b"Card \x1b[31m\xff"))).read().gpus
    assert gpu.name == "Card \\x1b[31m�"


def test_unified_memory_is_a_gpu_without_memory_of_its_own() -> None:
    (gpu,) = Nvml(constructed(("nvmlDeviceGetMemoryInfo", H, NOT_SUPPORTED))).read().gpus
    assert (gpu.memory_total, gpu.memory_used, gpu.utilisation) == (None, None, 97)


def test_the_temperature_comes_by_its_newer_call_where_the_older_is_gone() -> None:
    replay = constructed(
        ("nvmlDeviceGetTemperature", H, 0, NVMLError(13)), ("nvmlDeviceGetTemperatureV", H, 0, 55)
    )
    assert Nvml(replay).read().gpus[0].temperature_c == 55


def test_mig_slices_stand_in_the_place_of_their_gpu() -> None:
    """Constructed: a card cut in two of seven possible places."""
    replay = constructed(
        ("nvmlDeviceGetMigMode", H, [1, 1]),
        ("nvmlDeviceGetMaxMigDeviceCount", H, 3),
        ("nvmlDeviceGetMigDeviceHandleByIndex", H, 0, "slice a"),
        ("nvmlDeviceGetMigDeviceHandleByIndex", H, 1, NVMLError(6, "Not Found")),
        ("nvmlDeviceGetMigDeviceHandleByIndex", H, 2, "slice b"),
        *(
            call
            for part, size in (("slice a", 10_000), ("slice b", 20_000))
            for call in (
                ("nvmlDeviceGetName", part, f"Constructed Card MIG {size}"),
                ("nvmlDeviceGetUUID", part, f"MIG-{size}"),
                ("nvmlDeviceGetMemoryInfo", part, SimpleNamespace(total=size, used=1, free=size - 1)),
                ("nvmlDeviceGetComputeRunningProcesses", part, NOT_SUPPORTED),
            )
        ),
    )
    first, second = Nvml(replay).read().gpus
    assert [(gpu.index, gpu.mig, gpu.mig_slice_of) for gpu in (first, second)] == [(0, True, 0), (1, True, 0)]
    assert (first.memory_total, second.memory_total) == (10_000, 20_000)
    assert second.uuid == "MIG-20000"
    assert first.compute_capability == (8, 6)  # the whole card's: a slice is no other silicon
    assert first.utilisation is None
    assert first.power_w is None


def test_mig_switched_on_without_slices_shows_the_gpu() -> None:
    replay = constructed(("nvmlDeviceGetMigMode", H, [1, 1]), ("nvmlDeviceGetMaxMigDeviceCount", H, 0))
    (gpu,) = Nvml(replay).read().gpus
    assert (gpu.mig, gpu.mig_slice_of, gpu.memory_total) == (True, None, 24_000)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (12, "no NVIDIA driver"),
        (9, "not loaded"),
        (18, "Restart the machine"),
        (4, "no permission"),
        (999, "failed"),
    ],
)
def test_a_driver_that_does_not_start_is_said_in_words_with_a_remedy(code: int, words: str) -> None:
    reading = Nvml(Replay.of_calls(("nvmlInit", NVMLError(code, "code")))).read()
    assert reading.gpus == ()
    assert reading.fault is not None
    assert words in reading.fault
    assert ". " in reading.fault


def test_no_gpu_in_a_machine_with_a_driver_is_said() -> None:
    reading = Nvml(constructed(count=0)).read()
    assert reading.gpus == ()
    assert reading.driver == "580.95.05"
    assert "no GPU" in (reading.fault or "")


def test_the_driver_goes_away_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(nvml.time, "monotonic", lambda: now[0])
    replay = constructed()
    session = Nvml(replay)
    assert session.read().gpus
    replay.down = 1
    gone = session.read()
    assert gone.gpus == ()
    assert "stopped responding" in (gone.fault or "")
    replay.down = None
    asked = len(replay.asked)
    assert session.read() == gone  # not asked again at once: a start may run a program of the driver's
    assert len(replay.asked) == asked
    now[0] += nvml.RETRY_SECONDS + 1
    assert session.read().gpus[0].name == "Constructed Card"


def test_what_never_changes_is_asked_once() -> None:
    replay = constructed()
    session = Nvml(replay)
    for _ in range(3):
        session.read()
    assert replay.asked.count("nvmlInit") == 1
    assert replay.asked.count("nvmlDeviceGetName") == 1
    assert replay.asked.count("nvmlDeviceGetUtilizationRates") == 3


def test_readings_from_many_threads_agree() -> None:
    replay = constructed()
    session, found = Nvml(replay), []
    threads = [threading.Thread(target=lambda: found.append(session.read())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert replay.asked.count("nvmlInit") == 1


def test_this_machine_is_read_whatever_it_has() -> None:
    reading = nvml.read_gpus()
    assert bool(reading.gpus) == (reading.fault is None)


@needs_recording
def test_a_recorded_h200() -> None:
    replay = Replay.of_file(RECORDED)
    session = Nvml(replay)
    idle = session.read()
    (gpu,) = idle.gpus
    assert idle.fault is None
    assert gpu.name == "NVIDIA H200"
    assert gpu.compute_capability == (9, 0)
    assert gpu.memory_total == pytest.approx(143_771 * 1024**2, abs=64 * 1024**2)
    assert gpu.memory_used is not None
    assert gpu.memory_free is not None
    assert gpu.memory_used + gpu.memory_free == pytest.approx(gpu.memory_total, rel=0.01)
    assert idle.driver is not None
    assert idle.cuda is not None


@needs_recording
def test_a_recorded_h200_under_load_works_harder_than_idle() -> None:
    samples = json.loads(RECORDED.read_text("utf-8"))["samples"]
    loaded = [number for number, sample in enumerate(samples) if sample["label"].startswith("load")]
    assert loaded, "the recording was made without load"
    replay = Replay.of_file(RECORDED)
    session = Nvml(replay)
    idle = session.read().gpus[0]
    replay.sample = loaded[-1]
    busy = session.read().gpus[0]
    assert busy.utilisation is not None
    assert busy.utilisation > (idle.utilisation or 0)
    assert busy.power_w is not None
    assert idle.power_w is not None
    assert busy.power_w > idle.power_w
    assert busy.memory_used is not None
    assert idle.memory_used is not None
    assert busy.memory_used > idle.memory_used


def test_two_recorded_h200s_of_one_host() -> None:
    read = Nvml(Replay.of_file(FIXTURES / "nvml-two-h200.json")).read()
    assert read.fault is None
    assert [gpu.index for gpu in read.gpus] == [0, 1]
    assert {gpu.name for gpu in read.gpus} == {"NVIDIA H200"}
    assert len({gpu.uuid for gpu in read.gpus}) == 2
