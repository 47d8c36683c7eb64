"""A stage's own defaults hold where a preset leaves a key out, and are no words of the user's."""

from __future__ import annotations

import pytest

from tuiftune.errors import UserError
from tuiftune.preset.file import dump, loads, override
from tuiftune.preset.schema import DEFAULT, YOURS

TEXT = "model: {base: some/model}\ndata: {train: notes.txt}\nmethod: {stage: pretrain}\n"


def test_they_hold_for_what_is_left_out_alone() -> None:
    preset = loads(TEXT, "p.yaml")
    assert (preset.training.epochs, preset.origin("training.epochs")) == (1.0, DEFAULT)
    given = loads(TEXT + "training: {epochs: 2}\n", "p.yaml")
    assert (given.training.epochs, given.origin("training.epochs")) == (2.0, YOURS)


def test_they_go_with_the_stage() -> None:
    back = override(loads(TEXT, "p.yaml"), ["method.stage=sft"])
    assert (back.training.epochs, back.data.loss_on) == (3.0, "assistant")
    assert override(back, ["method.stage=pretrain"]).training.epochs == 1.0


def test_a_file_keeps_them_out() -> None:
    preset = loads(TEXT, "p.yaml")
    assert loads(dump(preset), "p.yaml") == preset


def test_an_unknown_stage_names_those_there_are() -> None:
    with pytest.raises(UserError, match=r"stage.*sft.*pretrain"):
        loads(TEXT.replace("pretrain", "pretraining"), "p.yaml")
