"""Blind review: nobody sees whose answer is which, votes survive, and become rows to train on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tuiftune.cli.main import build
from tuiftune.evaluate import reviewing
from tuiftune.evaluate.reviewing import Vote
from tuiftune.evaluate.statistics import wilson
from tuiftune.preset.file import loads
from tuiftune.runs.store.directory import create

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    {"row": n, "prompt": f"Say {n}", "reference": str(n), "before": f"before {n}", "after": f"after {n}"}
    for n in range(1, 9)
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = create(tmp_path, "one", "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\n", {"resolved": {}})
    equal = {"row": 9, "prompt": "Say 9", "reference": "9", "before": "the  same", "after": "the same"}
    text = "".join(json.dumps(row) + "\n" for row in [*ROWS, equal])
    (made.result_path / "samples.jsonl").write_text(text)
    return made.path


def review(run: Path, *words: str, answers: str = "") -> Any:
    return CliRunner().invoke(build(), ["review", str(run), *words], input=answers)


def prefers(name: str, item: reviewing.Item, side: str) -> str:
    return "1" if item.left_is == side else "2"


def keys(run: Path, name: str, side: str, rows: int, skip: int = 0) -> str:
    """What a reviewer types who always prefers one side, whom they recognize."""
    samples = [json.loads(line) for line in (run / "result" / "samples.jsonl").read_text().splitlines()]
    open_ = reviewing.items(samples, name)[skip : skip + rows]
    return "".join(prefers(name, item, side) + "\n" for item in open_)


def test_votes_are_kept_and_continued(run: Path) -> None:
    first = review(run, "--reviewer", "ann", "--quick", answers=keys(run, "ann", "tuned", 3))
    assert first.exit_code == 0, first.output
    assert "8 rows to review" in first.stderr
    assert "3 votes on 3 rows by ann" in first.stdout.replace("\n", " ")
    assert "tuned" not in first.stderr
    assert "base" not in first.stderr
    second = review(run, "--reviewer", "ann", "--quick", answers=keys(run, "ann", "tuned", 5, skip=3))
    assert "5 rows to review" in second.stderr
    assert "The fine-tuned model wins 8 votes, the base model 0" in second.stdout
    again = review(run, "--reviewer", "ann", "--quick")
    assert "ann has voted on every row. Somebody else votes with --reviewer NAME." in again.stderr


def test_sides_and_order_are_shuffled_for_each_reviewer() -> None:
    samples = ROWS * 10
    one, other = reviewing.items(samples, "ann"), reviewing.items(samples, "bob")
    for found in (one, other):
        left = sum(item.left_is == "base" for item in found)
        assert 25 <= left <= 55
        assert [item.row for item in found] != sorted(item.row for item in found)
    assert [item.row for item in one] != [item.row for item in other]
    assert one == reviewing.items(samples, "ann")
    item = one[0]
    assert item.side("left") == item.left_is
    assert {item.side("left"), item.side("right"), item.side("tie")} == {"base", "tuned", "tie"}


def test_criteria_and_notes_are_asked(run: Path) -> None:
    found = review(run, "--reviewer", "ann", answers="1\n2\n3\n3\n1\nbecause\n")
    assert found.exit_code == 0
    vote = json.loads((run / "result" / "reviews.jsonl").read_text().splitlines()[0])
    assert set(vote["sides"]) == {"overall", *reviewing.CRITERIA}
    assert vote["sides"]["accurate"] == vote["sides"]["coherent"] == "tie"
    assert vote["note"] == "because"


def test_agreement_is_krippendorffs_alpha() -> None:
    def votes(name: str, sides: str) -> list[Vote]:
        kinds = {"t": "tuned", "b": "base", "-": "tie"}
        return [Vote(name, at, {"overall": kinds[one]}) for at, one in enumerate(sides)]  # type: ignore[dict-item]

    assert reviewing.summed(votes("ann", "ttbb")).alpha is None
    assert reviewing.summed(votes("ann", "ttbb-") + votes("bob", "ttbb-")).alpha == pytest.approx(1.0)
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", A: binary data of two observers.
    told = votes("meg", "btbbbbbbtb") + votes("owen", "tttbbtbbbb")
    assert reviewing.summed(told).alpha == pytest.approx(0.095, abs=5e-4)
    assert reviewing.summed(votes("ann", "tbtb") + votes("bob", "btbt")).alpha < 0  # type: ignore[operator]


def test_votes_become_preference_rows(run: Path, tmp_path: Path) -> None:
    for name, side in (("ann", "tuned"), ("bob", "tuned"), ("eve", "base")):
        review(run, "--reviewer", name, "--quick", answers=keys(run, name, side, 8))
    found = review(run, "--json")
    document = json.loads(found.stdout)
    assert (document["wins"], document["losses"], document["votes"]) == (16, 8, 24)
    assert document["alpha"] < 0.1
    out = tmp_path / "preferences.jsonl"
    assert review(run, "--preferences", str(out)).exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [
        {"prompt": row["prompt"], "chosen": row["after"], "rejected": row["before"]} for row in ROWS
    ]
    from tuiftune.data.read.load import load

    assert load(str(out)).format == "preference"


def test_preference_rows_ask_what_the_models_were_asked(tmp_path: Path) -> None:
    """With the system message and the earlier answers, not the texts of all as one question."""
    from tuiftune.data.read.load import load

    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Far?"},
    ]
    rows, held = tmp_path / "t.jsonl", tmp_path / "held.jsonl"
    held.write_text(json.dumps({"messages": [*asked, {"role": "assistant", "content": "Yes."}]}) + "\n")
    rows.write_text(held.read_text() * 2)
    text = f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {rows}, eval: {held}}}\n"
    resolved = loads(text, "mine.yaml").model_dump(mode="json")
    run = create(tmp_path, "one", text, {"resolved": resolved}).path
    sample = {"row": 1, "prompt": "Hi\nHello\nFar?", "reference": "Yes.", "before": "No.", "after": "Yes."}
    (run / "result" / "samples.jsonl").write_text(json.dumps(sample) + "\n")
    vote = {"reviewer": "ann", "row": 1, "sides": {"overall": "tuned"}}
    (run / "result" / "reviews.jsonl").write_text(json.dumps(vote) + "\n")
    out = tmp_path / "preferences.jsonl"
    assert review(run, "--preferences", str(out)).exit_code == 0
    (example,) = load(str(out)).head(1)
    assert [one.content for one in example.prompt] == ["Be brief.", "Hi", "Hello", "Far?"]
    assert (example.chosen, example.rejected) == ("Yes.", "No.")


def test_a_run_without_answers_is_one_line(run: Path) -> None:
    (run / "result" / "samples.jsonl").write_text("torn\n")
    found = review(run)
    assert "has no answers to review" in str(found.exception)


def test_votes_that_cannot_be_kept_are_told_before_the_first(run: Path) -> None:
    (run / "result" / "reviews.jsonl").mkdir()
    found = review(run, "--quick", answers="1\n")
    assert "reviews.jsonl: is a directory" in str(found.exception)
    assert "rows to review" not in found.stderr


def test_lines_that_are_no_votes_are_counted_and_told(run: Path) -> None:
    vote = {"reviewer": "ann", "row": 1, "sides": {"overall": "tuned"}}
    lines = [
        json.dumps(vote),
        json.dumps({**vote, "reviewer": " ann ", "sides": {"overall": "base"}}),  # the same person, later
        *(json.dumps({**vote, **bad}) for bad in ({"row": 999}, {"row": 0}, {"row": 1.7}, {"row": True})),
        *(json.dumps({**vote, **bad}) for bad in ({"reviewer": ""}, {"reviewer": None}, {"sides": {}})),
        "{torn",
    ]
    (run / "result" / "reviews.jsonl").write_text("\n".join(lines))
    found = CliRunner().invoke(build(), ["review", str(run), "--summary", "--json"])
    made = json.loads(found.stdout)
    assert (made["reviewers"], made["votes"], made["wins"], made["losses"]) == (["ann"], 1, 0, 1)
    assert "not votes on an answer of the run: 8 lines of reviews.jsonl" in found.stderr


def test_several_votes_on_a_row_count_as_one_row() -> None:
    """Three reviewers of five rows are no fifteen rows: what they agree on is one answer."""
    votes = [
        Vote(name, row, {"overall": "tuned"}) for name in ("ann", "ben", "eva") for row in range(1, 6)
    ] + [Vote("ann", 6, {"overall": "tuned"}), Vote("ben", 6, {"overall": "base"})]
    made = reviewing.summed(votes)
    assert (made.votes, made.rows, made.wins, made.losses) == (17, 6, 16, 1)
    assert made.p == pytest.approx(2 / 2**5)
    assert made.interval == pytest.approx(wilson(5, 5))
