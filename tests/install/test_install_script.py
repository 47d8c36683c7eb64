"""`docs/install.sh`: what it chooses for a driver, and what it refuses before it downloads anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "install.sh"
NEEDED = ("sh", "uname", "dirname", "df", "awk", "sed", "head", "tr", "sort", "grep")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A directory of the programs that a bare machine has; without Python, uv, curl or a GPU."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    put(programs, "curl", "exit 9")
    return programs


def put(programs: Path, name: str, body: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{body}\n")
    (programs / name).chmod(0o755)


def gpu(programs: Path, driver: str, *capabilities: str) -> None:
    answers = "\\n".join(capabilities)
    versions = "\\n".join([driver] * len(capabilities))
    put(
        programs,
        "nvidia-smi",
        f'case $1 in *driver_version) printf "{versions}\\n";; *) printf "{answers}\\n";; esac',
    )


def installed(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = programs.parent
    return subprocess.run(
        [str(programs / "sh"), str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": str(programs), "HOME": str(home), "TUIFTUNE_DRIVER_FILE": str(home / "none")},
    )


@pytest.mark.parametrize(
    ("driver", "capability", "backend"),
    [
        ("525.60.13", "8.0", "cu126"),
        ("535.183.01", "8.6", "cu126"),
        ("550.90.07", "9.0", "cu126"),
        ("560.35.03", "8.9", "cu126"),
        ("570.86.15", "9.0", "cu128"),
        ("570.133.20", "12.0", "cu128"),
        ("575.57.08", "10.0", "cu128"),
        ("580.65.06", "9.0", "cu130"),
        ("580.65.06", "12.0", "cu130"),
        ("580.65.06", "7.5", "cu130"),
        ("580.65.06", "7.0", "cu126"),
        ("535.183.01", "6.1", "cu126"),
    ],
)
def test_the_pytorch_build_fits_the_driver_and_the_gpu(
    machine: Path, driver: str, capability: str, backend: str
) -> None:
    gpu(machine, driver, capability)
    run = installed(machine, "--dry-run")
    assert run.returncode == 0, run.stderr
    assert f"--torch-backend {backend} " in run.stderr
    assert driver in run.stderr
    assert not (machine.parent / ".tuiftune").exists()


def test_the_oldest_gpu_decides(machine: Path) -> None:
    gpu(machine, "580.65.06", "12.0", "7.0")
    assert "--torch-backend cu126" in installed(machine, "--dry-run").stderr


@pytest.mark.parametrize(
    ("driver", "capability", "says"),
    [
        ("470.256.02", "8.0", "needs 525 or later"),
        ("550.90.07", "12.0", "needs 570 or later"),
        ("550.90.07", "3.7", "needs 5.0 or later"),
    ],
)
def test_a_driver_that_cannot_work_ends_before_anything_is_downloaded(
    machine: Path, driver: str, capability: str, says: str
) -> None:
    gpu(machine, driver, capability)
    run = installed(machine)
    assert run.returncode == 2
    assert says in run.stderr.splitlines()[-1]
    assert not (machine.parent / ".tuiftune").exists()


def test_without_a_gpu_the_cpu_build_is_taken(machine: Path) -> None:
    put(
        machine,
        "nvidia-smi",
        'echo "NVIDIA-SMI has failed because it could not communicate with the driver"; exit 9',
    )
    run = installed(machine, "--dry-run")
    assert "--torch-backend cpu " in run.stderr
    assert "no NVIDIA driver found" in run.stderr


def test_the_driver_is_found_without_nvidia_smi(machine: Path) -> None:
    (machine.parent / "none").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.20  Wed May 14 2025\nGCC version: 12\n"
    )
    assert "--torch-backend cu128 " in installed(machine, "--dry-run").stderr


def test_a_disk_that_is_too_small_is_said_first(machine: Path) -> None:
    (machine / "df").unlink()
    put(machine, "df", 'echo "Filesystem 1M-blocks Used Available"; echo "/dev/sda 20000 11000 9000 55% /"')
    run = installed(machine)
    assert run.returncode == 3
    assert "8 GiB are free, about 16 GiB are needed" in run.stderr


def test_a_python_that_is_too_old_is_not_used_and_a_new_one_is(machine: Path) -> None:
    put(machine, "python3", 'case $2 in *metadata*) echo 2.4.0;; *) echo "3.9 0";; esac')
    run = installed(machine, "--dry-run")
    assert "--python 3.12" in run.stderr
    assert "3.9 of the system is older than 3.11" in run.stderr
    assert "PyTorch 2.4.0 of the system's Python is left alone" in run.stderr
    put(machine, "python3", 'case $2 in *metadata*) exit 1;; *) echo "3.13 1";; esac')
    assert "--python 3.13" in installed(machine, "--dry-run").stderr


def test_uv_that_cannot_be_fetched_is_one_line(machine: Path) -> None:
    run = installed(machine, "--no-prove")
    assert run.returncode == 1
    assert "failed" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says"), [(["--nto"], "--nto: unknown option"), (["--into"], "value is missing")]
)
def test_bad_usage_names_the_option(machine: Path, arguments: list[str], says: str) -> None:
    run = installed(machine, *arguments)
    assert run.returncode == 2
    assert says in run.stderr


def test_help_is_the_head_of_the_script(machine: Path) -> None:
    run = installed(machine, "--help")
    assert run.returncode == 0
    assert "--dry-run       print what would be chosen" in run.stdout
