"""Several sources in one training set: how often each row is seen in an epoch, and all is counted.

Replaying some general data next to the task's own keeps what the model knew (Ibrahim et al., 2024). The
training data is seen once; every other source has a weight, a share of the rows seen, or follows a
temperature.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune.data.read.load import load
from tuiftune.errors import UserError
from tuiftune.figures import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tuiftune.data.example import Example
    from tuiftune.preset.schema import DataSection
    from tuiftune.stages.base import Stage

LARGEST_WEIGHT = 100.0
BARE = "\0"  # before a prompt without its system message
PLAIN = "answers or texts to learn"
KINDS = {"preference": "preferences", "kto": "rated answers (thumb up or down)"}  # of the other formats


@dataclass(frozen=True, slots=True)
class Source:
    """A further source of rows. A `share` of all rows seen, where there is one, decides, not the `weight`."""

    path: str
    weight: float = 1.0
    share: float | None = None

    @classmethod
    def amount(cls, path: str, text: str) -> Source:
        """A source with a weight (`0.5`, `2`) or a share (`10%`) as it is typed. Raises UserError."""
        try:
            value = float(text.removesuffix("%"))
        except ValueError:
            value = 0.0
        if not 0 < value < (100 if text.endswith("%") else math.inf):
            raise UserError(
                f"{text} is not a valid amount", place=path, remedy="write a weight (0.5, 2) or 10%"
            )
        return cls(path, share=value / 100) if text.endswith("%") else cls(path, value)

    def describe(self) -> str:
        """The source and how much of it is wanted, in words that change with either."""
        return f"{self.path} × {self.weight:g}" if self.share is None else f"{self.path} as {self.share:g}"


@dataclass(frozen=True, slots=True)
class Mix:
    """What is mixed in. With a temperature the sizes decide: shares ∝ rows^(1/T)."""

    sources: tuple[Source, ...] = ()
    temperature: float | None = None
    held: int = 0  # rows of each source that are not trained on, but evaluated by themselves

    @classmethod
    def of(cls, data: DataSection) -> Mix:
        """As a preset says it."""
        sources = tuple(Source(one.path, one.weight, one.share) for one in data.mix)
        return cls(sources, data.mix_temperature, data.mix_eval)

    def values(self) -> dict[str, Any]:
        """As the preset's `data` says it, keys that are at their default left out."""

        def amount(source: Source) -> dict[str, float]:
            if self.temperature is not None:
                return {}
            return {"weight": source.weight} if source.share is None else {"share": source.share}

        values: dict[str, Any] = {"mix": [{"path": source.path, **amount(source)} for source in self.sources]}
        if self.held:
            values["mix_eval"] = self.held
        return values if self.temperature is None else {**values, "mix_temperature": self.temperature}

    def __bool__(self) -> bool:
        return bool(self.sources)

    def weights(self, main: int, sizes: Sequence[int]) -> list[float]:
        """How often each source's rows are seen, the `main` rows once; 0 for a source without rows.

        Raises UserError where shares leave nothing for the main rows.
        """
        if self.temperature is not None:
            found = [size for size in sizes if size]
            weights = iter(weights_of_temperature([max(1, main), *found], self.temperature)[1:])
            return [next(weights) if size else 0.0 for size in sizes]
        taken = sum(source.share or 0.0 for source in self.sources)
        if taken >= 1:
            raise UserError("the shares leave nothing for the training data", place="data.mix")
        pairs = list(zip(self.sources, sizes, strict=True))
        counted = main + sum(source.weight * size for source, size in pairs if source.share is None)
        return [
            source.weight
            if source.share is None
            else source.share / (1 - taken) * counted / size
            if size
            else 0.0
            for source, size in pairs
        ]


@dataclass(frozen=True, slots=True)
class Portion:
    """What the trainer sees of one source in an epoch. `left_out` rows are in the evaluation set."""

    source: str
    weight: float
    rows: int
    seen: int
    left_out: int = 0

    def describe(self) -> str:
        """The source and how much of it is seen, in words."""
        words = f"{self.source} × {self.weight:.3g}: {self.seen:,} rows per epoch"
        return words + (
            f", {self.left_out:,} dropped because their prompts are in the evaluation set"
            if self.left_out
            else ""
        )


@dataclass(frozen=True, slots=True)
class Mixture:
    """The rows of an epoch (repeats are repeated) and what each source contributes, the main one first.

    `held`: the rows of each source, by its path, that are held out to evaluate it by itself. `shared`: rows
    that an earlier source has too.
    """

    examples: list[Example]
    portions: tuple[Portion, ...]
    held: dict[str, list[Example]]
    shared: int = 0

    def parts(self) -> Iterator[tuple[Portion, list[Example]]]:
        """Each further source with its rows of an epoch."""
        start = self.portions[0].seen
        for portion in self.portions[1:]:
            yield portion, self.examples[start : start + portion.seen]
            start += portion.seen

    def share(self, portion: Portion) -> float:
        """A source's part of all rows seen."""
        return portion.seen / max(1, len(self.examples))


