"""A whole model quantized by torchao: 8-bit floats."""

from __future__ import annotations

from tuiftune.deploy.base import Form
from tuiftune.deploy.torchao import quantized

TARGET = quantized(
    Form("fp8", 8, "8-bit floats"),
    120,
    "the whole model with weights and activations in FP8 (torchao, scaled by row)",
    gpu=True,
)
