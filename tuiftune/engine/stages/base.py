"""What a stage does in the engine: how rows become tokens, which trainer takes them, and what is asked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.tokenize import Tokens
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question


class TrainedRow(Protocol):
    """A tokenized row of a stage: one sequence or several."""

    @property
    def parts(self) -> tuple[list[int], ...]:
        """Its columns, in the order of the stage's `columns`."""

    @property
    def sides(self) -> tuple[Tokens, ...]:
        """The sequences that pass through the model."""

    @property
    def trained(self) -> int:
        """Tokens in the loss."""

    @property
    def lost(self) -> int:
        """Trained tokens that max_length took away."""

    @property
    def truncated(self) -> bool: ...

    @property
    def teaches(self) -> bool:
        """Return True if there is something to learn from it."""


class StageTrainer(Protocol):
    """What `RunTrainer` and the preflight check ask a stage's trainer, more than transformers' has."""

    counters: tuple[str, ...]  # attributes that a step of its own counts in
    lengths: tuple[str, ...]  # columns of its dataset whose tokens are a row's
    measures: tuple[str, ...]  # of its logged metrics, those that an evaluation tells as well …
    against_base: tuple[str, ...]  # … and of these, those that compare with the base model
    run_tokenizer: RowTokenizer  # which `RunTrainer` sets
    ranked: list[bool]  # of the latest evaluation: whether a row's chosen answer was the likelier one

    def tokens(self, inputs: dict[str, Any]) -> Any:
        """Tokens of a batch that go through the model, padding left out."""

    def weight(self, inputs: dict[str, Any]) -> Any:
        """How many terms the loss of a batch is the mean of."""


class EngineStage(Protocol):
    """The engine's half of a stage. Nothing of it imports torch before `trainer` or `arguments` is called."""

    columns: tuple[str, ...]  # what the parts of a row are called in the trainer's dataset
    # What becomes of rows beyond max_length, where each is one sequence with labels: `truncated`, or `split`
    # into rows. Empty for any others.
    cut: str

    def rows(self, tokenizer: RowTokenizer, examples: Sequence[Example]) -> Sequence[TrainedRow]:
        """The rows that are trained on. Called behind the fence; UserError where one can't be tokenized."""

    def trainer(self) -> type[StageTrainer]:
        """A trainer of transformers with this stage's collating and loss."""

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        """The trainer's arguments: those of every stage, and its own."""

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        """What the first evaluation rows ask, at most so many."""

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        """New tokens that an answer takes, and of what stands around it."""


def stage(key: str) -> EngineStage:
    """The engine's half of a stage by its key."""
    return cast("EngineStage", importlib.import_module(f"tuiftune.engine.stages.{key}").STAGE)