def mixed(
    train: list[Example],
    held_out: list[Example],
    mix: Mix,
    seed: int,
    name: str = "train",
    *,
    format: str,  # noqa: A002 - as in `load`
) -> Mixture:
    """The main training rows, read as rows of a format, with further sources.

    Weight 0.25 takes a quarter of a source's rows (by content and seed), 2 takes each twice, 2.5 half of them
    a third time. Rows whose prompt is held out are left out before anything is counted. Raises UserError for
    an unreadable source, a weight that isn't in (0, 100], or preference or rated rows mixed with others.
    """
    held = prompts_of(held_out)
    read = [fresh_rows(source.path, held, format) for source in mix.sources]
    parts = [
        _parted(fresh, mix.held, seed, source.path, _asked_elsewhere(train, read, at) if mix.held else set())
        for at, ((_, fresh), source) in enumerate(zip(read, mix.sources, strict=True))
    ]
    sizes = [(rows - len(kept), len(fresh)) for (rows, _), (kept, fresh) in zip(read, parts, strict=True)]
    found = portions(name, len(train), sizes, mix)
    examples = list(train)
    for portion, (_, fresh) in zip(found[1:], parts, strict=True):
        examples += sample(fresh, portion.weight, seed)
    own = {source.path: kept for source, (kept, _) in zip(mix.sources, parts, strict=True) if kept}
    return Mixture(examples, found, own, _shared(train, [fresh for _, fresh in parts]))


def check_sides(stage: Stage, examples: Iterable[Example]) -> None:
    """UserError for raw text among rows whose prompts the model is to answer, and for prompts alone among
    rows whose answers are trained on.
    """
    for row in examples:
        answered = row.chosen is not None or any(one.role == "assistant" for one in row.messages or ())
        if row.messages is None if stage.writes else row.messages is not None and not answered:
            what, needs = ("raw text", "prompts") if stage.writes else ("prompts alone", "answers")
            raise UserError(
                f"its rows are {what}, and {stage.does} needs {needs}",
                place=row.file or "data.mix",
                remedy="take it out of data.mix, or check the names of its columns",
            )


def check_evaluated(stage: Stage, held_out: Sequence[Example]) -> None:
    """UserError where sources can't be evaluated by themselves: in this stage, or next to no rows."""
    if not held_out:
        raise UserError(
            "sources are evaluated with the evaluation rows, and there are none",
            place="data.mix_eval",
            remedy="set data.eval, or data.mix_eval: 0",
        )
    if not stage.likelihood:
        raise UserError(
            f"sources cannot be evaluated by themselves in {stage.does}",
            place="data.mix_eval",
            remedy="set it to 0",
        )


def _asked_elsewhere(train: list[Example], read: Sequence[tuple[int, list[Example]]], own: int) -> set[str]:
    """The prompts that are trained on in the main rows and in other sources than the `own`."""
    others = (rows for at, (_, rows) in enumerate(read) if at != own)
    return {prompt_of(row) for rows in (train, *others) for row in rows}


def _parted(
    rows: list[Example], held: int, seed: int, path: str, elsewhere: set[str]
) -> tuple[list[Example], list[Example]]:
    """The rows of a source that are held out (by content and seed), and the others. None is held out whose
    prompt is trained on `elsewhere`. UserError if too few can be, or none is left.
    """
    if not held:
        return [], rows
    if held >= len(rows):
        raise UserError(
            f"{held:,} rows are to be held out, and it has {len(rows):,}",
            place=path,
            remedy="lower data.mix_eval",
        )
    own = [index for index, row in enumerate(rows) if prompt_of(row) not in elsewhere]
    if len(own) < held:
        raise UserError(
            f"{held:,} rows are to be held out, and the prompts of only {len(own):,} are in no other source",
            place=path,
            remedy="lower data.mix_eval, or drop the rows that sources share",
        )
    order = sorted(own, key=lambda index: (_key(rows[index], seed), index))
    kept = {prompt_of(rows[index]) for index in order[:held]}  # equal prompts stay together
    left = [row for row in rows if prompt_of(row) not in kept]
    if not left:
        raise UserError(
            "all of its rows have the prompts that are held out, and none is left to train on",
            place=path,
            remedy="lower data.mix_eval, or set it to 0",
        )
    return [row for row in rows if prompt_of(row) in kept], left


def fresh_rows(path: str, held: set[str], like: str) -> tuple[int, list[Example]]:
    """(rows read, those whose prompt isn't held out) of a source. UserError where no loss can be of them and
    of rows of the format `like`.
    """
    dataset = load(path)
    rows = list(dataset.examples())
    own, others = (KINDS.get(one, PLAIN) for one in (dataset.format, like))
    if rows and own != others:
        raise UserError(
            f"its rows are {own}, the others {others}",
            place=path,
            remedy="mix sources of one stage",
        )
    return len(rows), [example for example in rows if not _is_asked(example, held)]


