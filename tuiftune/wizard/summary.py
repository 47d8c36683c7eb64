"""The five lines of the review: model, data, method, time and cost, and open findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import stages, techniques
from tuiftune.errors import UserError
from tuiftune.figures import count, gpus_named, money, plural, roughly, size
from tuiftune.hub.fetch import free_bytes
from tuiftune.models.download import roughly as roughly_bytes
from tuiftune.wizard.settings import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.checks.check import Check
    from tuiftune.data.facts import DataFacts
    from tuiftune.models.download import Download
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft

ESTIMATED = "estimated"  # in the basis of lengths that were not counted with the model's tokenizer
NAMED = 3  # findings that are named; more are counted


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the summary. `level`: "", warning or error."""

    name: str
    text: str
    level: str = ""


def summary(
    draft: Draft,
    model: BaseModel,
    facts: DataFacts,
    plan: Plan,
    checks: Sequence[Check] | None,
    download: Download | UserError | None = None,
) -> tuple[Line, ...]:
    """Return the five lines. `checks` is None while they run; `download` until the Hub was asked, or is why
    the model can't be had.
    """
    return (
        _model(model, download),
        _data(draft, facts),
        _method(draft, facts, plan),
        _cost(draft, plan),
        _findings(draft, facts, plan, checks),
    )


def estimated_length(draft: Draft, facts: DataFacts) -> bool:
    """Return True if the max length was recommended from estimated token lengths."""
    recommended = "data.max_length" in draft.recommended and "data.max_length" not in draft.overrides
    return recommended and ESTIMATED in facts.basis


def length_note(draft: Draft, facts: DataFacts) -> dict[str, str]:
    """Return the comment for the preset on a max length that was estimated; {} if it was counted or set."""
    if not estimated_length(draft, facts):
        return {}
    return {"data.max_length": "Estimated: the model's tokenizer was not on this machine. Check it there."}


def _model(model: BaseModel, download: Download | UserError | None) -> Line:
    parts = [f"{model.reference}, {count(model.parameters)} parameters"]
    if model.licence:
        parts.append(f"license {model.licence}")
    built_in = model.source == "builtin"
    if built_in or model.weights:
        return Line("model", ", ".join(parts))
    if isinstance(download, UserError):
        return Line("model", f"{', '.join(parts)}, not on this machine. {download}", "error")
    if download is None:
        parts.append(f"not on this machine: about {size(roughly_bytes(model))} to download at the start")
        if model.gated:
            parts.append("gated: accept its terms on the Hugging Face Hub first")
        return Line("model", ", ".join(parts), "warning")
    left, free = download.bytes_left, free_bytes()
    parts.append(f"not on this machine: {size(left)} to download at the start, {size(free)} free")
    if download.remote.gated:
        parts.append("gated: your account has access")
    return Line("model", ", ".join(parts), "error" if left > free else "warning")


def _data(draft: Draft, facts: DataFacts) -> Line:
    named = ", ".join(Path(source).name if ":" not in source else source for source in draft.data)
    if draft.data == ("builtin:tickets",):
        named = "built-in tickets, not yours"
    rows = f"{facts.rows:,} training, {plural(facts.rows_eval, 'evaluation row')}"
    return Line("data", f"{named}: {rows}, {facts.format}", "" if facts.rows_eval else "warning")


def _method(draft: Draft, facts: DataFacts, plan: Plan) -> Line:
    resolved = plan.resolved
    technique = techniques.every()[resolved.method.technique]
    stage = stages.every()[resolved.method.stage]
    parts = [technique.name] if stage is stages.usual() else [f"{stage.name} with {technique.name}"]
    rank = getattr(resolved.method, "rank", None)
    if technique.adapters and isinstance(rank, int):
        parts.append(f"rank {rank}")
    training = resolved.training
    parts.append(f"learning rate {written(training.learning_rate)}")
    if training.max_steps is not None:  # epochs do not count then
        parts.append(plural(training.max_steps, "step"))
    elif training.epochs % 1 == 0:
        parts.append(plural(int(training.epochs), "epoch"))
    else:
        parts.append(f"{training.epochs:g} epochs")
    guess = " (estimated)" if estimated_length(draft, facts) else ""
    parts.append(f"max length {resolved.data.max_length:,}{guess}")
    return Line("method", ", ".join(parts))


def _cost(draft: Draft, plan: Plan) -> Line:
    capacity = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
    kind = "RAM" if plan.gpu.get("kind") == "cpu" else "GPU memory"
    parts = [f"on {gpus_named(draft.gpu)}, not on this machine"] if draft.gpu else []
    parts.append(plural(plan.steps, "step"))
    parts.append(
        f"{roughly(plan.seconds)} predicted" if plan.seconds else "time unknown before the first steps"
    )
    if plan.usd is not None:
        parts.append(money(plan.usd))
    parts.append(f"{size(plan.memory.needs)} of {size(capacity)} {kind}")
    level = "error" if not plan.fits else "warning" if plan.near_limit or draft.gpu else ""
    return Line("cost", ", ".join(parts), level)


def _findings(draft: Draft, facts: DataFacts, plan: Plan, checks: Sequence[Check] | None) -> Line:
    parts: list[str] = []
    level = ""
    if not plan.fits:
        parts.append("the plan does not fit")
        level = "error"
    elif plan.near_limit:
        parts.append("memory is close to the limit")
        level = "warning"
    if not facts.rows_eval:
        parts.append("no evaluation set, so nothing will show whether the model improved")
        level = level or "warning"
    if estimated_length(draft, facts):
        parts.append("max length is estimated, because the model's tokenizer is not on this machine")
        level = level or "warning"
    if checks is None:
        return Line("checks", "; ".join([*parts, "checking the data …"]), level)
    errors = [check for check in checks if check.severity == "error"]
    warnings = [check for check in checks if check.severity == "warning"]
    if errors:
        level = "error"
        named = ", ".join(_named(check) for check in errors[:NAMED])
        more = f" and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
        parts.insert(0, f"{plural(len(errors), 'error')} in the data not fixed: {named}{more}")
    if warnings:
        level = level or "warning"
        named = "" if errors else f": {', '.join(check.title for check in warnings[:NAMED])}"
        more = "" if errors or len(warnings) <= NAMED else " …"
        parts.append(f"{plural(len(warnings), 'warning')}{named}{more}")
    return Line("checks", "; ".join(parts) or "no errors or warnings", level)


def _named(check: Check) -> str:
    return f"{check.title} ({plural(check.count, 'row')})" if check.count else check.title
