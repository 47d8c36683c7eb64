"""What a stage is: a value that the preset, the data, the plan and the engine ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.options import Option
    from tuiftune.techniques.base import Fact, Technique


@dataclass(frozen=True, slots=True)
class AdapterRate:
    """A stage's own peak learning rate with LoRA, whatever the model; full fine-tuning takes a tenth."""

    value: float
    within: tuple[float, float]
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of training. `does` says it in a few words; `options` are the keys it adds to `method`.

    Attributes:
        formats: row formats it takes.
        own: those of them that are recognized as its.
        needs: what a row must have, and `remedy`: what to do where it has not.
        defaults: its own for dotted preset keys that are left out.
        measures: options that its eval loss is made of: losses with different values of them don't compare.
        values: what an option becomes if it is left at auto.
        rate: its usual learning rate over that of the technique, for the reason `why_rate`.
        adapter_rate: its usual learning rate with LoRA, if that does not follow supervised fine-tuning's.
        packs: several rows share a sequence, where the model keeps them apart.
        splits: what is longer than max_length becomes several rows, and is not truncated.
        joins: rows may share a sequence at all, packed or without padding.
        answers: its rows have reference answers, which generated ones are compared with.
        likelihood: its loss is the mean over the trained tokens, of which a perplexity can be told.
        sequences: how many sequences of a row pass through the model.
        scores: the model answers a sequence with one number, and writes nothing.
        logits: bytes a token and entry of the vocabulary, of a loss that takes all logits of a batch; 0: it
            takes a tile at a time.
        least: rows at once, at least.
        shares: its trainer was seen to train one model over several processes (FSDP2).
        judged: its rows are judged good or bad, and both kinds are needed.
        rollouts: it trains on answers that the model writes itself, several to a row, by their rewards.
        samples: it trains on an answer that the model writes itself, one to a row.
        teacher: the option that names a second model, whose distribution is learned.
        reference: forward passes of the model as it began, with which it is compared.
        again: forward passes more of the model itself.
        advice: what is worth knowing before it, in one sentence.
        experimental: which module of a library it rests on that may change; "" if none.
    """

    key: str
    name: str
    order: int
    does: str
    options: tuple[Option, ...] = ()
    formats: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    needs: str = ""
    remedy: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    values: Mapping[str, Fact] = field(default_factory=dict)
    rate: float = 1.0
    why_rate: str = ""
    adapter_rate: AdapterRate | None = None
    packs: bool = False
    splits: bool = False
    joins: bool = True
    answers: bool = True
    likelihood: bool = True
    sequences: int = 1
    scores: bool = False
    logits: int = 0
    least: int = 1
    shares: bool = False
    judged: bool = False
    rollouts: bool = False
    samples: bool = False
    teacher: str = ""
    reference: float = 0.0
    again: float = 0.0
    advice: str = ""
    experimental: str = ""

    @property
    def writes(self) -> bool:
        """Return True if it trains on answers that the model writes itself."""
        return self.rollouts or self.samples

    @property
    def truncates(self) -> bool:
        """Return True if the end of a row beyond max_length is lost."""
        return not self.splits and not self.writes

    def refuses(self, technique: Technique) -> str | None:
        """Why it cannot run with a technique, in words that follow its name; None where it can."""
        del technique
        return None

    def usual(self, option: str, *, adapted: bool) -> Fact:
        """What an option that is left at auto becomes, with adapters or with all weights trained."""
        del adapted
        return self.values[option]

    def check_method(self, method: Any, *, adapted: bool) -> None:
        """UserError for values of its options that can't be used together, or name what is not there."""
        if getattr(method, "beta", None) == 0:
            raise UserError(
                f"with a beta of 0, {self.does} does not compare answers",
                place="method.beta",
                remedy=f"use a value above 0, or auto ({self.values['beta'].value:g})",
            )

    def check_rows(self, format: str, place: str = "", remedy: str = "") -> None:  # noqa: A002
        """UserError where it does not take rows of a format."""
        if format not in self.formats:
            said = f"these are {format} rows, and {self.does} needs {self.needs}"
            raise UserError(said, place=place, remedy=remedy or self.remedy)
