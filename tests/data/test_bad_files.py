"""Bad input is one clear line with file and row, exit code 2, and no great memory."""

import gzip
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import zstandard

from tuiftune.data.load import load
from tuiftune.errors import ExitCode, UserError

GOOD = json.dumps({"question": "What is tea?", "answer": "A drink."}) + "\n"


def fault_of(path: Path | str) -> UserError:
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    assert caught.value.remedy or caught.value.place
    return caught.value


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    fault = fault_of(tmp_path / "trian.jsonl")
    assert "no such file" in str(fault)
    assert "train.jsonl" in fault.remedy


@pytest.mark.parametrize("content", ["", "\n\n  \n", "[]", "[ ]", "\ufeff"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_empty_files(name: str, content: str, tmp_path: Path) -> None:
    if content.startswith("[") and name in ("a.csv", "a.txt"):
        pytest.skip("ordinary text there")
    path = tmp_path / name
    path.write_text(content, "utf-8")
    assert "empty" in str(fault_of(path)) or "no rows" in str(fault_of(path))


def test_header_only_and_zero_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\n")
    assert "no rows" in str(fault_of(tmp_path / "a.csv"))
    pl.DataFrame({"question": [], "answer": []}).write_parquet(tmp_path / "a.parquet")
    assert "no rows" in str(fault_of(tmp_path / "a.parquet"))


def test_one_row_is_enough_to_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(GOOD)
    assert load(str(tmp_path / "a.jsonl")).rows == 1
    (tmp_path / "a.json").write_text(GOOD)
    assert load(str(tmp_path / "a.json")).rows == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"question": "x"', "not JSON"),
        ('{"question": "x"} {"question": "y"}', "more than one"),
        ("hello", "not JSON"),
        ("42", "not an object"),
        ("null", "not an object"),
        ('{"question": "x", "question": "y", "answer": "z"}', "twice"),
        ("[" * 100_000, "not JSON|nested"),
        ('{"n": ' + "9" * 5000 + "}", "digits|limit"),
    ],
)
def test_a_bad_line_is_named(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD * 4811 + line + "\n" + GOOD * 3)
    fault = fault_of(path)
    assert fault.place == f"{path}:4812"
    assert len(str(fault)) < 400 + len(str(path))
    import re

    assert re.search(why, str(fault))


def test_bad_element_of_an_array(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[\n" + GOOD.strip() + ",\n" + GOOD.strip() + ",\n{'question': 1}\n]")
    fault = fault_of(path)
    assert fault.place == f"{path}:4"
    assert "element 3" in str(fault)


def test_array_that_stops(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + (GOOD.strip() + ",") * 700)
    assert "700" in str(fault_of(path))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
def test_cut_archives(pack: object, tmp_path: Path) -> None:
    body = "".join(json.dumps({"question": os.urandom(20).hex(), "answer": "x"}) + "\n" for _ in range(5000))
    packed = pack(body.encode())  # type: ignore[operator]
    path = tmp_path / "a.jsonl.gz"
    for share in (0.9, 0.5):
        path.write_bytes(packed[: int(len(packed) * share)])
        assert "cut off" in str(fault_of(path))
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 0xFF
    path.write_bytes(bytes(spoilt))
    assert "damaged" in str(fault_of(path)) or "not JSON" in str(fault_of(path))


def test_ragged_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer\n" + 'a,"b\nc"\n' * 10 + "a,b,c\n")
    fault = fault_of(path)
    assert fault.place == f"{path}:22"
    assert "3 cells where the header has 2" in str(fault)
    assert "data row 11" in str(fault)


def test_parquet_with_nested_nulls(tmp_path: Path) -> None:
    turn = pl.Struct({"role": pl.String, "content": pl.String})
    whole = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A"}]
    values = [
        whole,
        None,
        [None, whole[0]],
        [{"role": None, "content": None}],
        [],
        [whole[0], {"role": "assistant", "content": None}],
    ]
    pl.DataFrame({"messages": pl.Series(values, dtype=pl.List(turn))}).write_parquet(tmp_path / "a.parquet")
    dataset = load(str(tmp_path / "a.parquet"))
    assert dataset.rows == 6
    assert [example.row for example in dataset.examples()] == [1]


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"question": ["a"] * 100, "answer": ["b"] * 100}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:200])
    assert "can't be read" in str(fault_of(path))
    path.write_text("question,answer\n")
    assert "isn't one" in str(fault_of(path))


