"""Rows from a model: read, marked, without duplicates, grounded in their text; and rows rated by one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tuiftune.cli.main import build
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sys.path.insert(0, str(Path(__file__).parent))
from faulty_server import Server

Messages = list[dict[str, str]]
SEEDS = [(f"How do I reset password number {n}?", f"Open settings and choose reset {n}.") for n in range(6)]


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[Callable[[Messages], str]], Server]]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeds.jsonl").write_text(
        "".join(json.dumps({"prompt": a, "completion": b}) + "\n" for a, b in SEEDS)
    )
    servers: list[Server] = []

    def start(reply: Callable[[Messages], str]) -> Server:
        servers.append(Server(reply))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


def command(*words: Any) -> tuple[int, str]:
    found = CliRunner().invoke(build(), ["data", *map(str, words)])
    if isinstance(found.exception, UserError):
        return int(found.exception.exit_code), str(found.exception)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stderr


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def writer(messages: Messages) -> str:
    """Two new rows a request, one that repeats a seed, and one line that is none."""
    number = int(re.findall(r"set (\d+)", messages[-1]["content"])[0])
    new = [
        {
            "prompt": f"What does invoice field {number}-{n} mean?",
            "completion": f"It holds code {number * 7 + n}.",
        }
        for n in range(2)
    ]
    seed = {"prompt": SEEDS[0][0].upper(), "completion": SEEDS[0][1]}
    return "Sure:\n```json\n" + "\n".join(json.dumps(row) for row in [*new, seed]) + "\n```"


def test_rows_are_new_and_marked(serve: Any, tmp_path: Path) -> None:
    server = serve(writer)
    code, said = command("generate", "--seeds", "seeds.jsonl", "--by", server.url, "-n", 8, "-o", "new.jsonl")
    found = rows(tmp_path / "new.jsonl")
    assert code == 0, said
    assert len(found) == 8
    assert len({row["prompt"] for row in found}) == 8
    assert not any("PASSWORD" in row["prompt"] for row in found)
    assert all(row["generated"]["from"].startswith("seed rows ") for row in found)
    assert all(
        row["generated"]["by"] == "only at 127.0.0.1:" + server.url.split(":")[2].split("/")[0]
        for row in found
    )
    assert "8 rows written to new.jsonl; dropped:" in said
    assert "duplicate" in said
    asked = len(server.requests)
    assert (
        command("generate", "--seeds", "seeds.jsonl", "--by", server.url, "-n", 8, "-o", "again.jsonl")[0]
        == 0
    )
    assert len(server.requests) == asked
    assert rows(tmp_path / "again.jsonl") == found


def test_answers_that_are_not_in_the_text_are_dropped(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "rules.txt").write_text(
        "Books are lent for three weeks. Late books cost ten cents a day.\n"
    )
    told = [
        {"prompt": "How long are books lent?", "completion": "Books are lent for three weeks."},
        {"prompt": "Who founded it?", "completion": "Napoleon founded the library yesterday."},
    ]
    server = serve(lambda messages: "\n".join(map(json.dumps, told)))
    code, said = command("generate", "--documents", "texts", "--by", server.url, "-n", 5, "-o", "new.jsonl")
    assert code == 0
    found = rows(tmp_path / "new.jsonl")
    assert [row["completion"] for row in found] == ["Books are lent for three weeks."]
    assert found[0]["generated"]["from"] == "rules.txt:1"
    assert "not in the text" in said
    assert "5 were asked for" in said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-n", "5"], 2, "needs one source"),
        (["--seeds", "seeds.jsonl", "--documents", "."], 2, "needs one source"),
        (["--seeds", "none.jsonl"], 2, "none.jsonl"),
        (["--seeds", "seeds.jsonl"], 1, "wrote no usable row; it said: I cannot do that."),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], code: int, says: str, serve: Any, tmp_path: Path
) -> None:
    server = serve(lambda messages: "I cannot do that.")
    found, said = command("generate", *words, "--by", server.url, "-o", "new.jsonl")
    assert found == code
    assert says in said
    assert not (tmp_path / "new.jsonl").exists()


def test_rows_are_kept_by_their_rating(serve: Any, tmp_path: Path) -> None:
    server = serve(
        lambda m: (
            str(int(re.findall(r"number (\d)", m[-1]["content"])[0]))
            if "5?" not in m[-1]["content"]
            else "good"
        )
    )
    code, said = command("score", "seeds.jsonl", "--by", server.url, "-o", "good.jsonl", "--min", 3)
    assert code == 0
    assert [(row["prompt"][-2], row["quality"]) for row in rows(tmp_path / "good.jsonl")] == [
        ("3", 3),
        ("4", 4),
    ]
    assert "2 of 6 rows written" in said
    assert "2 rows are left out" in said, "0 is no rating, and neither is a word"
    bad = serve(lambda m: "excellent")
    code, said = command("score", "seeds.jsonl", "--by", bad.url, "-o", "none.jsonl")
    assert code == ExitCode.FAILED
    assert "gave no rating from 1 to 5; it said: excellent" in said
