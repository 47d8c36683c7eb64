"""Near-identical labels: merged by choice in a clean run, by a key in the app, and in a prompt's examples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tuiftune.advice.prompting import starter
from tuiftune.data.checks.check import Check
from tuiftune.data.clean.labels import spellings
from tuiftune.data.clean.run import Settings, clean
from tuiftune.data.inspect import inspect
from tuiftune.data.measure import measure
from tuiftune.data.read.load import load
from tuiftune.evaluate import classifiers
from tuiftune.evaluate.contender import Question
from tuiftune.evaluate.labels import of as scores_of
from tuiftune.evaluate.scorers.accuracy import score as accuracy
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.evaluate.task import task_of
from tuiftune.jobs.deciding import most_common
from tuiftune.wizard.remedies import remedy_of, why_by_hand

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("LOGIN", "LOGIN", "login", "billing")
# Checks that can be errors. Each has a fix behind a key, or a reason why it has none.
ERRORS = (
    "conflicting-answers",
    "leakage",
    "malformed-lines",
    "missing-answers",
    "missing-prompts",
    "missing-thumbs",
    "nothing-to-train",
    "roles",
    "secrets",
    "special-tokens",
    "template-refusals",
    "too-few-rows",
    "truncation",
    "turn-order",
    "wrong-types",
)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.jsonl"
    lines = [{"text": f"ticket {n} is about {n * 37}", "label": LABELS[n % 4]} for n in range(200)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_labels_are_merged_into_the_most_frequent_spelling(rows: Path, tmp_path: Path) -> None:
    done = clean(load(str(rows)), tmp_path / "out.jsonl", Settings(labels="merge"))
    written = [json.loads(line)["label"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {label: written.count(label) for label in set(written)} == {"LOGIN": 150, "billing": 50}
    assert done.about["changed"] == {"labels merged": 50}
    again = {check.check: check for check in inspect(load(str(tmp_path / "out.jsonl"))).checks}
    assert again["similar-labels"].severity == "ok"


def test_one_rule_says_what_is_one_label(tmp_path: Path) -> None:
    """Case, punctuation around it and white space make no other label: scores, the matrix, the classifier,
    the prompt, the plan and the report count two of them.
    """
    pytest.importorskip("sklearn")
    path, spelled = tmp_path / "tickets.jsonl", ("LOGIN", "login", "Login. ", "billing")
    rows = [("no way in", spelled[n % 3]) if n % 2 else ("my invoice", spelled[3]) for n in range(120)]
    lines = [{"text": f"{text} {n}", "label": label} for n, (text, label) in enumerate(rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"text": "?", "label": ""}]))
    dataset = load(str(path))
    answers = [label for _, label in rows]
    assert len(task_of(answers).labels) == 2
    assert "4 spellings" in task_of(answers).why
    pairs = [Pair("Login", label, "", n) for n, label in enumerate(answers) if label != "billing"]
    table = scores_of([*pairs, Pair("billing", "billing", "", 0)])
    assert [(one.label, one.f1) for one in table.labels] == [("LOGIN", 1.0), ("billing", 1.0)]
    assert {accuracy(pair) for pair in pairs} == {1.0}
    classifier = classifiers.every()[0]
    classifier.fit([Question(text, [], label, n) for n, (text, label) in enumerate(rows)])
    given = classifier.answer([Question("no way in", [], "login", 0)])
    assert [one.answer for one in given] == ["LOGIN"]
    assert starter(dataset.examples()).labels == ("LOGIN", "billing")
    split = ["LOGIN", "login", "Login", "billing", "billing"]
    assert most_common(split, task_of(split * 3)) == "LOGIN", (
        "three of five, though no spelling has more than one"
    )
    assert starter(dataset.examples()).note == ""
    assert measure(dataset, None).labels == 2
    assert "2 labels in 4 spellings in total" in dataset.evidence
    checks = {check.check: check for check in inspect(dataset).checks}
    assert checks["label-balance"].title == "Label balance (2 labels in 4 spellings)"


def test_labels_are_kept_unless_that_is_chosen(rows: Path, tmp_path: Path) -> None:
    clean(load(str(rows)), tmp_path / "out.jsonl", Settings())
    written = {json.loads(line)["label"] for line in (tmp_path / "out.jsonl").read_text().splitlines()}
    assert written == {"LOGIN", "login", "billing"}


def test_a_chain_of_spellings_has_one_name() -> None:
    assert spellings([("re-fund", 9), ("refund", 5), ("refunds", 2), ("other", 1)]) == {
        "refund": "re-fund",
        "refunds": "re-fund",
    }


def test_a_key_of_the_app_opens_the_merge() -> None:
    remedy = remedy_of(Check("similar-labels", "", "warning", 50), 0.05)
    assert remedy is not None
    assert remedy.chosen == {"labels": "merge"}


def test_the_examples_of_a_prompt_use_the_merged_labels(rows: Path) -> None:
    made = starter(load(str(rows)).examples())
    assert set(made.labels) == {"LOGIN", "billing"}
    assert {shot.answer for shot in made.shots} <= set(made.labels)


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_has_a_fix_or_a_reason_why_not(name: str) -> None:
    check = Check(name, name, "error", 3)
    reason = why_by_hand(check)
    assert remedy_of(check, 0.05) is not None or (reason and "suggestion shown" not in reason)


@pytest.mark.parametrize("merge", [True, False])
def test_plain_prompts_ask_and_write_a_copy(
    merge: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.cli.plain import Plain
    from tuiftune.wizard.draft import Draft

    class Asks:
        def yes(self, question: str, default: bool, *, why: str) -> bool:
            assert question == "Merge near-identical labels?"
            assert default is True
            assert "most frequent spelling" in why
            return merge

    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"help {n}", "label": label} for n in range(20) for label in LABELS]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({**row}) + "\n" for row in rows))
    draft = Draft(data=("a.jsonl",))
    after = Plain(draft, None, Asks())._one_spelling(draft)  # type: ignore[arg-type]
    assert after.data == (("a.clean.jsonl",) if merge else ("a.jsonl",))
    assert (tmp_path / "a.clean.jsonl").exists() == merge


def test_a_prompt_says_which_labels_it_merges_and_scoring_does_not(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    spelled = ("Login", "Login", "LOGIN", "Log in", "billing", "billing")
    lines = [{"text": f"ticket {n} is about {n * 37}", "label": spelled[n % 6]} for n in range(120)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = starter(load(str(path)).examples())
    assert made.labels == ("Login", "billing")
    assert made.merged == (("Login", "Log in"),), "LOGIN is the same label to scoring too"
    assert 'takes "Log in" as "Login"' in made.note
