"""A whole model quantized by torchao: 4-bit integers."""

from __future__ import annotations

from tuiftune.deploy.base import Form
from tuiftune.deploy.torchao import quantized

TARGET = quantized(
    Form("int4", 4, "4-bit integers"),
    110,
    "the whole model with weights in 4 bits (torchao, int4 in groups of 128)",
    gpu=True,
)
