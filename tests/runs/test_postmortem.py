"""Why an engine ended without a word: memory, the driver, a restart, as the system tells it."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import wait_until

from tuiftune.hardware import kernel
from tuiftune.hardware.driver_faults import of_kernel_line, of_message
from tuiftune.jobs.backends import local
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state import postmortem
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store.process import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]

# As an H100's driver wrote it.
FALLEN = "NVRM: Xid (PCI:0000:18:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the PCIe bus."
HUNGRY = "import sys; open(sys.argv[1], 'w').write(str(__import__('os').getpid())); x = b'x' * 300_000_000"


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group of 60 MB, where this user may make one."""
    for top, limit in (("memory", "memory.limit_in_bytes"), (".", "memory.max")):
        group = Path("/sys/fs/cgroup") / top / "tuiftune-test"
        with suppress(OSError):
            group.mkdir(exist_ok=True)
            (group / limit).write_text("60000000")
            yield group
            wait_until(lambda: not (group / "cgroup.procs").read_text())  # noqa: B023
            group.rmdir()
            return
    pytest.skip("cannot make a control group here")


def test_the_memory_limit_is_named(new_run: NewRun, small_group: Path) -> None:
    run = new_run()
    program = f'echo $$ > {small_group / "cgroup.procs"}; exec {sys.executable} -c "{HUNGRY}" {run.path}/x'
    pid = local.launch(run, ["sh", "-c", program])
    wait_until(lambda: local.returned(pid) is not None)
    if not kernel.log_since(0):
        pytest.skip("the kernel's log may not be read here")
    assert local.returned(pid) == -9
    assert "because RAM ran out" in postmortem.cause(run, local.returned(pid))


def test_a_kill_when_memory_was_full_is_put_down_to_it(new_run: NewRun) -> None:
    run = new_run()
    writer = EventWriter(run.events_path)
    writer.emit("gpu", gpus=[], host_memory_used=97, host_memory_total=100)
    writer.emit("heartbeat", step=3, phase="training")
    assert "97% full" in postmortem.cause(run, -9)
    writer.emit("gpu", gpus=[], host_memory_used=40, host_memory_total=100)
    assert "most likely because" in postmortem.cause(run, -9)


def test_a_gpu_that_fell_off_the_bus(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    pid = local.launch(run, [sys.executable, "-c", ""])
    wait_until(lambda: local.returned(pid) is not None)
    monkeypatch.setattr(kernel, "log_since", lambda seconds: ["usb 1-1: new device", FALLEN])
    said = postmortem.cause(run, local.returned(pid))
    assert "fallen off the PCIe bus" in said
    assert "Xid 79 of PCI:0000:18:00" in said


def test_a_machine_that_was_restarted(new_run: NewRun) -> None:
    run = new_run()
    pid = local.launch(run, ["sleep", "0"])
    wait_until(lambda: local.returned(pid) is not None)
    engine = Identity.load(run.pid_path)
    assert engine is not None
    run.pid_path.write_text(replace(engine, boot="the one before").dump())
    assert status(run) == "died"
    assert postmortem.cause(run) == "the machine was restarted"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("CUDA error: device-side assert triggered", "vocabulary"),
        ("CUDA error: an illegal memory access was encountered", "outside its own"),
        ("CUDA error: uncorrectable ECC error encountered", "uncorrectable memory error"),
        ("NCCL error in: ProcessGroupNCCL.cpp:94, unhandled system error", "between the processes"),
        ("CUDA error: no kernel image is available for execution on the device", "not built for the GPU"),
    ],
)
def test_errors_of_cuda_in_words(message: str, words: str) -> None:
    assert words in (of_message(f"RuntimeError: {message}") or "")


def test_other_lines_are_no_driver_faults() -> None:
    assert of_message("ValueError: the index is out of range") is None
    assert of_kernel_line("usb 1-1: new device") is None
    assert "Xid 999" in (of_kernel_line("NVRM: Xid (PCI:0000:18:00): 999, pid=1") or "")
