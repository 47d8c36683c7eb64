"""The model step of the plain wizard: base model, what each change does, other ways and other cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.cli.prompts import Choice
from tuiftune.cli.terminal import say
from tuiftune.errors import UserError
from tuiftune.figures import count, duration, money, roughly, size
from tuiftune.wizard.steps import STEPS

if TYPE_CHECKING:
    from tuiftune.cli.prompts import Prompts
    from tuiftune.plan.model import Plan
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings

MODELS_SHOWN = 12
GO_ON = "go on"
_DEEPER = next(step.deeper for step in STEPS if step.key == "model")
VALUES = (
    "Each value above stands with its reason and source. A change is planned at once, and told against what "
    "is recommended: memory, time and quality."
)
OTHER = "Only the config.json is read now; the weights are fetched when the run begins."
SETTING = "Nothing here has to be changed; what you set is kept whatever is recommended later."
WAY = "Each was planned for your rows and this machine; taking one changes the settings it names."
CARD = "Only the plan is made for another card: the preset stays portable, and the run takes what it finds."


def model(asks: Prompts, findings: Findings, draft: Draft) -> Draft:
    """Ask for the model, then for changes until one goes on. Returns the draft with all of it."""
    draft = _base(asks, findings, draft)
    _tell(findings, draft, reasons=True)
    steps = {"setting": _setting, "way": _alternative, "card": _card}
    choices = [
        Choice(GO_ON, "go on with these"),
        Choice("setting", "change a setting"),
        Choice("way", "see other ways to run it"),
        Choice("card", "see other cards one could rent"),
    ]
    while True:
        chosen = asks.choose("These values?", choices, GO_ON, why=VALUES)
        if chosen == GO_ON:
            return draft
        changed = steps[chosen](asks, findings, draft)
        if changed != draft:
            draft = recommended(findings, changed)
            _tell(findings, draft, reasons=False)


def recommended(findings: Findings, draft: Draft) -> Draft:
    """The draft with what is recommended for its model, data and card; the user's own values stay."""
    from tuiftune.wizard.recommend import recommend

    base = findings.model_of(draft)
    advice = recommend(draft.answers, findings.machine_of(draft), base, findings.facts(draft, base))
    for line in advice.advice:
        say(f"  {line}")
    return advice.apply(draft)


def plan_lines(plan: Plan) -> list[str]:
    """What a plan needs, whether it fits, how long and how dear."""
    there = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
    where = ""
    if plan.gpu.get("source") == "--gpu":
        copies = int(plan.gpu.get("count") or 1)
        where = f" on {plan.gpu['name']}" + (f", each of {copies} copies" if copies > 1 else "")
        where += ", which is not this machine"
    fits = "fits, close to the limit" if plan.near_limit else "fits" if plan.fits else "DOES NOT FIT"
    lines = [f"{fits}: needs {size(plan.memory.needs)} of {size(there)}{where}"]
    parts = sorted(plan.memory.components.items(), key=lambda item: -item[1])
    lines.append("memory: " + ", ".join(f"{name} {size(amount)}" for name, amount in parts if amount))
    lines.append(f"{plan.steps:,} steps, about {roughly(plan.seconds)}")
    if plan.usd is not None:
        lines.append(f"about {money(plan.usd)}")
    if not plan.fits:
        lines += [f"would fit: {other.says}" for other in plan.alternatives if other.fits]
    return lines


def _base(asks: Prompts, findings: Findings, draft: Draft) -> Draft:
    from tuiftune.wizard.model_rows import fits_of, rows_of

    while True:
        try:
            rows = rows_of(findings, draft)[:MODELS_SHOWN]
            fits = dict(fits_of(findings, draft.with_(model=draft.model or rows[0].reference), rows))
        except UserError as error:
            if not draft.model:
                raise
            say(f"  {error}")
            draft = draft.with_(model="")
            continue
        choices = []
        for row in rows:
            fit = fits.get(row.reference)
            mark = "" if fit is None else f", {'fits by ' + fit.technique if fit.fits else 'does not fit'}"
            why = f"; {row.why}" if row.why else ""
            choices.append(
                Choice(row.reference, f"{row.reference}, {count(row.parameters)} weights{mark}{why}")
            )
        choices.append(Choice("other", "another: a hub id or a directory"))
        chosen = asks.choose("Base model", choices, draft.model or rows[0].reference, why=_DEEPER)
        if chosen == "other":
            chosen = asks.text("Hub id or directory", draft.model or "builtin:tiny", why=OTHER)
        try:
            return recommended(findings, draft.with_(model=chosen))
        except UserError as error:
            say(f"  {error}")
            if not asks.again:
                raise


