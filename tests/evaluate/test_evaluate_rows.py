"""Which rows an evaluation uses, and what is said of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs.deciding import splits_of
from tuiftune.jobs.evaluating import of_run, rows_of
from tuiftune.runs.store.directory import RunDir

DEMO = RunDir(Path(__file__).parent.parent / "fixtures" / "demo")


def test_rows_that_the_runs_own_score_left_out_are_told() -> None:
    """`evaluation.rows` of the demo is 100, and it has 101 evaluation rows."""
    every = rows_of(None, DEMO, None)
    assert len(every.questions) == 101
    assert any("100 of these 101 rows" in note for note in every.notes)
    assert not any("of these" in note for note in rows_of(None, DEMO, 100).notes)
    assert not any("of these" in note for note in rows_of("builtin:tickets", DEMO, None).notes)


def test_a_file_is_scored_though_the_rows_of_training_are_gone(tmp_path: Path) -> None:
    shutil.copytree(DEMO.path, tmp_path / "demo")
    plan = tmp_path / "demo" / "plan.json"
    document = json.loads(plan.read_text())
    document["resolved"]["data"]["train"] = str(tmp_path / "rows.jsonl")
    plan.write_text(json.dumps(document))
    run = RunDir(tmp_path / "demo")
    asked = rows_of("builtin:tickets", run, 9)
    assert len(asked.questions) == 9
    assert any(note.startswith("Not checked for rows that demo was trained on: ") for note in asked.notes)
    with pytest.raises(UserError, match="no such file"):
        rows_of(None, run, 9)


def test_an_answer_that_is_judged_bad_is_no_reference(tmp_path: Path) -> None:
    """Else a model that avoids it would score less, and few-shot prompts would teach it."""
    rows = [{"prompt": f"{n}?", "completion": f"It is {n}.", "label": n % 3 != 0} for n in range(12)]
    path = tmp_path / "judged.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = rows_of(str(path), None, None)
    assert [one.text for one in asked.questions] == [f"{n}?" for n in range(12) if n % 3]
    assert any(note.startswith("4 rows without") for note in asked.notes)
    classes = [{"text": f"a text of {n}", "label": "false" if n % 2 else "true"} for n in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in classes))
    assert len(rows_of(str(path), None, None).questions) == 60


def test_answers_of_several_messages_are_asked_for_the_last(tmp_path: Path) -> None:
    """As the run's own score asks: what comes before it is given."""

    def said(*texts: str) -> list[dict[str, str]]:
        return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]

    row = {"chosen": said("Hi", "Hello", "Far?", "Yes."), "rejected": said("Hi", "What", "Far?", "No.")}
    path = tmp_path / "pairs.jsonl"
    path.write_text((json.dumps(row) + "\n") * 9)
    (question, *_) = rows_of(str(path), None, None).questions
    assert ([one.content for one in question.messages], question.reference) == (
        ["Hi", "Hello", "Far?"],
        "Yes.",
    )


def test_rows_that_were_mixed_in_are_training_rows(tmp_path: Path) -> None:
    shutil.copytree(DEMO.path, tmp_path / "demo")
    mixed = tmp_path / "mixed.jsonl"
    rows = [{"prompt": f"Where is the town number {n}?", "completion": f"Far {n}."} for n in range(20)]
    mixed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = tmp_path / "demo" / "plan.json"
    document = json.loads(plan.read_text())
    document["resolved"]["data"] |= {"mix": [{"path": str(mixed), "weight": 1.0}]}
    plan.write_text(json.dumps(document))
    run = RunDir(tmp_path / "demo")
    assert any("20 of 20 evaluation rows" in note for note in rows_of(str(mixed), run, None).notes)
    mixed.rename(tmp_path / "elsewhere.jsonl")
    notes = rows_of(str(tmp_path / "elsewhere.jsonl"), run, None).notes
    assert any(note.startswith("Not checked for rows that were mixed in: ") for note in notes)


def test_an_answer_that_is_kept_out_of_the_loss_is_no_reference(tmp_path: Path) -> None:
    """Such as one that was marked down within a chat."""

    def row(number: int, weight: int) -> dict[str, object]:
        said = {"role": "assistant", "content": f"It is {number}.", "weight": weight}
        first = {"role": "assistant", "content": "Yes."}
        asked = {"role": "user", "content": f"{number}?"}
        return {"messages": [{"role": "user", "content": "May I ask?"}, first, asked, said]}

    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(row(n, n % 2)) + "\n" for n in range(12)))
    asked = rows_of(str(path), None, None)
    assert [one.reference for one in asked.questions] == [f"It is {n}." for n in range(1, 12, 2)]
    assert any(note.startswith("6 rows without") for note in asked.notes)


def test_files_of_a_run_are_read_as_its_rows_are(tmp_path: Path) -> None:
    """With its system message, and by the columns that were named: another holds other labels."""
    shutil.copytree(DEMO.path, tmp_path / "demo")
    plan = tmp_path / "demo" / "plan.json"
    document = json.loads(plan.read_text())
    rows = [{"text": f"a text of {n}", "label": f"l{n % 3}", "team": f"t{n % 2}"} for n in range(60)]
    for name in ("train", "eval", "test"):
        lines = (json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    named = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "eval", "test")}
    told = {"format": "classification", "columns": {"text": "text", "label": "team"}, "system": "Be brief."}
    document["resolved"]["data"] |= named | told
    plan.write_text(json.dumps(document))
    run = RunDir(tmp_path / "demo")
    train, held, test = of_run(run)
    file = rows_of(named["eval"], run, None).questions
    assert test is not None
    for row in (train[0], held[0], test[0]):
        assert [one.content for one in row.prompt] == ["Be brief.", "a text of 0"]
        assert row.reference == "t0"
    assert ([one.content for one in file[0].messages], file[0].reference) == (
        ["Be brief.", "a text of 0"],
        "t0",
    )
    assert [
        one.messages[0].content
        for one in splits_of(None, run, share=0.1, test=named["test"], most=64).test[:1]
    ] == ["Be brief."]
    (tmp_path / "other.jsonl").write_text('{"prompt": "How far?", "completion": "Far."}\n' * 9)
    (question, *_) = rows_of(str(tmp_path / "other.jsonl"), run, None).questions
    assert (question.text, question.reference) == ("How far?", "Far.")
