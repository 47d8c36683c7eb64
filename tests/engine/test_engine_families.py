"""Every architecture: what the plan accepts trains, and plain transformers and PEFT load the result."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.models import kinds

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

TABLE = json.loads(files("tuiftune.models").joinpath("kinds.json").read_text(encoding="utf-8"))
MAIN = [
    ("gpt2", {"method__modules_to_save": ["lm_head"], "method__target_modules": "attention"}),
    ("mixtral", {"method__technique": "full"}),
    ("gpt_oss", {}),
    ("gemma3", {"method__technique": "full"}),
]
DENSE = ("llama", "qwen3", "gemma3_text", "gpt2", "mamba", "opt", "falcon_h1", "qwen2_5_vl")
LONGEST = 300.0
NO_ADAPTERS = ("unlimited_ocr",)  # PEFT loses every one of them when it loads them again


def called(engine: Engine, call: str, args: list[Any], room: Path) -> None:
    """A function of the tests' kit in a process of its own, forked from the warm parent."""
    pid = engine.parent.start(args, room / "said", call=call)
    until = time.monotonic() + LONGEST
    while engine.parent.poll(pid) is None:
        assert time.monotonic() < until, f"{args} did not end in time"
        time.sleep(0.02)


def tried(engine: Engine, room: Path, kind: str, **changes: Any) -> dict[str, Any]:
    called(engine, "tiny_families:trial", [str(room), kind, changes], room)
    found: dict[str, Any] = json.loads((room / "found.json").read_text())
    assert "fault" not in found, found
    return found


def check(found: dict[str, Any]) -> None:
    """It trained, and the plain libraries get its losses and answers from the result."""
    assert found["code"] == 0, (found["why"], found.get("log"))
    assert found["planned"] == found["parameters"]
    assert found["before"] == pytest.approx(found["before_plain"], abs=1e-5)
    assert found["after"] == pytest.approx(found["after_plain"], abs=1e-5)
    assert found["after"] != pytest.approx(found["before"], abs=1e-4)
    assert all(found["same_answers"])
    assert not found["config"]


@pytest.mark.parametrize(("kind", "changes"), MAIN, ids=[kind for kind, _ in MAIN])
def test_main_kinds_train_and_load(
    engine: Engine, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    check(tried(engine, tmp_path, kind, **changes))


@pytest.mark.long
@pytest.mark.parametrize("technique", ["lora", "full"])
@pytest.mark.parametrize("kind", TABLE["tested"])
def test_every_kind_trains_and_loads(engine: Engine, tmp_path: Path, kind: str, technique: str) -> None:
    if technique == "lora" and kind in NO_ADAPTERS:
        called(engine, "tiny_families:trial", [str(tmp_path), kind, {}], tmp_path)
        fault = json.loads((tmp_path / "found.json").read_text())["fault"]
        assert f"PEFT cannot load adapters for any layer of '{kind}'. Use full" in fault
        return
    check(tried(engine, tmp_path, kind, method__technique=technique))


@pytest.mark.long
@pytest.mark.parametrize("kind", DENSE)
def test_dora_trains_and_loads(engine: Engine, tmp_path: Path, kind: str) -> None:
    check(tried(engine, tmp_path, kind, method__technique="dora"))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["llama", "gpt2", "mixtral", "mamba", "gemma3_text", "qwen2_5_vl"])
@pytest.mark.parametrize("saved", [["lm_head"], ["embeddings"], ["embeddings", "lm_head"]], ids="+".join)
def test_modules_to_save_train_and_load(engine: Engine, tmp_path: Path, kind: str, saved: list[str]) -> None:
    check(tried(engine, tmp_path, kind, method__modules_to_save=saved))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("saved", ["lm_head", "embeddings"])
def test_modules_to_save_of_the_other_tying(engine: Engine, tmp_path: Path, kind: str, saved: str) -> None:
    """A Llama whose head is its embeddings, a GPT-2 whose head is not."""
    config = {"tie_word_embeddings": kind == "llama"}
    check(tried(engine, tmp_path, kind, config=config, method__modules_to_save=[saved]))


