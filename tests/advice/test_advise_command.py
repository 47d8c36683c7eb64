"""`tuiftune advise` as a process: documents, exit codes, and questions at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}


def advise(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", "advise", *arguments],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    labels = ("billing", "shipping", "account")
    lines = [
        {"text": f"message {n} about {labels[n % 3]} {n * 7}", "label": labels[n % 3]} for n in range(600)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_answers_give_one_json_document() -> None:
    done = advise("task=style", "examples=thousands", "tried=everything", "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["approach"] == "fine-tune"
    assert document["answers"] == {"task": "style", "examples": "thousands", "tried": "everything"}
    for name, score in document["scores"].items():
        assert score == pytest.approx(sum(one["points"].get(name, 0) for one in document["contributions"]))


def test_a_person_reads_verdict_weights_dispute_and_next_step() -> None:
    done = advise("task=format", "volume=high", "examples=thousands", "tried=nothing")
    assert done.returncode == 0
    for part in ("Prompting (a close call)", "Reasons", "sources disagree", "$ tuiftune advise --data"):
        assert part in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_piped_without_answers_is_usage() -> None:
    done = advise()
    assert done.returncode == 2
    assert done.stdout == ""
    assert "task=classify" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["task=clasify"], "Did you mean 'classify'"),
        (["tassk=style"], "Did you mean 'task'"),
        (["style"], "QUESTION=OPTION"),
        (["task=style", "task=format"], "answered twice"),
        (["--ask", "what?"], "--documents"),
        (["--prompt", "there"], "--data"),
        (["--documents", "/no/such/place"], "not found"),
        (["--data", "/no/such/file.jsonl"], "/no/such/file.jsonl"),
        (["task=style", "--json", "bad"], "QUESTION=OPTION"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: list[str], says: str) -> None:
    done = advise(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_data_answers_for_itself(rows: Path) -> None:
    document = json.loads(advise("--data", str(rows), "tried=everything", "--json").stdout)
    assert document["answers"]["examples"] == "thousands"
    assert document["answers"]["task"] == "classify"
    assert "examples" in document["detected"]
    assert document["approach"] == "fine-tune"
    assert document["recommended"]["evaluation.score"] == "exact_match"
    kept = {"method.rewards"}  # for who chooses another stage
    assert {reason["key"] for reason in document["reasons"]} == set(document["recommended"]) - kept
    assert "builtin:tiny" in {model["base"] for model in document["models"]}


def test_prompt_is_written_once(rows: Path, tmp_path: Path) -> None:
    done = advise("--data", str(rows), "--prompt", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"prompt.md", "few-shot.jsonl"}
    assert "- billing" in (tmp_path / "out" / "prompt.md").read_text()
    again = advise("--data", str(rows), "--prompt", str(tmp_path / "out"))
    assert again.returncode == 2
    assert "already exists" in again.stderr


def test_documents_are_asked(tmp_path: Path) -> None:
    (tmp_path / "rules.md").write_text("Refunds take five days.\n\nParcels leave at noon.\n")
    found = json.loads(
        advise("--documents", str(tmp_path), "--ask", "how long do refunds take", "--json").stdout
    )
    (asked,) = found["questions"]
    assert asked["hits"][0]["file"] == "rules.md"
    shown = advise("--documents", str(tmp_path), "--ask", "refunds", "--ask", "xylophone").stdout
    assert "rules.md:1" in shown
    assert "no passage shares a word" in shown


def test_no_torch_for_advice() -> None:
    code = (
        "import sys, tuiftune.advice.approach, tuiftune.advice.suggest, tuiftune.wizard.recommend, "
        "tuiftune.advice.retrieval, tuiftune.models.resolve, tuiftune.models.local as l; l.found(); "
        "from tuiftune.models.resolve import resolve; resolve('Qwen/Qwen3-8B'); "
        "print([m for m in ('torch', 'transformers', 'peft', 'polars', 'textual') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert done.stdout.strip() == "[]"


def test_questions_at_a_terminal_and_ctrl_c() -> None:
    pexpect = pytest.importorskip("pexpect")
    environment = {**ENVIRONMENT, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "tuiftune", "advise"]
    child = pexpect.spawn(
        command[0], command[1:], env=environment, encoding="utf-8", timeout=30, dimensions=(40, 100)
    )
    child.expect("What should the model do")
    child.send("\x1b[B\r")  # the first option after the skip: sort into labels
    child.expect("Where do the facts")
    child.send("?")
    child.expect("Retrieval \\(RAG\\) puts the right")
    child.sendcontrol("c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