@pytest.mark.parametrize(
    "magic", [b"PK\x03\x04", b"\x7fELF", b"\x89PNG\r\n\x1a\n", b"\x00\x01\x02", b"\x80\x04\x95"]
)
def test_binary_named_jsonl(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(magic + os.urandom(5000) + b"\0" * 10)
    assert "not text" in str(fault_of(path))


def test_a_column_called_class_and_other_strange_names(tmp_path: Path) -> None:
    row = {"__class__": "x", "question": "a", "answer": "b", "": 1, "\x1b[31mred": 2, "__init__": None}
    (tmp_path / "a.jsonl").write_text((json.dumps(row) + "\n") * 9)
    dataset = load(str(tmp_path / "a.jsonl"))
    assert dataset.format == "prompt-completion"
    assert not any("\x1b" in sentence for sentence in dataset.lost)
    (tmp_path / "b.csv").write_text("__class__,question,answer\n1,a,b\n")
    assert load(str(tmp_path / "b.csv")).rows == 1


def test_doubled_csv_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("answer,question,answer\na,b,c\n")
    assert '"answer" appears twice' in str(fault_of(tmp_path / "a.csv"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD)
    path.chmod(0)
    assert "no permission" in str(fault_of(path))


def test_no_permission_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as above where tests run as root: the system's own refusal, raised by open."""
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD)

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert "no permission" in str(fault_of(path))


def test_bytes_that_are_not_utf8_are_read_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD.encode() * 20 + b'{"question": "caf\xe9", "answer": "\\ud800 x"}\n')
    dataset = load(str(path))
    example = list(dataset.examples())[-1]
    assert example.messages is not None
    assert [message.content for message in example.messages] == ["café", "\ufffd x"]
    assert dataset.frame["fault"][20] == "bytes"


def run_cli(*arguments: str, limit: int | None = None) -> subprocess.CompletedProcess[bytes]:
    def bound() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *arguments],
        capture_output=True,
        preexec_fn=bound,
        timeout=120,
        check=False,
    )


def test_control_sequences_never_reach_the_terminal(tmp_path: Path) -> None:
    nasty = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m"
    rows = [{"question": f"{nasty} {n}", "answer": nasty, nasty: "x"} for n in range(12)]
    rows += [{"question": f"{n}", "answer": ""} for n in range(3)] + rows[:3]
    path = tmp_path / "a\x1b[31m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run_cli("data", "inspect", str(path))
    assert done.returncode == 0
    shown = done.stdout + done.stderr
    for byte in (b"\x1b", b"\x07", "\u202e".encode(), "\x9b".encode()):
        assert byte not in shown
    broken = tmp_path / "b.jsonl"
    broken.write_text(GOOD + nasty + "\n")
    done = run_cli("data", "inspect", str(broken))
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("opening", [b'[{"question": "', b'{"question": "'])
def test_two_gigabytes_on_one_line(name: str, opening: bytes, tmp_path: Path) -> None:
    """A sparse file stands for 2 GB: the hole reads as NUL, which JSON strings may not hold, so it is made of
    letters.
    """
    path = tmp_path / name
    piece = b"x" * (1 << 20)
    with path.open("wb") as file:
        file.write(opening)
        for _ in range(80):
            file.write(piece)
    os.truncate(path, 2 << 30)
    done = run_cli("data", "inspect", str(path), limit=1_500 << 20)
    assert done.returncode == 2, done.stderr[-300:]
    assert done.stderr.count(b"\n") == 1
    assert b"longer than 64 million characters" in done.stderr or b"more than 256 MiB" in done.stderr
    assert f"{path}:1".encode() in done.stderr
