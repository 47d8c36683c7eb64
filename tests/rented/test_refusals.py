"""What a rented machine, the line to it or this machine lacks: one line each, with a documented exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
from machine_kit import RentedMachine, missing

from tuiftune.errors import UserError
from tuiftune.jobs.rented import machine as machines
from tuiftune.jobs.rented import wheel
from tuiftune.jobs.rented.address import Address, parse
from tuiftune.jobs.rented.faults import LineLostError
from tuiftune.jobs.rented.line import Line, check

if TYPE_CHECKING:
    from pathlib import Path

needs_sshd = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


@pytest.fixture
def line(machine: RentedMachine, monkeypatch: pytest.MonkeyPatch) -> Line:
    machine.trust("accept-new")
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    return Line(parse(machine.on))


def put(machine: RentedMachine, name: str, body: str) -> Path:
    """A program there that is found before the system's."""
    path = machine.home / ".local" / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def refused(line: Line, directory: str | None = None, python: str | None = sys.executable) -> UserError:
    with pytest.raises(UserError) as told:
        machines.examine(line, directory, python)
    assert "\n" not in str(told.value)
    return told.value


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ssh:root@10.0.0.7:22022", Address("10.0.0.7", "root", 22022)),
        ("ssh:pod", Address("pod")),
        ("ssh:my_gpu", Address("my_gpu")),
        ("ssh:me@[fe80::1]:22", Address("[fe80::1]", "me", 22)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text.removeprefix("ssh:")


@pytest.mark.parametrize(
    "text", ["ssh", "ssh:", "ssh:-oProxyCommand=x", "ssh:a b", "ssh:host:0", "ssh:host:99999"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError, match="is not an address"):
        parse(text)


def test_no_ssh_and_no_rsync_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match=r"ssh is not installed on this machine\. Install it: apt-get install"
    ):
        check()
    (tmp_path / "ssh").write_text("")
    (tmp_path / "ssh").chmod(0o755)
    with pytest.raises(UserError, match="rsync is not installed on this machine"):
        check()


@needs_sshd
def test_a_key_that_is_unknown_changed_or_refused(machine: RentedMachine, line: Line) -> None:
    (machine.place / "known").unlink(missing_ok=True)
    machine.trust("yes")
    fault = refused(line)
    assert "its host key is not known on this machine yet. Connect once" in str(fault)
    assert f"ssh -p {machine.port} 127.0.0.1" in str(fault)
    assert fault.exit_code == 2
    other = " ".join((machine.place / "other_key.pub").read_text().split()[:2])
    (machine.place / "known").write_text(f"[127.0.0.1]:{machine.port} {other}\n")
    fault = refused(line)
    assert "its host key has changed" in str(fault)
    assert f"ssh-keygen -R '[127.0.0.1]:{machine.port}'" in str(fault)
    (machine.place / "known").unlink()
    machine.trust("accept-new")
    settings = (machine.place / "client.conf").read_text()
    (machine.place / "client.conf").write_text(settings.replace("/key\n", "/other_key\n"))
    fault = refused(line)
    assert str(fault).startswith(f"127.0.0.1:{machine.port}: permission denied. Load a key")
    assert not isinstance(fault, LineLostError)


@needs_sshd
def test_a_host_that_is_unknown_or_does_not_answer(machine: RentedMachine, line: Line) -> None:
    fault = refused(Line(Address("no-such-host.invalid")))
    assert str(fault) == "no-such-host.invalid: the host is unknown. Check its name and the network."
    assert (fault.exit_code, isinstance(fault, LineLostError)) == (2, True)
    fault = refused(Line(Address("127.0.0.1", port=1)))
    assert "127.0.0.1:1: cannot be reached (Connection refused)" in str(fault)
    assert fault.exit_code == 1


@needs_sshd
def test_what_the_machine_lacks(machine: RentedMachine, line: Line) -> None:
    old = put(machine, "old", "echo 3.9")
    assert "is Python 3.9, and 3.11 or later is needed. Name another" in str(refused(line, python=str(old)))
    assert "is not a Python there" in str(refused(line, python="/nowhere/python"))
    assert "is not an interpreter's path" in str(refused(line, python="$(reboot)"))
    assert "is not a directory that can be used there" in str(refused(line, "~/a b"))
    fault = refused(line, "/proc/nowhere")
    assert "its directory cannot be used (mkdir: cannot create directory" in str(fault)
    assert fault.exit_code == 2
    found = {"system": ["Linux"], "place": ["/home/x/tuiftune"], "python": ["3.8 /usr/bin/python3"]}
    for has, said in (
        (["uv"], "rsync is not installed there. Install it there: apt-get install rsync"),
        (["rsync"], "has only Python 3.8, 3.11 or later is needed, and nothing to install it with"),
    ):
        with pytest.raises(UserError, match=said):
            machines._machine(found | {"has": has}, line.address, 0.0, None)
    system = {"system": ["Darwin"]}
    with pytest.raises(UserError, match="runs Darwin, and training needs Linux"):
        machines._machine(system, line.address, 0.0, None)


@needs_sshd
def test_gpus_and_a_clock_that_is_wrong(machine: RentedMachine, line: Line) -> None:
    put(machine, "nvidia-smi", 'printf "NVIDIA L40S, 46068, 550.90\\nNVIDIA L40S, 46068, 550.90\\n"')
    late = put(machine, "date", f"echo {int(time.time()) + 3600}")
    found = machines.examine(line, None, sys.executable)
    late.unlink()
    told = found.lines()
    assert "2 × NVIDIA L40S, driver 550.90" in told[0]
    assert [gpu.memory for gpu in found.gpus] == [46068, 46068]
    assert "s ahead of this machine's. Times in the log are its own" in told[1]
    assert 3590 < found.skew < 3610
    with pytest.raises(UserError, match="not enough disk space") as told_disk:
        machines.require_space(found, found.free, line.address)
    assert told_disk.value.exit_code == 3


@needs_sshd
def test_a_full_disk_there(machine: RentedMachine, line: Line, tmp_path: Path) -> None:
    small = machine.home / "small"
    small.mkdir()
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(os.urandom(200_000))
    for limit, doing in (("size=64k", "copying"), ("nr_inodes=1", "making")):
        words = ["mount", "-t", "tmpfs", "-o", limit, "tmpfs", str(small)]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            pytest.skip("no right to mount a small disk")
        try:
            if doing == "copying":
                with pytest.raises(UserError, match="its disk is full while copying data") as told:
                    line.push([str(rows)], str(small), doing="copying data", watch=lambda *_: None)
                fault = told.value
            else:
                fault = refused(line, str(small))
                assert "its directory cannot be used (mkdir:" in str(fault)
        finally:
            subprocess.run(["umount", "-l", str(small)], check=True)
        assert fault.exit_code == 7


@needs_sshd
def test_a_file_that_was_half_copied_is_told_by_its_checksum(
    machine: RentedMachine, line: Line, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(os.urandom(300_000))
    there = machine.home / "half" / str(rows).lstrip("/")
    there.parent.mkdir(parents=True)
    there.write_bytes(rows.read_bytes()[:150_000] + bytes(150_000))  # as long, and as old
    os.utime(there, (rows.stat().st_mtime, rows.stat().st_mtime))
    line.push([str(rows)], str(machine.home / "half"), doing="copying", watch=lambda *_: None)
    assert there.read_bytes() == rows.read_bytes()


def test_its_own_wheel_can_be_installed(tmp_path: Path) -> None:
    built = wheel.build(tmp_path)
    with zipfile.ZipFile(built.path) as packed:
        packed.extractall(tmp_path / "there")
    names = {path.relative_to(tmp_path / "there").as_posix() for path in (tmp_path / "there").rglob("*")}
    assert {"tuiftune/preset/shipped/demo.yaml", "tuiftune/assets/install.sh"} <= names
    assert not any("__pycache__" in name for name in names)
    code = "import tuiftune, importlib.metadata as m; print(tuiftune.__file__, m.version('tuiftune'))"
    told = subprocess.run(
        [sys.executable, "-P", "-S", "-c", code],
        env={"PYTHONPATH": str(tmp_path / "there")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.startswith(str(tmp_path / "there"))


@needs_sshd
def test_a_login_shell_that_talks(machine: RentedMachine, line: Line, tmp_path: Path) -> None:
    """What it prints is not taken for an answer; rsync cannot work then, and that is said."""
    (tmp_path / "rows").write_text("x")
    talks = machine.home / ".bashrc"
    talks.write_text("echo system=Darwin\n")
    try:
        if b"Darwin" not in subprocess.run(line.command("true"), capture_output=True, check=True).stdout:
            pytest.skip("the login shell reads no .bashrc")
        assert machines.examine(line, None, sys.executable).place == str(machine.home / "tuiftune")
        with pytest.raises(UserError, match="its login shell prints text where rsync expects none"):
            line.push([str(tmp_path / "rows")], str(machine.home), doing="copying", watch=lambda *_: None)
    finally:
        talks.unlink()
