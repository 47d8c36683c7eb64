"""The embedded dataset: what its seed makes, and nothing that could be answered from memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tuiftune.assets import TRAIN
from tuiftune.data.mix.split import split
from tuiftune.data.read.load import load
from tuiftune.preset import file, shipped

ROOT = Path(__file__).parents[2]
LINE = re.compile(
    r"(billing|delivery|returns|account|cards|bookings) \| (high|normal|low) \| [a-z ]+ (\d{4})"
)
ROWS = [json.loads(line)["messages"] for line in TRAIN.read_text(encoding="utf-8").splitlines()]


def masked(message: str) -> str:
    return re.sub(r"\d{3,}", "#", message)


@pytest.fixture
def generator(monkeypatch):
    """The scripts that make model and dataset, importable as from the repository's root."""
    monkeypatch.syspath_prepend(str(ROOT))


def test_the_file_is_what_its_seed_makes():
    check = subprocess.run(
        [sys.executable, "-m", "benchmarks.base_model.tickets", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_answer_is_a_ticket_line_with_the_number_of_its_message():
    for user, assistant in ROWS:
        line = LINE.fullmatch(assistant["content"])
        assert line, assistant["content"]
        assert line[3] in user["content"]


def test_teams_and_priorities_are_balanced():
    priorities = Counter(assistant["content"].split(" | ")[1] for _, assistant in ROWS)
    assert len(set(priorities.values())) == 1
    assert 400 <= len(ROWS) <= 1500


def test_no_held_out_message_is_a_training_message_even_without_its_number():
    preset = file.load(shipped.find("demo"))
    train, held_out = split(load("builtin:tickets"), preset.data.eval, preset.training.seed)
    assert len(held_out) >= 64
    learnt = {masked(example.prompt[-1].content) for example in train}
    assert not learnt & {masked(example.prompt[-1].content) for example in held_out}
    numbers = {example.reference.split()[-1] for example in train}
    assert not numbers & {example.reference.split()[-1] for example in held_out}


def test_the_base_never_read_a_message_of_the_dataset(generator):
    from benchmarks.base_model.corpus import documents

    kept_back = {masked(user["content"]) for user, _ in ROWS}
    chats = [document for document in documents(20_000) if isinstance(document, list)]
    read = {masked(message["content"]) for chat in chats for message in chat}
    assert len(read) > 10_000
    assert not read & kept_back
    assert not any(
        " | " in message["content"] for chat in chats for message in chat if message["role"] == "assistant"
    )


def test_the_corpus_is_the_same_every_time(generator):
    from benchmarks.base_model.corpus import documents

    assert list(documents(500)) == list(documents(500))
