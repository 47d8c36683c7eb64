"""Base models that are quantized already, or whose weights are not all there: told by the plan."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import assets
from tuiftune.errors import ExitCode, UserError
from tuiftune.models import prequantized
from tuiftune.models.resolve import resolve
from tuiftune.plan.inputs import of_named

if TYPE_CHECKING:
    from pathlib import Path


def directory(place: Path, form: dict[str, Any] | None = None) -> Path:
    shutil.copytree(assets.BASE, place)
    config = json.loads((place / "config.json").read_text("utf-8"))
    (place / "config.json").write_text(json.dumps(config | ({"quantization_config": form} if form else {})))
    return place


def refused(place: Path, *settings: str) -> str:
    with pytest.raises(UserError) as caught:
        of_named(None, [f"model.base={place}", *settings]).plan()
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.remedy
    return caught.value.message


@pytest.mark.parametrize(
    ("form", "settings", "said"),
    [
        (
            {"quant_method": "gptq", "bits": 4},
            (),
            "optimum and gptqmodel to read them with are not installed",
        ),
        ({"quant_method": "awq"}, (), "gptqmodel to read them with is not installed"),
        ({"quant_method": "quark"}, (), "transformers does not train"),
        ({"quant_method": "of mine"}, (), "transformers does not know"),
        ({}, (), "transformers does not know"),
        ({"load_in_8bit": True}, ("method.technique=full",), "only adapters can be trained"),
    ],
)
def test_weights_of_a_form_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, form: dict[str, Any], settings: tuple[str, ...], said: str
) -> None:
    place = directory(tmp_path / "model", form or {"bits": 4})
    assert said in refused(place, *settings)


def test_what_is_quantized_already_is_not_quantized_again(tmp_path: Path) -> None:
    model = resolve(str(directory(tmp_path / "model", {"quant_method": "mxfp4"})))
    prequantized.check(model, adapters=False, to="none", here=True)
    for to, said in (("nf4", "4 bits"), ("fp8", "FP8")):
        with pytest.raises(UserError, match=f"cannot be quantized to {said} again"):
            prequantized.check(model, adapters=True, to=to, here=True)
    bits = replace(model, quantization=prequantized.AGAIN)
    prequantized.check(bits, adapters=True, to="nf4", here=False)
    with pytest.raises(UserError, match="cannot be quantized to FP8 again"):
        prequantized.check(bits, adapters=True, to="fp8", here=False)


def test_weights_that_are_not_there_are_refused_by_name(tmp_path: Path) -> None:
    place = directory(tmp_path / "model")
    (place / "model.safetensors").rename(place / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert refused(place) == "weight files are missing: model-00002-of-00002.safetensors"
    (place / "model.safetensors.index.json").unlink()
    (place / "model-00001-of-00002.safetensors").unlink()
    assert refused(place) == "the model directory has no weights"
