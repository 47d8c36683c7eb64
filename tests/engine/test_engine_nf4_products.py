"""A base model in NF4 with FP8 products: against float64, compiled, in a run, and where they cannot."""

from __future__ import annotations

import json
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny
import torch
from test_engine_fp8 import bound, doubt
from test_engine_interrupted import STEPS, last_weights, steps_of
from test_engine_train import result_of

from tuiftune.engine.model import fp8, nf4, nf4_in_fp8
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

OUT, IN = 96, 192


def layer_of(weight: Any, *, bias: bool = False) -> Any:
    """A layer in NF4 with double quantization, as transformers makes them."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    layer = Linear4bit(
        weight.shape[1], weight.shape[0], bias=bias, compute_dtype=torch.float32, quant_type="nf4"
    )
    layer.weight = Params4bit(weight.clone(), requires_grad=False, quant_type="nf4", compress_statistics=True)
    return layer.to("cpu")


def turned(layer: Any) -> Any:
    assert nf4_in_fp8.turn(layer, torch.tensor(nf4.VALUES))
    return layer


def four_bits(layer: Any) -> Any:
    """The weight that its four bits stand for, by bitsandbytes."""
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(layer.weight.data, layer.weight.quant_state).double()


def weights(kind: str) -> Any:
    torch.manual_seed(5)
    weight = torch.randn(OUT, IN) * torch.rand(OUT, 1)
    if kind == "outliers":
        weight[3, 70], weight[8] = 400.0, weight[8] * 1e4
    if kind == "zeros":
        weight[5] = 0.0
        weight[6, :64] = 0.0
    if kind == "tiny":
        weight *= 1e-8
    return weight


@pytest.mark.parametrize("kind", ["usual", "outliers", "zeros", "tiny"])
@pytest.mark.parametrize("tokens", [1, 7])
def test_products_are_those_of_its_four_bits_in_float64_within_their_rounding(kind: str, tokens: int) -> None:
    layer = turned(layer_of(weights(kind), bias=True))
    exact = four_bits(layer)
    layer.bias.data = torch.randn(OUT)
    inputs, gradient = torch.randn(tokens, IN, requires_grad=True), torch.randn(tokens, OUT)
    found = layer(inputs)
    found.backward(gradient)
    x, g = inputs.detach().double(), gradient.double()
    off = (found.detach() - layer.bias).double() - x @ exact.T
    nearly = 1e-5 * exact.abs()  # bitsandbytes takes its maxima in another order
    limit = bound(x, exact.T, doubt(x), (doubt(exact) + nearly).T) + 1e-6 * layer.bias.abs()
    assert bool((off.abs() <= limit).all())
    scales = layer.scale.double().T
    numbers = exact / scales.T
    off = inputs.grad.double() - g @ exact
    assert bool(
        (
            off.abs()
            <= bound(g * scales, numbers, doubt(g * scales), (doubt(exact) + nearly) / scales.T) + 1e-30
        ).all()
    )
    assert float(off.norm()) > 0


def test_both_layouts_and_parts_of_a_weight_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = turned(layer_of(weights("usual")))
    held = *layer.held(), OUT
    whole = nf4_in_fp8.in_e4m3(*held).float()
    assert float(whole.abs().max()) == fp8.LARGEST
    monkeypatch.setattr(nf4_in_fp8, "CHUNK", 5 * IN)
    assert torch.equal(nf4_in_fp8.in_e4m3(*held).float(), whole)
    assert torch.equal(nf4_in_fp8.in_e4m3(*held, turned=True).float(), whole.T)


def test_weights_are_made_of_nothing_that_anything_else_reads() -> None:
    """Else a compiler makes one kernel of the weights of two layers, or of one and a gradient's rounding."""
    values = torch.tensor(nf4.VALUES)
    one, other = (layer_of(weights("usual")) for _ in range(2))
    assert nf4_in_fp8.turn(one, values)
    assert nf4_in_fp8.turn(other, values)
    made_of = [*one.held(), *other.held(), one.scale, other.scale]
    assert len({part.untyped_storage().data_ptr() for part in made_of}) == len(made_of)
    assert torch.equal(nf4_in_fp8._parts(one.table, OUT)[2], one.scale)


def test_its_bytes_are_bitsandbytes_own_without_their_class() -> None:
    layer = turned(layer_of(weights("usual")))
    assert layer.packed.data_ptr() == layer.weight.data_ptr()
    assert type(layer.packed) is torch.Tensor


def test_compared_it_multiplies_a_part_of_the_tokens_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = turned(layer_of(weights("usual"), bias=True))
    inputs = torch.randn(3, 7, IN)
    whole = layer(inputs)
    monkeypatch.setattr(fp8, "TOKENS", 4)
    layer.in_fp8 = True
    with torch.no_grad():
        assert torch.equal(layer.eval()(inputs), whole)
        layer.in_fp8 = None
        assert not torch.equal(layer(inputs), whole)


def test_compiled_it_keeps_no_weight_but_the_four_bits() -> None:
    layer = turned(layer_of(weights("usual")))
    inputs, kept = torch.randn(8, IN, requires_grad=True), list[Any]()

    def pack(tensor: Any) -> Any:
        kept.append(tensor)
        return tensor

    def gradient(apply: Callable[[Any], Any]) -> Any:
        inputs.grad = None
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = apply(inputs * 1)
        output.sum().backward()
        return inputs.grad

    plain, compiled = gradient(layer), gradient(torch.compile(layer, backend="inductor"))
    assert float((plain - compiled).norm() / plain.norm()) < 0.01
    assert not [one for one in kept if one.dtype == fp8.E4M3]
    assert sum(one.numel() * one.element_size() for one in kept) < OUT * IN


