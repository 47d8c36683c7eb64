"""Lengths in tokens: counted with the model's own tokenizer and template where they are
here, else estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tuiftune import assets, paths
from tuiftune.data.chat import questions
from tuiftune.data.chat.fenced import batches, tokenizer
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from tuiftune.data.chat.questions import Manners, Refusal
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example

COUNTED = 20_000  # rows tokenized at most; beyond that an even sample
BYTES_PER_TOKEN = (
    4.0  # English prose in UTF-8; holds within a third for Cyrillic (2 bytes) and CJK (3 bytes) too
)
TEMPLATE_TOKENS = 5  # a turn's marks in the usual templates

T = TypeVar("T")


class LocalModel(Protocol):
    """What is needed of a base model: its name, and where its tokenizer lies if it is here."""

    @property
    def reference(self) -> str: ...
    @property
    def path(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens a row (template included). `learnt` are the answer's own; `indices` the frame positions they
    belong to.
    """

    indices: NDArray[np.intp]
    total: NDArray[np.int64]
    learnt: NDArray[np.int64]
    basis: str
    counted: bool
    late: int = 0  # rows that reason after the template has closed the reasoning


@dataclass(frozen=True, slots=True)
class Truncation:
    """What a max_length would cost: rows cut, answer tokens lost of all answer tokens, rows left
    without any.
    """

    max_length: int
    rows: NDArray[np.intp]
    answer_tokens_lost: int
    answer_tokens: int
    nothing_left: NDArray[np.intp]


def name_of(folder: Path) -> str:
    """What a person calls the model in a directory: built in, of the hub, or by the name of the directory."""
    if folder == assets.BASE:
        return assets.MODEL_NAME
    if folder.parent.name == "snapshots":  # …/models--ORG--NAME/snapshots/COMMIT
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/")
    return folder.name


class Counter:
    """Counts tokens of examples as the trainer does, with a local tokenizer and chat template."""

    def __init__(
        self, folder: Path, name: str = "", loss_on: str = "assistant", reasoning: str = "keep"
    ) -> None:
        self._asked = tokenizer(folder, loss_on, reasoning)
        self.name = name or name_of(folder)
        self.refusals: list[Refusal] = []  # of rows of which the bare text is counted
        self.dropped = 0  # rows whose answers the template leaves out
        self.late = 0  # rows that reason after it has closed the reasoning

    @cached_property
    def manners(self) -> Manners:
        return self._asked.ask(questions.manners)

    def lengths(
        self, examples: Iterable[Example], watch: Callable[[int], None] | None = None
    ) -> Iterator[tuple[int, int]]:
        """(tokens, trained tokens) of each example, template included; `watch` may raise to cancel."""
        done = 0
        for batch, size in batches(examples):
            counted, refusals, dropped, late = self._asked.ask(
                questions.lengths, batch, rows=len(batch), size=size
            )
            self.refusals += refusals
            self.dropped += dropped
            self.late += late
            yield from counted
            done += len(batch)
            if watch:
                watch(done)

    def completion_lengths(self, examples: Iterable[Example]) -> list[tuple[int, int]]:
        """(tokens of the answer, tokens written around it) of each example that the template takes."""
        answers = (answer for _, answer in self.each(questions.completion_lengths, examples, strict=False))
        return list(answers) or [(1, 1)]

    def each(
        self,
        question: Callable[..., list[T]],
        examples: Iterable[Example],
        *given: Any,
        strict: bool = True,
    ) -> Iterator[tuple[Example, T]]:
        """Every example with the answer to a question of `chat.questions`."""
        for batch, size in batches(examples):
            answers = self._asked.ask(question, batch, *given, rows=len(batch), size=size)
            yield from zip(batch, answers, strict=strict)


def has_tokenizer(path: Path | None) -> bool:
    """Whether a directory holds a tokenizer that can be read here."""
    return path is not None and paths.is_file(Path(path) / "tokenizer.json")


def lengths(
    dataset: Dataset,
    folder: Path | None,
    *,
    limit: int = COUNTED,
    watch: Callable[[int], None] | None = None,
    name: str = "",
    strict: bool = False,
    reasoning: str = "keep",
) -> Lengths:
    """Lengths of the usable rows: an even sample of at most `limit` is counted, or all are estimated from
    bytes. With `strict` UserError where the template refuses a row, or no row has anything to learn.
    """
    import numpy as np

    usable = dataset.usable.arg_true().to_numpy().astype(np.intp)
    if folder is None or not has_tokenizer(folder):
        return estimated(dataset, usable)
    picked = (
        usable if len(usable) <= limit else usable[np.linspace(0, len(usable) - 1, limit).astype(np.intp)]
    )
    counter = Counter(folder, name, reasoning=reasoning)
    counts = np.array(list(counter.lengths(dataset.at(picked), watch)), dtype=np.int64).reshape(-1, 2)
    total, learnt = counts[:, 0], counts[:, 1]
    rows = (
        f"{len(picked):,} rows"
        if len(picked) == len(usable)
        else f"a sample of {len(picked):,} of {len(usable):,} rows"
    )
    how = (
        "its chat template"
        if counter.manners.own_template
        else "a plain chat template (the model does not have one)"
    )
    if dataset.format == "text":
        how = "no template"
    if strict:
        asks = dataset.format == "prompt-only"
        _check_trainable(counter, total=len(picked), learnt=None if asks else int(learnt.sum()))
    if counter.refusals:
        rows += f" ({len(counter.refusals):,} rejected by the template)"
    basis = f"counted with the tokenizer of {counter.name} and {how}, {rows}"
    return Lengths(picked, total, learnt, basis, True, counter.late)


