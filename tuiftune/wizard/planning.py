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
METHOD = ("method.technique", "method.stage")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A plan, or in `error` why there is none; the recommendation, the plan of that alone, and the plan of it
    with the user's technique and stage, which the other recommended values depend on.
    """

    plan: Plan | None = None
    advice: Recommendation | None = None
    error: str = ""
    alone: Plan | None = None  # without the user's own values
    facts: DataFacts | None = None
    otherwise: Plan | None = None  # with no more of them than technique and stage

    def advised(self, key: str) -> Reason | None:
        """Return the recommended value of a key, and its reason."""
        plan = self.alone if key in METHOD else self.otherwise
        return _first(key, *_reasons(self.advice), *_reasons(plan))

    def reason(self, key: str, draft: Draft, plan: Plan | None) -> Reason | None:
        """Return why a key has its value: the recommendation's reason if it was used, else the `plan`'s."""
        sources = [plan, self.advice]
        if key in draft.recommended and key not in draft.overrides:
            sources.reverse()
        return _first(key, *(reason for source in sources for reason in _reasons(source)))


def planned(findings: Findings, draft: Draft) -> Outcome:
    """Recommend, then plan."""
    advice = None
    try:
        model = findings.model_of(draft)
        facts = findings.facts(draft, model)
        advice = advised(findings, draft)
        plan = findings.plan(advice.apply(draft))
    except UserError as error:
        return Outcome(advice=advice, error=str(error))
    if not draft.overrides:
        return Outcome(plan, advice, "", None, facts)
    method = {key: value for key, value in draft.overrides.items() if key in METHOD}
    alone = _alone(findings, advice.apply(draft.with_(overrides={})))
    otherwise = _alone(findings, advice.apply(draft.with_(overrides=method))) if method else alone
    return Outcome(plan, advice, "", alone, facts, otherwise)


def advised(findings: Findings, draft: Draft) -> Recommendation:
    """Return the recommendation by the rows that are trained on: those that the recommended max length leaves
    without a trained token don't count. Raises UserError.
    """
    from tuiftune.wizard.recommend import recommend

    machine, model = findings.machine_of(draft), findings.model_of(draft)
    facts = findings.facts(draft, model)
    first = recommend(draft.answers, machine, model, facts)
    used = findings.planned_facts(first.apply(draft))
    return first if used is facts else recommend(draft.answers, machine, model, used)


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
