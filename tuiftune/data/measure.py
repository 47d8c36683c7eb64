"""What the plan needs to know of a dataset: rows to train and to hold out, and their lengths in tokens."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import rewards
from tuiftune.data.chat import questions
from tuiftune.data.facts import DataFacts
from tuiftune.data.tokens import BYTES_PER_TOKEN, Counter, estimated, has_tokenizer, lengths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.example import Example
    from tuiftune.data.mix.sources import Mix, Mixture, Portion
    from tuiftune.data.tokens import Lengths, LocalModel

COUNTED_ANSWERS = 2_000
ANSWERS = 4 * COUNTED_ANSWERS  # made into examples: some are kept out of the loss, and not counted
SIDES = (("answer", "rejected"), ("answer_turns", "rejected_turns"))  # of a comparison
LOOKED_AT = 200  # reference answers, to tell how they could be checked
LOOKED_AT_CUT = 2_000  # truncated rows, to tell which keep a trained token
OPENING = 64  # tokens that a template may put before an answer
LONGEST_ROWS = 256  # whose lengths are kept: no micro batch is larger in practice


def measure(
    dataset: Dataset,
    model: LocalModel | None,
    eval_spec: float | str = 0.05,
    *,
    mix: Mix | None = None,
    seed: int = 42,
    watch: Callable[[int], None] | None = None,
    reasoning: str = "keep",
    max_length: int | None = None,
    writes: bool = False,
    loss_on: str = "assistant",
    kept: Callable[[], Lengths] | None = None,
) -> DataFacts:
    """What the plan needs: rows to train and to evaluate on, and token lengths before truncation.

    Rows that keep no trained token within `max_length` don't count, as training leaves them out, nor do
    prompts that fill it where the model `writes` the answers. Rows of what is mixed in count as often as they
    are seen in an epoch. At most 20,000 rows of a source are tokenized, evenly spaced; `basis` says so.
    `kept` gives the lengths of the dataset's rows, where they are kept.
    Raises UserError when nothing can be trained on, or nothing of it stands within `max_length`.
    """
    import numpy as np

    from tuiftune.data.mix.split import as_share, held_out_file, indices
    from tuiftune.data.read.load import load

    share = as_share(eval_spec)
    train = dataset.usable.arg_true().to_numpy()
    if share is None:
        evaluation = held_out_file(dataset, str(eval_spec))
        held, held_rows = train[:0], int(evaluation.usable.sum())
        train_rows = len(train)
        answering, places = evaluation, evaluation.usable.arg_true().to_numpy()
    else:
        train, held = indices(dataset, share, seed)
        train_rows, held_rows = len(train), len(held)
        answering, places = dataset, held if len(held) else train
    asked = partial(answering.at, places)
    equal = 0
    if dataset.format == "preference":
        train, held, equal = _compared(dataset, train, held)
        train_rows, held_rows = len(train), held_rows if share is None else len(held)
    if not train_rows:
        raise UserError(
            "none of its rows can be trained on",
            place=str(dataset.files[0]),
            remedy="check it with `tuiftune data inspect`",
        )
    folder = Path(model.path) if model is not None and model.path is not None else None
    name = model.reference if model else ""
    if kept is not None:
        found = kept()
    else:
        found = lengths(dataset, folder, watch=watch, name=name, strict=True, reasoning=reasoning)
    dropped = 0
    unused = None
    if max_length is not None:
        unused = _Unused(max_length, folder, name, reasoning, writes, loss_on)
        bare, part = unused.rows(dataset, found)
        lost = [
            int(np.isin(side, bare).sum()) if part is None else round(part * len(side))
            for side in (train, held)
        ]
        if lost[0] == train_rows and not mix:
            raise _nothing_left(found, max_length, writes)
        train_rows, held_rows, dropped = train_rows - lost[0], held_rows - lost[1], sum(lost)
    counted = [(found.total, train_rows)]
    portions: tuple[Portion, ...] = ()
    shared = 0
    if mix:
        mixture = _mixture(dataset, eval_spec, mix, seed)
        portions, shared = mixture.portions, mixture.shared
        for portion, seen in mixture.parts():
            if not seen:
                counted.append((found.total[:0], 0))
                continue
            rows = load(portion.source)
            measured = lengths(rows, folder, watch=watch, name=name, strict=True, reasoning=reasoning)
            used = [one for one in seen if one.compares]
            left = 0 if unused is None else unused.among(rows, measured, used)
            counted.append((measured.total, len(used) - left))
            equal, dropped = equal + len(seen) - len(used), dropped + left
        if not sum(rows for _, rows in counted):
            raise _nothing_left(found, max_length or 0, writes)
    most = np.iinfo(np.int64).max if max_length is None else max_length
    tokens = [round(rows * float(np.minimum(total, most).mean())) if rows else 0 for total, rows in counted]
    totals = np.concatenate([total for total, _ in counted])
    weights = np.concatenate([np.full(len(total), rows / max(1, len(total))) for total, rows in counted])
    order = np.argsort(totals, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    at = np.searchsorted(reached, np.linspace(0, 1, 21) - 1e-9).clip(0, len(totals) - 1)
    labels = dataset.labels[0] if dataset.format == "classification" else None
    longest_answer, around = _longest_answer(_long_answers(answering, places), folder, reasoning)
    longest = (
        () if mix else _longest_rows(dataset, found, folder, reasoning)
    )  # a mixture may repeat its longest
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
        shared=shared,
        tokens=tuple(tokens) if mix and not writes else (),
        longest_answer=longest_answer,
        around_answer=around,
        late=found.late / max(1, len(found.indices)),
        longest_rows=longest,
        dropped=dropped,
        equal=equal,
        answered=any(one.reference for one in islice(asked(), LOOKED_AT)),
        reward=_reward(islice(asked(), LOOKED_AT)),
    )


def _compared(
    dataset: Dataset, train: NDArray[np.intp], held: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Rows to train and to evaluate on whose two answers differ, unless none does, and how many do not."""
    frame = dataset.frame
    text, turns = (frame[one].eq_missing(frame[other]) for one, other in SIDES)
    equal = (text & turns).to_numpy()
    if equal[train].all():  # refused where the run is made
        return train, held, 0
    both = train[~equal[train]], held[~equal[held]]
    return *both, int(equal[train].sum() + equal[held].sum())


