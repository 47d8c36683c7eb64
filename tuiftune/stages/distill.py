"""On-policy distillation: the model's own answers, brought to what a larger model would write there."""

from __future__ import annotations

from typing import Any, Literal

from tuiftune.errors import UserError
from tuiftune.options import Option
from tuiftune.stages.base import Stage
from tuiftune.stages.reinforcement import MAX_COMPLETION_LENGTH, TEMPERATURE
from tuiftune.stages.sft import ANSWERED, PROMPTS

TEACHER = Option(
    "teacher",
    str,
    "",
    "the larger model to learn from: a model ID, a directory or run:NAME, with the base model's tokenizer",
    label="teacher",
    choices=("",),  # and larger models with the same vocabulary, see `wizard.settings`
)
DIVERGENCE = Option(
    "divergence",
    Literal["reverse_kl", "jensen_shannon", "forward_kl"],
    "reverse_kl",
    "reverse_kl: write nothing that the teacher would not; forward_kl: be able to write all that it would; "
    "jensen_shannon: between the two",
    label="divergence",
    choices=("reverse_kl", "jensen_shannon", "forward_kl"),
)


class Distillation(Stage):
    """A stage with a second model."""

    __slots__ = ()

    def check_method(self, method: Any, *, adapted: bool) -> None:
        del adapted
        if not method.teacher.strip():
            raise UserError(
                f"{self.does} needs a model to learn from",
                place=f"method.{TEACHER.key}",
                remedy="name one with the base model's tokenizer, such as a larger one of its family",
            )


DISTILL = Distillation(
    key="distill",
    name="Distillation",
    order=100,
    does="on-policy distillation",
    options=(TEACHER, DIVERGENCE, MAX_COMPLETION_LENGTH, TEMPERATURE),
    measures=("teacher", "divergence"),
    formats=ANSWERED | PROMPTS,
    needs="a prompt a row",
    remedy="name the columns under data.columns, e.g. {prompt: question, completion: answer}",
    defaults={"training.epochs": 1.0, "training.divergence_patience": 0},
    joins=False,
    likelihood=False,
    samples=True,
    teacher=TEACHER.key,
    advice="The teacher should be better at the task by far: its scores are the most that can be reached.",
)
