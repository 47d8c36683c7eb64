"""The starters for prompting and retrieval do real work on real files."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tuiftune.advice import bm25, prompting, retrieval
from tuiftune.advice.bm25 import Passage
from tuiftune.data.example import Example, Message
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def example(request: str, answer: str, row: int) -> Example:
    return Example(messages=(Message("user", request), Message("assistant", answer)), row=row, file="t.jsonl")


def tickets() -> list[Example]:
    """Three labels; one of them ninety times as frequent as the others."""
    rows = [example(f"where is my parcel number {n}", "shipping", n) for n in range(90)]
    rows += [example(f"please pay back order {n} to me", "refund", 90 + n) for n in range(5)]
    rows += [example(f"the login page rejects password {n}", "account", 95 + n) for n in range(5)]
    return rows


def test_examples_cover_every_label_before_they_repeat_one() -> None:
    made = prompting.starter(tickets(), shots=3)
    assert {shot.answer for shot in made.shots} == {"shipping", "refund", "account"}
    assert made.labels == ("shipping", "account", "refund")
    assert all(f"- {label}" in made.template for label in made.labels)
    assert "{input}" in made.template


def test_examples_differ_more_than_the_first_rows_do() -> None:
    rows = [example(f"how do I bake bread loaf {n}", f"Knead it {n} times.", n) for n in range(80)]
    rows += [example(f"which planet is number {n} from the sun", f"Planet {n}.", 80 + n) for n in range(20)]
    made = prompting.starter(rows, shots=2)
    assert made.labels == ()
    assert len({shot.prompt.split()[0] for shot in made.shots}) == 2


def test_the_choice_is_the_same_every_time() -> None:
    assert prompting.starter(tickets()).shots == prompting.starter(tickets()).shots


def test_extreme_lengths_are_not_shown() -> None:
    rows = [*tickets(), example("long " * 5000, "shipping", 200)]
    assert max(len(shot.prompt) for shot in prompting.starter(rows).shots) < 100


def test_prompt_as_chat_ends_with_the_request() -> None:
    messages = prompting.starter(tickets(), shots=2).messages("where is it?")
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert messages[-1]["content"] == "where is it?"


def test_starter_is_written_and_never_overwrites(tmp_path: Path) -> None:
    made = prompting.starter(tickets())
    text, shots = prompting.write(made, tmp_path / "prompt")
    rows = [json.loads(line) for line in shots.read_text().splitlines()]
    assert [row["messages"][1]["content"] for row in rows] == [shot.answer for shot in made.shots]
    assert text.read_text() == made.template
    with pytest.raises(UserError, match="already exists"):
        prompting.write(made, tmp_path / "prompt")


def test_rows_without_answers_are_refused() -> None:
    with pytest.raises(UserError, match="no row"):
        prompting.starter([Example(text="only text", row=1)])


def test_starter_cannot_be_written_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        prompting.write(prompting.starter(tickets()), tmp_path / "file" / "below")


def test_bm25_agrees_with_its_formula() -> None:
    """Two passages of lengths 4 and 2 (mean 3); `cat` in both, `sat` in the first."""
    index = bm25.build([Passage("a", 1, "the cat sat down"), Passage("b", 1, "cat nap")])
    import math

    def weight(count: int, length: int, found: int) -> float:
        rarity = math.log(1 + (2 - found + 0.5) / (found + 0.5))
        return rarity * count * 2.5 / (count + 1.5 * (0.25 + 0.75 * length / 3))

    hits = bm25.search(index, "Cat SAT?")
    assert [hit.passage.file for hit in hits] == ["a", "b"]
    assert hits[0].score == pytest.approx(weight(1, 4, 2) + weight(1, 4, 1))
    assert hits[1].score == pytest.approx(weight(1, 2, 2))
    assert hits[0].matched == ("cat", "sat")


def documents(root: Path) -> Path:
    root.mkdir()
    (root / "refunds.md").write_text(
        "# Refunds\n\nA refund takes five days.\n\n" + "filler words here\n" * 300
    )
    (root / "deep").mkdir()
    (root / "deep" / "ships.txt").write_text("Parcels leave the warehouse at noon.")
    (root / "faq.jsonl").write_text(
        '{"q": "Where?", "a": "In Utrecht."}\n\n{"q": "When?", "a": "Mondays."}\n'
    )
    (root / ".hidden.txt").write_text("refund refund refund")
    (root / "picture.png").write_bytes(b"\x89PNG")
    return root


def test_the_right_passage_is_found_with_its_place(tmp_path: Path) -> None:
    index = retrieval.index(documents(tmp_path / "docs"))
    found = retrieval.ask(index, ["How long does a refund take?", "Which days? Mondays?", "xylophone"])
    best = found["How long does a refund take?"][0].passage
    assert (best.file, best.line) == ("refunds.md", 1)
    assert "five days" in best.text
    best = found["Which days? Mondays?"][0].passage
    assert (best.file, best.line) == ("faq.jsonl", 3)
    assert found["xylophone"] == []


def test_long_documents_are_cut_into_passages(tmp_path: Path) -> None:
    index = retrieval.index(documents(tmp_path / "docs") / "refunds.md")
    assert len(index.passages) > 3
    assert max(len(passage.text.split()) for passage in index.passages) <= retrieval.WORDS
    whole = " ".join(" ".join(passage.text.split()) for passage in index.passages)
    assert whole == " ".join((tmp_path / "docs" / "refunds.md").read_text().split())


def test_index_is_saved_and_read_back(tmp_path: Path) -> None:
    built = retrieval.index(documents(tmp_path / "docs"))
    retrieval.save(built, tmp_path / "index.json")
    again = retrieval.load(tmp_path / "index.json")
    assert again.passages == built.passages
    assert bm25.search(again, "refund")[0].score == bm25.search(built, "refund")[0].score
    with pytest.raises(UserError, match="already exists"):
        retrieval.save(built, tmp_path / "index.json")


def test_prompt_numbers_its_sources(tmp_path: Path) -> None:
    index = retrieval.index(documents(tmp_path / "docs"))
    text = retrieval.prompt("How long?", bm25.search(index, "refund five days", 2))
    assert "[1] refunds.md:1" in text
    assert text.endswith("Question: How long?\nAnswer:")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("nothing", "not found"),
        ("empty-directory", "does not contain text files"),
        ("empty-file", "does not contain text"),
        ("pdf", "'.pdf' files are not supported"),
        ("bad-jsonl", "bad.jsonl:2: is not JSON"),
        ("bad-json", "is not JSON"),
    ],
)
def test_documents_that_cannot_be_read(tmp_path: Path, made: str, says: str) -> None:
    path = tmp_path / "it"
    if made == "empty-directory":
        path.mkdir()
    if made == "empty-file":
        path = tmp_path / "it.txt"
        path.write_text("  \n")
    if made == "pdf":
        path = tmp_path / "it.pdf"
        path.write_bytes(b"%PDF")
    if made == "bad-jsonl":
        path = tmp_path / "bad.jsonl"
        path.write_text('{"a": "b"}\n{oops\n')
    if made == "bad-json":
        path = tmp_path / "bad.json"
        path.write_text("[" * 100_000)
    with pytest.raises(UserError, match=says) as caught:
        retrieval.index(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 9, "passages": []}', '{"version": 1}', '{"passages": [1]}']
)
def test_a_file_that_is_no_index(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(UserError, match="index"):
        retrieval.load(tmp_path / "index.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_document(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        retrieval.index(path)
