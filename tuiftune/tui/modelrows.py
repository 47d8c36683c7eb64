"""The base models the wizard offers, in order: recommended, on this machine, the catalogue. Call in a
thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.advice.draft import Draft
    from tuiftune.models.reference import BaseModel
    from tuiftune.tui.findings import Findings


@dataclass(frozen=True, slots=True)
class ModelRow:
    """`fits` None: not planned yet. `kind`: suggested, local, catalogue or typed."""

    reference: str
    parameters: int | None
    licence: str
    gated: bool | None
    kind: str
    why: str = ""
    fits: bool | None = None

    @property
    def short(self) -> str:
        return self.reference.rstrip("/").rsplit("/", 1)[-1]


def rows_of(findings: Findings, draft: Draft) -> list[ModelRow]:
    """Each model once. A model the draft names that is in none of the lists comes second. Raises
    UserError."""
    from tuiftune.advice.suggest import suggest
    from tuiftune.models import catalogue, local
    from tuiftune.models.resolve import BUILTIN

    here = local.found()
    facts = findings.facts(draft, findings.model(BUILTIN)) if draft.data else None
    rows: dict[str, ModelRow] = {}
    for one in suggest(findings.machine(), draft.answers, facts, here):
        rows[one.reference] = ModelRow(
            one.reference, one.parameters, one.licence or "", one.gated, "suggested", one.why, one.fits
        )
    if draft.model and draft.model not in rows and catalogue.find(draft.model) is None:
        first, *rest = rows.values()
        typed = _row(findings.model(draft.model), "typed", "named by you")
        rows = {row.reference: row for row in (first, typed, *rest)}
    for model in here:
        rows.setdefault(model.reference, _row(model, "local", "already on this machine"))
    for entry in catalogue.entries():
        why = f"{entry.title}, {'tuned for chat' if entry.instruct else 'not tuned for chat'}"
        rows.setdefault(
            entry.id, ModelRow(entry.id, entry.parameters, entry.licence, entry.gated, "catalogue", why)
        )
    return list(rows.values())


def _row(model: BaseModel, kind: str, why: str) -> ModelRow:
    return ModelRow(model.reference, model.parameters, model.licence or "", model.gated, kind, why)
