"""`method` takes the options that its stage and its technique declare, and says where another's belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import pytest
from pydantic import ValidationError

from tuiftune import stages, techniques
from tuiftune.errors import UserError
from tuiftune.options import Auto, Option, Probability
from tuiftune.preset import method
from tuiftune.preset.file import dump, loads
from tuiftune.preset.schema import Preset, Section
from tuiftune.preset.words import json_schema
from tuiftune.stages.base import Stage

if TYPE_CHECKING:
    from tuiftune.techniques.base import Technique

HEAD = "model: {base: some/model}\ndata: {train: rows.jsonl}\n"
BETA = Option("pull", Auto | Probability, "auto", "pull towards the reference model")
DEPTH = Option("depth", Probability, 0.5, "of a made-up technique")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> type[Section]:
    """`method` as it would be with one more stage, which takes adapters only, and one more technique."""
    known, ways = dict(stages.every()), dict(techniques.every())

    class Paired(Stage):
        def refuses(self, technique: Technique) -> str | None:
            return None if technique.adapters else "needs adapters, without which there is no reference model"

    known["paired"] = Paired("paired", "Paired", 90, "rows in pairs", (BETA,))
    adapters = next(one for one in ways.values() if one.adapters and one.automatic)
    ways["deep"] = replace(
        adapters, key="deep", order=90, options=(*adapters.options, DEPTH), automatic=False
    )
    monkeypatch.setattr(stages, "every", lambda: known)
    monkeypatch.setattr(techniques, "every", lambda: ways)
    return method.section(Section, "How it is tuned.")


def faults(section: type[Section], **values: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        section.model_validate(values)
    return [f"{'.'.join(map(str, one['loc']))} {one['msg']}" for one in caught.value.errors()]


def test_options_of_the_stage_and_the_technique_stand_side_by_side(made_up: type[Section]) -> None:
    made = made_up.model_validate({"stage": "paired", "technique": "deep", "pull": 0.1, "depth": 0.2})
    assert made.model_dump(exclude_unset=True) == {
        "stage": "paired",
        "technique": "deep",
        "pull": 0.1,
        "depth": 0.2,
    }


def test_only_its_own_options_are_written(made_up: type[Section]) -> None:
    assert {"pull", "depth"} & made_up.model_validate({}).model_dump().keys() == set()
    assert "pull" in made_up.model_validate({"stage": "paired"}).model_dump()


def test_an_option_of_another_says_where_it_belongs(made_up: type[Section]) -> None:
    assert faults(made_up, technique="lora", depth=0.2, pull=0.1) == [
        "pull is an option of the stage paired, not of sft",
        "depth is an option of the technique deep, not of lora",
    ]
    assert faults(made_up, depth=0.2) == ["depth is an option of the technique deep, not of auto"]


def test_a_technique_that_the_stage_cannot_take(made_up: type[Section]) -> None:
    (said,) = faults(made_up, stage="paired", technique="full")
    assert said.startswith("technique is full: needs adapters")


def test_the_schema_refuses_an_option_of_another_beside_a_default_left_out(made_up: type[Section]) -> None:
    said = method.conditions()
    for name, default, foreign in (("technique", "auto", "depth"), ("stage", "sft", "pull")):
        (of_default,) = [one for one in said if one["if"]["properties"].get(name) == {"const": default}]
        assert "required" not in of_default["if"]  # it holds where the key is left out too
        assert of_default["then"]["properties"][foreign] is False
        named = [one for one in said if name in one["if"]["properties"] and one is not of_default]
        assert named
        assert all(one["if"]["required"] == [name] for one in named)


def test_one_key_has_one_declaration(made_up: type[Section]) -> None:
    stage = next(iter(stages.every().values()))
    again = replace(stage, key="again", options=(replace(BETA, default=0.5),))
    stages.every()["again"] = again  # type: ignore[index]
    with pytest.raises(ValueError, match="again declares option pull a second time"):
        method.options()


def test_a_changed_technique_leaves_the_options_of_the_old_one_behind(made_up: type[Section]) -> None:
    old = {"technique": "deep", "depth": 0.2, "rank": 8}
    assert method.fitting({**old, "technique": "lora"}) == {"technique": "lora", "rank": 8}
    assert method.fitting({**old, "technique": "lora"}, frozenset({"depth"}))["depth"] == 0.2


def test_every_technique_accepts_what_the_plan_may_have_set() -> None:
    for key in techniques.every():
        preset = loads(HEAD + f"method: {{technique: {key}, rank: 8, alpha: 16, dropout: 0.1}}\n", "x")
        assert loads(dump(preset), "x") == preset


def test_a_fault_names_the_line_of_the_option() -> None:
    with pytest.raises(UserError) as caught:
        loads(HEAD + "method:\n  technique: full\n  rank: 0\n", "support.yaml")
    assert str(caught.value).startswith("support.yaml line 5: `method.rank` is 0")
    assert isinstance(loads(HEAD, "x"), Preset)


def test_lora_over_a_quantized_base_is_qlora() -> None:
    assert techniques.find("lora", "nf4") is techniques.find("qlora")


@pytest.mark.parametrize(
    ("technique", "quantization", "said"),
    [
        ("qlora", "none", "`model.quantization` is none, but qlora quantizes the base model to nf4"),
        ("dora", "nf4", "`model.quantization` is nf4, which dora does not support"),
        ("full", "nf4", "`model.quantization` is nf4, which full does not support"),
        ("qlora", "fp8", "`model.quantization` is fp8, but qlora quantizes the base model to nf4"),
        ("full", "fp8", "`model.quantization` is fp8, which full does not support"),
        ("dora", "fp8", "`model.quantization` is fp8, which dora does not support"),
        ("lora", "int8", "must be auto, none, fp8 or nf4"),
    ],
)
def test_a_quantization_that_the_technique_cannot_have(technique: str, quantization: str, said: str) -> None:
    text = f"model:\n  base: x\n  quantization: {quantization}\ndata: {{train: y}}\n"
    text += f"method: {{technique: {technique}}}\n"
    with pytest.raises(UserError) as caught:
        loads(text, "x.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("x.yaml line 3:")


@pytest.mark.parametrize("technique", ["auto", *techniques.every()])
def test_the_schema_takes_the_quantizations_that_the_preset_takes(technique: str) -> None:
    for quantization in ("auto", "none", "fp8", "nf4"):
        document = {
            "model": {"base": "builtin:tiny", "quantization": quantization},
            "data": {"train": "rows.jsonl"},
            "method": {"technique": technique},
        }
        try:
            Preset.model_validate(document)
            valid = True
        except ValueError:
            valid = False
        assert jsonschema.Draft202012Validator(json_schema()).is_valid(document) is valid, quantization


def test_a_stage_that_is_gone_names_what_to_take() -> None:
    with pytest.raises(UserError, match=r"PPO is gone from TRL.*grpo or rloo"):
        loads(HEAD + "method: {stage: ppo}\n", "x")
