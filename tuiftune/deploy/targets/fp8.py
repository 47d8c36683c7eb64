"""A whole model quantized by torchao: 8-bit floats."""

from __future__ import annotations

from tuiftune.deploy.base import Form, Target, merges
from tuiftune.deploy.torchao import NEEDS, SHARE, use

TARGET = Target(
    key="fp8",
    name="8-bit floats",
    order=120,
    does="the whole model with weights and activations in FP8 (torchao, scaled by row)",
    writer="torchao",
    forms=(Form("fp8", 8, "8-bit floats"),),
    answers="whole",
    use=use,
    not_run="vLLM, which loads these files where torchao is installed; they are verified with transformers",
    needs=NEEDS,
    refuses=merges,
    share=SHARE,
)
