"""Many rows tokenized: by all cores, into files that are mapped into memory, which later runs use again."""

from __future__ import annotations

import atexit
import os
import shutil
import time
from contextlib import suppress
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tuiftune.cache import clearing, content, place
from tuiftune.cache.entry import hold
from tuiftune.data.mix.split import as_share
from tuiftune.data.picked import portions
from tuiftune.engine.model import foreign
from tuiftune.engine.training import rows
from tuiftune.engine.training.crew import Crew, Request, processes
from tuiftune.engine.training.rows import Prepared
from tuiftune.engine.training.shards import Shards, Tally, mapped
from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import duration
from tuiftune.figures import size as bytes_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.cache.entry import Entry
    from tuiftune.data.example import Example
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.stages.base import EngineStage
    from tuiftune.engine.training.rows import Examples
    from tuiftune.engine.training.settings import Settings

KIND, SCRATCH = "tokens", "scratch"
UNRELATED = {"train", "test", "packing", "padding_free"}  # of `data`: they change neither rows nor tokens
CODE = (
    "data",
    "engine/model/foreign.py",
    "engine/model/columns.py",
    "engine/model/tokenizer.py",
    "engine/stages",
    "engine/evaluation",
)
LIBRARIES = ("tokenizers", "transformers", "jinja2", "polars", "pyarrow")
BATCH = 256  # rows that are sent at once …
BATCH_BYTES = 2 << 20  # … and their text, but for a row that is longer by itself
TRIED = 4096  # evaluation rows: more than are ever asked
BYTES_A_BYTE = 4  # of tokens and labels on disk a byte of text, for short words with marks around them
SPARE_BYTES = 1 << 30
TRAINING, HELD_OUT = "training", "evaluation"


def prepared(
    base: Base,
    half: EngineStage,
    make: Callable[[], RowTokenizer],
    examples: Examples,
    wanted: Settings,
    report: Report,
    check: Callable[[], None],
) -> tuple[Prepared, Prepared | None, dict[str, Prepared]]:
    """The rows for training, the held-out ones, and those of sources, tokenized behind fences.

    UserError as `rows.prepare`.
    """
    report.phase("loading", "tokenizer")
    crew = Crew(foreign.members(base, half, make, 1))
    try:
        known = _key(crew.first.ask(foreign.identity), examples, wanted)
        work = _Work(base, half, make, wanted.preset.data.max_length, crew, report, check)
        named = {TRAINING: examples.train, HELD_OUT: examples.held_out}
        named |= {f"{HELD_OUT} {name}": rows for name, rows in examples.sources.items()}
        made = {
            which: work.rows(which, rows, f"{known} {which}") for which, rows in named.items() if len(rows)
        }
    finally:
        crew.close()
    if place.limit():
        scratch()
    sources = {name: made[which] for name in examples.sources if (which := f"{HELD_OUT} {name}") in made}
    return made[TRAINING], made.get(HELD_OUT), sources


def scratch() -> None:
    """Let `datasets` write what it makes of mapped rows (packed ones, for instance) into the cache: there the
    next run removes it if this process is killed.
    """
    from datasets import fingerprint

    for old in clearing.held():
        if old.kind == SCRATCH:
            clearing.remove(old)  # of a process that is gone: others hold theirs
    with suppress(UserError):
        entry = hold(SCRATCH, f"{os.getpid()}-{time.time_ns()}")
        atexit.register(shutil.rmtree, entry.path, ignore_errors=True)
        fingerprint._TEMP_DIR_FOR_TEMP_CACHE_FILES = SimpleNamespace(name=str(entry.path))


def _key(identity: str, examples: Examples, wanted: Settings) -> str:
    """All that decides the tokens and the loss mask of every row, and which rows there are."""
    data = wanted.preset.data.model_dump(mode="json", exclude=UNRELATED)
    if as_share(wanted.preset.data.eval) is None:
        data["eval"] = "file"  # its content is known, and that of the sources
    data["mix"] = [{**source, "path": ""} for source in data["mix"]]
    libraries = [version(name) for name in LIBRARIES]
    seed, stage = wanted.preset.training.seed, wanted.preset.method.stage
    return content.key_of(content.of_code(CODE), libraries, identity, examples.content, data, seed, stage)


