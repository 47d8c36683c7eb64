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
    needs="raw text, one document a row",
    remedy="give .txt, .md or a column `text`, or train the rows as they are with method.stage: sft",
    defaults={"training.epochs": 1.0, "data.loss_on": "all"},
    rate=0.5,
    why_rate="halved for raw text, which trains every token and moves the model further from its base",
    packs=True,
    splits=True,
    answers=False,
)
