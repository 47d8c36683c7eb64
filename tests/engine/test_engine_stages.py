"""Stages beyond supervised fine-tuning: each trains as TRL's own trainer does, and tells what it measures."""

from __future__ import annotations

import io
import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import tiny
import trl_itself
from rich.console import Console
from test_engine_interrupted import last_weights, steps_of
from test_engine_techniques import merged

from tuiftune.cli.data_tokens import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine


def pairs() -> list[dict[str, Any]]:
    """The same questions with the right answer and a wrong one."""
    others = dict(zip(tiny.COLOURS, tiny.COLOURS[1:] + tiny.COLOURS[:1], strict=True))
    return [
        {
            "prompt": f"The {thing} is {colour}. What colour is the {thing}?",
            "chosen": f"It is {colour}.",
            "rejected": f"It is {others[colour]}.",
        }
        for thing in tiny.THINGS
        for colour in tiny.COLOURS
    ]


def judged() -> list[dict[str, Any]]:
    """Right answers that are judged good, and wrong ones that are judged bad."""
    return [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for number, row in enumerate(pairs())
        for side in (("chosen", "rejected") if number % 2 else ("rejected", "chosen"))[:1]
    ]


@dataclass(frozen=True)
class Case:
    """A stage's rows and settings, and what its steps and evaluations tell."""

    rows: Callable[[], list[dict[str, Any]]]
    settings: dict[str, Any]
    steps: tuple[str, ...]
    evaluations: tuple[str, ...] = ()


CASES = {
    "dpo": Case(
        pairs,
        {"method__beta": 0.1, "method__loss_type": "sigmoid"},
        ("rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"),
        ("ranking_accuracy", "rewards/margins"),
    ),
}
REWARDS = ("rewards/margins", "logps/chosen", "logps/rejected")
CASES |= {
    "reward": Case(pairs, {}, ("accuracy", "margin"), ("ranking_accuracy", "margin")),
    "kto": Case(
        judged,
        {"method__beta": 0.1},
        ("kl", "rewards/chosen", "logps/chosen"),
        ("kl", "rewards/margins"),
    ),
    "orpo": Case(
        pairs, {"method__beta": 0.1}, (*REWARDS, "log_odds_ratio"), ("ranking_accuracy", "rewards/margins")
    ),
    "simpo": Case(pairs, {"method__beta": 2.0}, REWARDS, ("ranking_accuracy", "rewards/margins")),
}
SAMPLED: dict[str, Any] = {
    "method__rewards": [{"reward": "regex", "pattern": "e"}],
    "method__generations": 4,
    "method__max_completion_length": 4,
    "training__schedule": "constant_with_warmup",
    "training__divergence_patience": 0,
}
for _key, _beta in (("grpo", 0.0), ("rloo", 0.05)):
    CASES[_key] = Case(
        tiny.rows, SAMPLED | {"method__beta": _beta}, ("reward", "completions/mean_length"), ("reward",)
    )
CASES["distill"] = Case(
    tiny.rows,
    {"method__max_completion_length": 4, "training__divergence_patience": 0},
    ("entropy", "completions/mean_length"),
)
SEEDS = (42, 7, 11)
SHORT: dict[str, Any] = {
    "training__max_steps": 4,
    "training__warmup_ratio": 0.25,
    "run__save_every": 2,
    "evaluation__samples": 1,
    "evaluation__score": "none",
}


