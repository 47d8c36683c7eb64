"""A model kept loaded: its answers are those of a run's evaluation, and what it refuses ends nothing."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

LONG = "<think>\nIt is green.\n</think>\n\n" + "It is green. " * 30
PROMPT = [["user", "The door is red. What colour is the door?"]]


def ask(engine: Engine, tmp_path: Path, *words: Any, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    file = tmp_path / "requests.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in requests))
    code, said = engine.run("answer", *words, "--requests", file)
    assert code == 0, said
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def planned_for_a_gpu(run: Path) -> None:
    """As if another machine had trained it; adapters over a base model in NF4, which needs a GPU."""
    plan = json.loads((run / "plan.json").read_text())
    plan["gpu"] = {"name": "NVIDIA H200"}
    if plan["resolved"]["method"]["technique"] == "lora":
        plan["resolved"]["method"]["technique"] = "qlora"
        plan["resolved"]["model"] |= {"quantization": "nf4", "dtype": "bfloat16", "attention": "varlen"}
    (run / "plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation__rows": 16},
        {"evaluation__rows": 16, "method__technique": "full", "model__dtype": "bfloat16"},
    ],
    ids=["adapter", "whole"],
)
def test_answers_are_those_of_the_run(
    changes: dict[str, Any], engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(**changes)
    assert engine.train(run) == 0
    rows = [json.loads(line) for line in (run / "result" / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == 16
    prompts = [[["user", row["prompt"]]] for row in rows]
    room = {"max_new_tokens": 8}
    asked = [
        {"answer": {"model": "base", "prompts": prompts, **room}},
        {"answer": {"model": "tuned", "prompts": prompts, **room}},
        {"answer": {"model": "base", "prompts": prompts[:1], **room}},
    ]
    lines = ask(
        engine,
        tmp_path,
        "--run",
        run,
        requests=[*asked, {"likelihood": {"model": "base", "rows": [[PROMPT, LONG]]}}],
    )
    assert lines[0]["ready"]["models"] == ["base", "tuned"]
    ends = [at for at, line in enumerate(lines) if "done" in line]
    before = {line["at"]: line["answer"] for line in lines[1 : ends[0]]}
    after = {line["at"]: line["answer"] for line in lines[ends[0] + 1 : ends[1]]}
    assert [before[at] for at in range(16)] == [row["before"] for row in rows]
    assert [after[at] for at in range(16)] == [row["after"] for row in rows]
    assert before != after
    assert lines[ends[1] + 1]["answer"] == before[0], "the adapter is off again"
    (whole,) = (line for line in lines if "nats" in line)
    assert whole["bytes"] == len(LONG.encode())
    assert whole["tokens"] > 64, "also what is beyond data.max_length"
    planned_for_a_gpu(run)
    elsewhere = ask(engine, tmp_path, "--run", run, requests=asked[1:2])
    note = elsewhere[0]["ready"]["note"]
    assert "on the CPU (NVIDIA H200 in the plan): answers may differ slightly" in note
    assert ("not quantized (nf4 in the plan), in float32 (bfloat16" in note) == (
        "method__technique" not in changes
    )
    same = [line["answer"] == after[line["at"]] for line in elsewhere[1:-1]]
    assert len(same) == 16
    assert sum(same) >= 14, "bfloat16 and float32 differ in a token at times, not more"
    assert all(line["in"] > 5 and 0 < line["out"] <= 8 for line in lines if "answer" in line)


def test_what_cannot_be_answered_is_told_and_the_rest_goes_on(
    engine: Engine, model: Path, tmp_path: Path
) -> None:
    long = [["user", "colour " * 400]]
    rows = [[PROMPT, "It is red."], [PROMPT, "It is green. " * 3]]
    asked = [
        {"answer": {"model": "base", "prompts": [PROMPT, long], "max_new_tokens": 6}},
        {"answer": {"model": "tuned", "prompts": [PROMPT], "max_new_tokens": 6}},
        {"likelihood": {"model": "base", "rows": rows}},
        {"room": {"rows": rows}},
    ]
    lines = ask(engine, tmp_path, "--model", model, requests=asked)
    assert lines[0]["ready"] == {"models": ["base"], "context": 256, "device": "cpu", "note": ""}
    told = {line["at"]: line for line in lines[1:3]}
    assert "answer" in told[0]
    assert "exceed the model's 256" in told[1]["fault"]
    failed = next(line for line in lines if "failed" in line)
    assert "no model named tuned" in failed["failed"]
    first, second = [line for line in lines if "nats" in line]
    vocabulary = math.log(400)
    assert first["tokens"] < second["tokens"]
    assert 0.3 * vocabulary < first["nats"] / first["tokens"] < 3 * vocabulary
    assert next(line for line in lines if "room" in line)["room"] > second["tokens"] - 1
