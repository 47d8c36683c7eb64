"""A base model in FP8: its products against float64, its runs, what stays in 16 bit, what is refused."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny
import torch
from test_engine_interrupted import STEPS, last_weights, steps_of
from test_engine_techniques import reloaded
from test_engine_train import held_out_loss, result_of

from tuiftune.engine.model import base as bases
from tuiftune.engine.model import fp8, fp8_base, nf4
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine

UNIT, STEP = 2.0**-4, 2.0**-10  # of e4m3: half a unit in the last place, and half of the smallest number


def tensors(kind: str) -> tuple[Any, Any, Any]:
    """Inputs (tokens, 48), a weight (32, 48) and a gradient (tokens, 32)."""
    torch.manual_seed(3)
    tokens = 1 if kind == "one token" else 7
    inputs, weight, gradient = torch.randn(tokens, 48), torch.randn(32, 48) / 7, torch.randn(tokens, 32)
    if kind == "outliers":
        inputs[:, 5] *= 3000.0
        weight[4, 9] = 500.0
        gradient[2] *= 1e6
    if kind == "zeros":
        inputs[3], weight[6], gradient[1] = 0.0, 0.0, 0.0
        inputs[:, 20:] = 0.0
    if kind == "tiny":
        inputs, weight, gradient = inputs * 1e-20, weight * 1e-6, gradient * 1e-15
    return inputs, weight, gradient


def doubt(values: Any) -> Any:
    """How far rounding a row to FP8 may move each of its entries."""
    return values.abs() * UNIT + values.abs().amax(dim=-1, keepdim=True) / fp8.LARGEST * STEP


def bound(left: Any, right: Any, off_left: Any, off_right: Any) -> Any:
    """By how much `left @ right` may move where each entry moves by so much; and float32's own rounding."""
    moved = (left.abs() + off_left) @ (right.abs() + off_right) - left.abs() @ right.abs()
    return moved + 1e-5 * (left.abs() @ right.abs())


@pytest.mark.parametrize("kind", ["usual", "one token", "outliers", "zeros", "tiny"])
def test_products_are_those_of_float64_within_their_rounding(kind: str) -> None:
    inputs, weight, gradient = tensors(kind)
    layer = fp8.Fp8Linear(weight, torch.randn(32), "cpu")
    inputs.requires_grad_()
    found = layer(inputs)
    found.backward(gradient)
    x, w, g = (one.detach().double() for one in (inputs, weight, gradient))
    off = (found.detach() - layer.bias).double() - x @ w.T
    assert bool((off.abs() <= bound(x, w.T, doubt(x), doubt(w).T) + 1e-6 * layer.bias.abs()).all())
    assert bool(torch.isfinite(found).all())
    # The weight's scales are folded into the gradient: the row that is rounded is their product.
    scales = layer.scale.double().T
    numbers = w / scales.T
    off = inputs.grad.double() - g @ w
    assert bool((off.abs() <= bound(g * scales, numbers, doubt(g * scales), doubt(w) / scales.T)).all())
    assert float(off.norm()) > 0


def test_a_product_by_bfloat16_is_the_same_to_its_rounding() -> None:
    inputs, weight, _ = tensors("usual")
    layer = fp8.Fp8Linear(weight.bfloat16(), None, "cpu")
    half = layer(inputs.bfloat16())
    assert half.dtype == torch.bfloat16
    assert half.float() == pytest.approx(layer(inputs.bfloat16().float()), rel=2**-8)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(inputs).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cast", [False, True], ids=["plain", "autocast"])
def test_compiled_it_has_the_gradients_that_it_has(dtype: Any, cast: bool) -> None:
    """PyTorch 2.11 lost them where the output's type was its own already: adapters then learned slowly."""
    inputs, weight, gradient = (one.to(dtype) for one in tensors("usual"))
    layer = fp8.Fp8Linear(weight, None, "cpu")
    found = []
    for apply in (layer, torch.compile(layer, backend="aot_eager")):
        given = inputs.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            output = apply(given * 1)
        output.backward(gradient.to(output.dtype))
        found.append((output.detach().float(), given.grad.float()))  # type: ignore[union-attr]
    for plain, compiled in zip(*found, strict=True):
        assert float((plain - compiled).norm() / plain.norm()) < 0.01