@pytest.fixture(scope="session")
def teacher(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the tiny one's tokenizer."""
    directory = tmp_path_factory.mktemp("teacher") / "wider"
    engine.wait_for("tiny:make_teacher", str(directory))
    return directory


@pytest.fixture
def run_of(
    make_run: Callable[..., Path], tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., Path]:
    """A run of a stage's case."""

    def make(key: str, **changes: Any) -> Path:
        case = CASES[key]
        if key == "distill" and "method__teacher" not in changes:
            changes["method__teacher"] = str(request.getfixturevalue("teacher"))
        rows = tiny.write_rows(tmp_path / f"{key}.jsonl", case.rows())
        return make_run(rows=rows, method__stage=key, **(SHORT | case.settings | changes))

    return make


def of_trl(engine: Engine, run: Path, output: Path) -> list[dict[str, Any]]:
    said = output.with_suffix(".said")
    pid = engine.parent.start([str(run), str(output)], said, call=f"{trl_itself.__name__}:main")
    while (code := engine.parent.poll(pid)) is None:
        time.sleep(0.01)
    assert code == 0, said.read_text()
    found: list[dict[str, Any]] = json.loads(output.read_text())
    return found


@pytest.mark.parametrize(
    ("key", "steps"),
    [
        *((key, 4) for key in CASES if key != "rloo"),  # which shares its code with grpo
        *(pytest.param(key, 20, marks=pytest.mark.long) for key in CASES),
    ],
)
def test_a_stage_trains_as_trls_own_trainer(
    engine: Engine, run_of: Callable[..., Path], tmp_path: Path, key: str, steps: int
) -> None:
    run = run_of(key, training__max_steps=steps, training__warmup_ratio=1 / steps, run__save_every=steps)
    assert engine.train(run) == 0, (run / "engine.log").read_text()[-2000:]
    theirs = of_trl(engine, run, tmp_path / "trl.json")
    ours = tiny.events(run, "step")
    assert len(ours) == len(theirs) == steps
    assert [step["loss"] for step in ours] == pytest.approx(
        [log["loss"] for log in theirs], rel=1e-4, abs=1e-6
    )
    for name in ("grad_norm", *CASES[key].steps):
        assert [one[name] for one in ours] == pytest.approx([one[name] for one in theirs], rel=1e-3, abs=1e-5)

    *_, after = tiny.events(run, "eval")
    assert all(name in after for name in CASES[key].evaluations)
    assert "perplexity" not in after
    result = json.loads((run / "result" / "result.json").read_text())
    assert result["after"]["perplexity"] is None
    assert set(result["after"].get("measured", ())) >= set(CASES[key].evaluations)
    if "ranking_accuracy" in CASES[key].evaluations:
        assert result["after"]["pairs"] == result["after"]["rows_held_out"]


def test_the_tokens_of_a_pair_are_told_side_by_side(engine: Engine, model: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "What is it?", "chosen": "red", "rejected": "It is red and it is blue."}]
    path = tiny.write_rows(tmp_path / "pairs.jsonl", rows)
    code, said = engine.run("tokens", path, "--model", model, "--row", "1")
    assert code == 0, said
    document = json.loads(said)
    for side, answer in ((document, "red"), (document["rejected"], "It is red and it is blue.")):
        trained = "".join(token["text"] for token in side["tokens"] if token["trained"])
        assert trained == f"{answer}<|end|>"
    shown = io.StringIO()
    render(document, Console(file=shown, width=200), color=False, unicode=True)
    told = shown.getvalue()
    assert 0 <= told.index("chosen answer") < told.index("rejected answer")
    gap = document["rejected"]["trained"] - document["trained"]
    assert f"{gap} tokens shorter than the rejected one" in told


@pytest.mark.long
@pytest.mark.parametrize("key", CASES)
def test_a_stopped_run_of_a_stage_resumes_to_the_bit(
    engine: Engine, run_of: Callable[..., Path], key: str
) -> None:
    whole, broken = run_of(key, training__max_steps=12), run_of(key, training__max_steps=12)
    assert engine.train(whole) == 0
    job = engine.start("train", broken)
    job.wait_for_step(broken, 3)
    (broken / "control" / "stop").write_text(json.dumps({"by": "a test"}))
    assert job.wait() == 4
    (broken / "control" / "stop").unlink()
    assert engine.train(broken, "--resume") == 0
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken, 12) == last_weights(whole, 12)


@pytest.mark.long
@pytest.mark.parametrize("key", ["grpo", "rloo", "distill"])
def test_a_preflight_of_sampled_answers_leaves_nothing_behind(
    engine: Engine, run_of: Callable[..., Path], key: str
) -> None:
    plain, checked = run_of(key), run_of(key, plan={"preflight": True})
    assert engine.train(plain) == engine.train(checked) == 0
    (memory,) = [event for event in tiny.events(checked, "memory") if event.get("preflight")]
    assert memory["device"] > 50e6
    assert not [one for one in tiny.events(checked, "warning") if one["code"] == "preflight_failed"]
    assert steps_of(checked) == steps_of(plain)
    assert last_weights(checked, 4) == last_weights(plain, 4)


