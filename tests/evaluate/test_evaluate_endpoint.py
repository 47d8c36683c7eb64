"""Endpoints that are down, slow, limited or broken: one line each, answers kept, nothing paid twice."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from typer.testing import CliRunner

from tuiftune.cli.main import build
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import endpoint
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sys.path.insert(0, str(Path(__file__).parent))
from faulty_server import Server

ROWS = [(f"How many is {n} and {n}?", f"It is {2 * n}.") for n in range(12)]
ANSWERS = dict(ROWS)


def right(messages: list[dict[str, str]]) -> str:
    return ANSWERS[messages[-1]["content"]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    servers: list[Server] = []

    def start(*faults: str, reply: Callable[[list[dict[str, str]]], str] = right) -> Server:
        servers.append(Server(reply, faults))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": a, "completion": b}) + "\n" for a, b in ROWS))
    return path


def evaluate(*words: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error or the UserError's line."""
    found = CliRunner().invoke(build(), ["evaluate", *map(str, words)])
    said = str(found.exception) if isinstance(found.exception, UserError) else found.stderr
    code = int(found.exception.exit_code) if isinstance(found.exception, UserError) else found.exit_code
    return code, found.stdout, said


def one_at_once(monkeypatch: pytest.MonkeyPatch, seconds: float = 20.0) -> None:
    init = endpoint.Endpoint.__init__

    def made(self: endpoint.Endpoint, url: str, model: str | None) -> None:
        init(self, url, model, seconds=seconds, at_once=1)

    monkeypatch.setattr(endpoint.Endpoint, "__init__", made)


def test_an_endpoint_is_scored_with_interval_and_usage(serve: Callable[..., Server], data: Path) -> None:
    wrong = {ROWS[0][0], ROWS[1][0]}
    server = serve(reply=lambda asked: "no" if asked[-1]["content"] in wrong else right(asked))
    code, out, _ = evaluate(server.url, "--data", data, "--json")
    document = json.loads(out)
    assert code == 0
    found = document["evaluation"]
    assert (found["rows"], found["exact_match"], found["main"]) == (12, 10 / 12, "normalized_match")
    assert found["interval"][0] < 10 / 12 < found["interval"][1]
    assert found["usage"]["tokens_in"] > 3
    assert {"chrf", "length"} <= found["scores"].keys()
    assert "perplexity" not in found["scores"]
    assert server.requests[0]["model"] == "only"
    assert server.requests[0]["temperature"] == 0