@dataclass(frozen=True, slots=True)
class _Unused:
    """Finds rows that training leaves out for their length."""

    max_length: int
    folder: Path | None
    name: str
    reasoning: str
    writes: bool
    loss_on: str

    def rows(self, dataset: Dataset, found: Lengths) -> tuple[NDArray[np.intp], float | None]:
        """Those of a dataset; or, where only some were looked at, their share of all."""
        import numpy as np

        cut = np.flatnonzero(found.total > self.max_length - (OPENING if self.writes else 0))
        if not found.counted or self.folder is None or not len(cut):
            return found.indices[:0], None
        counter = Counter(self.folder, self.name, self.loss_on, self.reasoning)
        asked = questions.unanswered if self.writes else questions.untrained

        def bare(places: NDArray[np.intp]) -> NDArray[np.intp]:
            told = counter.each(asked, dataset.at(found.indices[places]), self.max_length)
            return places[[out for _, out in told]]

        looked = cut[np.linspace(0, len(cut) - 1, min(len(cut), LOOKED_AT_CUT)).astype(np.intp)]
        seen = bare(looked)
        if len(seen) == len(looked) < len(cut) == len(found.total):  # perhaps all: then it is refused
            looked, seen = cut, bare(cut)
        if len(looked) == len(cut) and len(found.indices) == int(dataset.usable.sum()):
            return found.indices[seen], None
        return found.indices[seen], len(seen) / len(looked) * len(cut) / len(found.total)

    def among(self, dataset: Dataset, found: Lengths, seen: Sequence[Example]) -> int:
        """How many of the rows `seen` in an epoch, all of the dataset."""
        bare, part = self.rows(dataset, found)
        if part is not None:
            return round(part * len(seen))
        out = {(one.file, one.row) for one in dataset.at(bare)}
        return sum((one.file, one.row) in out for one in seen)


