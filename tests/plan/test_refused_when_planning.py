"""What training would refuse, the plan refuses; what `data.max_length` costs, it tells."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import assets
from tuiftune.data import measure
from tuiftune.errors import ExitCode, UserError
from tuiftune.plan.inputs import WEIGHTS, look_through, to_look_at
from tuiftune.preset.file import loads

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.plan.inputs import Inputs

LONG = "Please read this long letter about a parcel that never came, and say what should be done. " * 4


def planned(tmp_path: Path, long: int, max_length: int, **keys: Any) -> Inputs:
    """What is planned with for 40 rows, so many of them with a long prompt."""
    prompts = [f"{LONG if n < long else ''}What is {n}?" for n in range(40)]
    turns = [
        [{"role": "user", "content": said}, {"role": "assistant", "content": "A number."}] for said in prompts
    ]
    rows = [{"messages": [*one, *one] if keys.get("twice") else one} for one in turns]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = (
        f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {tmp_path / 'rows.jsonl'}, max_length: {max_length}"
    )
    return to_look_at(loads(f"{text}, loss_on: {keys.get('loss_on', 'assistant')}}}\n", "mine.yaml"))


def truncated(tmp_path: Path, long: int, max_length: int, **keys: Any) -> list[str]:
    """The plan's notes of truncation."""
    return [note for note in planned(tmp_path, long, max_length, **keys).plan().notes if "truncated" in note]


@pytest.mark.parametrize(
    ("long", "share"),
    [(1, "Fewer than 5% of the rows are"), (20, "About 50% of the rows are"), (40, "Every row is")],
)
def test_the_plan_says_how_many_rows_are_truncated(tmp_path: Path, long: int, share: str) -> None:
    (note,) = truncated(tmp_path, long, 64, loss_on="all")
    assert note.startswith(f"{share} longer than data.max_length (64 tokens; ")
    assert truncated(tmp_path, long, 256) == []


def test_a_look_without_weights_makes_no_row_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`preset check --without weights` held all of them at once: tens of gigabytes of ten million rows."""
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"What is {n}?", "completion": "A number."}) + "\n" for n in range(40))
    )
    preset = loads(
        f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {tmp_path / 'rows.jsonl'}}}\n", "mine.yaml"
    )

    def at(*_: Any) -> Any:
        raise AssertionError("rows are made")

    monkeypatch.setattr("tuiftune.data.dataset.Dataset.at", at)
    assert look_through(preset, without=(WEIGHTS,)) == (WEIGHTS,)


def test_a_length_that_leaves_no_answer_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="every row is truncated before its first trained token") as fault:
        truncated(tmp_path, 40, 64)
    assert (fault.value.place, fault.value.exit_code) == ("data.max_length: 64", ExitCode.USAGE)


@pytest.mark.parametrize("looked_at", [2_000, 8])
def test_rows_that_keep_no_answer_are_not_planned_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(measure, "LOOKED_AT_CUT", looked_at)
    inputs = planned(tmp_path, 20, 64)
    assert inputs.facts is not None
    assert inputs.facts.rows + inputs.facts.rows_eval == 20
    (note,) = truncated(tmp_path, 20, 64)
    assert "; 20 of them keep no trained token and are left out: " in note
    every = planned(tmp_path, 20, 64, loss_on="all").facts
    assert every is not None
    assert (every.rows + every.rows_eval, every.dropped) == (40, 0)


def test_rows_mixed_in_that_keep_no_answer_are_not_planned_with(tmp_path: Path) -> None:
    """As often as they would be seen in an epoch."""
    planned(tmp_path, 20, 64)
    task = [{"prompt": f"Say {n}.", "completion": f"{n}"} for n in range(30)]
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in task))
    mix = f"[{{path: {tmp_path / 'rows.jsonl'}, weight: 2}}]"
    text = f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {tmp_path / 'task.jsonl'}, eval: 0.1, mix: {mix}"
    for length, rows, dropped in ((64, 27 + 40, 40), (512, 27 + 80, 0)):
        facts = to_look_at(loads(f"{text}, max_length: {length}}}\n", "mine.yaml")).facts
        assert facts is not None
        assert (facts.rows, facts.rows_eval, facts.dropped) == (rows, 3, dropped)


def test_prompts_that_leave_no_answer_are_not_planned_with(tmp_path: Path) -> None:
    planned(tmp_path, 20, 64)
    text = f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {tmp_path / 'rows.jsonl'}, max_length: 64}}\n"
    preset = loads(f"{text}method: {{stage: grpo}}\ntraining: {{effective_batch: 8}}\n", "mine.yaml")
    inputs = to_look_at(preset)
    assert inputs.facts is not None
    assert inputs.facts.rows + inputs.facts.rows_eval == 20
    assert any(note.startswith("20 prompts fill data.max_length (64 tokens)") for note in inputs.plan().notes)
    with pytest.raises(UserError, match="every prompt fills it"):
        to_look_at(preset.with_values({"data.max_length": 8}))


@pytest.mark.parametrize(
    ("stage", "rows"),
    [
        ("dpo", [{"prompt": f"Say {n}", "chosen": LONG + "yes", "rejected": LONG + "no"} for n in range(9)]),
        (
            "kto",
            [
                {
                    "messages": [
                        {"role": "user", "content": f"Say {n}"},
                        {"role": "assistant", "content": "No."},
                        {"role": "user", "content": LONG},
                        {"role": "assistant", "content": "Yes."},
                    ],
                    "label": n % 2 == 0,
                }
                for n in range(9)
            ],
        ),
    ],
)
def test_rows_whose_judgment_is_truncated_are_not_planned_with(
    stage: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """The answers of a pair differ after the limit alone; the judged answer stands after it."""
    short: list[dict[str, Any]] = [
        {"prompt": "Say more", "chosen": f"yes {n}", "rejected": "no"}
        if stage == "dpo"
        else {**rows[0], "messages": [*rows[0]["messages"][:1], {"role": "assistant", "content": f"{n}"}]}
        for n in range(11)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *short]))
    text = f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {path}, max_length: 64, eval: 0}}\n"
    facts = to_look_at(loads(f"{text}method: {{stage: {stage}}}\n", "mine.yaml")).facts
    assert facts is not None
    assert (facts.rows, facts.dropped) == (11, 9)


def test_an_answer_that_is_left_is_trained_on(tmp_path: Path) -> None:
    """Of one row of all; of the first answer of a conversation."""
    assert truncated(tmp_path, 39, 64)
    assert truncated(tmp_path, 40, 160, twice=True)


@pytest.mark.parametrize("more", [0, 1])
def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path, more: int) -> None:
    """As tokens that were added without resizing the embeddings leave it."""
    model, data = tmp_path / "model", tmp_path / "rows.jsonl"
    shutil.copytree(assets.BASE, model)
    size = json.loads((model / "config.json").read_text())["vocab_size"]
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    known = len(tokenizer["model"]["vocab"])
    new = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer["added_tokens"] += [
        {"id": number, "content": f"<|extra {number}|>", **new} for number in range(known, size + more)
    ]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    data.write_text('{"prompt": "What is 1?", "completion": "A number."}\n' * 20)
    preset = loads(f"model: {{base: {model}}}\ndata: {{train: {data}, max_length: 64}}\n", "mine.yaml")
    if not more:
        assert to_look_at(preset).facts
        return
    with pytest.raises(
        UserError, match=f"the tokenizer has {size + 1:,} tokens, the model only {size:,}"
    ) as fault:
        to_look_at(preset)
    assert fault.value.exit_code == ExitCode.USAGE