class _Work:
    """Rows made or found, one side of the split after the other."""

    def __init__(
        self,
        base: Base,
        half: EngineStage,
        make: Callable[[], RowTokenizer],
        max_length: int,
        crew: Crew,
        report: Report,
        check: Callable[[], None],
    ) -> None:
        self._base, self._half, self._make, self._max_length = base, half, make, max_length
        self._crew, self._report, self._check = crew, report, check
        self._alone = True

    def rows(self, which: str, examples: Sequence[Example], key: str) -> Prepared:
        entry = self._entry(which, content.key_of(key))
        try:
            document, dataset, keys = self._made(which, examples, entry)
        except BaseException:
            if entry is not None:
                entry.close()
            raise
        tally = Tally.of(document["tally"])
        rows.say(
            self._report,
            which,
            tally.examples,
            self._max_length,
            cut=tally.cut,
            lost=tally.lost,
            dropped=tally.dropped,
            told=tally.told,
        )
        room = document["room"]
        return Prepared(dataset, tally.rows, document["digest"], keys, tuple(room) if room else None)

    def _made(
        self, which: str, examples: Sequence[Example], entry: Entry | None
    ) -> tuple[dict[str, Any], Any, Any]:
        """What is sealed of the rows, the rows, and the hash of each."""
        document = entry.document() if entry else None
        if document is None:
            shards = Shards(entry.path if entry else None, self._half.columns)
            document = self._tokenize(which, examples, shards, entry)
            if entry is None:
                return document, *shards.in_memory()
            entry.seal(document, shards.names)
            clearing.trim(place.limit())
        assert entry is not None
        dataset, keys = mapped(entry.path, document["names"])
        entry.share()
        return document, dataset, keys

    def _entry(self, which: str, key: str) -> Entry | None:
        """Where the rows are or will be kept; None where nothing is to be, or can be."""

        def waiting() -> None:
            self._check()
            self._report.phase("tokenising", f"{which} rows: another run is tokenizing the same rows")

        if not place.limit():
            return None
        try:
            return hold(KIND, key, waiting)
        except UserError as fault:
            self._report.warning("rows_not_kept", f"{fault.place}: {fault.message}", fault.remedy)
            return None

    def _tokenize(
        self, which: str, examples: Sequence[Example], shards: Shards, entry: Entry | None
    ) -> dict[str, Any]:
        if self._alone:
            self._alone = False
            more = processes() - 1
            self._crew.join(foreign.members(self._base, self._half, self._make, more) if more else [])
        begun = shards.tally.examples
        progress = _Progress(self._report, which, begun, len(examples))
        try:
            for batch in self._crew.each(
                foreign.packed, self._requests(examples, begun, (), entry), self._check
            ):
                shards.add(batch)
                progress.say(shards.tally.examples)
            shards.flush()
        except OSError as fault:
            raise UserError(
                f"tokenized rows cannot be written ({fault.strerror or fault})",
                place=str(entry.path if entry else ""),
                remedy=f"free some space, name another disk in {place.DIRECTORY}, or set {place.LIMIT}=0",
                exit_code=ExitCode.DISK_FULL,
            ) from fault
        if not shards.tally.rows:
            raise rows.nothing_left(which, len(examples), shards.tally.told)
        room = None if which == TRAINING else self._tried(examples)
        return {
            "digest": shards.digest,
            "tally": shards.tally.document(),
            "names": shards.names,
            "room": room,
        }

    def _tried(self, examples: Sequence[Example]) -> tuple[int, int]:
        """The room that answers take. What scoring does with rows is tried with those that it may ask."""
        most = (1, 0)
        self._report.phase("tokenising", "evaluation rows: room for answers", total=len(examples))
        first = examples[:TRIED]
        for function, chosen, begin in (
            (foreign.try_sent, first, 0),
            (foreign.measure_sent, examples, len(first)),
        ):
            requests = self._requests(chosen, begin, (self._half.room,), None)
            for answer, around in self._crew.each(function, requests, self._check):
                most = max(most[0], answer), max(most[1], around)
        return most

    def _requests(
        self, examples: Sequence[Example], begin: int, given: tuple[Any, ...], entry: Entry | None
    ) -> Iterator[Request]:
        needed = 0
        for portion in portions(examples, begin, BATCH, BATCH_BYTES):
            if entry is not None and not needed:
                needed = _check_disk(entry, portion.size / portion.rows * (len(examples) - begin))
            yield Request((*given, portion.sent), portion.rows, portion.size)


def _check_disk(entry: Entry, size: float) -> int:
    """UserError where the disk has not the room for the tokens of so many bytes of text."""
    needed = int(size * BYTES_A_BYTE) + SPARE_BYTES
    free = place.free(entry.path)
    if free < needed:
        raise UserError(
            f"up to {bytes_in_words(needed)} needed for tokenized rows, {bytes_in_words(free)} free",
            place=str(place.root()),
            remedy=f"free some space (`tuiftune cache clear`), name another disk in {place.DIRECTORY}, or "
            f"set {place.LIMIT}=0 to keep them in memory",
            exit_code=ExitCode.DOES_NOT_FIT,
        )
    return needed


class _Progress:
    """Rows a second and the time that is left, in the words of a phase."""

    def __init__(self, report: Report, which: str, begun: int, total: int) -> None:
        self._report, self._which, self._begun, self._total = report, which, begun, total
        self._began = time.monotonic()
        report.phase("tokenising", f"{which} rows", done=begun, total=total)

    def say(self, done: int) -> None:
        seconds = time.monotonic() - self._began
        rate = (done - self._begun) / max(seconds, 1e-6)
        left = (self._total - done) / max(rate, 1e-6)
        words = f"{self._which} rows, {rate:,.0f} rows/s, {duration(left)} left"
        self._report.phase("tokenising", words, done=done, total=self._total)
