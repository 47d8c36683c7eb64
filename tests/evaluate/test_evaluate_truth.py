"""Figures that were wrong without a word: JSON that holds code, right rows as wrong, kept answers, limits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tuiftune.advice import retrieval
from tuiftune.cli.main import build
from tuiftune.errors import UserError
from tuiftune.evaluate import judging, scorers
from tuiftune.evaluate.endpoint import Endpoint, checked_url
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.evaluate.task import task_of
from tuiftune.jobs import judging as judged
from tuiftune.jobs import shipping
from tuiftune.jobs.contenders import source_of
from tuiftune.jobs.contenders import target as meant
from tuiftune.preset.schema import Preset
from tuiftune.runs.store.directory import create

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))
from faulty_server import Server

CODE = '{"code": "```py\\nprint(1)\\n```", "n": 1}'


def run(*words: Any) -> tuple[int, str]:
    """Exit code, and standard output or the UserError's line."""
    found = CliRunner().invoke(build(), [*map(str, words)])
    if isinstance(found.exception, UserError):
        return int(found.exception.exit_code), str(found.exception)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout


def rows(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"prompt": a, "completion": b}) + "\n" for a, b in pairs))
    return path


@pytest.fixture
def said() -> dict[str, Any]:
    return {}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: dict[str, Any]) -> Iterator[Server]:
    """Answers each prompt with what `said` says, and counts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Server(lambda messages: said.get(messages[-1]["content"], "?"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("key", "answer", "reference", "score"),
    [
        ("json_fields", CODE, CODE, 1),
        ("json_fields", 'As [1] says, it is {"a": 1, "b": [2]}.', '{"a": 1, "b": [2]}', 1),
        ("json_fields", 'First:\n```json\n{"a": 1}\n```\nas asked', '{"a": 1}', 1),
        ("json_fields", "[" * 5000, '{"a": 1}', 0),
        ("tool_call", '{"name": "f", "arguments": {"x": 5}}', '{"name": "f", "arguments": {"x": 5.0}}', 1),
        ("tool_call", '{"name": "f", "arguments": {"x": 1}}', '{"name": "f", "arguments": {"x": true}}', 0),
        ("normalized_match", "It is 35 kg", "it is 3.5 kg", 0),
        ("normalized_match", "it is 1,234.5!", "It is 1234.5.", 1),
        ("normalized_match", "-5", "5", 0),
        ("normalized_match", "well-known", "wellknown", 1),
    ],
)
def test_what_one_answer_scores(key: str, answer: str, reference: str, score: float) -> None:
    (found,) = scorers.every()[key].parts([Pair(answer, reference)], "")
    assert found == (score,)


def test_json_in_a_fenced_block_is_a_json_task() -> None:
    assert task_of([f'```json\n{{"a": {n}}}\n```' for n in range(9)]).kind == "json"
    assert task_of([f"```python\nprint({n})\n```" for n in range(9)]).kind != "json"


def test_a_score_over_fewer_rows_says_so(server: Server, said: dict[str, Any], tmp_path: Path) -> None:
    pairs = [(f"row {n}", json.dumps({"a": n})) for n in range(19)] + [("row 19", "I cannot.")]
    said.update(pairs)
    code, out = run("evaluate", server.url, "--data", rows(tmp_path / "rows.jsonl", pairs))
    assert code == 0
    assert "field accuracy: 19 of 20 rows, those whose reference answer it applies to." in out


@pytest.mark.parametrize("metric", ["bleu", "macro_f1", "length", "exact_match"])
def test_only_wrong_rows_are_written_as_wrong(
    server: Server, said: dict[str, Any], tmp_path: Path, metric: str
) -> None:
    pairs = [(f"row {n}", f"the answer is number {n} of these") for n in range(4)]
    said.update(pairs[1:])
    wrong = tmp_path / "wrong.jsonl"
    data = rows(tmp_path / "rows.jsonl", pairs)
    assert run("evaluate", server.url, "--data", data, "--metric", metric, "--wrong", wrong)[0] == 0
    assert [json.loads(line)["prompt"] for line in wrong.read_text().splitlines()] == ["row 0"]


def test_a_likelihood_is_not_asked_of_an_endpoint(
    server: Server, said: dict[str, Any], tmp_path: Path
) -> None:
    data = rows(tmp_path / "rows.jsonl", [(f"row {n}", f"answer {n}") for n in range(80)])
    for command in (("evaluate", server.url, "--data", data), ("decide", data, "--endpoint", server.url)):
        code, line = run(*command, "--metric", "perplexity")
        assert (code, "--metric perplexity: cannot be measured here" in line) == (2, True)
    code, line = run("decide", data, "--endpoint", server.url, "--metric", "length")
    assert (code, "neither better nor worse" in line) == (2, True)
    assert not server.requests


def test_kept_answers_of_an_endpoint_are_named_and_replaced(
    server: Server, said: dict[str, Any], tmp_path: Path
) -> None:
    command = ("evaluate", server.url, "--data", rows(tmp_path / "rows.jsonl", [("ask", "new answer")]))
    said["ask"] = "old answer"
    first = run(*command)[1]
    assert "kept by earlier" not in first
    said["ask"] = "new answer"
    kept = run(*command)[1]
    assert "1 of 1 answers of only at" in kept
    assert "were kept by earlier commands, the oldest of 20" in kept
    assert "exact match: 0.0%" in kept
    assert "exact match: 100.0%" in run(*command, "--again")[1]
    assert "exact match: 100.0%" in run(*command)[1], "the new answers replace the old ones"
    assert server.paid == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [("plain", "plain"), ([{"type": "text", "text": "in "}, {"text": "parts"}], "in parts"), (None, "")],
)
def test_the_text_of_a_message(content: Any, text: str) -> None:
    one = Endpoint("http://127.0.0.1:9/v1", "m")
    assert one._text(content) == text
    for broken in (42, {"a": 1}, [{"image": 1}], float("nan")):
        with pytest.raises(UserError, match="not text"):
            one._text(broken)


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://a b/v1", "http://h:port/v1", "http://h:99999/v1", "http://h\x00/v1"],
)
def test_what_is_no_address_is_refused_before_it_is_asked(url: str) -> None:
    with pytest.raises(UserError, match="is not an HTTP address"):
        checked_url(url)


def test_a_host_that_cannot_be_is_one_line() -> None:
    with pytest.raises(UserError, match="is not an HTTP address"):
        Endpoint(f"http://{'a' * 80}.invalid/v1", None)


def test_an_endpoint_that_fails_is_exit_1_with_what_it_said(tmp_path: Path, said: dict[str, Any]) -> None:
    from faulty_server import Server as Made

    made = Made(lambda messages: "", ("empty",) * 9)
    try:
        data = rows(tmp_path / "rows.jsonl", [("ask", "answer"), ("more", "answer too")])
        code, line = run("evaluate", made.url, "--data", data, "--again")
        assert (code, "answered without choices[0].message" in line) == (1, True)
    finally:
        made.close()


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (shipping.Limits(gain=float("nan")), "must be 0 or more"),
        (shipping.Limits(gain=-0.1), "must be 0 or more"),
        (shipping.Limits(forgetting=float("inf")), "must be 0 or more"),
        (shipping.Limits(forgetting=2), "write 0.02 for 2%"),
    ],
)
def test_a_limit_that_decides_nothing_is_refused(limits: shipping.Limits, says: str) -> None:
    with pytest.raises(UserError) as fault:
        shipping._check(limits, ())
    assert says.lower() in str(fault.value).lower()


def test_a_gain_beyond_the_metric_is_refused() -> None:
    for metric, least in (("accuracy", 14), ("bleu", 140)):
        with pytest.raises(UserError, match="cannot be reached"):
            shipping._check(shipping.Limits(gain=least), (metric,))
    shipping._check(shipping.Limits(gain=14), ("bleu",))
    with pytest.raises(UserError, match="neither better nor worse"):
        shipping._check(shipping.Limits(gain=0.1), ("length",))


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("There is no clear winner. A is longer, B is friendlier.", None),
        ("WINNER: A, WINNER: B, or WINNER: TIE if neither is better.", None),
        ("The winner is a matter of taste.", None),
        ("The winner is a tie.", "tie"),
        ("**WINNER:** **B**", "second"),
        ("Both are fine.\nWinner: Answer A", "first"),
        ("The winner is B.", "second"),
    ],
)
def test_a_judge_that_names_nobody_is_not_read_as_a_vote(text: str, side: str | None) -> None:
    assert judging.read(text, swapped=False) == side


def test_rows_and_votes_that_are_not_judged_are_told(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_text('{"turns": ["one"]}\nnot JSON\n{"turns": ["three"]}\n{"turns": []}\n')
    asked, note = judged.asked_of(path, None)
    assert [one.row for one in asked] == [1, 3], "a damaged line keeps its number"
    assert note.startswith("2 of 4 rows of ")
    assert judged.unmatched({1: "first", 9: "tie"}, asked) == (
        "1 of 2 votes are of rows that are not judged: 9."
    )
    votes = tmp_path / "votes.jsonl"
    for line in ('{"row": 1.5, "vote": "A"}', '{"row": true, "vote": "A"}', '{"row": 1, "vote": "C"}'):
        votes.write_text(line)
        with pytest.raises(UserError, match="is not a vote"):
            judged.votes_of(votes)
    votes.write_text('{"row": 1, "vote": "A"}\n{"row": 1, "vote": "B"}\n')
    with pytest.raises(UserError, match="another vote above"):
        judged.votes_of(votes)


def test_documents_are_read_as_data_files_are(tmp_path: Path) -> None:
    room = tmp_path / "documents"
    room.mkdir()
    (room / "a.txt").write_bytes("Das Paket ist in drei Tagen da, für 5 €.".encode("cp1252"))
    (room / "scan.pdf").write_bytes(b"%PDF-1.7")
    (room / "notes.docx").write_bytes(b"PK")
    assert "für 5 €" in retrieval.passages_of(room)[0].text
    assert "2 files of" in (told := retrieval.left_out(room))
    assert "(.docx, .pdf)" in told
    (room / "b.txt").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(UserError, match="binary, not text"):
        retrieval.passages_of(room)


def test_an_empty_prompt_file_is_refused(server: Server, tmp_path: Path) -> None:
    data = rows(tmp_path / "rows.jsonl", [(f"row {n}", f"answer {n}") for n in range(80)])
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(" \n")
    code, line = run("decide", data, "--endpoint", server.url, "--prompt", prompt)
    assert (code, "is empty" in line) == (2, True)
    assert not server.requests


def test_a_model_that_answers_with_a_number_is_refused_by_name(tmp_path: Path) -> None:
    resolved = Preset.model_validate(
        {"model": {"base": "builtin:tiny"}, "data": {"train": "rows.jsonl"}, "method": {"stage": "reward"}}
    )
    run = create(tmp_path, "rewards", "version: 1\n", {"resolved": resolved.model_dump()})
    adapter, whole = run.result_path / "model", tmp_path / "whole"
    for place, name, document in (
        (adapter, "adapter_config.json", {"task_type": "SEQ_CLS"}),
        (whole, "config.json", {"architectures": ["LlamaForSequenceClassification"]}),
    ):
        place.mkdir(parents=True)
        (place / name).write_text(json.dumps(document))
    for target in (str(run.path), str(adapter), str(whole)):
        with pytest.raises(UserError, match="gives a number for an answer"):
            source_of(meant(target))


def test_an_output_never_replaces_what_is_read(server: Server, said: dict[str, Any], tmp_path: Path) -> None:
    data = rows(tmp_path / "rows.jsonl", [("ask", "answer")])
    before = data.read_bytes()
    other = tmp_path / "link.jsonl"
    other.symlink_to(data)
    for words in (("-o", data), ("--wrong", other), ("-o", tmp_path / "new", "--wrong", tmp_path / "new")):
        code, line = run("evaluate", server.url, "--data", data, *words)
        assert code == 2
        assert "write to another file" in line.lower()
    assert run("decide", data, "--endpoint", server.url, "-o", data)[0] == 2
    assert run("data", "score", data, "--by", server.url, "-o", data)[0] == 2
    assert data.read_bytes() == before
    assert not server.requests


def test_test_rows_that_are_training_rows_are_told(
    server: Server, said: dict[str, Any], tmp_path: Path
) -> None:
    data = rows(tmp_path / "rows.jsonl", [(f"row {n}", f"answer {n}") for n in range(60)])
    code, out = run("decide", data, "--endpoint", server.url, "--test", data, "--metric", "exact_match")
    assert code == 0
    assert "Of the test rows: " in out


def test_a_file_of_ones_own_is_not_what_the_checkpoint_was_selected_on() -> None:
    assert shipping._used("/home/ann/rows.jsonl", "/home/ann/rows.jsonl") == "rows of rows.jsonl"
    assert shipping._used("the evaluation rows of demo", None) == "selected on these rows"
    assert shipping._used("data.test", None) == "test rows"
