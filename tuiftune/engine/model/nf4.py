"""NF4's rounding in plain PyTorch, to compare with: what bitsandbytes makes of a weight, on any device."""

from __future__ import annotations

from typing import Any

import torch

from tuiftune.plan.static import NF4_BLOCK

BLOCK = NF4_BLOCK
# The 16 values of NF4 (Dettmers et al., 2023, arXiv:2305.14314, appendix E).
VALUES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def rounded(weight: Any) -> Any:
    """A weight as NF4 holds it, in its own dtype: blocks of 64 with a float32 maximum each, which double
    quantization is left out of.
    """
    flat = weight.reshape(-1)
    short = -flat.numel() % BLOCK
    blocks = torch.nn.functional.pad(flat, (0, short)).reshape(-1, BLOCK)
    values = torch.tensor(VALUES, device=weight.device)
    between = (values[1:] + values[:-1]) / 2
    largest = blocks.abs().amax(dim=1, keepdim=True).float().clamp(min=1e-30)
    nearest = torch.bucketize(blocks.float() / largest, between)
    return (values[nearest] * largest).reshape(-1)[: flat.numel()].reshape(weight.shape).to(weight.dtype)
