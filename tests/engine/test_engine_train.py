"""A run from its directory to its result, in a process of its own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine


def result_of(run: Path) -> dict[str, Any]:
    document = json.loads((run / "result" / "result.json").read_text())
    assert isinstance(document, dict)
    return document


def held_out_loss(model: Any, tokenizer: Any, data: Path) -> float:
    """The mean loss a token on the held-out rows, by plain transformers."""
    import torch

    from tuiftune.data.mix.split import split
    from tuiftune.data.read.load import load

    total = count = 0.0
    for example in split(load(str(data)), 0.2, 42)[1]:
        messages = [{"role": turn.role, "content": turn.content} for turn in example.messages or ()]
        encoded = tokenizer.apply_chat_template(
            messages, return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt"
        )
        labels = encoded["input_ids"].masked_fill(encoded["assistant_masks"] == 0, -100)
        with torch.no_grad():
            loss = model(input_ids=encoded["input_ids"], labels=labels).loss
        learnt = int((labels[:, 1:] != -100).sum())
        total, count = total + float(loss) * learnt, count + learnt
    return total / count


def test_lora_learns_and_its_result_reloads(
    engine: Engine, make_run: Callable[..., Path], model: Path, data: Path
) -> None:
    run = make_run(training__max_steps=100, run__save_every=50, method__rank=16)
    code, said = engine.run("train", run)
    assert (code, said) == (0, "")

    result = result_of(run)
    assert result["steps"] == 100
    assert result["technique"] == "lora"
    assert result["after"]["loss"] < result["before"]["loss"] / 10
    assert (result["before"]["exact_match"], result["after"]["exact_match"]) == (0.0, 1.0)
    assert result["after"]["perplexity"] == pytest.approx(math.exp(result["after"]["loss"]))
    assert result["before"]["rows"] == result["after"]["rows"] == 4
    assert len(result["samples"]) == 3
    assert set(result["samples"][0]) == {"prompt", "reference", "before", "after"}

    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    where = run / "result" / "model"
    reloaded = AutoPeftModelForCausalLM.from_pretrained(where).eval()
    tokenizer = AutoTokenizer.from_pretrained(where)
    assert held_out_loss(reloaded, tokenizer, data) == pytest.approx(result["after"]["loss"], rel=1e-4)
    with reloaded.disable_adapter():
        assert held_out_loss(reloaded, tokenizer, data) == pytest.approx(result["before"]["loss"], rel=1e-4)

    page = (run / "result" / "README.md").read_text()
    for stated in ("loss a token", "rows.jsonl", "effective_batch", f"{result['after']['loss']:.4f}"):
        assert stated in page
    assert str(data.parent) not in page, "it is read on other machines"
    assert not [path for path in run.rglob("*") if path.suffix in (".bin", ".ckpt", ".pickle")]


def test_events_tell_the_whole_story(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert engine.train(run) == 0
    story = tiny.events(run)
    assert [event["seq"] for event in story] == list(range(1, len(story) + 1))
    assert story[-1] | {"t": 0, "clock": 0, "seq": 0} == {
        "v": 1, "seq": 0, "t": 0, "clock": 0, "type": "end", "state": "done", "exit_code": 0, "why": "",
    }  # fmt: skip
    assert sum(event["type"] == "end" for event in story) == 1
    phases = list(dict.fromkeys(event["name"] for event in story if event["type"] == "phase"))
    assert phases == [
        "loading", "tokenising", "scoring_before", "training",
        "evaluating", "saving", "scoring_after", "exporting",
    ]  # fmt: skip
    steps = tiny.events(run, "step")
    assert [step["step"] for step in steps] == list(range(1, 9))
    assert all(step["loss"] > 0 and step["grad_norm"] > 0 and step["tokens_per_second"] > 0 for step in steps)
    own = ["step", "loss", "lr", "grad_norm", "tokens", "tokens_per_second", "epoch", "data_wait"]
    assert [key for key in steps[0] if key in own] == own
    assert all(0 <= step["mean_token_accuracy"] <= 1 for step in steps), "as the trainer logs it"
    assert not any("num_tokens" in step or "learning_rate" in step for step in steps)
    assert [(event["step"], event["when"]) for event in tiny.events(run, "eval")] == [
        (0, "before"), (4, "during"), (8, "during"), (8, "after"),
    ]  # fmt: skip
    (start,) = tiny.events(run, "start")
    assert (start["total_steps"], start["rows_train"], start["rows_eval"]) == (8, 64, 16)
    assert 0 < start["trainable"] < start["parameters"]
    assert tiny.events(run, "heartbeat")
    assert tiny.events(run, "memory")
    assert [Path(event["path"]).name for event in tiny.events(run, "checkpoint")] == [
        "checkpoint-4",
        "checkpoint-8",
    ]
    assert "torch" not in json.dumps(story[:2]), "the first word comes before the heavy imports"


def test_full_tuning_changes_every_weight(engine: Engine, make_run: Callable[..., Path], data: Path) -> None:
    run = make_run(method__technique="full", training__learning_rate=0.003, training__max_steps=30)
    assert engine.train(run) == 0
    result = result_of(run)
    assert result["trainable"] == result["parameters"]

    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = run / "result" / "model"
    reloaded = AutoModelForCausalLM.from_pretrained(where).eval()
    loss = held_out_loss(reloaded, AutoTokenizer.from_pretrained(where), data)
    assert loss == pytest.approx(result["after"]["loss"], rel=1e-4)
    assert loss < result["before"]["loss"]
    assert (where / "model.safetensors").is_file()


def test_dora_trains_magnitudes(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(method__technique="dora", training__max_steps=6)
    assert engine.train(run) == 0
    from safetensors.torch import load_file

    names = load_file(run / "result" / "model" / "adapter_model.safetensors")
    assert any("lora_magnitude_vector" in name for name in names)
    assert result_of(run)["after"]["loss"] < result_of(run)["before"]["loss"]


def test_early_stopping_keeps_the_best(engine: Engine, make_run: Callable[..., Path]) -> None:
    """At this rate the loss falls and then bounces: the result must be of the best step, not the last."""
    run = make_run(
        training__learning_rate=0.3,
        training__schedule="constant",
        training__max_steps=200,
        training__early_stopping=2,
        run__save_every=2,
        run__checkpoints=1,
    )
    assert engine.train(run) == 0
    result = result_of(run)
    during = {event["step"]: event["loss"] for event in tiny.events(run, "eval") if event["when"] == "during"}
    best = min(during, key=lambda step: during[step])
    assert result["best_step"] == best < result["steps"] < result["total_steps"] == 200
    assert f"{result['steps']} of 200, stopped early" in (run / "result" / "README.md").read_text()
    assert result["after"]["loss"] == pytest.approx(during[best], rel=1e-5)
    assert any(event["code"] == "early_stop" for event in tiny.events(run, "warning"))
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert kept == sorted({f"checkpoint-{best}", f"checkpoint-{result['steps']}"})


def test_rows_never_reach_the_log(engine: Engine, make_run: Callable[..., Path], tmp_path: Path) -> None:
    canary = "xyzzycanary"
    documents = tiny.rows()
    for row in documents:
        row["messages"][0]["content"] += " " + canary
    documents.append(
        {"messages": [{"role": "user", "content": canary * 40}, {"role": "assistant", "content": "a"}]}
    )
    run = make_run(rows=tiny.write_rows(tmp_path / "rows.jsonl", documents), data__eval=0.1)
    assert engine.train(run) == 0
    for name in ("engine.log", "events.jsonl", "plan.json", "result/README.md"):
        assert canary not in (run / name).read_text()


def test_gsm8k_answers_are_also_compared_by_number() -> None:
    from tuiftune.data.chat.reasoning import matches
    from tuiftune.engine.evaluation.answers import final_numbers_match

    reference = "She sells 16 - 3 = 13 eggs.\n#### 1,013.50"
    assert final_numbers_match("#### $1,013.5", reference) is True
    assert final_numbers_match("So it is\n#### 1013.5", reference) is True
    assert final_numbers_match("#### 13", reference) is False
    assert final_numbers_match("1013.5", reference) is False
    assert final_numbers_match("anything", "no number here") is None
    assert matches("It is\n red. ", " It is red.")
    assert not matches("It is red", "It is red.")
