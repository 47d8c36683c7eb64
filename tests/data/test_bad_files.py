"""Bad input is one clear line with file and row, exit code 2, and no great memory."""

import gzip
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from tuiftune import spool
from tuiftune.data.read.load import load
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
        assert "truncated" in str(fault_of(path))
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 0xFF
    path.write_bytes(bytes(spoilt))
    assert "corrupted" in str(fault_of(path)) or "not JSON" in str(fault_of(path))


def test_ragged_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer\n" + 'a,"b\nc"\n' * 10 + "a,b,c\n")
    fault = fault_of(path)
    assert fault.place == f"{path}:22"
    assert "3 cells, but the header has 2" in str(fault)
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
    assert "cannot be read" in str(fault_of(path))
    path.write_text("question,answer\n")
    assert "has another format" in str(fault_of(path))


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

    real = os.open

    def refuse(name: Any, *rest: Any, **named: Any) -> int:
        if name == path:
            raise PermissionError(13, "Permission denied", str(name))
        return real(name, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    assert "no permission" in str(fault_of(path))


def test_bytes_that_are_not_utf8_are_read_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD.encode() * 20 + b'{"question": "caf\xe9", "answer": "\\ud800 x"}\n')
    dataset = load(str(path))
    example = list(dataset.examples())[-1]
    assert example.messages is not None
    assert [message.content for message in example.messages] == ["café", "\ufffd x"]
    assert dataset.frame["fault"][20] == "bytes"


NARROW = '{"question": "q", "answer": "a", "more": %s}\n'
MANY = ", ".join(f'"c{n}": 1' for n in range(20_000))