def _tell(findings: Findings, draft: Draft, *, reasons: bool) -> None:
    """The plan, and against what is recommended where the user changed something."""
    from tuiftune.wizard.effect import against

    plan = findings.plan(draft)
    for line in plan_lines(plan):
        say(f"  {line}")
    if draft.overrides:
        try:
            says = against(plan, findings.plan(draft.with_(overrides={})))
        except UserError:
            says = ""  # the recommended values alone make no plan: nothing to compare with
        if says:
            say(f"  {says}")
    for reason in plan.reasons if reasons else ():
        say(f"  {reason.key} = {reason.value}: {reason.why} ({reason.source})")


def _setting(asks: Prompts, findings: Findings, draft: Draft) -> Draft:
    """One value after another, each with what it does; a faulty one is told and leaves the draft alone."""
    from tuiftune.preset.file import override
    from tuiftune.wizard.effect import quality_of
    from tuiftune.wizard.settings import resolved, settings_of, written

    plan = findings.plan(draft)
    for setting in settings_of(draft):
        says = ", ".join(written(choice) for choice in setting.choices)
        say(f"  {setting.key} = {written(resolved(plan, setting.key))} ({setting.name}: {says})")
    while True:
        text = asks.text("KEY=VALUE, such as method.rank=8; nothing when done", "", why=SETTING)
        if not text:
            return draft
        try:
            key = text.partition("=")[0].strip()
            made = override(draft.preset(), [text])
            section, _, name = key.partition(".")
            changed = draft.override(key, getattr(getattr(made, section), name))
            plan = findings.plan(changed)
        except UserError as error:
            say(f"  {error}")
            continue
        draft = changed
        _tell(findings, draft, reasons=False)
        base = findings.model_of(draft)
        found = quality_of(plan, key, base.parameters, findings.facts(draft, base))
        if found is not None:
            say(f"  quality, {found.leans}: {found.says} ({found.source})")


def _alternative(asks: Prompts, findings: Findings, draft: Draft) -> Draft:
    others = findings.plan(draft).alternatives
    choices = [Choice("", "none of these")]
    choices += [
        Choice(str(at), f"{other.says}{'' if other.fits else ' (does not fit)'}")
        for at, other in enumerate(others)
    ]
    chosen = asks.choose("Another way to run it", choices, "", why=WAY)
    if chosen:
        for key, value in others[int(chosen)].changes.items():
            if key in ("model.base", "--gpu"):
                draft = draft.with_(**{"model" if key == "model.base" else "card": value})
            else:
                draft = draft.override(key, value)
    return draft


def _card(asks: Prompts, findings: Findings, draft: Draft) -> Draft:
    """Every known card, as predicted; a count is typed behind its name."""
    from tuiftune.hardware import cards
    from tuiftune.plan.device import parse_gpu
    from tuiftune.wizard.gpu_rows import rows_of

    for row in rows_of(findings, draft, 1):
        plan = row.plan
        if plan is None:
            say(f"  {row.name}: {row.fault}")
        elif plan.fits:
            cost = f", about {money(plan.usd)}" if plan.usd is not None else ""
            how = plan.resolved.method.technique
            say(f"  {row.name}, {size(row.memory)}: fits by {how}, {duration(plan.seconds)}{cost}")
        else:
            say(f"  {row.name}, {size(row.memory)}: does not fit, needs {size(plan.memory.needs)}")
    while True:
        text = asks.text(
            "Plan for NAME or NAME:COUNT; 'here' for this machine", draft.card or "here", why=CARD
        )
        if text == "here":
            return draft.with_(card="")
        try:
            cards.find(parse_gpu(text)[0])
            findings.plan(draft.with_(card=text))
        except UserError as error:
            say(f"  {error}")
        else:
            return draft.with_(card=text)
