"""The rows of a run: loaded, split, tokenized, cut, and turned into what the trainer reads."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import stages
from tuiftune.data.chat.written import CODE
from tuiftune.engine.model.columns import EQUAL, LONG
from tuiftune.engine.model.foreign import tokenized
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tuiftune.data.example import Example
    from tuiftune.engine.model.foreign import Row
    from tuiftune.engine.process.report import Report
    from tuiftune.fence.process import Asked
    from tuiftune.preset.schema import Preset

BATCH = 256
MANY_BYTES = 8 << 20  # of the files: from then on rows are tokenized by several processes, and kept
NUMBER = 8  # bytes
REWRITTEN = {
    "reasoning_kept": (
        "the chat template removes the reasoning of the last answer; it is trained nevertheless, after the "
        "prompt that inference sends",
        "remove the reasoning from the rows if it should not be trained",
    ),
    "reasoning_cut": (
        "the chat template removes the reasoning of earlier answers; they are trained as it renders them",
        "make each such answer the last message of its own row",
    ),
    "answers_rewritten": (
        "the chat template changes the words of an answer; its version is trained",
        "see a row as it is trained: `tuiftune data tokens`",
    ),
    "reasoning_late": (
        "the chat template closes the reasoning before an answer by default, so that of the rows is trained "
        "after the closed block, and only that default makes the model reason so",
        "set data.reasoning: drop, or use a model that reasons by default",
    ),
    LONG: (
        "the prompt fills data.max_length, so that it is left out",
        "raise data.max_length, or shorten the prompts",
    ),
    EQUAL: (
        "the two answers are equal, or differ only beyond data.max_length, so these rows are not trained on",
        "check data.columns, drop the rows with tuiftune data clean FILE --drop equal-sides, or raise "
        "data.max_length",
    ),
    "messages_dropped": (
        "the chat template leaves out messages before an answer (such as tool results), so the answer is "
        "trained without them",
        "write them as user messages, or use a model whose template has their role",
    ),
}


@dataclass(frozen=True, slots=True)
class Examples:
    """The rows as messages or text, split the way `data.split` does.

    `train` holds what is mixed in, too. `format` is what the data was recognized as. Many rows are made from
    the frame whenever they are asked for.
    """

    train: Sequence[Example]
    held_out: Sequence[Example]
    format: str
    files: list[str]
    sources: dict[str, list[Example]] = field(default_factory=dict)  # evaluated by themselves
    content: tuple[str, ...] = ()  # digests of the files of many rows, in the order they are read; else empty


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tokenized rows: `dataset` has the columns of the stage. `digest` names its content."""

    dataset: Any
    rows: int
    digest: str
    keys: Any  # a hash of the tokens of each row in 8 bytes, the same among rows prepared together only
    room: tuple[int, int] | None = None  # what the stage's `room` says of the rows, where it is known


def load(preset: Preset, report: Report, check: Callable[[], None]) -> Examples:
    """Read and split the data. UserError where it can't be read, or nothing is left to train on."""
    from tuiftune.data.checks.judgments import check_both_kinds
    from tuiftune.data.mix.sources import Mix, check_evaluated, mixed
    from tuiftune.data.mix.split import picked, split
    from tuiftune.data.read.load import load as load_data

    data = preset.data
    report.phase("loading", "data")

    def progress(done: int) -> None:
        check()
        report.phase("loading", "data", done=done)

    content = _content(preset)
    dataset = load_data(
        data.train, format=data.format, columns=data.columns or None, system=data.system, progress=progress
    )
    train: Sequence[Example]
    held_out: Sequence[Example]
    if content and not data.mix:
        train, held_out = picked(dataset, data.eval, preset.training.seed)
    else:
        train, held_out = split(dataset, data.eval, preset.training.seed)
    place = ", ".join(str(file) for file in dataset.files)
    if not train:
        raise UserError(
            "no row can be trained on", place=place, remedy="give more rows, or a smaller data.eval"
        )
    stage = stages.every()[preset.method.stage]
    stage.check_rows(str(dataset.format), place)
    if stage.judged:
        check_both_kinds(dataset, place)
    files = [str(file) for file in dataset.files]
    sources: dict[str, list[Example]] = {}
    if data.mix:
        report.phase("loading", "data mixed in")
        form = str(dataset.format)
        mixture = mixed(list(train), list(held_out), Mix.of(data), preset.training.seed, place, format=form)
        check()
        train, sources = mixture.examples, mixture.held
        if sources:
            check_evaluated(stage, held_out)
        files += [portion.describe() for portion in mixture.portions[1:]]
    if content and _content(preset) != content:
        content = ()  # written while it was read
    return Examples(train, held_out, str(dataset.format), files, sources, content)


def _content(preset: Preset) -> tuple[str, ...]:
    """The kind and digest of every file that rows come from; empty where all of it is little."""
    from tuiftune.cache import content
    from tuiftune.data.mix.split import as_share
    from tuiftune.data.read.files import expand

    data = preset.data
    specs = [data.train, *([str(data.eval)] if as_share(data.eval) is None else [])]
    sources = [source for spec in (*specs, *(one.path for one in data.mix)) for source in expand(spec)[0]]
    if content.sizes(source.path for source in sources) < MANY_BYTES:
        return ()
    try:
        return tuple(f"{source.kind} {content.of_file(source.path)}" for source in sources)
    except OSError:  # what is wrong with it is said where it is read
        return ()