@pytest.mark.long
@pytest.mark.parametrize("technique", ["lora", "full"])
def test_router_loss_is_trained_on_and_told_apart(engine: Engine, tmp_path: Path, technique: str) -> None:
    """Of a base whose config asks for it: in no loss that is told, but in the gradients."""
    norms, losses = [], []
    for weight in (0.0, 5.0):
        config = {"output_router_logits": True, "router_aux_loss_coef": weight}
        (room := tmp_path / str(weight)).mkdir()
        found = tried(engine, room, "mixtral", config=config, method__technique=technique)
        check(found | {"config": []})
        norms.append(found["norms"][0])
        losses.append(found["losses"][0])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert norms[1] > norms[0] + 1e-3


ONE_STEP = {
    "dropout": False,
    "data__eval": 0,
    "evaluation__score": "none",
    "evaluation__samples": 0,
    "training__max_steps": 1,
    "training__effective_batch": 6,
}


@pytest.mark.long
@pytest.mark.parametrize("kind", TABLE["tested"])
def test_first_loss_is_the_same_however_rows_are_put_together(
    engine: Engine, tmp_path: Path, kind: str
) -> None:
    """Micro batches of 6 and of 1; without padding, where the plan lets rows share a sequence."""
    ways: list[dict[str, Any]] = [{"training__micro_batch": 6}, {"training__micro_batch": 1}]
    if kinds.kind_of({"model_type": kind}).apart:
        ways.append({"training__micro_batch": 6, "data__padding_free": True})
    technique = "full" if kind in NO_ADAPTERS else "lora"
    found = [tried(engine, tmp_path, kind, method__technique=technique, **ONE_STEP, **way) for way in ways]
    assert all(one["code"] == 0 for one in found), found
    losses = [one["losses"][0] for one in found]
    assert max(losses) - min(losses) < 1e-5, losses


@pytest.mark.long
@pytest.mark.parametrize("kind", TABLE["tested"])
def test_table_says_what_transformers_does(engine: Engine, tmp_path: Path, kind: str) -> None:
    called(engine, "family_facts:write", [str(tmp_path / "facts.json"), kind], tmp_path)
    found = json.loads((tmp_path / "facts.json").read_text())
    said = kinds.kind_of({"model_type": kind})
    names = ("sdpa", "apart", "sees_padding", "cache", "fused_head")
    assert found == {"causal": True, **{name: getattr(said, name) for name in names}}


@pytest.mark.parametrize("key", ["data.packing", "data.padding_free"])
@pytest.mark.parametrize("kind", ["opt", "falcon", "mystery"])
def test_rows_that_would_see_one_another_are_not_joined(key: str, kind: str) -> None:
    from tuiftune.errors import UserError
    from tuiftune.models.config import architecture_of
    from tuiftune.plan import attention
    from tuiftune.plan.device import Device
    from tuiftune.preset.schema import Preset

    config = {"model_type": kind, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"vocab_size": 100, "intermediate_size": 128, "alibi": True}
    preset = Preset.model_validate({"model": {"base": "x"}, "data": {"train": "y"}}).with_values({key: True})
    device = Device("cpu", "cpu", 1, 1, 1, 1.0, 1.0, 1.0, False, "detected")
    with pytest.raises(UserError, match=kind) as caught:
        attention.check(preset, architecture_of(config), device)
    assert caught.value.place == key


@pytest.mark.long
def test_rwkv_is_refused_for_what_it_does(engine: Engine, tmp_path: Path) -> None:
    """Evaluated, its own weights are halved and its activations with them: an adapter's output is not.

    With a cache, its rows are added to one another.
    """
    called(engine, "family_facts:rescaled", [str(tmp_path / "found.json")], tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["plain"] < 1e-3
    assert found["adapted"] > 0.1
    assert not found["together"]


@pytest.mark.parametrize("kind", ["bert", "bart", "blip-2", "rwkv", "shieldgemma2"])
def test_what_cannot_be_trained_is_refused_by_name(kind: str) -> None:
    from tuiftune.errors import UserError
    from tuiftune.models import counted

    with pytest.raises(UserError, match=f"'{kind}'"):
        counted.architecture({"model_type": kind}, "config.json", ask=False)