def portions(name: str, main: int, sizes: Sequence[tuple[int, int]], mix: Mix) -> tuple[Portion, ...]:
    """What is seen of the `main` rows and of each source, by its (rows read, rows not held out).

    UserError for a weight out of bounds, given or come about.
    """
    for source in mix.sources:
        if source.share is None and not 0 < source.weight <= LARGEST_WEIGHT:
            raise UserError(
                f"{source.weight:g} is not a valid weight",
                place="data.mix",
                remedy=f"use a weight above 0 and at most {LARGEST_WEIGHT:g}",
            )
    found = [Portion(name, 1.0, main, main)]
    weights = mix.weights(main, [fresh for _, fresh in sizes])
    for source, weight, (rows, fresh) in zip(mix.sources, weights, sizes, strict=True):
        if weight > LARGEST_WEIGHT:
            raise UserError(
                f"its {fresh:,} rows would each be used {weight:,.0f} times per epoch",
                place=source.path,
                remedy=f"use a smaller share or temperature ({LARGEST_WEIGHT:g} times is the maximum)",
            )
        seen = _seen(fresh, weight)
        if fresh and not seen:
            raise UserError(
                f"{weight:.3g} of its {plural(fresh, 'row')} is none",
                place=source.path,
                remedy="raise its weight or share, or take it out of data.mix",
            )
        found.append(Portion(source.path, weight, rows, seen, rows - fresh))
    return tuple(found)


def _seen(rows: int, weight: float) -> int:
    return rows * int(weight) + round((weight - int(weight)) * rows)


def sample(rows: list[Example], weight: float, seed: int) -> list[Example]:
    """Each row ⌊weight⌋ times, and the fraction's share once more: those with the smallest hash of content
    and seed.
    """
    whole = int(weight)
    count = _seen(len(rows), weight) - whole * len(rows)
    if not count:
        return rows * whole
    order = sorted(range(len(rows)), key=lambda index: (_key(rows[index], seed), index))
    chosen = sorted(order[:count])
    return rows * whole + [rows[index] for index in chosen]


def weights_of_shares(sizes: Sequence[int], shares: Sequence[float]) -> list[float]:
    """Weights at which sources of these sizes make up these shares, the first (main) source counting once.

    Raises UserError when a share isn't above 0.
    """
    if any(share <= 0 for share in shares) or any(size <= 0 for size in sizes):
        raise UserError("shares must be above 0", place="data.mix")
    return [share / shares[0] * sizes[0] / size for size, share in zip(sizes, shares, strict=True)]


def weights_of_temperature(sizes: Sequence[int], temperature: float) -> list[float]:
    """Weights for shares ∝ size^(1/T), the first source counting once: T = 1 as they are, large T all equal.

    As multilingual training samples its languages (Arivazhagan and others, 2019).
    """
    if temperature < 1:
        raise UserError(
            f"{temperature:g} is not a valid temperature", place="data.mix", remedy="use 1 or more"
        )
    return weights_of_shares(sizes, [size ** (1 / temperature) for size in sizes])


def prompts_of(examples: Iterable[Example]) -> set[str]:
    """The prompts of rows, also without their system message (after BARE): rows of another source may have
    none.
    """
    rows = list(examples)
    return {prompt_of(row) for row in rows} | {BARE + prompt_of(_bare(row)) for row in rows}


def _is_asked(example: Example, held: set[str]) -> bool:
    """Whether a row's prompt is one of these, with the same system message or with one on one side alone."""
    if prompt_of(example) in held:
        return True
    bare = prompt_of(_bare(example))
    return bare in held or (bare == prompt_of(example) and BARE + bare in held)


def _bare(example: Example) -> Example:
    messages = tuple(one for one in example.messages or () if one.role != "system")
    return replace(example, messages=messages) if messages else example


def prompt_of(example: Example) -> str:
    """The prompt's text, or the text itself, as equality is judged: lower case, single spaces."""
    turns = [message.content for message in example.prompt]
    return " ".join(("\n".join(turns) if turns else example.text or "").lower().split())


def _shared(train: list[Example], sources: Sequence[list[Example]]) -> int:
    seen = {replace(row, row=0, file="") for row in train}
    count = 0
    for rows in sources:
        own = [replace(row, row=0, file="") for row in rows]
        count += sum(row in seen for row in own)
        seen.update(own)
    return count


def _key(example: Example, seed: int) -> bytes:
    plain = replace(example, row=0, file="")
    return hashlib.blake2b(
        repr(plain).encode("utf-8", "replace"), digest_size=8, salt=str(seed).encode()[:16]
    ).digest()
