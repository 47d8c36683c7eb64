"""The draft that both front ends edit, and the steps they walk."""

from __future__ import annotations

import pytest

from tuiftune.errors import UserError
from tuiftune.preset.file import loads
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.steps import STEPS

READY = Draft(model="builtin:tiny", data=("builtin:tickets",))


def test_changes_make_new_drafts() -> None:
    changed = READY.with_(name="mine").answer("task", "style").override("training.epochs", 1)
    assert (READY.name, READY.answers, READY.overrides) == ("", {}, {})
    assert changed.answers == {"task": "style"}
    assert changed.answer("task", None).answers == {}
    assert changed.override("training.epochs", None) == READY.with_(name="mine").answer("task", "style")


def test_what_the_user_sets_beats_what_is_recommended() -> None:
    draft = READY.with_(recommended={"training.epochs": 3, "data.max_length": 256})
    assert draft.value("training.epochs") == 3
    draft = draft.override("training.epochs", 1)
    assert draft.value("training.epochs") == 1
    assert draft.value("method.rank") is None
    preset = draft.preset()
    assert (preset.training.epochs, preset.data.max_length) == (1, 256)


def test_a_draft_of_a_preset_gives_that_preset() -> None:
    draft = READY.with_(
        data=("a.jsonl", "b.jsonl"),
        columns={"prompt": "q"},
        format="prompt-completion",
        system="Be brief.",
        name="mine",
        overrides={"method.rank": 8, "budget.max_usd": 5.0, "hardware.gpus": [0, 1]},
    )
    preset = draft.preset()
    assert Draft.of(preset).preset() == preset
    assert Draft.of(preset).data == ("a.jsonl", "b.jsonl")
    assert Draft.of(READY.preset()).overrides == {}


def test_what_is_missing_is_named_in_order() -> None:
    assert Draft().missing() == ("data.train", "model.base")
    with pytest.raises(UserError, match=r"data\.train") as caught:
        Draft().preset()
    assert caught.value.remedy
    with pytest.raises(UserError, match=r"model\.base"):
        Draft(data=("x.jsonl",), model="  ").preset()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("training.epochs", 0, "epochs"),
        ("training.epochz", 1, "epochs"),
        ("nonsense", 1, "nonsense"),
        ("method.technique", "lorra", "technique"),
        ("training.learning_rate", "fast", "learning_rate"),
        ("data", {}, "data"),
    ],
)
def test_a_senseless_value_is_one_line(key: str, value: object, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        READY.override(key, value).preset()
    assert "\n" not in str(caught.value)


def test_an_illegal_name_is_refused() -> None:
    with pytest.raises(UserError, match="name"):
        READY.with_(name="../up").preset()


def test_the_steps_are_walked_in_order() -> None:
    assert [step.key for step in STEPS] == ["machine", "goal", "data", "model", "review"]


def test_what_the_stage_brings_is_not_called_the_users_own() -> None:
    preset = loads(
        "version: 1\nmodel: {base: 'builtin:tiny'}\ndata: {train: pairs.jsonl}\n"
        "method: {stage: dpo, rank: 8}\ntraining: {max_steps: 60}\n",
        "dpo.yaml",
    )
    assert preset.training.epochs == 1  # DPO's default
    draft = Draft.of(preset)
    assert dict(draft.overrides) == {"method.stage": "dpo", "method.rank": 8, "training.max_steps": 60}
    assert draft.preset() == preset
