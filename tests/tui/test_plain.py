"""The same wizard in plain lines, driven through a pipe and through questionary in a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from test_terminal import ROOT, tuiftune

from tuiftune.cli.plain import Plain
from tuiftune.cli.plain.walk import WHY
from tuiftune.preset import file
from tuiftune.tui.navigation import screen_class
from tuiftune.tui.wizard.step_screen import WizardStep
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.steps import STEPS


def answers(*lines: str) -> str:
    return "".join(line + "\n" for line in lines)


def test_each_step_has_a_screen_and_a_walk_in_lines() -> None:
    for step in STEPS:
        assert issubclass(screen_class(step.key), WizardStep)
        assert callable(getattr(Plain, f"_{step.key}"))
        assert WHY[step.key] == step.deeper


# machine asks nothing; goal; data; model; change?; name; review
LEAVE = "8"
BUILT_IN = "2"  # of the data to choose from, where there is no data file


def test_the_walk_ends_at_the_review_and_leaving_writes_nothing(place: Path) -> None:
    done = tuiftune(["new", "--plain"], answers("n", BUILT_IN, "", "why", "", "tone", LEAVE))
    assert done.returncode == 0, done.stderr
    for said in (
        "Step 1 of 5",
        "Step 5 of 5",
        "chat · 1,014 rows",
        "data: built-in tickets, not yours: ",
        "fits: needs",
        "training.learning_rate: ",
    ):
        assert said in done.stderr
    shown = done.stderr.partition("another: a Hugging Face")[2].partition("Use these values?")[0]
    assert len(shown.splitlines()) <= 12, shown
    assert "\x1b" not in done.stderr
    assert done.stdout == ""
    assert not (place / "runs").exists()


def test_a_broken_line_is_left_out_in_a_copy_where_one_agrees(place: Path) -> None:
    rows = [f"where is my parcel {n},{'shipping' if n % 2 else 'billing'}" for n in range(40)]
    text = "\n".join(["text,label", *rows[:20], "a,b,c", *rows[20:], ""])
    Path("mine.csv").write_text(text)
    done = tuiftune(["new", "--plain"], answers("n", "", "", "", "", "tone", LEAVE))
    assert done.returncode == 0, done.stderr
    assert "mine.csv:22: 3 cells, but the header has 2" in done.stderr
    assert "Wrote mine.clean.jsonl (40 rows)" in done.stderr
    assert "data.train: mine.clean.jsonl" in done.stderr
    assert Path("mine.csv").read_text() == text


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (
            {"prompt": "fare {}?", "chosen": "ten", "rejected": "unknown"},
            ("chosen: ten", "rejected: unknown"),
        ),
        (
            {"text": "The train number {} runs daily from the main station."},
            ("text: The train number 0 runs",),
        ),
        ({"prompt": "fare {}?", "completion": "go", "label": False}, ("assistant: go", "label: false")),
    ],
)
def test_two_rows_of_any_format_are_shown_whole(
    row: dict[str, Any], parts: tuple[str, ...], place: Path
) -> None:
    rows = [{key: str(value).format(n) if value else value for key, value in row.items()} for n in range(40)]
    Path("mine.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    done = tuiftune(["new", "mine.jsonl", "--plain"], answers("n", "", "", LEAVE))
    for part in parts:
        assert f"row 1 {part}" in done.stderr, done.stderr
    assert "Time " in done.stderr, done.stderr
    assert (" 1 step, " in done.stderr) == ("text" in row), "40 short texts, packed"


def test_the_questions_give_the_verdict_with_its_weights(place: Path) -> None:
    given = answers("y", "2", "2", "2", "2", "5", "4", "3", "2", "2", "", BUILT_IN, "", "", "tone", LEAVE)
    done = tuiftune(["new", "--plain"], given)
    assert done.returncode == 0, done.stderr
    assert "Fine-tuning (clear)" in done.stderr
    assert re.search(r"fine-tune \+\d.* with fixed labels", done.stderr)


def test_a_change_says_what_it_does_and_another_gpu_is_tried(place: Path) -> None:
    changes = ("2", "training.epochs=9", "", "4", "H1000", "H200:2", "3", "2")
    done = tuiftune(["new", "--plain"], answers("n", BUILT_IN, "", *changes, "1", "tone", "2", LEAVE))
    assert done.returncode == 0, done.stderr
    assert "compared with recommended: same memory, 3× slower" in done.stderr
    assert "quality lower: above 3 the model may memorize the rows" in done.stderr
    assert "RTX 4090, " in done.stderr
    assert "unknown GPU `H1000`" in done.stderr
    assert "planned for H200:2, not for this machine" in done.stderr
    assert "2 × H200" in done.stderr
    assert re.search(r"Fits: LoRA needs at least [\d.]+ GiB", done.stderr), "models are judged here too"
    assert "gpus: auto" in done.stderr, "The preset stays portable"


def test_the_ways_on_are_the_same_as_the_apps(place: Path) -> None:
    Path("docs").mkdir()
    Path("docs/moving.md").write_text("To send an order to another address, write before noon.\n")
    nine = ("5", "4", "4", "4", "1", "1", "1", "1", "1")  # knowledge, documents, weekly, required
    starters = ("1", "", "how do I change the address of an order?", "", "3", BUILT_IN, "mine")
    given = answers("y", *nine, *starters, "1", BUILT_IN, "", "", "tone", LEAVE)
    done = tuiftune(["new", "--plain"], given)
    assert done.returncode == 0, done.stderr
    assert "Retrieval (RAG) (" in done.stderr
    assert "moving.md:1" in done.stderr
    assert "| {input}" in done.stderr, "the prompt is shown before it is written"
    assert "{input}" in Path("mine/prompt.md").read_text()
    assert len(Path("mine/few-shot.jsonl").read_text().splitlines()) == 6
    assert "Step 5 of 5" in done.stderr


def test_faults_are_told_and_asked_again_and_the_preset_is_saved(place: Path) -> None:
    rows = [
        {"nr": n, "frage": f"how much is {n} + 1?", "antwort": str(n + 1), "art": n % 2} for n in range(150)
    ]
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = answers(
        "n",
        "nowhere.jsonl",
        "sums.jsonl",
        "other",
        "sums.jsonl",
        "chat",
        "frage",
        "prompt-completion",
        "frage",
        "antwort",
        "",
        "2",
        "method.rnk=8",
        "training.epochs=1",
        "",
        "",
        "sums",
        "3",
        "",
        LEAVE,
    )
    done = tuiftune(["new", "--plain"], given)
    assert done.returncode == 0, done.stderr
    assert "nowhere.jsonl" in done.stderr
    assert done.stderr.count("sums.jsonl: the format was not detected") == 2
    assert "column frage: text, such as how much is 0 + 1?" in done.stderr
    assert "none of the 150 rows checked can be trained on" in done.stderr
    assert "method.rank" in done.stderr, "the nearest key is named"
    preset = file.load(Path("sums.yaml"))
    assert (preset.name, preset.data.train, preset.training.epochs) == ("sums", "sums.jsonl", 1)
    assert preset.data.format == "prompt-completion"
    assert preset.data.columns == {"prompt": "frage", "completion": "antwort"}


class Enter:
    """Answers every question with its default."""

    def choose(self, question: str, choices: object, default: str, *, why: str) -> str:
        return default

    def text(self, question: str, default: str, *, why: str) -> str:
        return default

    def yes(self, question: str, default: bool, *, why: str) -> bool:
        return default


def test_data_whose_columns_are_not_known_can_be_named_at_once(place: Path) -> None:
    """The goal looks at the data too, but it is the data step that asks for the columns."""
    rows = "".join(f'"How much is the kettle {n}?","It is {n} euros today."\n' for n in range(60))
    Path("fragen.csv").write_text("Frage,Antwort\n" + rows)
    done = tuiftune(["new", "--plain", "fragen.csv"], "\n" * 14)
    assert "error:" not in done.stderr.split("Step 3")[0]
    assert "Number, or Enter for 2" in done.stderr.split("Which column is the completion?")[1]
    assert "prompt-completion" in done.stderr


@pytest.mark.parametrize("grade", ["rating", "farbe"])
def test_rows_that_something_speaks_against_are_not_read_by_pressing_enter(
    grade: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"frage": f"how much is {n} + 1?", "antwort": f"it is {n + 1} then", grade: n % 5} for n in range(40)
    ]
    if grade == "rating":
        rows = [{"prompt": row["frage"], "completion": row["antwort"], grade: row[grade]} for row in rows]
    Path("graded.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft = Draft(data=("graded.jsonl",), model="builtin:tiny")
    read = Plain(draft, None, Enter())._readable(draft)
    if grade == "rating":
        assert read is None
        assert "drop the rows whose answers are" in " ".join(capsys.readouterr().err.split()).lower()
    else:
        assert read is not None
        assert read.columns == {"prompt": "frage", "completion": "antwort"}


@pytest.mark.parametrize("lines", [0, 1, 2, 3, 4])
def test_the_end_of_input_at_any_question_leaves_with_one_line(lines: int, place: Path) -> None:
    done = tuiftune(["new", "--plain"], answers(*["n", BUILT_IN, "", "", ""][:lines]))
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "Quit: nothing was written or started."
    assert "Traceback" not in done.stderr
    assert not (place / "runs").exists()


def test_ctrl_c_in_questionary_leaves_with_one_line(place: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tuiftune", "new", "--plain"],
        env=environment,
        timeout=60,
        dimensions=(24, 80),
        encoding="utf-8",
    )
    child.expect("Check first whether")
    child.send("y")
    child.expect("What should the model do")
    child.sendline("")
    child.expect("Where do the facts")
    child.sendcontrol("c")
    child.expect("nothing was written or started")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert not (place / "runs").exists()
