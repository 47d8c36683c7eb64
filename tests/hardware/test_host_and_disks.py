"""Host, control groups, disks and session, against small trees of files like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tuiftune.control_group import cgroup_memory, memory_available
from tuiftune.hardware.detect import detect, machine_of, model_cache, visible
from tuiftune.hardware.disks import disk_of, nearest_existing
from tuiftune.hardware.host import cores, cpu_name, read_host
from tuiftune.hardware.machine import Gpu
from tuiftune.hardware.nvml import NvmlReading
from tuiftune.hardware.session import read_session

GIB = 1024**3


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def test_cgroup_version_2_takes_the_tightest_limit_on_the_way_up(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/batch/job7\n",
            "sys/fs/cgroup/batch/job7/memory.max": "max\n",
            "sys/fs/cgroup/batch/memory.max": str(8 * GIB),
            "sys/fs/cgroup/batch/memory.current": str(5 * GIB),
            "sys/fs/cgroup/batch/memory.stat": f"anon 1\ninactive_file {2 * GIB}\n",
            "sys/fs/cgroup/memory.max": str(64 * GIB),
        },
    )
    assert cgroup_memory(root) == (8 * GIB, 3 * GIB)


def test_cgroup_version_1(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "12:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": str(4 * GIB),
            "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": str(GIB),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert cgroup_memory(root) == (4 * GIB, GIB)


def test_cgroup_of_a_container_that_sees_only_the_top(tmp_path: Path) -> None:
    """The path in /proc is the host's; what is mounted is the container's own group."""
    files = {"proc/self/cgroup": "0::/../../elsewhere\n", "sys/fs/cgroup/memory.max": str(2 * GIB)}
    assert cgroup_memory(tree(tmp_path, files))[0] == 2 * GIB


@pytest.mark.parametrize("text", ["max", "9223372036854771712", "", "nonsense"])
def test_no_limit_is_none(tmp_path: Path, text: str) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": text}
    assert cgroup_memory(tree(tmp_path, files)) == (None, None)


def test_a_host_without_proc_has_no_limit(tmp_path: Path) -> None:
    assert cgroup_memory(tmp_path) == (None, None)
    assert cpu_name(tmp_path)


def test_a_cpu_quota_cuts_the_cores(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}
    assert cores(tree(tmp_path, files)) == 1
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("max 100000\n")
    assert cores(tmp_path) == len(os.sched_getaffinity(0))


def test_a_memory_limit_below_the_physical_total_counts(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": str(total // 2)}
    host = read_host(tree(tmp_path, files))
    assert host.memory_limit == total // 2
    assert host.memory_available <= total // 2
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(total * 2))
    assert read_host(tmp_path).memory_limit is None


def test_what_a_control_group_has_left_is_what_may_be_taken(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": str(GIB),
        "sys/fs/cgroup/memory.current": str(GIB - 4096),
    }
    assert memory_available(tree(tmp_path, files)) == 4096
    (tmp_path / "sys/fs/cgroup/memory.current").write_text(str(2 * GIB))
    assert memory_available(tmp_path) == 0


@pytest.mark.parametrize("prefix", ["", "total_"])
def test_files_that_are_mapped_leave_their_memory_to_others(tmp_path: Path, prefix: str) -> None:
    """A run whose rows were mapped and read twice was tokenized by one process, as if memory were full."""
    told = f"active_file 4096\ninactive_file 4096\n{prefix}active_file {GIB}\n{prefix}inactive_file {GIB}\n"
    files = {
        "proc/self/cgroup": "12:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(4 * GIB),
        "sys/fs/cgroup/memory/memory.usage_in_bytes": str(4 * GIB - 4096),
        "sys/fs/cgroup/memory/memory.stat": f"cache {3 * GIB}\n{told}",
    }
    assert memory_available(tree(tmp_path, files)) == 2 * GIB + 4096


def test_a_path_that_is_not_there_yet_lies_where_its_parent_lies(tmp_path: Path) -> None:
    disk = disk_of(tmp_path / "not" / "yet" / "there")
    assert disk.path.endswith("there")
    assert disk.mount == disk_of(tmp_path).mount
    assert 0 < disk.free <= disk.total


def test_a_mount_of_its_own_is_found() -> None:
    if not Path("/dev/shm").is_mount():
        pytest.skip("no second mount here")
    assert disk_of(Path("/dev/shm/a/b")).mount == "/dev/shm"
    assert disk_of(Path("/dev/shm/a/b")).filesystem == "tmpfs"


def test_a_loop_of_links_and_a_file_as_a_parent_end_at_what_exists(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    assert nearest_existing(tmp_path / "loop" / "x") == tmp_path.resolve()
    assert nearest_existing(tmp_path / "file" / "x") == (tmp_path / "file").resolve()


@pytest.mark.parametrize(
    ("environ", "files", "expected"),
    [
        ({}, {}, (False, None, None)),
        (
            {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22", "TMUX": "/tmp/tmux-0/default,1,0"},
            {},
            (True, "tmux", None),
        ),
        ({"STY": "123.pts"}, {".dockerenv": ""}, (False, "screen", "docker")),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {".dockerenv": ""}, (False, None, "kubernetes")),
        ({}, {"run/.containerenv": ""}, (False, None, "podman")),
        ({}, {"proc/1/cgroup": "1:name=systemd:/lxc/me\n"}, (False, None, "lxc")),
        ({"container": "systemd-nspawn"}, {}, (False, None, "systemd-nspawn")),
        ({"APPTAINER_CONTAINER": "/x.sif"}, {}, (False, None, "apptainer")),
    ],
)
def test_how_the_user_sits_here(
    tmp_path: Path,
    environ: dict[str, str],
    files: dict[str, str],
    expected: tuple[bool, str | None, str | None],
) -> None:
    session = read_session(environ, tree(tmp_path, files))
    assert (session.ssh, session.multiplexer, session.container) == expected


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("1", [1]),
        ("2,0", [2, 0]),
        ("0,9,1", [0]),  # CUDA stops at the first it cannot place
        ("-1", []),
        ("GPU-bbb", [1]),
        ("NoDevFiles", []),
    ],
)
def test_gpus_hidden_by_the_environment_are_not_offered(setting: str | None, left: list[int]) -> None:
    gpus = tuple(Gpu(index, "card", uuid=f"GPU-{letter * 3}-0") for index, letter in enumerate("abc"))
    assert [gpu.index for gpu in visible(gpus, setting)] == left


def test_hiding_every_gpu_is_said(tmp_path: Path) -> None:
    reading = NvmlReading((Gpu(0, "card"),), driver="580", cuda="13.0")
    machine = machine_of(reading, tmp_path, {"CUDA_VISIBLE_DEVICES": ""})
    assert machine.gpus == ()
    assert "CUDA_VISIBLE_DEVICES" in (machine.nvml_fault or "")


def test_the_model_cache_follows_the_environment() -> None:
    assert model_cache({"HF_HOME": "/big"}) == Path("/big/hub")
    assert model_cache({"HF_HOME": "/big", "HF_HUB_CACHE": "/bigger"}) == Path("/bigger")
    assert model_cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface/hub")


def test_this_machine(tmp_path: Path) -> None:
    machine = detect(tmp_path / "runs")
    assert machine.host.cores >= 1
    assert 0 < machine.host.memory_available <= machine.host.memory_total
    assert machine.memory <= machine.host.memory_total
    assert machine.disks[0].free > 0
