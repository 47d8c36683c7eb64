"""Runs with a known fault, in data or settings, to be made by really training `builtin:tiny`."""

from __future__ import annotations

import json
import string
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import assets

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Row = dict[str, Any]

EVERY = 10  # evaluations in a run


@dataclass(frozen=True)
class Course:
    """One run.

    Attributes:
        name: of the run.
        expects: codes of findings of which one must be reported; empty: none may be.
        begins: share of the run after which the fault shows in the numbers.
        onset: instead of a share, what it begins with: the first "spike", or the "lowest eval" loss.
        rows: writes training and evaluation rows from a seed; None: the built-in tickets, a tenth held out.
        settings: dotted preset keys.
        after: name of a run whose result is the base model.
        allows: codes that may be reported too: the same fault by another name, or what follows from it.
        judged: False for a run that only makes the base model of others.
    """

    name: str
    expects: tuple[str, ...] = ()
    begins: float = 0.0
    _: KW_ONLY
    onset: str = ""
    rows: Callable[[random.Random], tuple[list[Row], list[Row] | None]] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    after: str | None = None
    allows: tuple[str, ...] = ()
    judged: bool = True


def tickets() -> list[Row]:
    """All rows of the built-in dataset."""
    return [json.loads(line) for line in assets.TRAIN.read_text(encoding="utf-8").splitlines()]


def _answered(row: Row, answer: str) -> Row:
    return {"messages": [row["messages"][0], {"role": "assistant", "content": answer}]}


def _drawn(rng: random.Random, count: int, held: int = 24) -> tuple[list[Row], list[Row]]:
    rows = rng.sample(tickets(), count + held)
    return rows[:count], rows[count:]


def few(count: int) -> Callable[[random.Random], tuple[list[Row], list[Row]]]:
    """Only `count` training rows."""
    return lambda rng: _drawn(rng, count)


def shuffled(share: float, count: int = 480) -> Callable[[random.Random], tuple[list[Row], list[Row]]]:
    """A `share` of the rows has the answer of another row: training and evaluation rows alike."""

    def make(rng: random.Random) -> tuple[list[Row], list[Row]]:
        train, held = _drawn(rng, count)
        return _confused(rng, train, share), _confused(rng, held, share)

    return make


def _confused(rng: random.Random, rows: list[Row], share: float) -> list[Row]:
    chosen = sorted(rng.sample(range(len(rows)), round(share * len(rows))))
    answers = [rows[at]["messages"][1]["content"] for at in chosen]
    rng.shuffle(answers)
    out = list(rows)
    for at, answer in zip(chosen, answers, strict=True):
        out[at] = _answered(rows[at], answer)
    return out


def emptied(share: float) -> Callable[[random.Random], tuple[list[Row], list[Row]]]:
    """A `share` of the answers is empty."""

    def make(rng: random.Random) -> tuple[list[Row], list[Row]]:
        train, held = _drawn(rng, 480)
        return _blank(rng, train, share), _blank(rng, held, share)

    return make


def _blank(rng: random.Random, rows: list[Row], share: float) -> list[Row]:
    empty = set(rng.sample(range(len(rows)), round(share * len(rows))))
    return [_answered(row, "") if at in empty else row for at, row in enumerate(rows)]


def spoilt(count: int) -> Callable[[random.Random], tuple[list[Row], list[Row]]]:
    """`count` training rows have an answer of random characters, long enough to outweigh their batch."""

    def make(rng: random.Random) -> tuple[list[Row], list[Row]]:
        train, held = _drawn(rng, 480)
        for at in rng.sample(range(len(train)), count):
            letters = string.ascii_letters + string.digits + "#%&/()=?"
            train[at] = _answered(train[at], "".join(rng.choices(letters, k=240)))
        return train, held

    return make


def _copying(rng: random.Random) -> tuple[list[Row], list[Row]]:
    """Evaluation rows that the base model can answer: it was trained to be polite."""
    train, _ = _drawn(rng, 480)
    from benchmarks.base_model.corpus import documents

    chats = [chat for chat in documents(200, seed=77) if isinstance(chat, list)]
    return train, [{"messages": chat} for chat in chats[:24]]


