"""A judge that is fair, one that only looks at the order or the length, and one that talks nonsense."""

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
from tuiftune.evaluate import judging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sys.path.insert(0, str(Path(__file__).parent))
from faulty_server import Server

Messages = list[dict[str, str]]


def shown(messages: Messages) -> tuple[str, str]:
    """The last answers of A and of B."""
    a, b = messages[-1]["content"].split("--- B ---")
    return a.rpartition("Answer: ")[2].strip(), b.rpartition("Answer: ")[2].strip()


def fair(messages: Messages) -> str:
    a, b = (text.startswith("yes") for text in shown(messages))
    return f"Both are short.\n**WINNER: {'TIE' if a == b else 'A' if a else 'B'}**"


def longest(messages: Messages) -> str:
    a, b = map(len, shown(messages))
    return f"WINNER: {'TIE' if a == b else 'A' if a > b else 'B'}"


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[Callable[[Messages], str]], Server]]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    servers: list[Server] = []

    def start(reply: Callable[[Messages], str]) -> Server:
        servers.append(Server(reply))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    rows = [
        {"turns": [f"Is {n} a number?", "Are you sure?"] if n < 2 else [f"Is {n} a number?"]}
        for n in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judge(*words: Any) -> tuple[int, Any, str]:
    found = CliRunner().invoke(build(), ["judge", *map(str, words)])
    if isinstance(found.exception, UserError):
        return int(found.exception.exit_code), None, str(found.exception)
    return found.exit_code, found.stdout, ""


def number(messages: Messages) -> int:
    return int(re.findall(r"\d+", messages[0]["content"])[0])


def mostly(messages: Messages) -> str:
    """Right on 8 of 10 rows."""
    return "yes" if number(messages) < 8 else "no"


def wordy(messages: Messages) -> str:
    return "no, although one could say a lot more about it"


def test_a_fair_judge_finds_the_better_side(serve: Any, data: Path, tmp_path: Path) -> None:
    good, bad, by = serve(mostly), serve(wordy), serve(fair)
    votes = tmp_path / "votes.jsonl"
    votes.write_text(
        "".join(json.dumps({"row": n, "vote": "A" if n < 9 else "tie"}) + "\n" for n in range(1, 11))
    )
    words = (good.url, "--against", bad.url, "--judge", by.url, "--data", data, "--votes", votes)
    code, out, _ = judge(*words, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["wins"], found["losses"], found["ties"], found["unreadable"]) == (8, 0, 2, 0)
    assert (found["win_rate"], found["consistent"], found["position"], found["longer"]) == (
        0.9,
        1.0,
        0.5,
        0.0,
    )
    assert (found["agreement"], found["kappa"], found["voted"]) == (1.0, 1.0, 10)
    assert found["p"] < 0.01
    asked = len(by.requests), len(good.requests)
    assert asked == (20, 12), "both orders of ten rows; two rows have two turns"
    two = next(one for one in good.requests if len(one["messages"]) > 1)
    assert [turn["role"] for turn in two["messages"]] == ["user", "assistant", "user"]
    assert judge(*words)[0] == 0
    assert (len(by.requests), len(good.requests)) == asked, "nothing is paid for twice"


def test_a_judge_of_the_order_alone_decides_nothing(serve: Any, data: Path) -> None:
    code, out, _ = judge(
        serve(mostly).url,
        "--against",
        serve(wordy).url,
        "--judge",
        serve(lambda m: "WINNER: A").url,
        "--data",
        data,
        "--json",
    )
    found = json.loads(out)
    assert code == 0
    assert (found["wins"], found["losses"], found["ties"]) == (0, 0, 10)
    assert (found["consistent"], found["position"], found["interval"]) == (0.0, 1.0, None)


def test_a_judge_of_the_length_is_told(serve: Any, data: Path) -> None:
    code, out, _ = judge(
        serve(mostly).url, "--against", serve(wordy).url, "--judge", serve(longest).url, "--data", data
    )
    assert code == 0
    assert "The longer answer wins 100% of the decided rows." in out


def test_a_judge_that_talks_nonsense_is_one_line(serve: Any, data: Path) -> None:
    by = serve(lambda m: "Bananas are yellow.")
    code, _, said = judge(serve(mostly).url, "--against", serve(wordy).url, "--judge", by.url, "--data", data)
    assert code == ExitCode.FAILED
    assert "gave no judgment that can be read; it said: Bananas are yellow." in said
    some = serve(lambda m: "?" if "Is 3 a" in m[-1]["content"] else fair(m))
    code, out, _ = judge(
        serve(mostly).url, "--against", serve(wordy).url, "--judge", some.url, "--data", data
    )
    assert code == 0
    assert "1 rows are left out: its judgment could not be read." in out


@pytest.mark.parametrize(
    ("text", "swapped", "side"),
    [
        ("WINNER: A", False, "first"),
        ("WINNER: A", True, "second"),
        ("winner is unclear.\nWINNER: **tie**", False, "tie"),
        ("WINNER: A would be wrong.\nWINNER: B", False, "second"),
        ("B", False, "second"),
        ("[[A]]", True, "second"),
        ("A good answer", False, None),
        ("", False, None),
    ],
)
def test_what_a_judge_says_is_read(text: str, swapped: bool, side: str | None) -> None:
    assert judging.read(text, swapped=swapped) == side


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("--votes", '{"row": 1, "vote": "A"}\n{"row": 2}\n', ":2: is not a vote"),
        ("--rubric", " \n", "is empty"),
    ],
)
def test_bad_files_are_one_line(
    name: str, content: str, says: str, serve: Any, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad").write_text(content)
    url = serve(fair).url
    code, _, said = judge(url, "--against", url, "--judge", url, "--data", data, name, tmp_path / "bad")
    assert code == ExitCode.USAGE
    assert says in said
