"""What the plan of a run foresaw, read once from plan.json, for views that set it beside what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import techniques
from tuiftune.errors import UserError
from tuiftune.runs.state.readings import number, part, text, whole

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

PRICE = "price: "  # how the plan's note about the table's price begins
NOT_SPEED = ("method.", "model.", "--gpu", "data.max_length")  # changes that are about more than speed


@dataclass(frozen=True, slots=True)
class Faster:
    """An alternative of the plan that trains the same thing faster. `extra` is bytes more on the card."""

    changes: tuple[str, ...]
    says: str
    times: float
    extra: float


@dataclass(frozen=True, slots=True)
class Planned:
    """Bytes, seconds, tokens a second and US dollars; None where the plan says nothing."""

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
    capacity: float | None = None
    save_every: int | None = None
    checkpoints_kept: int | None = None
    max_grad_norm: float | None = None
    learning_rate: float | None = None  # at its peak
    usual_rate: float | None = None  # what the plan would choose for this technique and number of parameters
    warmup_ratio: float | None = None
    divergence_patience: int | None = None  # steps; None: by their number
    rows_read: int | None = None
    rows_unusable: int | None = None  # of them, without an answer, say
    faster: tuple[Faster, ...] = ()

    @property
    def limit_seconds(self) -> float | None:
        """How long the run may take in all, by its caps: what the engine stops at."""
        caps = [self.max_hours * 3600] if self.max_hours is not None else []
        if self.max_usd is not None and self.usd_per_hour:
            caps.append(self.max_usd / self.usd_per_hour * 3600)
        return min(caps, default=None)


NOTHING = Planned()


def read(run: RunDir) -> Planned:
    """What a run's plan says; nothing where it is damaged. A larger budget is written into the same file."""
    try:
        return of(run.plan())
    except UserError:
        return NOTHING


def of(plan: Mapping[str, Any]) -> Planned:
    """From a plan's document. Fields that are missing or of the wrong kind are None."""
    resolved = part(plan, "resolved")
    budget, saving, training = part(resolved, "budget"), part(resolved, "run"), part(resolved, "training")
    cost, time, speed = part(plan, "cost"), part(plan, "time"), part(plan, "speed")
    memory, gpu = part(plan, "memory"), part(plan, "gpu")
    own = number(budget, "usd_per_hour")
    return Planned(
        usd_per_hour=own or number(cost, "per_hour"),
        price_basis="your price, budget.usd_per_hour" if own else _price_basis(plan),
        max_usd=number(budget, "max_usd"),
        max_hours=number(budget, "max_hours"),
        seconds=number(time, "seconds"),
        usd=number(cost, "usd"),
        tokens=whole(time, "tokens"),
        tokens_per_second=number(speed, "tokens_per_second"),
        speed_basis=text(speed, "basis"),
        allocated=number(memory, "allocated"),
        reserved=number(memory, "reserved"),
        device=number(memory, "device"),
        needs=number(memory, "needs"),
        capacity=number(gpu, "memory_available") or number(gpu, "memory_total"),
        save_every=whole(saving, "save_every"),
        checkpoints_kept=whole(saving, "checkpoints"),
        max_grad_norm=number(training, "max_grad_norm"),
        learning_rate=number(training, "learning_rate"),
        usual_rate=_usual_rate(plan),
        warmup_ratio=number(training, "warmup_ratio"),
        divergence_patience=whole(training, "divergence_patience"),
        rows_read=whole(part(plan, "data"), "rows_read"),
        rows_unusable=whole(part(plan, "data"), "rows_unusable"),
        faster=_faster(plan),
    )


def _usual_rate(plan: Mapping[str, Any]) -> float | None:
    from tuiftune.plan.hyperparameters import usual_rate

    method = part(part(plan, "resolved"), "method")
    technique, parameters = text(method, "technique"), number(part(plan, "model"), "parameters")
    if technique not in techniques.every() or parameters is None:
        return None
    rank = whole(method, "rank") or 16
    return float(usual_rate(techniques.every()[technique], rank, int(parameters)).value)


def _faster(plan: Mapping[str, Any]) -> tuple[Faster, ...]:
    """The alternatives that fit and are predicted to be faster, fastest first."""
    speed, needs = number(part(plan, "speed"), "tokens_per_second"), number(part(plan, "memory"), "needs")
    listed = plan.get("alternatives")
    found = []
    if not isinstance(listed, list) or not speed or needs is None:
        return ()
    for one in listed:
        if not isinstance(one, Mapping) or not one.get("fits"):
            continue
        changes, there, pace = part(one, "changes"), number(one, "needs"), number(one, "tokens_per_second")
        if not changes or there is None or pace is None or any(key.startswith(NOT_SPEED) for key in changes):
            continue
        if pace > speed:
            words = tuple(f"{key}={_written(value)}" for key, value in changes.items())
            found.append(Faster(words, text(one, "says"), pace / speed, there - needs))
    return tuple(sorted(found, key=lambda one: -one.times))


def _price_basis(plan: Mapping[str, Any]) -> str:
    notes = plan.get("notes")
    for note in notes if isinstance(notes, list) else ():
        if isinstance(note, str) and note.startswith(PRICE):
            return text({"note": note[len(PRICE) :].rstrip(".")}, "note")
    return ""


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
