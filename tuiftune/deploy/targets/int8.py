"""A whole model quantized by torchao: 8-bit integers."""

from __future__ import annotations

from tuiftune.deploy.base import Form
from tuiftune.deploy.torchao import quantized

TARGET = quantized(
    Form("int8", 8, "8-bit integers"), 100, "the whole model with weights in 8 bits (torchao, int8)"
)
