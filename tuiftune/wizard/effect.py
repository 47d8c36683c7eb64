"""What the user's own values cost or win against the recommended ones, in words: memory, time, money,
quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.figures import money, size

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.options import Quality
    from tuiftune.plan.model import Plan

SAME = 0.02  # a difference below this share is none: the prediction is no finer


def against(plan: Plan, recommended: Plan | None) -> str:
    """`against the recommended: +3.4 GiB, 1.3× longer, +$0.40`; "" where they are the same plan."""
    if recommended is None or plan.resolved == recommended.resolved:
        return ""
    parts = [_memory(plan.memory.needs - recommended.memory.needs)]
    if plan.seconds and recommended.seconds:
        parts.append(_time(plan.seconds / recommended.seconds))
    if plan.usd is not None and recommended.usd is not None and abs(plan.usd - recommended.usd) >= 0.01:
        more = plan.usd - recommended.usd
        parts.append(f"{'+' if more > 0 else '-'}{money(abs(more))}")
    return f"against the recommended: {', '.join(parts)}"


def _memory(more: int) -> str:
    if abs(more) < 1 << 20:
        return "same memory"
    return f"{'+' if more > 0 else '-'}{size(abs(more))}"


def _time(share: float) -> str:
    if abs(share - 1) <= SAME:
        return "same time"
    return f"{share:.2g}× as long" if share > 1 else f"{1 / share:.2g}× faster"


def quality_of(plan: Plan, key: str, parameters: int | None, facts: DataFacts | None) -> Quality | None:
    """What a key's value in the plan does to quality. `parameters` of the model, None where not known."""
    from tuiftune.advice.quality import Circumstances, quality
    from tuiftune.wizard.settings import resolved

    method = plan.resolved.method
    around = Circumstances(
        techniques.find(method.technique, plan.resolved.model.quantization), parameters or 10**9, facts
    )
    return quality(key, resolved(plan, key), around)