def _check_trainable(counter: Counter, *, total: int, learnt: int | None) -> None:
    """UserError where training would stop at a row, or learn nothing from any. `learnt`: None of prompts."""
    if counter.refusals:
        (row, why), many = counter.refusals[0], len(counter.refusals)
        more = f" and {many - 1:,} more" if many > 1 else ""
        which = "every row" if many == total else f"row {row}{more}"
        raise UserError(
            f"{which} {'is' if many in (1, total) else 'are'} rejected: {printable(why)}",
            place=printable(counter.name),
            remedy="`tuiftune data inspect FILE --model M` shows them; fix the rows, or use another model",
        )
    if counter.dropped == total:
        raise UserError(
            "the chat template omits every answer, so nothing would be trained",
            place=printable(counter.name),
            remedy="use the template that came with the model",
        )
    if learnt == 0:
        raise UserError(
            f"none of the {total:,} rows has trained tokens",
            place=printable(counter.name),
            remedy="check the columns and data.loss_on; see the loss mask with `tuiftune data tokens`",
        )


def estimated(dataset: Dataset, indices: NDArray[np.intp]) -> Lengths:
    """Lengths of rows by their bytes, where no tokenizer is here."""
    import numpy as np
    import polars as pl

    def size(name: str) -> pl.Expr:
        return pl.col(name).str.len_bytes().fill_null(0).cast(pl.Int64)

    turns = pl.when(pl.col("messages").is_not_null()).then(pl.col("messages").list.len()).otherwise(2)
    frame = dataset.frame.select(
        bytes=size("system") + size("prompt") + pl.max_horizontal(size("answer"), size("rejected")),
        answer=(size("answer") + size("rejected") - _switched_off()).clip(0),
        turns=turns.cast(pl.Int64) + (size("system") > 0).cast(pl.Int64),
    )[indices]
    overhead = 0 if dataset.format == "text" else TEMPLATE_TOKENS
    total = (
        np.ceil(frame["bytes"].to_numpy() / BYTES_PER_TOKEN).astype(np.int64)
        + frame["turns"].to_numpy() * overhead
    )
    learnt = np.ceil(frame["answer"].to_numpy() / BYTES_PER_TOKEN).astype(np.int64)
    basis = (
        f"estimated at {BYTES_PER_TOKEN:g} bytes per token (no tokenizer available), {len(indices):,} rows"
    )
    return Lengths(indices, total, learnt, basis, False)


def _switched_off() -> pl.Expr:
    """Bytes of a row's assistant turns that its source keeps out of the loss."""
    import polars as pl

    turn = pl.element().struct
    muted = (turn["role"] == "assistant") & (turn["weight"] == 0)
    counted = pl.when(muted).then(turn["content"].str.len_bytes() + 1).otherwise(0)  # with its newline
    found = pl.col("messages").list.eval(counted).list.sum().fill_null(0).cast(pl.Int64)
    return pl.when(pl.col("rejected").is_null()).then(found).otherwise(0)


def truncation(
    dataset: Dataset, found: Lengths, max_length: int, folder: Path | None = None, *, exact_rows: int = 2000
) -> Truncation:
    """What `max_length` costs. With a tokenizer the cut rows are looked at token by token (at most
    `exact_rows`).
    """
    import numpy as np

    cut = np.flatnonzero(found.total > max_length)
    rows = found.indices[cut]
    all_answers = int(found.learnt.sum())
    if not len(cut):
        return Truncation(max_length, rows, 0, all_answers, rows)
    lost = np.minimum(found.total[cut] - max_length, found.learnt[cut])
    bare = found.learnt[cut] <= lost
    if found.counted and folder is not None:
        counter = Counter(folder)
        answers = counter.each(questions.kept, dataset.at(rows[:exact_rows]), max_length)
        for place, (_, (learnt, kept, nothing)) in enumerate(answers):
            lost[place], bare[place] = learnt - kept, nothing
    return Truncation(max_length, rows, int(lost.sum()), max(all_answers, int(lost.sum())), rows[bare])
