"""Files of other tools in unusual shapes: notebooks, shell scripts, numbers that are none, nested lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuiftune.errors import UserError
from tuiftune.interop import foreign

SCRIPT = """
from unsloth import FastLanguageModel
model, tokenizer = FastLanguageModel.from_pretrained(model_name="acme/small", load_in_4bit=False)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32)
dataset = load_dataset("acme/rows", split="train")
trainer = SFTTrainer(model=model, args=SFTConfig(learning_rate=2e-4))
"""
SHELL = """#!/bin/bash
export MODEL="acme/small"
RATE=2e-4
# it's a comment
accelerate launch --config_file zero3.yaml trl sft \\
  --model_name_or_path "$MODEL" --dataset_name 'my data/train.jsonl' \\
  --learning_rate ${RATE} --use_peft --lora_r 16 | tee log.txt
trl dpo --model_name_or_path acme/other --dataset_name pairs.jsonl --beta 0.3
"""
AXOLOTL: dict[str, Any] = {
    "base_model": "acme/small",
    "adapter": "lora",
    "datasets": [{"path": "d.jsonl", "type": "alpaca"}],
    "learning_rate": 2e-4,
    "micro_batch_size": 2,
}


def notebook(*cells: Any, key: str = "source") -> str:
    code = [{"cell_type": "code", key: one} for one in cells]
    text = {"cell_type": "markdown", key: ["# FastLanguageModel of unsloth"]}
    if key == "input":
        return json.dumps({"worksheets": [{"cells": [text, *code]}], "nbformat": 3})
    return json.dumps({"cells": [text, *code], "nbformat": 4})


def read(text: str, **settings: Any) -> foreign.Imported:
    return foreign.read(
        text, "there", settings={key.replace("__", "."): one for key, one in settings.items()}
    )


def of(found: foreign.Imported, fate: str) -> dict[str, str]:
    return {line.key: line.why for line in found.lines if line.fate == fate}


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT,
        notebook(["%%capture\n", "!pip install unsloth\n"], SCRIPT.splitlines(keepends=True)),
        notebook("files = !ls\nif True:\n    !pip install x\n?help", SCRIPT),
        notebook(SCRIPT, key="input"),
        SCRIPT.replace("r=16, lora_alpha=32", "**given") + "given = {'r': 16, 'lora_alpha': 32}\n",
        SCRIPT.replace("r=16, lora_alpha=32", "**given") + "given = dict(r=16, lora_alpha=32)\n",
    ],
)
def test_a_notebook_and_its_script_are_one(text: str) -> None:
    preset = read(text).preset
    assert (preset.model.base, preset.data.train) == ("acme/small", "acme/rows")
    assert (preset.method.technique, preset.method.rank, preset.method.alpha) == ("lora", 16, 32)
    assert preset.training.learning_rate == 2e-4


@pytest.mark.parametrize(
    ("given", "key"), [("r=config['r']", "r"), ("**config", "**config"), ("lora_alpha=8", "")]
)
def test_a_rank_that_is_computed_does_not_make_it_full_fine_tuning(given: str, key: str) -> None:
    found = read(SCRIPT.replace("r=16, lora_alpha=32", given))
    assert found.preset.method.technique == "lora"
    assert not key or "computed" in of(found, "left out")[key]


@pytest.mark.parametrize(
    ("text", "says"),
    [(notebook("print('unsloth')"), "calls nothing"), (notebook(SCRIPT)[:-9], "is not a notebook")],
)
def test_what_is_no_notebook_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read(text)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_shell_script_is_read_as_the_shell_does(ends: str) -> None:
    found = read(SHELL.replace("\n", ends))
    preset = found.preset
    assert (preset.method.stage, preset.model.base) == ("sft", "acme/small")
    assert preset.data.train == "my data/train.jsonl"
    assert (preset.training.learning_rate, preset.method.technique, preset.method.rank) == (2e-4, "lora", 16)
    assert "only the first command" in of(found, "left out")["more commands"]


def test_what_only_the_shell_could_tell_is_asked_for() -> None:
    text = "trl sft --model_name_or_path $(cat model) --dataset_name $DATA/rows.jsonl"
    with pytest.raises(UserError, match=r"model.base is .*only the shell"):
        read(text)
    with pytest.raises(UserError, match=r"data.train is \$DATA/rows.jsonl, which only the shell"):
        read(text, model__base="acme/small")
    assert read(text, model__base="acme/small", data__train="$odd.jsonl").preset.data.train == "$odd.jsonl"


@pytest.mark.parametrize(
    ("changed", "key", "why"),
    [
        ({"micro_batch_size": True}, "micro_batch_size", "True is not a whole number"),
        ({"learning_rate": -1}, "learning_rate", "must be auto or a number above 0"),
        ({"learning_rate": True}, "learning_rate", "cannot be read as a number"),
        ({"datasets": ["d.jsonl", [{"path": "e.jsonl"}]]}, "datasets", "neither a file nor a dataset's name"),
        (
            {"datasets": [{"path": "a", "type": "alpaca"}, {"path": "b", "type": "chat_template"}]},
            "datasets",
            "not the format of every source",
        ),
    ],
)
def test_what_is_not_what_it_should_be_is_told(changed: dict[str, Any], key: str, why: str) -> None:
    assert why in of(read(json.dumps(AXOLOTL | changed)), "left out")[key]


def test_a_key_without_a_value_is_not_said_to_be_off() -> None:
    found = read(json.dumps(AXOLOTL | {"weight_decay": None, "warmup_ratio": None}))
    assert of(found, "not needed")["warmup_ratio"] == "not set there: tuiftune's default"
    assert of(found, "changed")["weight_decay"] == "unset there: 0.0"


def test_the_resolved_value_of_a_job_counts() -> None:
    job = {
        "object": "fine_tuning.job",
        "hyperparameters": {"n_epochs": 3},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto"}}},
    }
    found = read(json.dumps(job), model__base="acme/small", data__train="rows.jsonl")
    assert found.preset.training.epochs == 3
