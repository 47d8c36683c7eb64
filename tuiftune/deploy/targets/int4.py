"""A whole model quantized by torchao: 4-bit integers."""

from __future__ import annotations

from tuiftune.deploy.base import Form, Target, merges
from tuiftune.deploy.torchao import NEEDS, SHARE, use

TARGET = Target(
    key="int4",
    name="4-bit integers",
    order=110,
    does="the whole model with weights in 4 bits (torchao, int4 in groups of 128)",
    writer="torchao",
    forms=(Form("int4", 4, "4-bit integers"),),
    answers="whole",
    use=use,
    not_run="vLLM, which loads these files where torchao is installed; they are verified with transformers",
    needs=NEEDS,
    refuses=merges,
    share=SHARE,
)