def _leaking(rng: random.Random) -> tuple[list[Row], list[Row]]:
    """Answers that don't follow from the prompt, and evaluation rows that are training rows."""
    train, _ = _drawn(rng, 64)
    train = _confused(rng, train, 1.0)
    return train, train[:24]


QUICK: dict[str, Any] = {
    "method.technique": "lora",
    "training.effective_batch": 8,
    "training.learning_rate": 0.003,
    "training.max_steps": 60,
    "training.early_stopping": 0,
    "evaluation.rows": 8,
    "evaluation.max_new_tokens": 24,
    "evaluation.samples": 0,
    "data.max_length": 192,
    "data.packing": False,
}
FULL = {"method.technique": "full", "model.dtype": "float32", "training.learning_rate": 0.001}
CONSTANT = {"training.schedule": "constant"}
RAMP = {"training.warmup_ratio": 1.0, "training.schedule": "constant_with_warmup"}


def _rate(value: float) -> dict[str, Any]:
    return {"training.learning_rate": value}


def _steps(count: int) -> dict[str, Any]:
    return {"training.max_steps": count}


def _batch(rows: int) -> dict[str, Any]:
    return {"training.effective_batch": rows, "training.micro_batch": min(rows, 8)}


DIVERGED = ("diverged", "rate_too_high")  # one cause and one fix, whichever comes first
COURSES = (
    Course("diverged", DIVERGED, 0.05, settings=_rate(1.0)),
    Course("diverged-short", DIVERGED, 0.07, settings=_rate(1.0) | _steps(30)),
    Course("diverged-full", DIVERGED, 0.05, settings=FULL | _rate(0.3)),
    Course("diverged-unseen", DIVERGED, 0.05, settings=_rate(0.7) | {"data.eval": 0}),
    Course("diverged-late", DIVERGED, 0.2, settings=_rate(0.12) | RAMP | _steps(100)),
    Course("oscillating-ramp", ("rate_too_high",), 0.15, settings=FULL | _rate(0.12) | RAMP | _steps(100)),
    Course("flat", ("no_change",), settings=_rate(1e-8)),
    Course("flat-short", ("no_change",), settings=_rate(1e-8) | _steps(30)),
    Course("flat-unseen", ("no_change",), settings=FULL | _rate(1e-10) | {"data.eval": 0}),
    Course("slow", ("too_slow",), settings=_rate(5e-5)),
    Course("slow-short", ("too_slow",), settings=_rate(1e-4) | _steps(30)),
    Course("overfitting", ("overfitting",), rows=few(24), settings=FULL | CONSTANT, onset="lowest eval"),
    Course("learner", rows=few(64), settings=FULL | _steps(160), judged=False),
    Course("memorised", ("known",), rows=few(64), after="learner"),
    Course("memorised-short", ("known",), rows=few(64), settings=_steps(30), after="learner"),
    Course("diverged-settled", DIVERGED, 0.05, settings=_rate(0.03) | CONSTANT),
    Course("oscillating-full", ("rate_too_high",), 0.3, settings=FULL | _rate(0.02) | CONSTANT),
    Course("one-spike", ("spike",), rows=spoilt(1), onset="spike"),
    Course("many-spikes", ("spikes", "spike"), rows=spoilt(16), settings=FULL, onset="spike"),
    Course("label-noise", ("plateau",), 0.6, rows=shuffled(1.0), settings=_steps(120)),
    Course("half-empty", ("rows_lost",), rows=emptied(0.5)),
    Course("easy-evaluation", ("unlike",), rows=_copying),
    Course("leaking", ("leaking",), rows=_leaking, settings=FULL | _steps(120)),
    Course("underfitting", ("underfitting",), 0.9, settings=_rate(5e-4) | CONSTANT),
    Course("good"),
    Course("good-short", settings=_steps(30) | _batch(16) | _rate(0.005)),
    Course("good-noisy", settings=_batch(1) | _steps(240)),
    Course("good-full", settings=FULL),
    Course("good-large-batch", settings=_batch(32)),
    Course("good-rank", settings={"method.rank": 64, "training.learning_rate": 0.002}),
    Course("good-linear", settings={"training.schedule": "linear", "training.warmup_ratio": 0.2}),
    Course("good-unseen", settings={"data.eval": 0, "method.technique": "dora"}),
)