def test_adapters_over_it_get_their_own_gradients() -> None:
    """Theirs pass no FP8: they are float64's to float32's rounding."""
    from peft import LoraConfig, get_peft_model

    inputs, weight, gradient = tensors("outliers")
    core = torch.nn.Sequential()
    core.add_module("layer", fp8.Fp8Linear(weight, None, "cpu"))
    model = get_peft_model(core, LoraConfig(r=4, lora_alpha=8, target_modules=["layer"]))
    adapted = model.base_model.model.layer
    a, b = adapted.lora_A["default"].weight, adapted.lora_B["default"].weight
    torch.nn.init.normal_(b)
    model(inputs).backward(gradient)
    x, g, a64, b64 = (one.detach().double() for one in (inputs, gradient, a, b))
    for found, wanted in ((a.grad, 2 * (g @ b64).T @ x), (b.grad, 2 * g.T @ (x @ a64.T))):
        assert float((found.double() - wanted).norm() / wanted.norm()) < 1e-5
    assert adapted.base_layer.weight.grad is None


def test_nf4_is_rounded_as_it_is_defined() -> None:
    weight = torch.randn(3, 50)
    flat, found = weight.reshape(-1), nf4.rounded(weight).reshape(-1)
    for start in range(0, flat.numel(), nf4.BLOCK):
        part = flat[start : start + nf4.BLOCK]
        values = torch.tensor(nf4.VALUES) * part.abs().max()
        nearest = values[(part[:, None] - values).abs().argmin(dim=1)]
        assert torch.equal(found[start : start + nf4.BLOCK], nearest)


def test_it_trains_resumes_and_reloads_over_the_16_bit_base(
    engine: Engine, make_run: Callable[..., Path], data: Path
) -> None:
    changes = {"model__quantization": "fp8", "training__max_steps": STEPS, "run__save_every": 4}
    changes |= {"training__micro_batch": 32, "training__effective_batch": 32}
    whole, broken = make_run(**changes), make_run(**changes, training__activation_checkpointing=True)
    assert engine.run("train", whole) == (0, "")
    job = engine.start("train", broken)
    job.wait_for_step(broken, 5)
    job.send(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert engine.run("train", broken, "--resume") == (0, "")
    assert tiny.events(broken, "start")[-1]["resumed_from"]
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken) == last_weights(whole)

    found, result = json.loads((whole / "fp8.json").read_text()), result_of(whole)
    (told,) = tiny.events(whole, "base")
    assert found["losses"] == told["losses"] == result["base_losses"]
    assert found["in_16_bit"] == {}
    assert 0.01 < found["largest_error"] < 0.1
    assert result["after"]["loss"] < result["before"]["loss"]
    model, tokenizer = reloaded(whole)
    after = held_out_loss(model, tokenizer, data)
    assert after == pytest.approx(result["after"]["loss"], rel=0.05)
    with model.disable_adapter():
        before = held_out_loss(model, tokenizer, data)
    assert before == pytest.approx(found["losses"]["none"], rel=1e-4)
    assert result["before"]["loss"] == pytest.approx(found["losses"]["fp8"], rel=1e-4)
    assert before != result["before"]["loss"]


@pytest.mark.parametrize(
    ("preflight", "likelihood", "compared"), [(None, True, True), (False, True, False), (True, False, False)]
)
def test_the_base_is_compared_where_its_loss_is_the_texts(
    preflight: bool | None, likelihood: bool, compared: bool, tmp_path: Path
) -> None:
    from tuiftune.engine.training import base_in_fp8

    wanted: Any = SimpleNamespace(preflight=preflight, stage=SimpleNamespace(likelihood=likelihood))
    assert base_in_fp8.compares(wanted, tmp_path) is compared
    (tmp_path / "fp8.json").write_text("{}")
    assert not base_in_fp8.compares(wanted, tmp_path)


def model_of(hidden: int = 64, inner: int = 96) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 32}
    config = LlamaConfig(hidden_size=hidden, intermediate_size=inner, **sizes)
    return LlamaForCausalLM(config).eval()


BASE: Any = SimpleNamespace(reference="here")