@pytest.mark.parametrize(
    ("name", "content", "why", "at"),
    [
        ("a.jsonl", GOOD + "{" + MANY + "}\n", "20,000 columns", ":2"),
        ("a.csv", ",".join(f"c{n}" for n in range(20_000)) + "\n", "20,000 columns", ":1"),
        (
            "a.json",
            "[" + ",".join(json.dumps({f"c{n}_{m}": 1 for m in range(999)}) for n in range(20)) + "]",
            "19,980 columns",
            "",
        ),
        ("a.json", "[" + GOOD + "] and more", "there is text after the end", ":2"),
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer", ":1"),
        ("a.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS", ":1"),
        ("a.json", "<!DOCTYPE html><html>Not found</html>", "a web page", ":1"),
        ("a.jsonl", "{}\n{}\n", "the rows are empty", ""),
        ("a.json", "{}", "the rows are empty", ""),
        ("a.csv", "question,answer\na,b\na\n", "1 cell, but the header has 2", ":3"),
        ("a.csv", 'question,answer\na,b\na,"b\n', "not closed", ":3"),
        ("a.csv", "question,answer\nq," + "word " * (4 << 20) + "\n", "16 million characters", ":2"),
        ("a.jsonl", GOOD * 2 + json.dumps({"answer": "word " * (4 << 20)}), "16 million characters", ":3"),
        ("a.txt", "word " * (4 << 20), "too long", ":1"),
        ("a.jsonl", NARROW % ("[" * 100_000 + "]" * 100_000), "nested too deeply", ":1"),
        ("a.json", '{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply", ":1"),
    ],
)
def test_more_bad_input_is_one_line_with_its_place(
    name: str, content: str, why: str, at: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    fault = fault_of(path)
    assert why in str(fault)
    assert fault.place == f"{path}{at}"


def test_a_row_too_long_for_a_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({"question": ["q", "q"], "answer": ["a", "word " * (4 << 20)]})
    frame.write_parquet(tmp_path / "a.parquet")
    fault = fault_of(tmp_path / "a.parquet")
    assert fault.place == f"{tmp_path / 'a.parquet'}:2"


def test_what_is_no_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device never ends, and a pipe that nobody writes to is not waited for without end."""
    monkeypatch.setattr(spool, "WRITER_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "gone.jsonl").symlink_to("a broken link")
    for name, why in (
        ("pipe", "nobody"),
        ("zero", "neither"),
        ("loop", "form a loop"),
        ("gone", "a broken link"),
    ):
        assert why in str(fault_of(tmp_path / f"{name}.jsonl"))
    assert "no data file in the directory" in str(fault_of(tmp_path))
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "a.jsonl").write_text(GOOD * 3)
    assert load(str(tmp_path)).rows == 3


def test_an_archive_cut_far_inside_is_named_by_its_line(tmp_path: Path) -> None:
    body = "".join(json.dumps({"question": os.urandom(40).hex(), "answer": "x"}) + "\n" for _ in range(9000))
    for name, text in (("a.jsonl.gz", body), ("a.csv.gz", "question,answer\n" + "q,a\n" * 300_000)):
        packed = gzip.compress(text.encode())
        (tmp_path / name).write_bytes(packed[: len(packed) * 9 // 10])
        fault = fault_of(tmp_path / name)
        assert "truncated" in str(fault)
        assert int(fault.place.rpartition(":")[2]) > 1000


def test_numbers_that_are_no_json_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD * 8 + '{"question": "q", "answer": NaN}\n{"question": "q", "answer": -Infinity}\n')
    dataset = load(str(path))
    assert (dataset.rows, int(dataset.usable.sum())) == (10, 8)
    assert dataset.frame["fault"].to_list()[8:] == ["missing:completion"] * 2


@pytest.mark.parametrize(
    "rows",
    [
        ['{"question": null, "answer": null}'] * 9,
        ['{"question": "\\ud800", "answer": "\\udfff"}'] * 9,
        ['{"messages": [{"role": "us\\ud800er", "content": "q"}, {"role": "assistant", "content": 4}]}'] * 9,
        ['{"text": "q", "label": "\\ud83d"}'] * 40,
        ['{"question": "q", "answer": "a", "\\ud800": 1e999}'] * 9,
        ['{"messages": null}', '{"messages": [{"role": "user", "content": "q"}]}'] * 9,
        ['{"messages": [{"role": null}]}', '{"messages": [{"role": "user", "content": [1, null, {}]}]}'] * 9,
    ],
)
def test_rows_with_nothing_sound_are_judged_without_a_fall(rows: list[str], tmp_path: Path) -> None:
    from tuiftune.data.inspect import inspect

    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(rows))
    document = inspect(load(str(path))).document()
    json.dumps(document).encode("utf-8")
    assert document["rows"] == len(rows)


def run_cli(
    *arguments: str, limit: int | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    def bound() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *arguments],
        capture_output=True,
        preexec_fn=bound,
        cwd=folder,
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
    done = run_cli("data", "inspect", str(broken), "--fail-on", "error")
    assert done.returncode == 1
    assert b"Malformed lines" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


BAD = {
    "cut.jsonl.gz": gzip.compress(GOOD.encode() * 90)[:-9],
    "ragged.csv": b"question,answer\na,b\na,b,c\n",
    "binary.jsonl": b"\x7fELF" + bytes(range(256)) * 9,
    "deep.jsonl": b"[" * 100_000,
    "wide.csv": ",".join(f"c{n}" for n in range(20_000)).encode() + b"\n",
}


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("cut.jsonl.gz", ("data", "clean", "{}", "-o", "{}.out")),
        ("binary.jsonl", ("data", "tokens", "{}", "--model", "builtin:tiny")),
        ("wide.csv", ("plan", "--set", "model.base=builtin:tiny", "--set", "data.train={}")),
        ("ragged.csv", ("train", "preset.yaml", "--runs", "runs")),
        ("deep.jsonl", ("train", "preset.yaml", "--runs", "runs")),
    ],
)
def test_every_command_says_it_in_one_line(name: str, command: tuple[str, ...], tmp_path: Path) -> None:
    """`load` is the one way in, and tried with many more above."""
    content = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / "preset.yaml").write_text(
        f"version: 1\nmodel: {{base: builtin:tiny}}\ndata: {{train: {path}}}\n"
    )
    done = run_cli(*(part.replace("{}", str(path)) for part in command), folder=tmp_path)
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.decode().splitlines() if not line.startswith("reading ")]
    assert len(said) == 1, done.stderr
    assert said[0].startswith(f"error: {path}")
    assert done.stdout == b""
    assert {path.name, "preset.yaml"} >= {other.name for other in tmp_path.iterdir()}, "nothing half-written"


@pytest.mark.parametrize("name", [pytest.param("a.json", marks=pytest.mark.long), "a.jsonl"])
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
    said = (b"longer than 16 million characters", b"more than 256 MiB", b"one line of more than 1024 MiB")
    assert any(words in done.stderr for words in said)
    assert f"{path}:1".encode() in done.stderr
