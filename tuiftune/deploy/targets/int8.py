"""A whole model quantized by torchao: 8-bit integers."""

from __future__ import annotations

from tuiftune.deploy.base import Form, Target, merges
from tuiftune.deploy.torchao import NEEDS, SHARE, use

TARGET = Target(
    key="int8",
    name="8-bit integers",
    order=100,
    does="the whole model with weights in 8 bits (torchao, int8)",
    writer="torchao",
    forms=(Form("int8", 8, "8-bit integers"),),
    answers="whole",
    use=use,
    not_run="vLLM, which loads these files where torchao is installed; they are verified with transformers",
    needs=NEEDS,
    refuses=merges,
    share=SHARE,
)
