"""Outputs are never destroyed: streams are written to, links followed, files appear whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.outputs import Output, is_stream, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = '{"prompt": "How far is Bergen?", "completion": "Seven hours."}\n' * 3


def command(
    *words: str, stdout: int | None = subprocess.PIPE, cwd: Path | None = None
) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tuiftune", *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=cwd,
    )
    return done.returncode, done.stdout or "", done.stderr


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    return path


def drain(fifo: Path, into: list[bytes]) -> threading.Thread:
    reader = threading.Thread(target=lambda: into.append(fifo.read_bytes()), daemon=True)
    reader.start()
    return reader


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "rows.jsonl"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = drain(fifo, got)
    assert is_stream(fifo)
    with writing(fifo) as file:
        file.write(b"one\ntwo\n")
    reader.join(10)
    assert got == [b"one\ntwo\n"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        null.write_bytes(b"")
    except OSError:
        pytest.skip("devices can't be made here")
    with writing(null) as file:
        file.write(b"gone")
    assert stat.S_ISCHR(null.stat().st_mode)


def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "deep" / "real.md", tmp_path / "link.md"
    real.parent.mkdir()
    real.write_text("before")
    real.chmod(0o600)
    link.symlink_to(real)
    with writing(link) as file:
        file.write(b"after")
    assert link.is_symlink()
    assert real.read_text() == "after"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


def test_a_link_to_nothing_creates_what_it_points_to(tmp_path: Path) -> None:
    link = tmp_path / "link.md"
    link.symlink_to(tmp_path / "new.md")
    with writing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "new.md").read_text() == "new"


def test_what_fails_half_way_leaves_all_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("before")

    def rows() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    with pytest.raises(RuntimeError), writing(path) as file:
        file.writelines(rows())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_open_file_is_written_through_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as held:
        held.write(b"first\n")
        output = Output(Path(f"/proc/self/fd/{held.fileno()}"))
        output.file.write(b"second\n")
        output.commit()
        held.write(b"third\n")
    assert path.read_text() == "first\nsecond\nthird\n"


def test_a_full_device_is_the_documented_code() -> None:
    with pytest.raises(UserError) as caught, writing(Path("/dev/full")) as file:
        file.write(b"x")
    assert caught.value.exit_code is ExitCode.DISK_FULL
    assert "/dev/full: cannot be written (No space left on device)" in str(caught.value)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_clean_to_standard_output_is_rows_and_nothing_beside(rows: Path, name: str) -> None:
    code, out, said = command("data", "clean", str(rows), "-o", name, cwd=rows.parent)
    assert code == 0, said
    assert [json.loads(line) for line in out.splitlines()]
    assert sorted(path.name for path in rows.parent.iterdir()) == ["rows.jsonl"]
    assert os.path.islink("/dev/stdout")


def test_standard_output_that_is_a_file_is_gone_on_with(rows: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.jsonl"
    with target.open("w") as file:
        file.write("header\n")
        file.flush()
        code, _, said = command("data", "clean", str(rows), "-o", "/dev/stdout", stdout=file.fileno())
        file.seek(0, os.SEEK_END)
    assert code == 0, said
    assert target.read_text().startswith("header\n{")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl.gz"])
def test_clean_refuses_a_name_that_promises_another_format(rows: Path, suffix: str) -> None:
    output = rows.with_name(f"out{suffix}")
    code, _, said = command("data", "clean", str(rows), "-o", str(output))
    assert code == ExitCode.USAGE
    assert "rows are written as JSONL" in said
    assert not output.exists()


def test_two_documents_never_share_standard_output(rows: Path) -> None:
    for words in (("clean", str(rows), "-o", "-", "--json"), ("inspect", str(rows), "--html", "-", "--json")):
        code, out, said = command("data", *words)
        assert (code, out) == (ExitCode.USAGE, "")
        assert "both would write to standard output" in said


def test_a_split_never_goes_to_a_stream(rows: Path) -> None:
    code, out, said = command("data", "clean", str(rows), "-o", "-", "--split", "80/10/10")
    assert (code, out) == (ExitCode.USAGE, "")
    assert "several files cannot go to one stream" in said
