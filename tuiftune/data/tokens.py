"""Lengths in tokens: counted with the model's own tokenizer and template where they are
here, else estimated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tuiftune.data.facts import DataFacts
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example
    from tuiftune.data.mix import Mix, Portion
    from tuiftune.data.template import ChatTemplate

COUNTED = 20_000  # rows tokenised at most; beyond that an even sample
BYTES_PER_TOKEN = (
    4.0  # English prose in UTF-8; holds within a third for Cyrillic (2 bytes) and CJK (3 bytes) too
)
TEMPLATE_TOKENS = 5  # a turn's marks in the usual templates
COUNTED_ANSWERS = 2_000
LONGEST_ROWS = 256  # whose lengths are kept: no micro batch is larger in practice
BATCH = 1024


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


class Counter:
    """Counts tokens of examples with a local tokenizer.json and chat template."""

    def __init__(self, folder: Path, name: str = "") -> None:
        from tokenizers import Tokenizer

        from tuiftune.data.template import read_template

        place = folder / "tokenizer.json"
        try:
            self.tokenizer = Tokenizer.from_file(str(place))
        except Exception as fault:  # the library raises bare Exception
            raise UserError(f"the tokenizer can't be read ({str(fault)[:80]})", place=str(place)) from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.template: ChatTemplate = read_template(folder)
        self.name = name or folder.name
        self.refused = 0  # rows the template raised an error on; their bare text is counted

    def lengths(
        self, examples: Iterator[Example], watch: Callable[[int], None] | None = None
    ) -> Iterator[int]:
        """Tokens of each example, template included, batch by batch; `watch` may raise to cancel."""
        done = 0
        for batch in _batches(examples):
            texts = [self._rendered(example) for example in batch]
            chat = batch[0].messages is not None
            for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=not chat):
                yield len(encoding) + (not chat)
            done += len(batch)
            if watch:
                watch(done)

    def _rendered(self, example: Example) -> str:
        try:
            return self.template.render(example).text
        except UserError:
            self.refused += 1
            return "\n".join(message.content for message in example.messages or ())

    def learnt_positions(self, example: Example) -> tuple[int, list[int]]:
        """(tokens, positions of the tokens that are learnt), from the offsets of the rendered text."""
        rendered = self.template.render(example)
        chat = example.messages is not None
        offsets = self.tokenizer.encode(rendered.text, add_special_tokens=not chat).offsets
        spans = rendered.learnt
        positions = [
            index
            for index, (start, end) in enumerate(offsets)
            if any(start < right and end > left for left, right in spans)
        ]
        if chat and not self.template.marks_answers:
            # the end-of-turn token is learnt too
            ends = [at + 1 for at, after in zip_longest(positions, positions[1:]) if after != at + 1]
            positions = sorted([*positions, *(at for at in ends if at < len(offsets))])
        return len(offsets), positions


def _batches(examples: Iterator[Example]) -> Iterator[list[Example]]:
    batch: list[Example] = []
    for example in examples:
        batch.append(example)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def has_tokenizer(path: Path | None) -> bool:
    """Whether a directory holds a tokenizer that can be read here."""
    return path is not None and (Path(path) / "tokenizer.json").is_file()


def lengths(
    dataset: Dataset,
    folder: Path | None,
    *,
    limit: int = COUNTED,
    watch: Callable[[int], None] | None = None,
    name: str = "",
) -> Lengths:
    """Lengths of the usable rows: an even sample of at most `limit` is counted, or all are estimated from
    bytes.
    """
    import numpy as np

    usable = dataset.usable.arg_true().to_numpy().astype(np.intp)
    if folder is None or not has_tokenizer(folder):
        return _estimated(dataset, usable)
    picked = (
        usable if len(usable) <= limit else usable[np.linspace(0, len(usable) - 1, limit).astype(np.intp)]
    )
    counter = Counter(folder, name)
    total = np.fromiter(counter.lengths(dataset.at(picked), watch), dtype=np.int64, count=len(picked))
    estimate = _estimated(dataset, picked)
    ratio = total / np.maximum(estimate.total, 1)
    learnt = np.minimum(np.round(estimate.learnt * ratio).astype(np.int64), total)
    rows = (
        f"{len(picked):,} rows"
        if len(picked) == len(usable)
        else f"a sample of {len(picked):,} of {len(usable):,} rows"
    )
    how = "its chat template" if counter.template.own else "a plain template (the model has none)"
    if dataset.format == "text":
        how = "no template"
    if counter.refused:
        rows += f" ({counter.refused:,} refused by the template)"
    basis = f"counted with the tokenizer of {counter.name} and {how}, {rows}"
    return Lengths(picked, total, learnt, basis, True)


def _estimated(dataset: Dataset, indices: NDArray[np.intp]) -> Lengths:
    import numpy as np
    import polars as pl

    def size(name: str) -> pl.Expr:
        return pl.col(name).str.len_bytes().fill_null(0).cast(pl.Int64)

    turns = pl.when(pl.col("messages").is_not_null()).then(pl.col("messages").list.len()).otherwise(2)
    frame = dataset.frame[indices].select(
        bytes=size("system") + size("prompt") + size("answer"),
        answer=(size("answer") - _switched_off()).clip(0),
        turns=turns.cast(pl.Int64) + (size("system") > 0).cast(pl.Int64),
    )
    overhead = 0 if dataset.format == "text" else TEMPLATE_TOKENS
    total = (
        np.ceil(frame["bytes"].to_numpy() / BYTES_PER_TOKEN).astype(np.int64)
        + frame["turns"].to_numpy() * overhead
    )
    learnt = np.ceil(frame["answer"].to_numpy() / BYTES_PER_TOKEN).astype(np.int64)
    basis = f"estimated at {BYTES_PER_TOKEN:g} bytes a token (no tokenizer here), {len(indices):,} rows"
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
        for place, example in enumerate(dataset.at(rows[:exact_rows])):
            try:
                _, positions = counter.learnt_positions(example)
            except UserError:
                continue  # the template check names this row
            kept = sum(position < max_length for position in positions)
            lost[place] = len(positions) - kept
            bare[place] = kept == 0
    return Truncation(max_length, rows, int(lost.sum()), max(all_answers, int(lost.sum())), rows[bare])


def measure(
    dataset: Dataset,
    model: LocalModel | None,
    eval_spec: float | str = 0.05,
    *,
    mix: Mix | None = None,
    seed: int = 42,
    watch: Callable[[int], None] | None = None,
) -> DataFacts:
    """What the plan needs: rows to train and to evaluate on, and token lengths before truncation.

    Rows of what is mixed in count as often as they are seen in an epoch. At most 20,000 rows of a source are
    tokenised, evenly spaced; `basis` says so. Raises UserError when nothing can be
    trained on.
    """
    import numpy as np

    from tuiftune.data.split import as_share, held_out_file, split_indices

    share = as_share(eval_spec)
    if share is None:
        evaluation = held_out_file(dataset, str(eval_spec))
        held_rows = int(evaluation.usable.sum())
        train_rows = int(dataset.usable.sum())
        asked = evaluation.examples()
    else:
        train, held = split_indices(dataset, share, seed)
        train_rows, held_rows = len(train), len(held)
        asked = dataset.at(held if len(held) else train)
    if not train_rows:
        raise UserError(
            "no row can be trained on",
            place=str(dataset.files[0]),
            remedy="run `tuiftune data inspect` on it",
        )
    folder = Path(model.path) if model is not None and model.path is not None else None
    found = lengths(dataset, folder, watch=watch, name=model.reference if model else "")
    counted = [(found.total, train_rows)]
    portions: tuple[Portion, ...] = ()
    if mix:
        portions = _portions(dataset, eval_spec, mix, seed)
        counted += _mixed_in(portions[1:], folder, watch)
    totals = np.concatenate([total for total, _ in counted])
    weights = np.concatenate([np.full(len(total), rows / len(total)) for total, rows in counted])
    order = np.argsort(totals, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    at = np.searchsorted(reached, np.linspace(0, 1, 21) - 1e-9).clip(0, len(totals) - 1)
    labels = dataset.frame["label"].n_unique() if dataset.format == "classification" else None
    longest = () if mix else _longest_rows(dataset, found, folder)  # a mixture may repeat its longest
    return DataFacts(
        rows=sum(rows for _, rows in counted),
        rows_eval=held_rows,
        mean_length=float(np.average(totals, weights=weights)),
        longest=max(int(totals.max()), *longest[:1], 0),
        quantiles=tuple(int(value) for value in totals[order][at]),
        basis=found.basis + (f", with {_sources(mix)} mixed in" if mix else ""),
        format=dataset.format,
        labels=labels,
        portions=portions,
        longest_answer=_longest_answer(asked, folder),
        longest_rows=longest,
    )


def _longest_rows(dataset: Dataset, found: Lengths, folder: Path | None) -> tuple[int, ...]:
    """Lengths of the longest rows. Where only a sample was counted, those with the most bytes are, too."""
    import numpy as np

    totals = found.total
    usable = dataset.usable.arg_true().to_numpy().astype(np.intp)
    if found.counted and folder is not None and len(found.indices) < len(usable):
        sizes = _estimated(dataset, usable).total
        most = usable[np.argsort(-sizes, kind="stable")[:LONGEST_ROWS]]
        more = np.setdiff1d(most, found.indices)
        counted = np.fromiter(Counter(folder).lengths(dataset.at(more)), dtype=np.int64, count=len(more))
        totals = np.concatenate([totals, counted])
    return tuple(int(total) for total in np.sort(totals)[::-1][:LONGEST_ROWS])


def _longest_answer(examples: Iterator[Example], folder: Path | None) -> int | None:
    """Tokens of the longest reference, by the tokenizer where it is here; else from bytes, a third more.

    Of many rows those with the most bytes are counted.
    """
    references = [example.reference for example in examples if example.messages]
    if not references:
        return None
    if folder is None or not has_tokenizer(folder):
        return math.ceil(max(len(text.encode()) for text in references) / BYTES_PER_TOKEN * 4 / 3)
    longest = sorted(references, key=lambda text: -len(text.encode()))[:COUNTED_ANSWERS]
    counter = Counter(folder)
    return max(
        len(encoding) for encoding in counter.tokenizer.encode_batch_fast(longest, add_special_tokens=False)
    )


def _portions(dataset: Dataset, eval_spec: float | str, mix: Mix, seed: int) -> tuple[Portion, ...]:
    from tuiftune.data.mix import mixed
    from tuiftune.data.split import split

    train, held = split(dataset, eval_spec, seed)
    return mixed(train, held, mix, seed, ", ".join(str(file) for file in dataset.files)).portions


def _sources(mix: Mix) -> str:
    return "1 source" if len(mix.sources) == 1 else f"{len(mix.sources)} sources"


def _mixed_in(
    portions: Sequence[Portion], folder: Path | None, watch: Callable[[int], None] | None
) -> list[tuple[NDArray[np.int64], int]]:
    """(lengths, rows seen in an epoch) of each further source that is seen at all."""
    from tuiftune.data.load import load

    found = [(lengths(load(portion.source), folder, watch=watch).total, portion.seen) for portion in portions]
    return [(total, seen) for total, seen in found if seen and len(total)]
