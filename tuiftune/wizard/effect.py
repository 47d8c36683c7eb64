"""The effect of the user's values compared with the recommended ones: memory, time, cost, quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import sources, techniques
from tuiftune.figures import money, size

if TYPE_CHECKING:
    from tuiftune.advice.quality import Circumstances
    from tuiftune.data.facts import DataFacts
    from tuiftune.options import Quality
    from tuiftune.plan.model import Plan, Reason
    from tuiftune.wizard.settings import Setting

SAME = 0.02  # relative differences below this are within the error of the prediction


def against(plan: Plan, recommended: Plan | None) -> str:
    """Return `compared with recommended: +3.4 GiB, 1.3× slower, +$0.40`; "" if the plans are the same."""
    if recommended is None or plan.resolved == recommended.resolved:
        return ""
    parts = [_memory(plan.memory.needs - recommended.memory.needs)]
    if plan.seconds and recommended.seconds:
        parts.append(_time(plan.seconds / recommended.seconds))
    if plan.usd is not None and recommended.usd is not None and abs(plan.usd - recommended.usd) >= 0.01:
        more = plan.usd - recommended.usd
        parts.append(f"{'+' if more > 0 else '-'}{money(abs(more))}")
    return f"compared with recommended: {', '.join(parts)}"


def _memory(more: int) -> str:
    if abs(more) < 1 << 20:
        return "same memory"
    return f"{'+' if more > 0 else '-'}{size(abs(more))}"


def _time(share: float) -> str:
    if abs(share - 1) <= SAME:
        return "same time"
    return f"{share:.2g}× slower" if share > 1 else f"{1 / share:.2g}× faster"


def quality_of(plan: Plan, key: str, parameters: int | None, facts: DataFacts | None) -> Quality | None:
    """Return the effect of a key's value on quality. `parameters` of the model, None if unknown."""
    from tuiftune.advice.quality import Circumstances, quality
    from tuiftune.wizard.settings import resolved

    method = plan.resolved.method
    around = Circumstances(
        techniques.find(method.technique, plan.resolved.model.quantization),
        parameters or 10**9,
        facts,
        plan.usual_rate,
    )
    return quality(key, resolved(plan, key), around)


def setting_in_depth(setting: Setting, around: Circumstances, reason: Reason | None) -> str:
    """Return what a setting is, why it has its value, and the effect of each of its values on quality."""
    from tuiftune.advice.quality import quality
    from tuiftune.preset.words import keys
    from tuiftune.wizard.settings import written

    known = keys().get(setting.key)
    parts = [f"{setting.name} ({setting.key})"]
    if known is not None:
        parts.append(f"{known.does}: {known.allows}.")
    if reason is not None:
        whose = {"preset": "Your value", "tuiftune default": "Default"}
        taken = "Set" if reason.source.startswith("preset ") else "Recommended"
        who = whose.get(reason.source, taken)
        parts.append(f"{who}: {written(reason.value)}. Reason: {reason.why} [{reason.source}].")
    lines: list[str] = []
    named = [] if reason is None else [reason.source]
    for choice in setting.choices:
        found = quality(setting.key, choice, around)
        if found is not None and found.says not in " ".join(lines):
            lines.append(f"  {written(choice)}: {found.says} [{found.source}]")
            named.append(found.source)
    if lines:
        parts += ["Effect on quality:", *lines]
    if cited := sources.listed(named):
        parts += ["Sources:", *(f"  {one.full}" for one in cited)]
    return "\n".join(parts)
