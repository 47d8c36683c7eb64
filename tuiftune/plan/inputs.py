"""The inputs of a plan (preset, machine, model, facts of the data), collected for a command or a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from tuiftune import paths, spool, stages, trackers
from tuiftune.errors import UserError
from tuiftune.preset.schema import YOURS
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.facts import DataFacts
    from tuiftune.data.similar.twins import Twins
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset

DATA, WEIGHTS = "data", "weights"  # what a plan can be made without
PLANNED_WITHOUT = "planned without data, as asked."
NO_DATA = "no data file yet"  # stands in `data.train` where neither preset nor data was named


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a plan is made from. Without a dataset, `missing` says why there is none yet.

    `weighed`: that the model's weights aren't there, or aren't its own, is a fault.
    """

    preset: Preset
    machine: Machine
    model: BaseModel
    dataset: Dataset | None
    facts: DataFacts | None
    missing: str = ""
    weighed: bool = True

    def plan(self, gpu: str | None = None) -> Plan:
        """The plan on the machine, or on the GPU that is named. UserError where none can be made."""
        from tuiftune.plan.resolve import make_plan

        made = make_plan(self.preset, self.machine, self.model, self.facts, gpu=gpu, weighed=self.weighed)
        notes = (*made.notes, self.missing) if self.missing else made.notes
        return replace(made, notes=notes, without=self.without)

    @property
    def without(self) -> tuple[str, ...]:
        """What was not there to be looked at, or was not to be: `data`, `weights`."""
        there = ((DATA, self.dataset is not None), (WEIGHTS, self.model.weights))
        return tuple(name for name, here in there if not here)


def to_look_at(preset: Preset, *, without: Collection[str] = ()) -> Inputs:
    """For a plan alone: the file that a built-in preset names stands for the user's, and may be missing.

    UserError for any other data that is missing, or faulty, but where it is to be planned `without` data.
    """
    from tuiftune.hardware.detect import detect
    from tuiftune.models.resolve import resolve

    model = resolve(preset.model.base, preset.model.revision)
    if missing := _missing(preset) or (PLANNED_WITHOUT if DATA in without else ""):
        return Inputs(preset, detect(), model, None, None, missing)
    dataset = load_rows(preset)
    return Inputs(preset, detect(), model, dataset, _measure(preset, dataset, model))


def of_named(
    name_or_path: str | None,
    overrides: Sequence[str],
    *,
    without: Collection[str] = (),
    say: Callable[[str], None] | None = None,
) -> Inputs:
    """Of a preset file, a built-in one, or tuiftune's defaults on the built-in model where None is named.

    UserError for what `train` would refuse, but for what it is to be done `without`.
    """
    from tuiftune.preset import file, shipped

    preset = neutral() if name_or_path is None else file.load(shipped.find(name_or_path), say=say)
    return checked(file.override(preset, list(overrides)) if overrides else preset, without=without)


