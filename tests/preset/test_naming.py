"""Names of runs that nobody named: data and model, in few characters, as directories may be called."""

from __future__ import annotations

import re

import pytest

from tuiftune.preset.naming import run_name, short_name
from tuiftune.preset.schema import NAME_PATTERN, Preset


@pytest.mark.parametrize(
    ("data", "model", "name"),
    [
        ("builtin:tickets", "builtin:tiny", "tickets-tiny"),
        ("tickets.csv", "Qwen/Qwen3-0.6B", "tickets-qwen3-0.6b"),
        (
            "/data/Support Tickets FINAL (v2).train.jsonl",
            "Qwen/Qwen2.5-7B-Instruct",
            "support-tickets-v2-qwen2.5-7b",
        ),
        (
            "acme/customer-intent-detection-dataset-english",
            "meta-llama/Meta-Llama-3.1-8B-Instruct",
            "customer-intent-llama-3.1-8b",
        ),
        ("train.jsonl", "google/gemma-3-4b-it", "train-gemma-3-4b"),
        ("données été.csv", "run:tone", "donn-es-t-tone"),
        ("отзывы.csv", "./models/my model/", "run-my-model"),
        ("", "", "run"),
        ("x" * 90, "y" * 90, "x" * 24 + "-" + "y" * 24),
        ("...", "a/..", "run"),
    ],
)
def test_a_name_says_data_and_model(data: str, model: str, name: str) -> None:
    assert short_name(data, model) == name
    assert re.fullmatch(NAME_PATTERN, name)


def test_a_preset_without_a_name_names_its_runs_by_what_it_has() -> None:
    values = {"model": {"base": "Qwen/Qwen3-0.6B"}, "data": {"train": "tickets.csv"}}
    assert run_name(Preset.model_validate(values)) == "tickets-qwen3-0.6b"
    several = {**values, "data": {"train": ["a.csv", "b.csv"]}}
    assert run_name(Preset.model_validate(several)) == "a-qwen3-0.6b"
    assert run_name(Preset.model_validate({**values, "name": "mine"})) == "mine"