def _nothing_left(found: Lengths, max_length: int, writes: bool) -> UserError:
    what = "every prompt fills it" if writes else "every row is truncated before its first trained token"
    return UserError(
        f"{what} (the shortest row has "
        f"{int(found.total.min()):,} tokens, the longest {int(found.total.max()):,})",
        place=f"data.max_length: {max_length:,}",
        remedy="raise data.max_length, or shorten the prompts",
    )


def _reward(examples: Iterable[Example]) -> str:
    """The reward that could check the reference answers, by some of them."""
    answered = [one.reference for one in examples if one.messages and one.chosen is None]
    return rewards.suiting([reference for reference in answered if reference])


def _longest_rows(dataset: Dataset, found: Lengths, folder: Path | None, reasoning: str) -> tuple[int, ...]:
    """Lengths of the longest rows. Where only a sample was counted, those with the most bytes are, too."""
    import numpy as np

    totals = found.total
    usable = dataset.usable.arg_true().to_numpy().astype(np.intp)
    if found.counted and folder is not None and len(found.indices) < len(usable):
        sizes = estimated(dataset, usable).total
        most = usable[np.argsort(-sizes, kind="stable")[:LONGEST_ROWS]]
        more = np.setdiff1d(most, found.indices)
        found_more = Counter(folder, reasoning=reasoning).lengths(dataset.at(more))
        counted = np.fromiter((total for total, _ in found_more), dtype=np.int64, count=len(more))
        totals = np.concatenate([totals, counted])
    return tuple(int(total) for total in np.sort(totals)[::-1][:LONGEST_ROWS])


def _long_answers(dataset: Dataset, places: NDArray[np.intp]) -> Iterator[Example]:
    """Rows at these places, of very many those whose answers have the most bytes."""
    import numpy as np
    import polars as pl

    if len(places) > ANSWERS:
        size = pl.col("answer").str.len_bytes().fill_null(0).cast(pl.Int64)
        sizes = dataset.frame.select(size).to_series().to_numpy()[places]
        places = places[np.sort(np.argsort(-sizes, kind="stable")[:ANSWERS])]
    return dataset.at(places)


def _longest_answer(
    examples: Iterable[Example], folder: Path | None, reasoning: str
) -> tuple[int | None, int]:
    """Tokens of the longest reference, and most tokens around one (reasoning, marks); by the tokenizer where
    it is here, else from bytes, a third more.

    Of many rows those with the most bytes are counted.
    """
    asked = heapq.nlargest(
        COUNTED_ANSWERS,
        (example for example in examples if example.messages and example.reference),
        key=lambda example: len(example.reference.encode()),
    )
    if not asked:
        return None, 0
    if folder is None or not has_tokenizer(folder):
        longest = len(asked[0].reference.encode())
        return math.ceil(longest / BYTES_PER_TOKEN * 4 / 3), 0
    lengths = Counter(folder, reasoning=reasoning).completion_lengths(asked)
    return max(size for size, _ in lengths), max(around for _, around in lengths) - 1


def _mixture(dataset: Dataset, eval_spec: float | str, mix: Mix, seed: int) -> Mixture:
    from tuiftune.data.mix.sources import mixed
    from tuiftune.data.mix.split import split

    train, held = split(dataset, eval_spec, seed)
    files = ", ".join(str(file) for file in dataset.files)
    return mixed(train, held, mix, seed, files, format=dataset.format)


def _sources(mix: Mix) -> str:
    return "1 source" if len(mix.sources) == 1 else f"{len(mix.sources)} sources"