def look_through(preset: Preset, *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Look at the data and the base model of a preset, and return what was not looked at.

    UserError for what `train` would refuse; nothing is planned, so that the machine does not matter.
    """
    from tuiftune.data.mix.split import picked
    from tuiftune.models.resolve import resolve
    from tuiftune.models.weights import require, require_reachable

    trackers.known(preset.run.report_to)
    model = None
    if WEIGHTS not in without:
        model = resolve(preset.model.base, preset.model.revision)
        require(model)
        require_reachable(model)
    missing = DATA in without or bool(_missing(preset))
    if not missing:
        dataset = load_rows(preset)
        if model is None:
            picked(dataset, preset.data.eval, preset.training.seed)
        else:
            _measure(preset, dataset, model)
    there = ((DATA, not missing), (WEIGHTS, model is not None and model.weights))
    return tuple(name for name, here in there if not here)


def checked(preset: Preset, *, without: Collection[str] = ()) -> Inputs:
    """What a plan is made of. UserError for data or a model directory that `train` would refuse."""
    from tuiftune.models.weights import require

    inputs = to_look_at(preset, without=without)
    if WEIGHTS in without:
        return replace(inputs, weighed=False)
    require(inputs.model)
    return inputs


def to_train(preset: Preset, root: Path, say: Callable[[str], None]) -> Inputs:
    """For a run under `root`: all of it is there, and can be trained with. UserError where it isn't."""
    from tuiftune.hardware.detect import detect
    from tuiftune.models.download import with_tokenizer
    from tuiftune.models.pinned import pinned
    from tuiftune.models.resolve import resolve
    from tuiftune.models.weights import require

    _refuse_streams(preset)
    trackers.check(preset.run.report_to)
    say(f"reading {_shown(preset.data.train)}")
    dataset = load_rows(preset)
    say(f"finding {printable(preset.model.base)}")
    model = pinned(with_tokenizer(resolve(preset.model.base, preset.model.revision), say))
    require(model)
    say(f"counting tokens of {dataset.rows:,} rows")
    facts = _measure(preset, dataset, model)
    return Inputs(preset, detect(root), model, dataset, facts)


def neutral() -> Preset:
    """Every setting at its default: only what has to be named is, and nothing of it is the user's."""
    from tuiftune.models.resolve import BUILTIN
    from tuiftune.preset.schema import Preset

    preset = Preset.model_validate({"model": {"base": BUILTIN}, "data": {"train": NO_DATA}})
    return preset.from_others(dict.fromkeys(preset.given(), "tuiftune default"))


def _refuse_streams(preset: Preset) -> None:
    """UserError for rows from a pipe: a run reads them again, in its own process and when it resumes."""
    data = preset.data
    named = [data.train] if isinstance(data.train, str) else data.train
    others = [one for one in (data.eval, data.test) if isinstance(one, str)]
    for text in (*named, *others, *(source.path for source in data.mix)):
        if spool.is_stream(text):
            raise UserError(
                "a run reads its rows again when it resumes, and a pipe can be read only once",
                place="standard input" if text == spool.STANDARD else printable(text),
                remedy="write the rows to a file first",
            )


def load_rows(preset: Preset) -> Dataset:
    """The rows of a preset. UserError if there are none that its stage can be trained with."""
    from tuiftune.data.checks.judgments import check_both_kinds
    from tuiftune.data.read.load import load

    data = preset.data
    dataset = load(data.train, format=data.format, columns=data.columns or None, system=data.system)
    stage = stages.every()[preset.method.stage]
    stage.check_rows(dataset.format, _shown(data.train))
    if stage.judged:
        check_both_kinds(dataset, _shown(data.train))
    return dataset


class Counting(TypedDict):
    """What `measure` leaves out, as training does: `max_length` is None where all rows are used."""

    max_length: int | None
    writes: bool
    loss_on: str


EVERY_ROW: Counting = {"max_length": None, "writes": False, "loss_on": "assistant"}


def counting(preset: Preset) -> Counting:
    """Return how the rows that a preset trains on are counted."""
    data, stage = preset.data, stages.every()[preset.method.stage]
    shortens = stage.writes or (stage.truncates and data.loss_on != "all")
    return {
        "max_length": data.max_length if shortens else None,
        "writes": stage.writes,
        "loss_on": "completion" if stage.judged else data.loss_on,
    }


def _measure(preset: Preset, dataset: Dataset, model: BaseModel) -> DataFacts:
    from tuiftune.data.measure import measure
    from tuiftune.data.mix.sources import Mix

    data = preset.data
    facts = measure(
        dataset,
        model,
        data.eval,
        mix=Mix.of(data),
        seed=preset.training.seed,
        reasoning=data.reasoning,
        **counting(preset),
    )
    _check_vocabulary(model)
    return facts if data.test is None else replace(facts, test=_test_rows(preset, dataset))


def _check_vocabulary(model: BaseModel) -> None:
    """UserError for tokens that the model has no embedding of; where a kind counts them otherwise, the engine
    tells.
    """
    from pathlib import Path

    from tuiftune.data.tokens import Counter, has_tokenizer

    if model.path is None or not model.architecture.known or not has_tokenizer(model.path):
        return
    tokens = Counter(Path(model.path), model.reference).manners.tokens
    if tokens > model.architecture.vocab_size:
        raise UserError(
            f"the tokenizer has {tokens:,} tokens, the model only {model.architecture.vocab_size:,}",
            place=model.reference,
            remedy="use the tokenizer of the model",
        )


def _test_rows(preset: Preset, dataset: Dataset) -> Twins:
    """The test rows, next to all that are trained or evaluated on. UserError where there is none to use."""
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.mix.split import held_out_file, split
    from tuiftune.data.similar.twins import twins

    data, seed = preset.data, preset.training.seed
    try:
        rows = list(held_out_file(dataset, str(data.test)).examples())
    except UserError as fault:
        place = f"data.test: {fault.place}" if fault.place else "data.test"
        raise UserError(fault.message, place=place, remedy=fault.remedy) from fault
    if not rows:
        remedy = "name a file of rows with answers, or remove data.test"
        raise UserError(
            "none of its rows can be used", place=f"data.test: {_shown(str(data.test))}", remedy=remedy
        )
    train, held = split(dataset, data.eval, seed)
    if mix := Mix.of(data):
        train = mixed(train, held, mix, seed, format=dataset.format).examples
    return twins([*train, *held], rows)


def _missing(preset: Preset) -> str:
    """Why there is no training data yet; "" where there has to be."""
    data = preset.data
    if data.train == NO_DATA:
        return "Planned without data. Name yours: --set data.train=FILE."
    if preset.origin("data.train") != YOURS and not data.mix and _absent(data.train):
        file = printable(str(data.train))
        return f"Planned without data ({file} is a placeholder). Name yours: --set data.train=FILE."
    return ""


def _absent(train: str | list[str]) -> bool:
    return isinstance(train, str) and ":" not in train and not paths.exists(paths.given(train))


def _shown(train: str | list[str]) -> str:
    return printable(train if isinstance(train, str) else ", ".join(train[:3]))
