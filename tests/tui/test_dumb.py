"""The whole journey on a terminal that can only add lines, in ASCII, as with a screen reader."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest
from test_terminal import ROOT

from tuiftune.advice.questions import QUESTIONS
from tuiftune.terminal import ascii_asked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def walk(place: Path, arguments: Sequence[str], *answers: tuple[str, str], **environment: str) -> str:
    """Run a command at TERM=dumb, giving each answer when its question stands. Returns all that was shown,
    which must be lines of ASCII and nothing else."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tuiftune", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
            "TUIFTUNE_ASCII": "1",
            "OMP_NUM_THREADS": "1",
            **environment,
        },
        cwd=str(place),
        timeout=120,
        dimensions=(24, 80),
        encoding="utf-8",
        echo=False,
    )
    said = ""
    try:
        for question, answer in answers:
            child.expect_exact(question)
            said += str(child.before) + str(child.after)
            child.sendline(answer)
        child.expect(pexpect.EOF)
        said += str(child.before)
    finally:
        child.close(force=True)
    assert "\x1b" not in said
    assert not re.search(r"\r(?![\r\n])", said), "no line is drawn over"
    assert {sign for sign in said if not sign.isascii()} == set()
    assert child.exitstatus == 0, said
    return said


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_whole_journey_in_lines(place: Path, finished: object) -> None:
    said = walk(
        place,
        [],  # the bare command falls to plain lines here
        ("Y/n: ", "?"),
        ("Y/n: ", "n"),
        ("Number, or Enter for 1: ", "?"),
        ("Number, or Enter for 1: ", "2"),
        ("Number, or Enter for 1: ", "?"),
        ("Number, or Enter for 1: ", ""),
        ("Number, or Enter for 1: ", "2"),
        ("(empty when done): ", "?"),
        ("(empty when done): ", "training.max_steps=2"),
        ("(empty when done): ", ""),
        ("Number, or Enter for 1: ", "?"),
        ("Number, or Enter for 1: ", ""),
        ("Name of the run", "?"),
        ("Name of the run", "few"),
        ("Number, or Enter for 1: ", "?"),
        ("Number, or Enter for 1: ", ""),
    )
    for reason in (
        "Prompting and retrieval are cheaper",
        "columns are detected",
        "the best one for this task",
        "You do not have to change anything",
        "has a reason and a source",
        "The name of the run's directory",
        "The same file runs from the command line",
    ):
        assert reason in said, "every question tells why on ?"
    assert "step 2 of 2" in said
    assert re.search(r"eval loss [\d.]+ -> [\d.]+", said)
    assert "eval loss after training" in walk(place, ["watch", "few", "--plain"])
    compared = walk(place, ["compare", "few", "tone"])
    assert re.search(r"few: .*; tone: ", compared)


def test_findings_plan_and_result_in_lines(place: Path, finished: object) -> None:
    found = walk(place, ["data", "inspect", "builtin:tickets"])
    assert "+ passed: " in found
    planned = walk(place, ["plan", "demo"])
    assert "technique: lora. from the preset demo" in planned
    assert "weights: 4.0 MiB" in planned
    assert "| exact match |" in walk(place, ["report", "tone"])
    assert "exact match 8% -> 84%" in walk(place, ["runs"])


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # Python's own doing
        ({"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, False),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, True),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "de_DE.UTF-8", "TUIFTUNE_ASCII": "1"}, True),
    ],
)
def test_when_ascii_is_asked_for(environment: dict[str, str], asked: bool) -> None:
    assert ascii_asked(environment) is asked


def test_the_c_locale_gets_ascii(place: Path, finished: object) -> None:
    assert "done" in walk(place, ["runs"], TUIFTUNE_ASCII="", LC_ALL="C")


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_why_is_told_where_lists_are_walked_too(place: Path, term: str) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tuiftune", "new", "--plain"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": term, "PROMPT_TOOLKIT_NO_CPR": "1"},
        cwd=str(place),
        timeout=60,
        dimensions=(40, 120),
        encoding="utf-8",
    )
    enter = "\n" if term == "dumb" else ""
    try:
        child.expect("Check first whether")
        child.send("?" + enter)
        child.expect("A few questions decide")
        child.expect("Check first whether")
        child.send("y" + enter)
        child.expect("What should the model do")
        child.send("?" + enter)
        child.expect_exact(QUESTIONS[0].deeper[:30])
        child.expect("Number, or Enter" if term == "dumb" else "What should the model do")
        child.sendcontrol("c")
        child.expect("nothing was written or started")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert child.exitstatus == 130
