"""Predictions from a run's plan.json, for comparison with measured values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.documents import FLAG, MOST, NUMBER, NUMBERS, OBJECT, TEXT
from tuiftune.errors import UserError
from tuiftune.plan.model import PRICE_NOTES, Larger, Reason
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset
    from tuiftune.stages.base import Stage

NOT_SPEED = ("method.", "model.", "--gpu", "data.max_length")  # changes that are about more than speed
MEASURED: Mapping[str, Any] = {"allocated": NUMBER, "reserved": NUMBER, "device": NUMBER, "needs": NUMBER}
SHAPE: Mapping[str, Any] = {
    "fits": FLAG,
    "gpu": {
        "name": TEXT,
        "memory_total": NUMBER,
        "memory_available": NUMBER,
        "count": NUMBER,
        "correction": NUMBER,
        "source": TEXT,
    },
    "memory": {"components": NUMBERS, **MEASURED},
    "resolved": {
        "name": TEXT,
        "model": OBJECT,
        "data": OBJECT,
        "method": OBJECT,
        "training": OBJECT,
        "evaluation": OBJECT,
        "hardware": OBJECT,
        "run": OBJECT,
        "budget": OBJECT,
    },
    "reasons": [{"key": TEXT, "why": TEXT, "source": TEXT}],
    "alternatives": [
        {"changes": OBJECT, "says": TEXT, "fits": FLAG, "needs": NUMBER, "tokens_per_second": NUMBER}
    ],
    "speed": {"tokens_per_second": NUMBER, "basis": TEXT},
    "time": {"seconds": NUMBER, "steps": NUMBER, "tokens": NUMBER},
    "cost": {"usd": NUMBER, "per_hour": NUMBER},
    "notes": [TEXT],
    "model": {"reference": TEXT, "parameters": NUMBER, "source": TEXT, "licence": TEXT},
    "data": {
        "files": [TEXT],
        "format": TEXT,
        "rows": NUMBER,
        "rows_eval": NUMBER,
        "test": OBJECT,
        "mean_length": NUMBER,
        "longest": NUMBER,
        "basis": TEXT,
        "lost": [TEXT],
        "portions": [OBJECT],
    },
    "created": {"t": NUMBER, "version": TEXT},
    "preflight": FLAG,
    "rehearse": FLAG,  # in runs of earlier versions
    "larger": {"micro_batch": NUMBER, "needs": NUMBER},
}


@dataclass(frozen=True, slots=True)
class Faster:
    """An alternative of the plan that trains the same thing faster. `extra` is bytes more on the GPU."""

    changes: tuple[str, ...]
    says: str
    times: float
    extra: float


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """The training data as the plan found it. Lengths in tokens; None where the plan says nothing."""

    files: tuple[str, ...] = ()
    format: str = ""
    train: int | None = None
    evaluation: int | None = None
    read: int | None = None
    unusable: int | None = None  # of those read, without an answer, say
    mean_length: float | None = None
    longest: int | None = None
    basis: str = ""
    lost: tuple[str, ...] = ()
    portions: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan.json. Bytes, seconds, tokens a second and US dollars; None where the plan says nothing.

    `document` is all of it as it stands, keys that this version doesn't know included.
    """

    usd_per_hour: float | None = None
    price_basis: str = ""  # where the price is from, in words
    max_usd: float | None = None
    max_hours: float | None = None
    seconds: float | None = None
    usd: float | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    speed_basis: str = ""
    allocated: float | None = None
    reserved: float | None = None
    device: float | None = None
    needs: float | None = None
    capacity: float | None = None  # bytes of the GPU that the run may hold
    available: float | None = None  # the same, where the plan says so apart from all of the GPU's memory
    gpu: str = ""  # planned for; "cpu" without one
    correction: float = 1.0  # what the bound was multiplied by, from earlier preflight checks here
    larger: Larger | None = None
    preflight: bool | None = None  # None: where there is a GPU
    steps: int | None = None
    model: str = ""
    technique: str = ""
    train: tuple[str, ...] = ()  # as the preset names it
    max_length: int | None = None
    save_every: int | None = None
    checkpoints_kept: int | None = None
    max_grad_norm: float | None = None
    learning_rate: float | None = None  # at its peak
    usual_rate: float | None = None  # learning rate that `auto` gives for this run
    warmup_ratio: float | None = None
    divergence_patience: int | None = None  # steps; None: by their number
    rows: PlannedRows = PlannedRows()
    reasons: tuple[Reason, ...] = ()
    changed: frozenset[str] = frozenset()  # keys that a resume has changed
    preset_digest: str = ""
    faster: tuple[Faster, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def limit_seconds(self) -> float | None:
        """How long the run may take in all, by its caps: what the engine stops at."""
        caps = [self.max_hours * 3600] if self.max_hours is not None else []
        if self.max_usd is not None and self.usd_per_hour:
            caps.append(self.max_usd / self.usd_per_hour * 3600)
        return min(caps, default=None)

    @property
    def rollouts(self) -> bool:
        """Return True if the run trains on answers that it samples, so that its loss is no measure."""
        stage = self.stage
        return stage is not None and stage.rollouts

    @property
    def samples(self) -> bool:
        """Return True if the run trains on answers that it samples, and is evaluated on others."""
        stage = self.stage
        return stage is not None and stage.writes

    @property
    def compares_answers(self) -> bool:
        """Return True if the rows have reference answers that generated ones can be compared with."""
        stage = self.stage
        return stage is None or stage.answers

    @property
    def stage(self) -> Stage | None:
        """The stage that was planned; None where the document names none that is known."""
        from tuiftune import stages

        return stages.every().get(_text(_part(self.resolved, "method"), "stage"))

    @property
    def resolved(self) -> Mapping[str, Any]:
        """The resolved preset's document, unchecked."""
        return _part(self.document, "resolved")

    def preset(self, place: str) -> Preset:
        """The resolved preset. UserError where there is none, or it isn't valid."""
        from tuiftune.preset.schema import Preset

        if not self.resolved:
            raise UserError(
                "the plan has no resolved preset",
                place=place,
                remedy="start a new run with `tuiftune train`",
            )
        try:
            return Preset.model_validate(self.resolved)
        except ValueError as fault:
            raise UserError(f"the resolved preset is not valid: {_first_line(fault)}", place=place) from fault


NOTHING = Planned()


def read(given: dict[str, Any], place: str = "plan.json") -> Planned:
    """From a plan's document, of this version or an earlier one. UserError names the first key of a wrong
    kind; what the shape doesn't list is None where it is of a wrong kind.
    """
    plan = documents.checked(given, SHAPE, place)
    resolved = _part(plan, "resolved")
    budget, saving, training = _part(resolved, "budget"), _part(resolved, "run"), _part(resolved, "training")
    cost, seconds, speed = _part(plan, "cost"), _part(plan, "time"), _part(plan, "speed")
    memory, gpu, method = _part(plan, "memory"), _part(plan, "gpu"), _part(resolved, "method")
    own, data = _number(budget, "usd_per_hour"), _part(resolved, "data")
    files = data.get("train")
    named = tuple(str(file) for file in (files if isinstance(files, list) else [files] if files else []))
    return Planned(
        usd_per_hour=own or _number(cost, "per_hour"),
        price_basis="your price (budget.usd_per_hour)" if own else _price_basis(plan),
        max_usd=_number(budget, "max_usd"),
        max_hours=_number(budget, "max_hours"),
        seconds=_number(seconds, "seconds"),
        usd=_number(cost, "usd"),
        tokens=_whole(seconds, "tokens"),
        tokens_per_second=_number(speed, "tokens_per_second"),
        speed_basis=_text(speed, "basis"),
        allocated=_number(memory, "allocated"),
        reserved=_number(memory, "reserved"),
        device=_number(memory, "device"),
        needs=_number(memory, "needs"),
        capacity=_number(gpu, "memory_available") or _number(gpu, "memory_total"),
        available=_number(gpu, "memory_available"),
        gpu=_text(gpu, "name"),
        correction=_number(gpu, "correction") or 1.0,
        larger=_larger(_part(plan, "larger")),
        preflight=plan.get("preflight", plan.get("rehearse")),
        steps=_whole(seconds, "steps"),
        model=_text(_part(resolved, "model"), "base"),
        technique=_text(method, "technique"),
        train=named,
        max_length=_whole(data, "max_length"),
        save_every=_whole(saving, "save_every"),
        checkpoints_kept=_whole(saving, "checkpoints"),
        max_grad_norm=_number(training, "max_grad_norm"),
        learning_rate=_number(training, "learning_rate"),
        usual_rate=_usual_rate(plan, method),
        warmup_ratio=_number(training, "warmup_ratio"),
        divergence_patience=_whole(training, "divergence_patience"),
        rows=_rows(_part(plan, "data"), named),
        faster=_faster(plan),
        reasons=tuple(
            Reason(_text(one, "key"), one.get("value"), _text(one, "why"), _text(one, "source"))
            for one in plan.get("reasons") or ()
        ),
        changed=frozenset(str(key) for key in _listed(plan, "changed")),
        preset_digest=_text(plan, "preset_digest"),
        document=plan,
    )


def _rows(data: Mapping[str, Any], named: tuple[str, ...]) -> PlannedRows:
    return PlannedRows(
        files=tuple(str(file) for file in data.get("files") or ()) or named,
        format=_text(data, "format"),
        train=_whole(data, "rows"),
        evaluation=_whole(data, "rows_eval"),
        read=_whole(data, "rows_read"),
        unusable=_whole(data, "rows_unusable"),
        mean_length=_number(data, "mean_length"),
        longest=_whole(data, "longest"),
        basis=_text(data, "basis"),
        lost=tuple(str(loss) for loss in _listed(data, "lost")),
        portions=tuple(one for one in _listed(data, "portions") if isinstance(one, Mapping)),
    )


def _usual_rate(plan: Mapping[str, Any], method: Mapping[str, Any]) -> float | None:
    """The usual learning rate as planned; of an earlier version's plan, by technique and size alone."""
    from tuiftune import stages, techniques
    from tuiftune.plan.rates import by_size

    if (noted := _number(_part(plan, "usual_rate"), "value")) is not None:
        return noted
    technique, parameters = _text(method, "technique"), _number(_part(plan, "model"), "parameters")
    if technique not in techniques.every() or parameters is None:
        return None
    stage = stages.every().get(_text(method, "stage"), stages.usual())
    return by_size(stage, techniques.every()[technique], int(parameters)).value


def _faster(plan: Mapping[str, Any]) -> tuple[Faster, ...]:
    """The alternatives that fit and are predicted to be faster, fastest first."""
    speed, needs = _number(_part(plan, "speed"), "tokens_per_second"), _number(_part(plan, "memory"), "needs")
    found = []
    if not speed or needs is None:
        return ()
    for one in plan.get("alternatives") or ():
        if not one.get("fits"):
            continue
        changes, there, pace = _part(one, "changes"), _number(one, "needs"), _number(one, "tokens_per_second")
        if not changes or there is None or pace is None or any(key.startswith(NOT_SPEED) for key in changes):
            continue
        if pace > speed:
            words = tuple(f"{key}={_written(value)}" for key, value in changes.items())
            found.append(Faster(words, _text(one, "says"), pace / speed, there - needs))
    return tuple(sorted(found, key=lambda one: -one.times))


def _price_basis(plan: Mapping[str, Any]) -> str:
    notes = (note for note in plan.get("notes") or () if note.startswith(PRICE_NOTES))
    said = next(notes, "")
    for begin in PRICE_NOTES:
        said = said.removeprefix(begin)
    return printable(said.rstrip("."))


def _larger(given: Mapping[str, Any]) -> Larger | None:
    rows, needs = _whole(given, "micro_batch"), _whole(given, "needs")
    return Larger(rows, needs, _number(given, "tokens_per_second") or 0.0) if rows and needs else None


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _part(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = node.get(key)
    return found if isinstance(found, Mapping) else {}


def _listed(node: Mapping[str, Any], key: str) -> list[Any]:
    found = node.get(key)
    return found if isinstance(found, list) else []


def _number(node: Mapping[str, Any], key: str) -> float | None:
    value = node.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) <= MOST else None


def _whole(node: Mapping[str, Any], key: str) -> int | None:
    value = _number(node, key)
    return None if value is None else int(value)


def _text(node: Mapping[str, Any], key: str) -> str:
    value = node.get(key)
    return "" if value is None else printable(str(value))


def _first_line(fault: ValueError) -> str:
    errors = getattr(fault, "errors", None)
    if errors is None:
        return str(fault).splitlines()[0]
    first = errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
