"""Continued pre-training: documents, of which every token is trained."""

from __future__ import annotations

from tuiftune.stages.base import Stage

PRETRAIN = Stage(
    key="pretrain",
    name="Continued pre-training",
    order=20,
    does="continued pre-training",
    formats=frozenset({"text"}),
    own=frozenset({"text"}),
    needs="raw text, one document per row",
    remedy="use .txt, .md or a column `text`, or set method.stage: sft to train these rows",
    defaults={"training.epochs": 1.0, "data.loss_on": "all"},
    rate=0.5,
    why_rate="half the rate for raw text, because every token is trained",
    packs=True,
    shares=True,
    splits=True,
    answers=False,
)
