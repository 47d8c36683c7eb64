"""What doctor concludes, for machines other than this one: the cards are constructed, the rules are real."""

from __future__ import annotations

import importlib.metadata
import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tuiftune.hardware.detect import detect
from tuiftune.hardware.diagnosis import Finding, diagnose, stands
from tuiftune.hardware.libraries import (
    EXTRAS,
    FLOORS,
    Library,
    TorchBuild,
    build_of,
    read_libraries,
    release,
    torch_build,
)
from tuiftune.hardware.machine import Disk, Gpu, GpuProcess, Machine

GIB = 1024**3
GPU = Gpu(0, "Constructed Card", memory_total=24 * GIB, memory_used=GIB, compute_capability=(8, 9))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    here = detect(tmp_path)
    disk = Disk("runs", "/", "ext4", 1000 * GIB, 500 * GIB)
    return replace(here, gpus=(GPU,), driver="580.1", cuda="13.0", nvml_fault=None, disks=(disk,))


def found(
    machine: Machine,
    tmp_path: Path,
    *,
    torch: TorchBuild | None = None,
    libraries: tuple[Library, ...] | None = None,
) -> tuple[Finding, ...]:
    return diagnose(machine, read_libraries() if libraries is None else libraries, torch, tmp_path)


def worst(findings: tuple[Finding, ...], words: str) -> Finding:
    return next(finding for finding in findings if words in finding.what)


@pytest.mark.parametrize(
    ("build", "driver_cuda", "capability", "state", "remedy"),
    [
        (TorchBuild("2.13.0+cu130", "13.0"), "13.0", (9, 0), "ok", ""),
        (TorchBuild("2.13.0+cu128", "12.8"), "13.0", (9, 0), "ok", ""),
        (TorchBuild("2.13.0+cu128", "12.8"), "12.2", (8, 6), "ok", ""),  # minor versions are compatible
        (TorchBuild("2.13.0+cu130", "13.0"), "12.8", (9, 0), "bad", "update the NVIDIA driver"),
        (TorchBuild("2.13.0+cpu", None), "13.0", (9, 0), "bad", "PyTorch build for your CUDA"),
        (TorchBuild("2.13.0+cu130", "13.0"), "13.0", (7, 0), "bad", "CUDA 12"),
        (TorchBuild("2.13.0+cu130", "13.0"), None, None, "ok", ""),
    ],
)
def test_torch_against_the_driver(
    machine: Machine,
    tmp_path: Path,
    build: TorchBuild,
    driver_cuda: str | None,
    capability: tuple[int, int] | None,
    state: str,
    remedy: str,
) -> None:
    here = replace(machine, cuda=driver_cuda, gpus=(replace(GPU, compute_capability=capability),))
    finding = worst(found(here, tmp_path, torch=build), "PyTorch")
    assert finding.state == state
    assert remedy in finding.remedy


def test_a_missing_essential_library_stops_everything(machine: Machine, tmp_path: Path) -> None:
    libraries = (
        Library("torch", "2.10", None, "training", True),
        Library("bitsandbytes", "0.50", None, "QLoRA", False),
    )
    findings = found(machine, tmp_path, libraries=libraries)
    torch, four_bit = worst(findings, "torch: missing"), worst(findings, "bitsandbytes: missing")
    assert torch.state == "bad"
    assert torch.remedy == "pip install 'torch>=2.10'"
    assert four_bit.state == "warn"
    assert not stands(findings)


def test_a_library_below_its_floor_is_missing_too(machine: Machine, tmp_path: Path) -> None:
    findings = found(machine, tmp_path, libraries=(Library("trl", "1.16", "1.9.0", "the trainer", True),))
    assert worst(findings, "older than 1.16").state == "bad"
    assert not stands(findings)


def test_a_machine_without_a_gpu_still_stands(machine: Machine, tmp_path: Path) -> None:
    here = replace(machine, gpus=(), driver=None, cuda=None, nvml_fault="no NVIDIA driver found. Install it.")
    findings = found(here, tmp_path)
    assert worst(findings, "no NVIDIA driver").remedy == "Install it."
    assert worst(findings, "QLoRA needs a GPU").state == "info"
    assert stands(findings)


def test_a_busy_and_a_hot_gpu_are_said(machine: Machine, tmp_path: Path) -> None:
    busy = replace(
        GPU, memory_used=20 * GIB, throttle=("hw thermal",), processes=(GpuProcess(7, "python3", 19 * GIB),)
    )
    findings = found(replace(machine, gpus=(busy,)), tmp_path)
    assert "python3 (7)" in worst(findings, "in use").what
    assert worst(findings, "throttled now").state == "warn"


@pytest.mark.parametrize(
    ("free", "state", "ready"), [(500, "ok", True), (10, "warn", True), (1, "bad", False)]
)
def test_room_on_the_disk(machine: Machine, tmp_path: Path, free: int, state: str, ready: bool) -> None:
    here = replace(machine, disks=(Disk("runs", "/data", "ext4", 1000 * GIB, free * GIB),))
    findings = found(here, tmp_path)
    assert worst(findings, "/data").state == state
    assert stands(findings) is ready


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.13.0+cpu", (2, 13, 0)), ("5.10", (5, 10)), ("1.16.0rc1", (1, 16, 0)), ("0.50.2.dev0", (0, 50, 2))],
)
def test_versions_are_compared_by_their_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert release(version) == numbers


def test_the_build_is_read_from_torchs_own_file() -> None:
    source = "from typing import Optional\n__version__ = '2.13.0'\ncuda: Optional[str] = '13.0'\nhip = None\n"
    assert build_of("2.13.0", source) == TorchBuild("2.13.0", "13.0")
    assert build_of("2.13.0+cu128", "") == TorchBuild("2.13.0+cu128", "12.8")
    assert build_of("2.13.0+cpu", "cuda: Optional[str] = None\n").cuda is None


def test_the_installed_torch_is_read_without_importing_it() -> None:
    build = torch_build()
    assert build is not None
    assert build.version == importlib.metadata.version("torch")


def test_the_floors_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    declared = dict(
        match.groups()
        for requirement in project["dependencies"]
        if (match := re.match(r"([A-Za-z0-9_-]+)>=([0-9.]+)", requirement))
    )
    assert {name: declared.get(name) for name, *_ in FLOORS} == {name: floor for name, floor, *_ in FLOORS}
    for name, floor, _ in EXTRAS:
        assert project["optional-dependencies"][name] == [f"{name}>={floor}"]


def test_a_library_of_an_extra_is_told_of_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"deepspeed": "0.18.2"}
    monkeypatch.setattr("tuiftune.hardware.libraries._version", there.get)
    (found,) = [library for library in read_libraries() if library.name == "deepspeed"]
    assert (found.sound, found.essential) == (False, False), "older than its floor"
    there.clear()
    assert "deepspeed" not in [library.name for library in read_libraries()]


def test_no_permission_to_write_runs(machine: Machine, tmp_path: Path) -> None:
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        findings = found(machine, Path("/etc/runs"))
    finally:
        if root:
            os.seteuid(0)
    assert worst(findings, "no permission to write runs").state == "bad"
    assert not stands(findings)
    assert not [finding for finding in found(machine, tmp_path) if "no permission" in finding.what]
