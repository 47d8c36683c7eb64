"""Scorers: what they give for answers whose score is known, which rows choose them, and what breaks them."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tuiftune.errors import UserError
from tuiftune.evaluate import labels, measured, scorers
from tuiftune.evaluate.overlap import Words
from tuiftune.evaluate.scorers import regex
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.evaluate.task import KINDS, task_of


def value(key: str, *pairs: tuple[str, str], argument: str = "") -> float | None:
    scorer = scorers.every()[key]
    return measured.measure(scorer, argument, [Pair(*pair) for pair in pairs]).value


@pytest.mark.parametrize(
    ("key", "answer", "reference", "wanted"),
    [
        ("exact_match", " It  is red. ", "It is red.", 1),
        ("exact_match", "it is red.", "It is red.", 0),
        ("exact_match", "red", "<think>which?</think>red", 1),
        ("normalized_match", "the RED door!", "Red door", 1),
        ("normalized_match", "red doors", "red door", 0),
        ("accuracy", "Card_Arrival.", "card_arrival", 1),
        ("accuracy", "card arrival", "card_arrival", 0),
        ("number_match", "so 3 + 4 = 7\n#### 1,007.0", "#### 1007", 1),
        ("number_match", "The total is 12.", "#### 12", 1),
        ("number_match", "none", "#### 12", 0),
        (
            "tool_call",
            '{"name": "go", "arguments": "{\\"b\\": 2, \\"a\\": 1}"}',
            '<tool_call>{"name": "go", "arguments": {"a": 1, "b": 2}}</tool_call>',
            1,
        ),
        ("tool_call", '{"name": "go", "arguments": {"a": 1}}', '{"name": "go", "arguments": {"a": 2}}', 0),
        ("tool_call", "I would go there.", '{"name": "go", "arguments": {}}', 0),
        ("json_fields", 'Here: ```json\n{"a": 1, "b": {"c": 2}}\n```', '{"a": 1, "b": {"c": 3}}', 0.5),
        ("json_fields", '{"a": 1, "x": 9}', '{"a": 1}', 0.5),
        ("json_fields", "no", '{"a": 1}', 0),
        ("json_valid", '{"a": 1}', "", 1),
        ("json_valid", 'Sure: {"a": 1}', "", 0),
        ("json_valid", "[" * 5000, "", 0),
        ("rougeL", "the cat sat", "the cat ran", 2 / 3),
        ("rouge2", "the cat sat", "the cat ran", 0.5),
        ("chrf", "the same words", "the same words", 100),
        ("bleu", "the very same six words here", "the very same six words here", 100),
        ("length", "three words here", "", 3),
        ("json_fields", '{"a": NaN}', '{"a": NaN}', 1),
        ("json_valid", '{"a": NaN}', "", 0),
        ("rougeL", "как дела сегодня", "как дела сегодня", 1),
        ("rougeL", "今日はいい天気", "今日はいい天気", 1),
        ("rougeL", "안녕 세상", "안녕 친구", 0.5),
        ("rougeL", "Straße frei", "Strabe frei", 0.5),
        ("rougeL", "हिन्दी में", "हिन्दी में", 1),
        ("bleu", "今日はいい天気", "今日はいい天気", 100),
        ("bleu", "12", "12", 100),
        ("accuracy", ".", ",", 0),
        ("accuracy", ".", ".", 1),
        ("normalized_match", "", "A", 0),
        ("normalized_match", "-", "+", 0),
        ("number_match", "it is .5", "0.5", 1),
        ("number_match", "it is \u22125", "5", 0),
        ("number_match", "it is \u22125", "-5", 1),
        ("json_fields", '{"a": true}', '{"a": 1}', 0),
        ("json_fields", '{"a.b": 1}', '{"a": {"b": 1}}', 0),
        ("json_fields", '{"a": 2}', '<think>{"a": 1}?</think>{"a": 2}', 1),
        ("tool_call", '{"name": "go", "arguments": {}}', '{"name": "go", "arguments": null}', 1),
        ("tool_call", '{"name": "run", "arguments": "ls -l"}', '{"name": "run", "arguments": "ls -l"}', 1),
        ("tool_call", '{"name": "go", "args": {"a": 1}}', '{"name": "go", "arguments": {}}', 0),
        ("tool_call", '{"name": "go", "args": {"a": 1}}', '{"name": "go", "arguments": {"a": 1}}', 1),
        ("tool_call", '{"name": "run", "arguments": "ls"}', '{"name": "run", "arguments": "ls -l"}', 0),
    ],
)
def test_a_row_with_a_known_score(key: str, answer: str, reference: str, wanted: float) -> None:
    assert value(key, (answer, reference)) == pytest.approx(wanted)


def test_english_words_are_those_of_the_original_rouge() -> None:
    original = import_module("rouge_score.tokenizers").DefaultTokenizer(use_stemmer=True)
    text = "The runners' 3 quickly-moving cats, e.g. (Tom_A), were RUNNING at 10:30; U.S.A. isn't it? ponies"
    assert Words().tokenize(text) == original.tokenize(text)


def test_a_row_without_a_number_or_call_is_not_scored() -> None:
    found = measured.measure(
        scorers.every()["number_match"], "", [Pair("1", "no number"), Pair("2", "#### 2")]
    )
    assert (found.rows, found.value, found.parts) == (1, 1.0, (None, (1.0,)))


def test_f1_and_confusion_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    wanted = ["a"] * 6 + ["b"] * 3 + ["c"]
    given = ["a", "a", "a", "b", "b", "zebra", "b", "b", "a", "c"]
    pairs = list(zip(given, wanted, strict=True))
    assert value("macro_f1", *pairs) == pytest.approx(
        f1_score(wanted, given, labels=["a", "b", "c"], average="macro")
    )
    assert value("micro_f1", *pairs) == pytest.approx(
        f1_score(wanted, given, labels=["a", "b", "c"], average="micro")
    )
    found = labels.of([Pair(*pair) for pair in pairs])
    matrix = confusion_matrix(wanted, given, labels=["a", "b", "c", "zebra"])[:3].tolist()
    assert [list(row) for row in found.matrix] == matrix
    for one, precision, recall, f1, rows in zip(
        found.labels, *precision_recall_fscore_support(wanted, given, labels=["a", "b", "c"]), strict=True
    ):
        assert (one.precision, one.recall, one.f1, one.rows) == pytest.approx((precision, recall, f1, rows))
    assert found.confused(2) == [("a", "b", 2), ("a", labels.NO_LABEL, 1)]


def test_corpus_bleu_is_sacrebleus() -> None:
    from sacrebleu.metrics import BLEU

    rows = [
        ("the cat sat on the mat today", "the cat sat on a mat today"),
        ("hello there", "hello you there"),
    ]
    whole = BLEU().corpus_score([a for a, _ in rows], [[b for _, b in rows]]).score
    assert value("bleu", *rows) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("references", "kind", "leads"),
    [
        (["refund", "card", "refund", "card", "refund", "card"], "labels", "accuracy"),
        ([f"{n} + 1\n#### {n + 1}" for n in range(20)], "number", "number_match"),
        ([str(n * 37) for n in range(20)], "number", "number_match"),
        ([json.dumps({"name": "f", "arguments": {"n": n}}) for n in range(9)], "tool_call", "tool_call"),
        ([json.dumps({"total": n}) for n in range(9)], "json", "json_fields"),
        ([f"It is number {n}." for n in range(9)], "short", "normalized_match"),
        ([f"{n} " + "a longer answer with many words " * 4 for n in range(9)], "text", "rougeL"),
    ],
)
def test_the_references_choose_the_main_metric(references: list[str], kind: str, leads: str) -> None:
    task = task_of(references)
    assert task.kind == kind
    assert task.why
    chosen, missing = scorers.chosen(task, losses=False)
    assert chosen[0][0].key == leads
    assert not missing
    assert "exact_match" in {scorer.key for scorer, _ in chosen}
    assert not any(scorer.losses or scorer.takes for scorer, _ in chosen)


def test_every_kind_of_task_has_one_main_metric() -> None:
    for kind in KINDS:
        assert len([one for one in scorers.every().values() if kind in one.leads]) == 1
    assert all(one.leads <= one.tasks <= set(KINDS) for one in scorers.every().values())


def test_labels_of_few_rows_are_known_from_the_training_rows() -> None:
    assert task_of(["refund", "card"]).kind == "short"
    assert task_of(["refund", "card"], ["refund", "card"] * 10).labels == ("card", "refund")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("beauty", "unknown metric"),
        ("regex", "its argument is missing"),
        ("accuracy=3", "takes no argument"),
    ],
)
def test_a_metric_that_cannot_be_used_is_one_line(asked: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        scorers.named([asked])


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(
        UserError, match=r"sacrebleu is not installed. Install it: pip install 'tuiftune\[evaluate\]'"
    ):
        scorers.named(["bleu"])


def test_a_pattern_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert value("regex", ("AB-12", ""), ("none", ""), argument=r"[A-Z]{2}-\d+") == 0.5
    with pytest.raises(UserError, match="not a valid regular expression"):
        value("regex", ("x", ""), argument="(")
    monkeypatch.setattr(regex, "SECONDS", 0.1)
    with pytest.raises(UserError, match="takes more than"):
        value("regex", ("a" * 60 + "b", ""), argument="(a+)+$")


def test_a_metric_file_and_a_command_of_the_users(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "def score(answer, reference, row):\n    print('noise')\n"
        "    return None if row == 9 else len(answer)\n"
    )
    rows = [Pair("abc", "x", "", 1), Pair("z", "x", "", 9)]
    found = measured.measure(scorers.every()["custom"], str(own), rows)
    assert (found.parts, found.value) == (((3.0,), None), 3.0)
    command = "awk '{print 0.25}'"
    assert measured.measure(scorers.every()["custom"], command, rows).value == 0.25


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def score(answer, reference):\n    raise KeyError('oops')\n", "row 0: KeyError: 'oops'"),
        ("x = 1\n", "defines no function score"),
        ("import nonsense_module\n", "ModuleNotFoundError"),
        ("def score(answer, reference):\n    return float('nan')\n", "instead of a number"),
        ("def score(answer, reference):\n    while True: pass\n", "took more than 1 s"),
        ("import os\ndef score(answer, reference):\n    os._exit(0)\n", "printed 0 numbers for 1 rows"),
    ],
)
def test_a_metric_file_that_fails_is_one_line(
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.evaluate.scorers import custom

    monkeypatch.setattr(custom, "FIRST_SECONDS", 60.0 if "took" not in says else 1.0)
    monkeypatch.setattr(custom, "ROW_SECONDS", 0.0)
    (tmp_path / "own.py").write_text(source)
    with pytest.raises(UserError) as caught:
        value("custom", ("a", "b"), argument=str(tmp_path / "own.py"))
    assert says in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_bertscore_asks_the_engine_with_directory_and_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.evaluate.scorers import bertscore

    (tmp_path / "config.json").write_text("{}")
    asked: list[Any] = []

    def ask(job: Any, *, place: str) -> bytes:
        asked.append(json.loads(Path(job.arguments[1]).read_text()))
        return b'a line of a library\n{"f1": [0.5], "layer": 3}\n'

    monkeypatch.setattr(bertscore, "ask", ask)
    (one, argument) = scorers.named([f"bertscore={tmp_path}:3"])[0]
    assert one.parts([Pair("a", "b")], argument) == [(0.5,)]
    assert asked == [{"model": str(tmp_path), "layer": 3, "pairs": [["a", "b"]]}]
    with pytest.raises(UserError, match="no model there"):
        one.parts([Pair("a", "b")], str(tmp_path / "none"))
    with pytest.raises(UserError, match="its argument is missing"):
        scorers.named(["bertscore"])


def test_bits_are_of_the_bytes_that_were_measured() -> None:
    """Of a reference that reasons first: its nats were divided by the bytes of the answer alone."""
    reference = "<think>\nA long way round to it.\n</think>\n\nYes"
    bits = scorers.every()["bits_per_byte"]
    pair = Pair("", reference, nats=len(reference) * math.log(2), tokens=9, bytes=len(reference))
    assert measured.measure(bits, "", [pair]).value == pytest.approx(1.0)
