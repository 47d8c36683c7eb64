"""The gradient at a frozen head, computed along with the loss: TRL's own, with one product less."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from trl.kernels.chunked_logprob import ChunkedLogProbFunction
from trl.trainer import utils

from tuiftune.engine.training.head import gradient_with_loss
from tuiftune.plan import head

OUTPUTS = ("log_probs", "entropy", "is_top1")


def told(
    function: Any, parts: dict[str, Any], columns: int = 32, softcap: float | None = None, scale: float = 1.0
) -> tuple[Any, ...]:
    """Log-probabilities, entropy, whether right, and the gradient of an uneven sum of the first."""
    hidden = parts["hidden"].clone().requires_grad_()
    given = (hidden, parts["weight"], parts["bias"], parts["targets"], 1.0, columns, softcap, scale, OUTPUTS)
    found, entropy, _, _, right = function.apply(*given)
    (found * parts["share"]).sum().backward()
    return found.detach(), entropy.detach(), right, hidden.grad


def made(
    tokens: int = 700, width: int = 24, vocabulary: int = 96, kind: Any = torch.float32
) -> dict[str, Any]:
    torch.manual_seed(3)
    return {
        "hidden": torch.randn(tokens, width).to(kind),
        "weight": (3 * torch.randn(vocabulary, width)).to(kind),
        "bias": None,
        "targets": torch.randint(vocabulary, (tokens,)),
        "share": torch.rand(tokens),
    }


def ours() -> Any:
    with gradient_with_loss():
        return utils._ChunkedLogProbFunction


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("softcap", "scale"), [(None, 1.0), (5.0, 0.5)])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_trls(kind: Any, softcap: float | None, scale: float, bias: bool) -> None:
    parts = made(kind=kind)
    if bias:
        parts["bias"] = torch.randn(96).to(kind)
    theirs = told(ChunkedLogProbFunction, parts, softcap=softcap, scale=scale)
    found = told(ours(), parts, softcap=softcap, scale=scale)
    close = 1e-5 if kind == torch.float32 else 5e-3
    assert (found[2] == theirs[2]).all()
    for one, other in ((found[at].float(), theirs[at].float()) for at in (0, 1, 3)):
        assert (one - other).norm() <= close * other.norm()


def test_it_is_trls_for_more_tokens_than_are_computed_together() -> None:
    parts = made(tokens=4_200, width=8)
    assert head.tokens_at_once(4_200, 96, "cpu") < 4_200
    theirs, found = told(ChunkedLogProbFunction, parts), told(ours(), parts)
    assert (found[2] == theirs[2]).all()
    for one, other in ((found[at], theirs[at]) for at in (0, 1, 3)):
        assert (one - other).norm() <= 1e-5 * other.norm()


def test_its_rounding_in_16_bit_is_no_coarser_than_trls() -> None:
    exact = told(ChunkedLogProbFunction, made())[3]
    rounded = {name: one.bfloat16().float() for name, one in made().items() if name in ("hidden", "weight")}
    exact = told(ChunkedLogProbFunction, made() | rounded)[3]
    parts = made(kind=torch.bfloat16)
    errors = [
        float((told(one, parts)[3].float() - exact).norm() / exact.norm())
        for one in (ours(), ChunkedLogProbFunction)
    ]
    assert errors[0] < 1.1 * errors[1]


def test_logits_are_computed_once() -> None:
    parts, counted = made(), []
    for one in (ours(), ChunkedLogProbFunction):
        with FlopCounterMode(display=False) as flops:
            told(one, parts)
        counted.append(flops.get_total_flops())
    assert counted[0] * 2 == counted[1]  # what is added in place isn't counted


def test_a_head_that_is_trained_gets_its_gradient() -> None:
    parts = made(tokens=40)
    grads = []
    for one in (ours(), ChunkedLogProbFunction):
        weight = parts["weight"].clone().requires_grad_()
        told(one, {**parts, "weight": weight})
        grads.append(weight.grad)
    torch.testing.assert_close(*grads)


def test_a_batch_in_which_no_token_is_trained_goes_back() -> None:
    parts = made(tokens=0)
    found, *_, gradient = told(ours(), parts)
    assert found.shape == (0,)
    assert gradient.shape == (0, 24)


def test_no_gradient_is_computed_where_none_is_asked_for() -> None:
    parts = made(tokens=40)
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        ours().apply(parts["hidden"], parts["weight"], None, parts["targets"], 1.0, 32, None, 1.0, OUTPUTS)
    assert flops.get_total_flops() == 2 * 40 * 24 * 96


@pytest.mark.parametrize("tokens", [1, 7, 511, 512, 2_000, 8_192, 100_000])
@pytest.mark.parametrize("vocabulary", [200, 32_000, 128_256, 262_144])
def test_about_as_many_logits_are_in_memory_as_trl_takes(tokens: int, vocabulary: int) -> None:
    rows, columns = head.TILE
    together = head.tokens_at_once(tokens, vocabulary)
    assert 1 <= together <= min(tokens, rows)
    assert together * vocabulary <= max(min(tokens, rows) * columns, head.FEWEST * vocabulary)
    on_cpu = head.tokens_at_once(tokens, vocabulary, "cpu")
    assert 1 <= on_cpu <= together
    assert on_cpu * vocabulary <= max(min(tokens, rows) * columns, head.FEWEST_ON_CPU * vocabulary)
