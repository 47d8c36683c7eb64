"""The base models that the wizard offers: recommended, on this machine, from the catalog.

Call in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.errors import UserError
from tuiftune.figures import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.models.reference import BaseModel
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model can be trained here, the technique with the lowest memory, and its bytes."""

    fits: bool
    technique: str
    needs: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One base model of the list. `fits` None: not known yet. `kind`: suggested, local, catalog or typed."""

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

    def described(self, fit: Fit | None) -> str:
        """Return why it is listed, its least memory, and its license."""
        facts = [self.why]
        if fit is not None:
            says = "Fits" if fit.fits else "Does not fit"
            facts.append(f"{says}: {techniques.find(fit.technique).name} needs at least {size(fit.needs)}")
        facts.append(f"License {self.licence}" if self.licence else "")
        facts.append("Gated: accept its terms on the Hugging Face Hub first" if self.gated else "")
        return ". ".join(fact for fact in facts if fact)


def rows_of(findings: Findings, draft: Draft) -> list[ModelRow]:
    """Return each model once. A model of the draft that is in no list comes second. Raises UserError."""
    from tuiftune.advice.suggest import suggest
    from tuiftune.models import catalogue, local
    from tuiftune.models.resolve import BUILTIN

    here = local.found()
    facts = findings.facts(draft, findings.model(BUILTIN)) if draft.data else None
    rows: dict[str, ModelRow] = {}
    for one in suggest(findings.machine_of(draft), draft.answers, facts, here):
        rows[one.reference] = ModelRow(
            one.reference, one.parameters, one.licence or "", one.gated, "suggested", one.why, one.fits
        )
    if draft.model and draft.model not in rows and catalogue.find(draft.model) is None:
        first, *rest = rows.values()
        typed = _row(findings.model_of(draft), "typed", "entered by you")
        rows = {row.reference: row for row in (first, typed, *rest)}
    for model in here:
        rows.setdefault(model.reference, _row(model, "local", "already on this machine"))
    for entry in catalogue.entries():
        why = f"{entry.title}, {'chat model' if entry.instruct else 'base model without chat training'}"
        rows.setdefault(
            entry.id, ModelRow(entry.id, entry.parameters, entry.licence, entry.gated, "catalog", why)
        )
    return list(rows.values())


def fits_of(findings: Findings, draft: Draft, rows: list[ModelRow]) -> Iterator[tuple[str, Fit]]:
    """Yield each model's fit for a micro-batch of one row: an estimate, less than 2 ms each.

    Models without a config on this machine are skipped. Raises UserError for a draft without data.
    """
    from tuiftune.advice.suggest import least
    from tuiftune.models import catalogue
    from tuiftune.plan.device import device_of

    preset = draft.preset()
    device = device_of(preset, findings.machine(), draft.gpu or None)
    facts = findings.facts(draft, findings.model_of(draft))
    length = min(preset.data.max_length, facts.longest)
    for row in rows:
        entry = catalogue.find(row.reference)
        try:
            model = entry.base_model() if entry else findings.model(row.reference)
        except UserError:
            continue
        technique, needs = least(
            model, device.capacity, length, kind=device.kind, technique=preset.method.technique
        )
        needs = int(needs * device.correction)
        yield row.reference, Fit(needs <= device.capacity, technique, needs)


def _row(model: BaseModel, kind: str, why: str) -> ModelRow:
    return ModelRow(model.reference, model.parameters, model.licence or "", model.gated, kind, why)