def prepare(
    examples: Sequence[Example],
    asked: Asked,
    report: Report,
    check: Callable[[], None],
    *,
    which: str,
    columns: tuple[str, ...],
    max_length: int,
) -> Prepared:
    """Tokenize rows, which `asked` has as `which`, and drop those with nothing to learn; both are counted in
    warnings. `columns`: of the dataset, one a part of a row.

    UserError when none is left.
    """
    table, keys = {name: _Ragged() for name in columns}, array("q")
    digest = hashlib.sha256()
    cut = lost = dropped = 0
    told = Counter[str]()
    for row in _tokenized(examples, asked, report, check, which):
        cut += row.truncated
        lost += row.lost
        told.update(row.told)
        if not row.teaches:
            dropped += not {EQUAL, LONG} & {*row.told}
            continue
        sizes = [len(part) // NUMBER for part in row.parts]
        keys.append(hash(b"".join(row.parts[::2])))  # the tokens; every other part is their labels
        for size, before, part, column in zip(sizes, [-1, *sizes], row.parts, table.values(), strict=False):
            column.append(part)
            if size != before:  # a row's labels are as many as its tokens
                digest.update(size.to_bytes(8, sys.byteorder))
            digest.update(part)
    say(report, which, len(examples), max_length, cut=cut, lost=lost, dropped=dropped, told=told)
    if examples and not len(keys):
        raise nothing_left(which, len(examples), told)
    return Prepared(_dataset(table), len(keys), digest.hexdigest(), keys)


def say(
    report: Report,
    which: str,
    examples: int,
    max_length: int,
    *,
    cut: int,
    lost: int,
    dropped: int,
    told: Mapping[str, int],
) -> None:
    """Warn of what tokenizing did to rows."""
    if cut:
        report.warning(
            "rows_cut",
            f"{cut} of {examples} {which} rows exceeded {max_length} tokens and were truncated, "
            f"losing {lost} trained tokens",
            "raise data.max_length, or shorten the rows",
        )
    if dropped:
        report.warning(
            "rows_dropped",
            f"{dropped} of {examples} {which} rows have no trained tokens and were dropped",
            "raise data.max_length if their answers were truncated, or add answers",
        )
    for code, (message, remedy) in REWRITTEN.items():
        if count := told.get(code):
            report.warning(code, f"{count} of {examples} {which} rows: {message}", remedy)
    changed = {code.removeprefix(CODE): count for code, count in told.items() if code.startswith(CODE)}
    if changed:
        most = sorted(changed, key=lambda one: (-changed[one], one))[:3]
        report.warning(
            CODE,
            f"{sum(changed.values())} of {examples} {which} rows have characters that the tokenizer cannot "
            f"write ({', '.join(repr(one.strip()) for one in most)}): others are trained in their place",
            "use a model whose tokenizer knows them, or write the rows as it does; "
            "tuiftune data inspect FILE --model M names the rows",
        )


def nothing_left(which: str, examples: int, told: Mapping[str, int]) -> UserError:
    """For rows none of which teaches anything; `told` counts why, where a reason is known."""
    for code in (EQUAL, LONG):
        if told.get(code) == examples:
            message, remedy = REWRITTEN[code]
            return UserError(f"all {examples} {which} rows: {message}", place="data", remedy=remedy)
    return UserError(
        f"none of the {examples} {which} rows has trained tokens",
        place="data",
        remedy="raise data.max_length, or check data.loss_on and the columns",
    )


def leaked(training: Prepared, held_out: Prepared | None) -> int:
    """Return how many evaluation rows are training rows too, token for token."""
    if held_out is None:
        return 0
    import numpy as np

    seen, asked = (np.asarray(one.keys, dtype=np.int64) for one in (training, held_out))
    return int(np.isin(asked, seen).sum())


def _tokenized(
    examples: Sequence[Example], asked: Asked, report: Report, check: Callable[[], None], which: str
) -> Iterator[Row]:
    total = len(examples)
    report.phase("tokenising", f"{which} rows", done=0, total=total)
    for start in range(0, total, BATCH):
        check()
        yield from tokenized(asked, which, examples, start, start + BATCH)
        report.phase("tokenising", f"{which} rows", done=min(start + BATCH, total), total=total)


class _Ragged:
    """Rows of different lengths in one flat array: 8 bytes a token, where Python lists take 36."""

    def __init__(self) -> None:
        self.values = array("q")
        self.offsets = array("q", [0])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def append(self, row: bytes) -> None:
        self.values.frombytes(row)
        self.offsets.append(len(self.values))

    def column(self) -> Any:
        import numpy as np
        import pyarrow as pa

        offsets = pa.array(np.frombuffer(self.offsets, dtype=np.int64))
        values = pa.array(np.frombuffer(self.values, dtype=np.int64) if self.values else [], type=pa.int64())
        return pa.LargeListArray.from_arrays(offsets, values)


def _dataset(table: dict[str, _Ragged]) -> Any:
    import pyarrow as pa
    from datasets import Dataset

    return Dataset(pa.table({name: column.column() for name, column in table.items()}))