def test_layers_that_fp8_cannot_hold_stay_in_16_bit_by_name() -> None:
    model = model_of(inner=100)
    model.model.layers[1].self_attn.q_proj.weight.data[3, 3] = 1e7
    left = fp8_base.hold(model, BASE, "cpu", {"model.layers.0.self_attn.o_proj": "so it was"}, keep=False)
    assert {path: why for path, why in left.items() if "mlp" not in path} == {
        "model.layers.0.self_attn.o_proj": "so it was",
        "model.layers.1.self_attn.q_proj": fp8_base.HUGE,
    }
    assert [why for path, why in left.items() if "mlp" in path] == [fp8_base.SIZES] * 6
    held = fp8_base.layers(model)
    assert len(held) == 6
    assert all(layer.weight.element_size() == 1 for layer in held.values())
    assert model.lm_head.weight.dtype == torch.float32
    told: list[str] = []
    fp8_base.say(left, SimpleNamespace(warning=lambda code, words: told.append(words)))  # type: ignore[arg-type]
    assert any("model.layers.*.mlp.gate_proj (2)" in words and "multiples of 16" in words for words in told)
    assert any("model.layers.*.self_attn.q_proj (1)" in words for words in told)


def test_a_model_without_such_layers_is_refused() -> None:
    with pytest.raises(UserError, match=r"multiples of 16") as caught:
        fp8_base.hold(model_of(40, 40), BASE, "cpu", {}, keep=False)
    assert caught.value.place == "model.quantization"


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_weights_that_are_no_numbers_are_named(value: float) -> None:
    model = model_of()
    model.model.layers[1].mlp.up_proj.weight.data[2, 7] = value
    with pytest.raises(UserError, match=r"layers\.1\.mlp\.up_proj\.weight"):
        fp8_base.hold(model, BASE, "cpu", {}, keep=False)


def overflowing(directory: Path) -> Path:
    """The tiny model, with one input of a layer so large that FP8 rounds what counts beside it to zero."""
    from transformers import AutoModelForCausalLM

    tiny.make_model(directory)
    model = AutoModelForCausalLM.from_pretrained(directory)
    layer = model.model.layers[1]
    with torch.no_grad():
        layer.post_attention_layernorm.weight[5] = 3e6
        for one in (layer.mlp.gate_proj, layer.mlp.up_proj):
            one.weight[:, 5] = 0.0
    model.save_pretrained(directory)
    return directory


def test_a_layer_whose_inputs_overflow_stays_in_16_bit(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    changes = {"model__quantization": "fp8", "training__max_steps": 2, "run__save_every": 1}
    run = make_run(base=overflowing(tmp_path / "overflowing"), **changes)
    assert engine.run("train", run) == (0, "")
    names = {f"model.layers.1.mlp.{name}_proj" for name in ("gate", "up")}
    assert json.loads((run / "fp8.json").read_text())["in_16_bit"].keys() == names
    (warning,) = [one for one in tiny.events(run, "warning") if one["code"] == "layers_in_16_bit"]
    assert "model.layers.*.mlp.gate_proj (1), model.layers.*.mlp.up_proj (1)" in warning["message"]


def mapped(directory: Path) -> list[range]:
    """Where pages of a directory's weight files are in this process's memory."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(".safetensors") and str(directory) in line:
            start, end = line.split()[0].split("-")
            found.append(range(int(start, 16), int(end, 16)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_16_bit_weights_stay_in_their_files_until_each_layer_is_converted(tmp_path: Path) -> None:
    """A model larger than the RAM can be loaded, and compared with: its 16-bit weights are pages of files."""
    saved = model_of()
    saved.to(torch.bfloat16).save_pretrained(tmp_path)
    wanted = {name: one.detach() for name, one in saved.named_parameters()}
    base = bases.Base(str(tmp_path), str(tmp_path), None, None, remote_code=False)
    settings: Any = SimpleNamespace(
        preset=SimpleNamespace(model=SimpleNamespace(attention="auto")),
        held_in="bfloat16",
        fp8=True,
        four_bit=False,
        sharded=False,
        stage=SimpleNamespace(scores=False),
    )
    model = bases.load_model(base, settings, "cpu")
    places = mapped(tmp_path)
    for name, one in model.named_parameters():
        assert any(one.data_ptr() in place for place in places), name
    fp8_base.hold(model, base, "cpu", {}, keep=True)
    layers = fp8_base.layers(model)
    assert layers
    for name, layer in layers.items():
        assert any(layer.original.data_ptr() in place for place in places), name
        assert torch.equal(layer.original, wanted[f"{name}.weight"]), name