@pytest.mark.long
def test_all_weights_are_compared_with_the_model_they_were(
    engine: Engine, run_of: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of("dpo", method__technique="full", training__learning_rate=0.001)
    assert engine.train(run) == 0
    theirs = of_trl(engine, run, tmp_path / "trl.json")
    ours = tiny.events(run, "step")
    assert [step["loss"] for step in ours] == pytest.approx(
        [log["loss"] for log in theirs], rel=1e-4, abs=1e-6
    )
    assert ours[0]["loss"] == pytest.approx(0.6931, abs=1e-3), "the policy is the reference at first"
    said = [event["detail"] for event in tiny.events(run, "phase")]
    assert "reference log-probabilities" in said


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_a_reward_model_ranks_pairs_it_has_not_seen_and_reloads(
    engine: Engine, run_of: Callable[..., Path], seed: int
) -> None:
    run = run_of("reward", training__max_steps=80, run__save_every=40, training__seed=seed)
    assert engine.train(run) == 0
    result = json.loads((run / "result" / "result.json").read_text())
    assert result["after"]["measured"]["ranking_accuracy"] > 0.95
    assert result["samples"] == []

    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoTokenizer

    where = run / "result" / "model"
    model = AutoPeftModelForSequenceClassification.from_pretrained(where, num_labels=1).eval()
    tokenizer = AutoTokenizer.from_pretrained(where)
    model.config.pad_token_id = tokenizer.pad_token_id
    higher = 0
    for row in pairs()[:20]:
        rewards = []
        for side in ("chosen", "rejected"):
            messages = [
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": row[side]},
            ]
            given = tokenizer.apply_chat_template(messages, return_dict=True, return_tensors="pt")
            rewards.append(float(model(**given).logits))
        higher += rewards[0] > rewards[1]
    assert higher > 18


@pytest.mark.long
@pytest.mark.parametrize("key", ["kto", "orpo", "simpo"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_other_stages_learn_the_preference_too(
    engine: Engine, run_of: Callable[..., Path], key: str, seed: int
) -> None:
    more = {"method__beta": 1.0} if key == "orpo" else {}  # next to its loss on the chosen answers
    run = run_of(key, training__max_steps=80, run__save_every=40, training__seed=seed, **more)
    assert engine.train(run) == 0
    _, *_, after = tiny.events(run, "eval")
    assert after["rewards/margins"] > 0.1
    assert after.get("ranking_accuracy", 1.0) > 0.9


@pytest.mark.long
@pytest.mark.parametrize("key", ["grpo", "rloo"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_checkable_reward_rises(engine: Engine, run_of: Callable[..., Path], key: str, seed: int) -> None:
    run = run_of(
        key,
        training__seed=seed,
        method__generations=8,
        training__effective_batch=32,
        training__micro_batch=32,
        training__max_steps=60,
        training__learning_rate=0.01,
        run__save_every=60,
    )
    assert engine.train(run) == 0
    before, *_, after = tiny.events(run, "eval")
    assert before["reward"] < 0.3
    assert after["reward"] > 0.9
    assert tiny.events(run, "step")[-1]["reward"] > 0.9


@pytest.mark.long
def test_a_reward_model_is_the_reward_of_a_later_run(
    engine: Engine, run_of: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    first = run_of("reward", training__max_steps=20)
    assert engine.train(first) == 0
    spec = [{"reward": "model", "path": str(first)}]
    second = run_of("grpo", method__rewards=spec, training__max_steps=2)
    assert engine.train(second) == 0, (second / "engine.log").read_text()[-2000:]
    rewards = [step["reward"] for step in tiny.events(second, "step")]
    assert all(reward != 0 for reward in rewards)

    other = tmp_path / "other"
    shutil.copytree(first / "result" / "model", other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zzz"] = 4999
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    third = run_of("grpo", method__rewards=[{"reward": "model", "path": str(other)}])
    assert engine.train(third) == 2
    assert "another tokenizer" in tiny.events(third, "end")[-1]["why"]


@pytest.mark.long
@pytest.mark.parametrize("key", ["grpo", "rloo", "distill"])
def test_prompts_alone_are_trained_on(
    engine: Engine, run_of: Callable[..., Path], tmp_path: Path, key: str
) -> None:
    rows = tiny.write_rows(tmp_path / "prompts.jsonl", [{"prompt": f"Say {n}."} for n in range(40)])
    changes: dict[str, Any] = {"method__rewards": [{"reward": "length", "tokens": 3}]}
    if key == "distill":
        changes = {"evaluation__score": "exact_match"}
    run = run_of(key, data__train=str(rows), training__max_steps=2, **changes)
    assert engine.train(run) == 0, (run / "engine.log").read_text()[-2000:]
    assert tiny.events(run, "start")[0]["rows_train"] == 32
    (sample, *_) = (json.loads(line) for line in (run / "result" / "samples.jsonl").read_text().splitlines())
    assert sample["prompt"].startswith("Say ")
    assert (sample["reference"], "matched_after" in sample) == ("", False)


@pytest.mark.long
@pytest.mark.parametrize("key", ["grpo", "rloo", "distill"])
def test_an_epoch_has_every_prompt(
    engine: Engine, run_of: Callable[..., Path], tmp_path: Path, key: str
) -> None:
    """TRL leaves out an incomplete batch: of 11 prompts at 4 a step an epoch had 8."""
    rows = tiny.write_rows(tmp_path / "prompts.jsonl", [{"prompt": f"Say {n}."} for n in range(11)])
    changes: dict[str, Any] = {"method__rewards": [{"reward": "length", "tokens": 3}]}
    changes |= {"training__effective_batch": 16, "training__micro_batch": 8}
    if key == "distill":
        changes = {"training__effective_batch": 4, "training__micro_batch": 2}
    changes |= {"training__max_steps": None, "training__epochs": 2.0, "data__eval": 0.0}
    run = run_of(key, data__train=str(rows), **changes)
    assert engine.train(run) == 0, (run / "engine.log").read_text()[-2000:]
    told = [round(event["epoch"], 2) for event in tiny.events(run, "step")]
    assert told == [0.33, 0.67, 1.0, 1.33, 1.67, 2.0]


@pytest.mark.long
def test_a_reward_file_that_was_edited_is_told_when_a_run_is_resumed(
    engine: Engine, run_of: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def reward(prompt, answer, reference):\n    return len(answer)\n")
    spec = [{"reward": "python", "path": str(file)}]
    run = run_of("grpo", method__rewards=spec, training__max_steps=12)
    job = engine.start("train", run)
    job.wait_for_step(run, 3)
    (run / "control" / "stop").write_text(json.dumps({"by": "a test"}))
    assert job.wait() == 4
    (run / "control" / "stop").unlink()
    file.write_text("def reward(prompt, answer, reference):\n    return -len(answer)\n")
    assert engine.train(run, "--resume") == 2
    assert "reward files differ" in tiny.events(run, "end")[-1]["why"]
    file.write_text("def reward(prompt, answer, reference):\n    return len(answer)\n")
    assert engine.train(run, "--resume") == 0


@pytest.mark.long
def test_a_teacher_that_was_replaced_is_told_when_a_run_is_resumed(
    engine: Engine, run_of: Callable[..., Path], teacher: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(teacher, tmp_path / "mine")
    run = run_of("distill", method__teacher=str(mine), training__max_steps=12)
    job = engine.start("train", run)
    job.wait_for_step(run, 3)
    (run / "control" / "stop").write_text(json.dumps({"by": "a test"}))
    assert job.wait() == 4
    (run / "control" / "stop").unlink()
    weights = bytearray((mine / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (mine / "model.safetensors").write_bytes(weights)
    assert engine.train(run, "--resume") == 2
    assert "of the teacher differ" in tiny.events(run, "end")[-1]["why"]
    weights[-1] ^= 1
    (mine / "model.safetensors").write_bytes(weights)
    assert engine.train(run, "--resume") == 0


@pytest.mark.long
def test_a_reward_file_that_fails_ends_the_run_with_one_line(
    engine: Engine, run_of: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def reward(prompt, answer, reference):\n    return 'good'\n")
    run = run_of("grpo", method__rewards=[{"reward": "python", "path": str(file)}])
    assert engine.train(run) == 2
    why = tiny.events(run, "end")[-1]["why"]
    assert 'the reward is "good", not a finite number' in why
    assert "\n" not in why


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_a_student_closes_half_the_gap_to_its_teacher(
    engine: Engine, run_of: Callable[..., Path], make_run: Callable[..., Path], seed: int
) -> None:
    """The teacher has learned the task; the student sees no answer but its own."""
    changes = {"evaluation__score": "exact_match", "evaluation__rows": 16, "training__seed": seed}
    first = make_run(
        method__technique="full",
        training__max_steps=120,
        training__learning_rate=0.003,
        run__save_every=60,
        **changes,
    )
    assert engine.train(first) == 0
    run = run_of(
        "distill",
        method__teacher=str(first / "result" / "model"),
        method__divergence="forward_kl",
        method__max_completion_length=8,
        training__max_steps=120,
        training__effective_batch=16,
        training__micro_batch=16,
        training__learning_rate=0.01,
        run__save_every=60,
        **changes,
    )
    assert engine.train(run) == 0
    taught, student = (json.loads((one / "result" / "result.json").read_text()) for one in (first, run))
    base, reached, most = (
        student["before"]["exact_match"],
        student["after"]["exact_match"],
        taught["after"]["exact_match"],
    )
    assert most > 0.9
    assert base < 0.1
    assert reached - base >= (most - base) / 2
    assert student["after"]["loss"] < student["before"]["loss"] / 2


@pytest.mark.long
def test_a_teacher_with_another_tokenizer_is_refused(
    engine: Engine, run_of: Callable[..., Path], teacher: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(teacher, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    first, second = list(tokenizer["model"]["vocab"])[20:22]
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    run = run_of("distill", method__teacher=str(other))
    assert engine.train(run) == 2
    why = tiny.events(run, "end")[-1]["why"]
    assert "another tokenizer" in why
    assert "\n" not in why


@pytest.mark.long
@pytest.mark.parametrize("key", ["dpo", "kto"])
def test_modules_trained_in_full_learn_next_to_a_reference(
    engine: Engine, run_of: Callable[..., Path], model: Path, key: str
) -> None:
    from safetensors.torch import load_file

    run = run_of(key, method__modules_to_save=["embeddings"], training__learning_rate=0.01)
    assert engine.train(run) == 0
    weights = load_file(run / "result" / "model" / "adapter_model.safetensors")
    (saved,) = [one for name, one in weights.items() if "embed_tokens" in name]
    base = load_file(model / "model.safetensors")
    assert not saved.equal(base["model.embed_tokens.weight"])


@pytest.mark.long
def test_a_policy_that_begins_with_a_run_is_its_own_reference(
    engine: Engine, run_of: Callable[..., Path], trained: Path, model: Path, tmp_path: Path
) -> None:
    """The first run's adapter, merged into its base, is what the second run's is compared with."""
    shutil.copytree(trained / "result" / "model", tmp_path / "result")
    run = run_of("dpo", base=merged(model, tmp_path), training__max_steps=12)
    assert engine.train(run) == 0
    before, *_, after = tiny.events(run, "eval")
    assert before["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert tiny.events(run, "step")[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    plain = run_of("dpo", training__max_steps=1)
    assert engine.train(plain) == 0
    first = tiny.events(plain, "eval")[0]
    assert before["logps/chosen"] > first["logps/chosen"] + 1, "it begins with what the first run learned"
    assert after["loss"] < before["loss"]


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_make_the_chosen_answers_likelier(
    engine: Engine, run_of: Callable[..., Path], seed: int
) -> None:
    for technique in ("lora", "pissa"):
        run = run_of(
            "dpo",
            training__max_steps=60,
            run__save_every=30,
            method__technique=technique,
            training__seed=seed,
        )
        assert engine.train(run) == 0
        before, *_, after = tiny.events(run, "eval")
        assert before["loss"] == pytest.approx(0.6931, abs=1e-3)
        assert "rewards/accuracies" not in before, "the base model is its own reference"
        assert before["ranking_accuracy"] < 0.7
        assert after["ranking_accuracy"] == after["rewards/accuracies"] == 1.0
        result = json.loads((run / "result" / "result.json").read_text())
        assert result["verdict"]["better"] is True
        assert "pairs ranked right" in result["verdict"]["says"]
