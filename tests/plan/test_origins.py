"""A plan says "set in the preset" of the values that the user gave, and of no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_make_plan import FACTS, machine

from tuiftune.errors import UserError
from tuiftune.models.resolve import resolve
from tuiftune.plan.document import document
from tuiftune.plan.inputs import of_named
from tuiftune.plan.resolve import make_plan
from tuiftune.preset import file, shipped
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.settings import origin, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.plan.model import Reason
    from tuiftune.preset.schema import Preset

# A value of its own for every key that a plan gives a reason for.
GIVEN = {
    "method.technique": "lora",
    "model.quantization": "none",
    "model.dtype": "float32",
    "method.adapter_dtype": "bfloat16",
    "model.attention": "eager",
    "method.rank": "4",
    "method.alpha": "5",
    "training.learning_rate": "0.001",
    "training.micro_batch": "2",
    "training.activation_checkpointing": "true",
    "training.activation_offloading": "false",
    "training.kernels": "none",
    "training.compile": "false",
    "training.fp8_compute": "false",
    "training.optimizer": "adamw_torch_fused",
    "training.divergence_patience": "7",
    "data.packing": "false",
    "data.padding_free": "false",
    "data.format": "chat",
    "evaluation.score": "none",
    "evaluation.max_new_tokens": "7",
    "run.save_every": "9",
    "evaluation.every": "8",
    "hardware.gpus": "1",
    "hardware.processes": "1",
    "hardware.parallel": "none",
}
MINIMAL = "model: {base: 'builtin:tiny'}\ndata: {train: x.jsonl}\n"


def reasons(preset: Preset, gpu: str | None) -> dict[str, Reason]:
    made = make_plan(preset, machine(), resolve(preset.model.base), FACTS, gpu=gpu)
    return {reason.key: reason for reason in made.reasons}


def asked_for(found: dict[str, Reason]) -> set[str]:
    wrong = [one for one in found.values() if ("set in the preset" in one.why) != (one.source == "preset")]
    assert [one for one in wrong if not one.key.startswith("hardware.")] == []
    return {key for key, reason in found.items() if reason.source == "preset"}


@pytest.mark.parametrize("gpu", ["H200", None])
@pytest.mark.parametrize("name", ["mine", *shipped.names()])
def test_only_what_was_given_reads_so(name: str, gpu: str | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    preset = file.load(path if name == "mine" else shipped.find(name))
    if gpu is None and preset.method.technique == "qlora":
        preset = file.override(preset, ["model.base=builtin:tiny", "method.technique=auto"])
    assert asked_for(reasons(preset, gpu)) == set()
    for key, value in GIVEN.items():
        try:
            changed = file.override(preset, [f"{key}={value}"])
            found = reasons(changed, gpu)
        except UserError:  # what does not go together here
            continue
        assert asked_for(found) <= {key}, f"{name} with {key}={value}"
        section, _, leaf = key.partition(".")
        if found[key].value == getattr(getattr(changed, section), leaf):
            assert asked_for(found) == {key}, f"{name} with {key}={value}"
        for reason in found.values():
            if reason.key != key and changed.origin(reason.key) == f"preset {name}":
                wanted = getattr(getattr(changed, reason.key.split(".")[0]), reason.key.split(".")[1])
                assert wanted == "auto" or reason.source in (f"preset {name}", "prediction")


def test_every_reason_was_tried(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    assert set(reasons(file.load(path), None)) == set(GIVEN)


def test_in_the_wizard_the_advice_and_a_built_in_preset_are_not_the_user() -> None:
    draft = Draft(model="builtin:tiny", data=("x.jsonl",), recommended={"method.rank": 8})
    draft = draft.override("method.alpha", 24)
    found = reasons(draft.preset(), None)
    assert asked_for(found) == {"method.alpha"}
    assert found["method.rank"].source == "tuiftune advice"

    begun = Draft.of(file.load(shipped.find("demo"))).override("evaluation.max_new_tokens", 41)
    found = reasons(begun.preset(), None)
    assert asked_for(found) == {"evaluation.max_new_tokens"}
    assert found["training.learning_rate"].why == "from the preset demo"
    shown = {setting.key: origin(begun, setting) for setting in settings_of(begun)}
    assert shown["training.learning_rate"] == shown["method.rank"] == "preset"
    own = begun.override("training.learning_rate", 1e-3)
    assert {setting.key: origin(own, setting) for setting in settings_of(own)}[
        "training.learning_rate"
    ] == "yours"
    assert "training.learning_rate" in asked_for(reasons(own.preset(), None))


def test_without_a_preset_nothing_comes_from_the_demo() -> None:
    plan = document(of_named(None, []).plan())
    demo = file.load(shipped.find("demo"))
    resolved = plan["resolved"]
    assert resolved["training"]["learning_rate"] != demo.training.learning_rate
    assert (resolved["data"]["max_length"], resolved["evaluation"]["rows"]) == (2048, 64)
    assert plan["time"]["steps"] is None
    assert not any(reason["source"] == "preset" for reason in plan["reasons"])


@pytest.mark.parametrize(
    "setting", ["data.train=gone.jsonl", "data.train=[builtin:tickets, gone.jsonl]", "data.eval=gone.jsonl"]
)
@pytest.mark.parametrize("name", [None, "demo", "first-lora"])
def test_data_that_is_missing_is_bad_input(setting: str, name: str | None) -> None:
    known = ["model.base=builtin:tiny", "data.train=builtin:tickets"]
    with pytest.raises(UserError, match=r"gone\.jsonl") as told:
        of_named(name, [*known, setting]).plan()
    assert told.value.exit_code == 2


def test_the_file_that_a_built_in_preset_names_stands_for_ones_own() -> None:
    made = of_named("first-lora", ["model.base=builtin:tiny"]).plan()
    assert any("is a placeholder" in note for note in made.notes)
