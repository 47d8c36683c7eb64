"""Work of the model step, for threads: models to choose from, a plan of the draft, which models fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.data.facts import DataFacts
    from tuiftune.plan.model import Plan, Reason
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings
    from tuiftune.wizard.model_rows import Fit, ModelRow
    from tuiftune.wizard.recommend import Recommendation

FITS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """A plan, or in `error` why there is none; the recommendation, and the plan of that alone."""

    plan: Plan | None = None
    advice: Recommendation | None = None
    error: str = ""
    alone: Plan | None = None  # without the user's own values
    facts: DataFacts | None = None

    def advised(self, key: str) -> Reason | None:
        """Return the recommended value of a key, and its reason."""
        return _first(key, *_reasons(self.advice), *_reasons(self.alone))

    def reason(self, key: str, draft: Draft, plan: Plan | None) -> Reason | None:
        """Return why a key has its value: the recommendation's reason if it was used, else the `plan`'s."""
        sources = [plan, self.advice]
        if key in draft.recommended and key not in draft.overrides:
            sources.reverse()
        return _first(key, *(reason for source in sources for reason in _reasons(source)))


def planned(findings: Findings, draft: Draft) -> Outcome:
    """Recommend, then plan."""
    from tuiftune.wizard.recommend import recommend

    advice = None
    try:
        model = findings.model_of(draft)
        facts = findings.facts(draft, model)
        advice = recommend(draft.answers, findings.machine_of(draft), model, facts)
        plan = findings.plan(advice.apply(draft))
    except UserError as error:
        return Outcome(advice=advice, error=str(error))
    alone = _alone(findings, advice.apply(draft.with_(overrides={}))) if draft.overrides else None
    return Outcome(plan, advice, "", alone, facts)


def settled(findings: Findings, draft: Draft, say: Callable[[str], None]) -> Draft:
    """Return the draft with recommendations from counted token lengths instead of estimated ones.

    The model's tokenizer is downloaded for it. The draft stays as it is if nothing was estimated, or
    downloads are forbidden. UserError if it cannot be had.
    """
    from tuiftune.wizard.summary import estimated_length

    facts = findings.facts(draft, findings.model_of(draft))
    if not estimated_length(draft, facts) or not findings.bring_tokenizer(draft, say):
        return draft
    advice = planned(findings, draft).advice
    return draft if advice is None else advice.apply(draft)


def fits_by_few(findings: Findings, draft: Draft, rows: list[ModelRow]) -> Iterator[dict[str, Fit]]:
    """Yield the fits of a few models at a time, so that the first are shown early."""
    from tuiftune.wizard.model_rows import fits_of

    found: dict[str, Fit] = {}
    try:
        for reference, fit in fits_of(findings, draft, rows):
            found[reference] = fit
            if len(found) == FITS_AT_ONCE:
                yield found
                found = {}
    except UserError:
        return  # the plan reports what is wrong with the draft
    yield found


def _alone(findings: Findings, draft: Draft) -> Plan | None:
    """Return the plan to compare with, or None."""
    try:
        return findings.plan(draft)
    except UserError:
        return None


def _reasons(source: Plan | Recommendation | None) -> tuple[Reason, ...]:
    return tuple(source.reasons) if source is not None else ()


def _first(key: str, *reasons: Reason) -> Reason | None:
    return next((reason for reason in reasons if reason.key == key), None)