def test_answers_are_asked_for_once(serve: Callable[..., Server], data: Path, tmp_path: Path) -> None:
    server = serve()
    assert evaluate(server.url, "--data", data)[0] == 0
    assert evaluate(server.url, "--data", data, "--metric", "length")[0] == 0
    assert len(server.requests) == 12
    assert evaluate(server.url, "--data", data, "--again")[0] == 0
    assert len(server.requests) == 24
    kept = next((tmp_path / "state").rglob("*.jsonl"))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_what_came_before_a_failure_is_kept_and_not_paid_again(
    serve: Callable[..., Server], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_at_once(monkeypatch)
    server = serve(*[""] * 5, "500", "500", "500")
    code, out, said = evaluate(server.url, "--data", data)
    assert code == ExitCode.FAILED
    assert not out
    assert "answered 500" in said
    assert server.paid in (5, 6), "one more may be under way"
    assert evaluate(server.url, "--data", data)[0] == 0
    assert server.paid == 12, "the rest and nothing twice"


@pytest.mark.parametrize(
    ("faults", "code", "says"),
    [
        (["429"] * 4, 0, ""),
        (["429"] * 60, 1, "answered 429 5 times: slow down. Run the command again later"),
        (["401"], 2, "answered 401: wrong key. Set TUIFTUNE_ENDPOINT_KEY"),
        (["html"] * 20, 2, "answered HTML: <html>log in</html>. Check the URL"),
        (["empty"] * 20, 1, "answered without choices"),
        (["half"] * 20, 1, "broke off its answer"),
        (["slow"] * 20, 1, "did not answer within 0.4 s. Run the command again: answers so far are kept"),
    ],
)
def test_a_failing_endpoint_is_one_line(
    faults: list[str],
    code: int,
    says: str,
    serve: Callable[..., Server],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoint, "sleep", lambda seconds: None)
    one_at_once(monkeypatch, seconds=0.4 if "slow" in faults else 20.0)
    server = serve(*faults)
    ended, _, said = evaluate(server.url, "--data", data)
    assert ended == code
    assert says in said
    assert "Traceback" not in said
    assert server.paid <= 12, "a request that may have been paid for is not repeated"


def test_one_failure_leaves_the_other_rows_scored(
    serve: Callable[..., Server], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("half")
    code, out, _ = evaluate(server.url, "--data", data, "--json")
    found = json.loads(out)["evaluation"]
    assert code == ExitCode.FAILED
    assert (found["rows"], found["without_answer"], found["exact_match"]) == (11, 1, 1.0)
    assert any("1 of 12 rows have no answer: broke off" in note for note in found["notes"])
    assert evaluate(server.url, "--data", data)[0] == 0
    assert server.paid == 13


def test_an_endpoint_that_is_down_is_one_line(
    serve: Callable[..., Server], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "sleep", lambda seconds: None)
    server = serve()
    server.close()
    code, _, said = evaluate(server.url, "--data", data)
    assert code == ExitCode.FAILED
    assert f"{server.url}: cannot be reached" in said


def test_the_key_comes_from_the_environment_and_is_in_no_file(
    serve: Callable[..., Server], data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = "wholly-secret-endpoint-key-1234"
    monkeypatch.setenv("TUIFTUNE_ENDPOINT_KEY", key)
    server = serve(reply=lambda asked: f"{right(asked)} {key}")
    code, out, said = evaluate(server.url, "--data", data, "-o", tmp_path / "rows-out.jsonl", "--json")
    assert code == 0
    assert set(server.keys) == {f"Bearer {key}"}
    assert key not in out + said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_text()]
    for url in (f"http://user:{key}@localhost/v1", f"http://localhost/v1?api_key={key}"):
        assert evaluate(url, "--data", data)[2].startswith("--endpoint: holds a password or key")


def test_empty_answers_and_empty_data_are_told(
    serve: Callable[..., Server], data: Path, tmp_path: Path
) -> None:
    server = serve(reply=lambda asked: "")
    code, out, _ = evaluate(server.url, "--data", data)
    assert code == 0
    assert "All 12 answers are empty" in out
    none = tmp_path / "text.txt"
    none.write_text("only some words\n\nand more\n")
    code, _, said = evaluate(server.url, "--data", none)
    assert code == ExitCode.USAGE
    assert "no row has both a prompt and a reference answer" in said
    assert "--data" not in said, "the file that was named is named as the remedy"


def test_two_endpoints_are_compared_on_the_same_rows(serve: Callable[..., Server], data: Path) -> None:
    good, bad = serve(), serve(reply=lambda asked: "It is 4.")
    code, out, _ = evaluate(good.url, "--data", data, "--against", bad.url, "--json")
    assert code == 0
    jsonschema.validate(json.loads(out), registry.json_schema("evaluate"))
    found = json.loads(out)["differences"]["exact_match"]
    assert found["value"] == pytest.approx(11 / 12)
    assert found["p"] < 0.001
    assert found["interval"][0] > 0.5
    code, out, _ = evaluate(good.url, "--data", data, "--against", good.url)
    assert "12 rows show no difference in normalized match: they detect 50.0 points or more." in out


def test_what_is_under_way_at_an_end_is_kept(serve: Callable[..., Server], data: Path) -> None:
    from tuiftune.data.example import Message

    server = serve()
    kept: list[int] = []

    def done(at: int, answer: Any) -> None:
        kept.append(at)
        raise TimeoutError("the budget is used up")

    asked = [(Message("user", prompt),) for prompt, _ in ROWS]
    with pytest.raises(TimeoutError):
        endpoint.Endpoint(server.url, "only").respond(asked, 8, done)
    assert len(kept) == server.paid, "every answer that was paid for is handed over"
    assert server.paid < len(ROWS)


def test_wrong_rows_are_written_for_labeling_nearest_first(
    serve: Callable[..., Server], data: Path, tmp_path: Path
) -> None:
    told = {ROWS[0][0]: "It is none.", ROWS[1][0]: "It is 3.", ROWS[2][0]: "?"}
    server = serve(reply=lambda asked: told.get(asked[-1]["content"], right(asked)))
    assert evaluate(server.url, "--data", data, "--wrong", tmp_path / "wrong.jsonl")[0] == 0
    found = [json.loads(line) for line in (tmp_path / "wrong.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in found] == ["It is 3.", "It is none.", "?"]
    assert found[0]["reference"] == "It is 2."
    assert found[0]["near"] > found[1]["near"] > found[2]["near"]
