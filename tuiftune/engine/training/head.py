"""TRL's fused head, with the gradient of its input computed along with the loss.

TRL computes all logits again in the backward pass. Over a frozen head a token's gradient follows from its own
logits alone: with a whole row of them in memory, one product of three is saved.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from trl.kernels import chunked_logprob as tiles
from trl.trainer import utils

from tuiftune.plan.head import tokens_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

PATCHED = "_ChunkedLogProbFunction"  # what TRL's forward with a fused head calls
USED = (
    "_forward_kernel",
    "_forward_tile",
    "_backward_kernel",
    "_backward_tile",
    "_addmm_fp32",
    "_use_triton",
)


@contextmanager
def gradient_with_loss() -> Iterator[None]:
    """Have TRL's fused head compute its gradient in the forward pass, where that is possible.

    Only for losses that no gradient of the entropy goes into.
    """
    if not hasattr(utils, PATCHED) or not all(hasattr(tiles, name) for name in USED):
        yield  # another TRL: its own head, which computes the logits twice
        return
    with mock.patch.object(utils, PATCHED, _Head):
        yield


class _Head:
    @staticmethod
    def apply(hidden: Any, weight: Any, bias: Any, *rest: Any) -> Any:
        """Arguments and results as those of TRL's function."""
        frozen = not weight.requires_grad and (bias is None or not bias.requires_grad)
        wanted = frozen and torch.is_grad_enabled() and hidden.requires_grad and len(hidden)
        suits = wanted and weight.dtype == _computed_in(hidden)
        return (_WithGradient if suits else tiles.ChunkedLogProbFunction).apply(hidden, weight, bias, *rest)


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Any,  # [N, H]
        weight: Any,  # [V, H]
        bias: Any,  # [V] or None
        targets: Any,  # [N]
        temperature: float,
        columns: int,
        softcap: float | None,
        scale: float,
        outputs: tuple[str, ...],
    ) -> Any:
        """Log-probabilities [N], and what `outputs` asks for."""
        count, vocabulary = len(hidden), len(weight)
        triton = tiles._use_triton(hidden.device)
        common = {
            "logit_scale": scale,
            "softcap": softcap or 1.0,
            "inv_t": 1 / temperature,
            "HAS_SOFTCAP": softcap is not None,
        }
        flags = {f"HAS_{name.upper()}": name in outputs for name in tiles.OPTIONAL_OUTPUTS}
        low, zero = -torch.inf, 0.0
        # the largest, Σe, Σze, Σe², Σz, the largest before the target, the target's
        folded = [_filled(hidden, value) for value in (low, zero, zero, zero, zero, low, zero)]
        gradient = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device)
        together = tokens_at_once(count, vocabulary, hidden.device.type)
        logits = torch.empty((together, vocabulary), dtype=weight.dtype, device=hidden.device)
        ones = _filled(hidden, 1.0)
        for begin in range(0, count, together):
            rows = slice(begin, min(begin + together, count))
            taken = hidden[rows].to(weight.dtype)
            tile = logits[: len(taken)]
            torch.mm(taken, weight.t(), out=tile)
            if bias is not None:
                tile.add_(bias.to(weight.dtype))
            fold = tiles._forward_kernel[(len(taken),)] if triton else tiles._forward_tile
            now = [one[rows] for one in folded]
            size = {"BLOCK_SIZE": tiles._BLOCK_SIZE}
            fold(tile, tile.stride(0), targets[rows], *now, 0, vocabulary, **size, **flags, **common)
            level = now[0] + torch.log(now[1])
            if triton:
                turn = tiles._backward_kernel[(len(taken), -(-vocabulary // tiles._BLOCK_SIZE))]
            else:
                turn = tiles._backward_tile
            given = (targets[rows], level, level, ones[rows], level)
            wanted = {"HAS_LOGPROB_GRAD": True, "HAS_ENTROPY_GRAD": False}
            turn(tile, tile.stride(0), *given, 0, vocabulary, **wanted, **size, **common)
            for start in range(0, vocabulary, columns):
                part = slice(start, min(start + columns, vocabulary))
                tiles._addmm_fp32(gradient[rows], tile[:, part], weight[part])
        ctx.save_for_backward(gradient)
        ctx.type = hidden.dtype
        return _told(ctx, folded, vocabulary, outputs)

    @staticmethod
    def backward(ctx: Any, wanted: Any, *others: Any) -> Any:
        """The gradient of `hidden`: a token's own, times that of its log-probability."""
        del others
        (gradient,) = ctx.saved_tensors
        return (gradient * wanted.float().unsqueeze(-1)).to(ctx.type), *[None] * 8


def _told(ctx: Any, folded: list[Any], vocabulary: int, outputs: tuple[str, ...]) -> Any:
    largest, total, weighted, squared, plain, before, target = folded
    level = largest + torch.log(total)
    found = {
        "entropy": level - weighted / total,
        "log_sum_sq_probs": torch.log(squared) - 2 * torch.log(total),
        "mean_logits": plain / vocabulary,
        "is_top1": (target >= largest) & (target > before),
    }
    told = [found[name] if name in outputs else None for name in tiles.OPTIONAL_OUTPUTS]
    ctx.mark_non_differentiable(*(one for one in told if one is not None))
    return target - level, *told


def _computed_in(hidden: Any) -> Any:
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def _filled(hidden: Any, value: float) -> Any:
    """One number a token."""
    return torch.full((len(hidden),), value, dtype=torch.float32, device=hidden.device)