@pytest.mark.parametrize(
    ("out", "into", "more", "why"),
    [
        (90, 192, {}, nf4_in_fp8.SIZES),
        (96, 100, {}, nf4_in_fp8.SIZES),
        (96, 192, {"compress_statistics": False}, nf4_in_fp8.FORM),
        (96, 192, {"quant_type": "fp4"}, nf4_in_fp8.FORM),
        (96, 192, {"quant_storage": torch.bfloat16}, nf4_in_fp8.FORM),
    ],
)
def test_layers_that_cannot_stay_as_they_are_and_are_told(
    out: int, into: int, more: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitsandbytes.nn import Linear4bit, Params4bit

    from tuiftune.engine.training import products_in_fp8

    form = {"quant_type": "nf4", "compress_statistics": True} | more
    layer = Linear4bit(into, out, bias=False, compute_dtype=torch.float32, quant_type=form["quant_type"])
    layer.weight = Params4bit(torch.randn(out, into), requires_grad=False, **form)
    model = torch.nn.ModuleDict({"up": layer.to("cpu"), "down": layer_of(weights("usual"))})
    monkeypatch.setattr(nf4_in_fp8.adapters, "passed_by", lambda model: set())
    monkeypatch.setattr(nf4_in_fp8.adapters, "linear_layers", lambda model: dict(model.named_children()))
    told: list[str] = []
    report: Any = SimpleNamespace(warning=lambda code, says: told.append(says))
    products_in_fp8.switch(model, {}, report)
    assert [type(one) for one in model.values()] == [Linear4bit, nf4_in_fp8.Nf4InFp8]
    assert told == [f"in 16 bits instead of FP8: up; {why}"]
    model["up"](torch.randn(2, into))


def test_a_bias_hides_no_product_that_is_far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from tuiftune.engine.training import products_in_fp8

    layer = turned(layer_of(weights("usual"), bias=True))
    layer.bias.data = torch.full((OUT,), 1e3)
    multiply = fp8.multiply
    monkeypatch.setattr(fp8, "multiply", lambda *given: multiply(*given) * 2)
    errors: dict[str, float] = {}
    with products_in_fp8._noting({"up": layer}, errors), torch.no_grad():
        layer.eval()(torch.randn(4, IN))
    assert errors["up"] == pytest.approx(1, rel=0.1)


def test_a_loss_that_fp8_products_raise_by_much_is_told() -> None:
    from tuiftune.engine.training.base_in_fp8 import judge

    told: list[str] = []
    judge({"nf4": 2.0, "nf4_fp8": 2.07}, lambda code, says, remedy: told.append(says))
    assert not told
    judge({"nf4": 2.0, "nf4_fp8": 2.09}, lambda code, says, remedy: told.append(says))
    assert "2.0000 in NF4, and 2.0900 with products in FP8" in told[0]


def test_resumed_with_other_products_it_is_said_in_words() -> None:
    from tuiftune.engine.training.fingerprint import compare

    with pytest.raises(UserError, match=r"training\.fp8_compute was unset, is True"):
        compare({}, {"training.fp8_compute": True}, "checkpoint-4")


CHANGES = {
    "model__quantization": "nf4",
    "method__technique": "qlora",
    "training__fp8_compute": True,
    "training__max_steps": STEPS,
    "training__micro_batch": 32,
    "training__effective_batch": 32,
    "run__save_every": 4,
}


def fault(**more: Any) -> dict[str, Any]:
    return {"module": "four_bits", **more}


def test_a_run_trains_with_them_resumes_and_evaluates_without(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    whole, broken = make_run(**CHANGES), make_run(**CHANGES, training__activation_checkpointing=True)
    assert engine.start("train", whole, fault=fault()).wait() == 0
    job = engine.start("train", broken, fault=fault())
    job.wait_for_step(broken, 5)
    job.send(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert engine.start("train", broken, "--resume", fault=fault()).wait() == 0
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken) == last_weights(whole)
    plain = make_run(**CHANGES | {"training__fp8_compute": False})
    assert engine.start("train", plain, fault=fault()).wait() == 0
    assert steps_of(plain) != steps_of(whole)
    result, others = result_of(whole), result_of(plain)
    assert result["before"]["loss"] == others["before"]["loss"]
    assert result["after"]["loss"] < result["before"]["loss"]
    assert result["after"]["loss"] == pytest.approx(others["after"]["loss"], rel=0.1)
    (told,) = tiny.events(whole, "base")
    assert told["losses"] == json.loads((whole / "fp8.json").read_text())["losses"] == result["base_losses"]
    assert told["losses"]["nf4"] == pytest.approx(result["before"]["loss"], rel=1e-4)
    assert told["losses"]["nf4"] != told["losses"]["nf4_fp8"]
    assert "NF4, with products in FP8" in (whole / "result" / "README.md").read_text()
    assert not (plain / "fp8.json").exists()


def test_a_layer_whose_products_are_far_off_multiplies_in_16_bit(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    name = "model.layers.1.mlp.up_proj"
    run = make_run(**CHANGES)
    assert engine.start("train", run, fault=fault(overflows=name)).wait() == 0
    assert list(json.loads((run / "fp8.json").read_text())["in_16_bit"]) == [name]
    (warning,) = [one for one in tiny.events(run, "warning") if one["code"] == "layers_in_16_bit"]
    assert "model.layers.*.mlp.up_proj (1)" in warning["message"]
