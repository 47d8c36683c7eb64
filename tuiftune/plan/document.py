"""The plan as a JSON document: `tuiftune plan --json` and a run's plan.json. `planned` reads it again."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuiftune import __version__, paths, sources

if TYPE_CHECKING:
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.inputs import Inputs
    from tuiftune.plan.model import Plan


def document(plan: Plan) -> dict[str, Any]:
    """Plain JSON values only. Sizes in bytes, times in seconds, money in US dollars; null where not known."""
    return {
        "fits": plan.fits,
        "near_limit": plan.near_limit,
        "gpu": plan.gpu,
        "memory": asdict(plan.memory),
        "resolved": plan.resolved.model_dump(mode="json"),
        "reasons": [{**asdict(one), "source_url": sources.link(one.source)} for one in plan.reasons],
        "usual_rate": None if plan.usual_rate is None else asdict(plan.usual_rate),
        "alternatives": [asdict(alternative) for alternative in plan.alternatives],
        "larger": None if plan.larger is None else asdict(plan.larger),
        "sharded": None if plan.sharded is None else asdict(plan.sharded),
        "speed": {"tokens_per_second": plan.speed.tokens_per_second, "basis": plan.speed.basis},
        "time": {
            "seconds": plan.seconds,
            "steps": plan.steps if plan.steps else None,
            "tokens": plan.tokens if plan.tokens else None,
        },
        "cost": {"usd": plan.usd, "per_hour": plan.usd_per_hour},
        "without": list(plan.without),
        "notes": list(plan.notes),
    }


def of_run(plan: Plan, inputs: Inputs, preflight: bool | None) -> dict[str, Any]:
    """plan.json: the plan, with paths that hold from any directory, and what it was made from."""
    made = document(plan)
    model, facts, dataset = inputs.model, inputs.facts, inputs.dataset
    assert facts is not None
    assert dataset is not None
    _make_absolute(made["resolved"], model)
    if inputs.preset.data.format == "auto":
        # Read as the plan has read them: a format that is set is that of every row, and of every file.
        made["resolved"]["data"]["format"] = "auto"
    made["model"] = {
        "reference": model.reference,
        "parameters": model.parameters,
        "source": model.source,
        "revision": model.revision,
        "licence": model.licence,
    }
    made["data"] = {
        "files": [str(paths.absolute(path)) for path in dataset.files],
        "format": facts.format,
        "rows": facts.rows,
        "rows_eval": facts.rows_eval,
        "test": None if facts.test is None else facts.test.document(),
        "rows_read": dataset.rows,
        "rows_unusable": int((~dataset.usable).sum()),
        "mean_length": facts.mean_length,
        "longest": facts.longest,
        "basis": facts.basis,
        "lost": dataset.lost,
        "portions": [asdict(portion) for portion in facts.portions],
    }
    made["created"] = {"t": round(time.time(), 3), "version": __version__}
    made["preflight"] = preflight
    return made


def _make_absolute(preset: dict[str, Any], model: BaseModel) -> None:
    """A run can be resumed from any directory, so it must not depend on the one it was started in."""
    from tuiftune.data.mix.split import as_share

    data = preset["data"]
    train = data["train"]
    data["train"] = _absolute(train) if isinstance(train, str) else [_absolute(path) for path in train]
    if as_share(data["eval"]) is None:
        data["eval"] = _absolute(str(data["eval"]))
    if data["test"] is not None:
        data["test"] = _absolute(data["test"])
    for source in data["mix"]:
        source["path"] = _absolute(source["path"])
    for reward in preset["method"].get("rewards") or ():
        if "path" in reward:
            reward["path"] = _absolute(reward["path"])
    if model.source == "directory" and model.path is not None:
        preset["model"]["base"] = str(model.path)
    if model.source in ("cache", "catalogue", "hub"):
        preset["model"]["revision"] = model.revision


def _absolute(path: str) -> str:
    from tuiftune.data.read.hub import looks_like_id

    if path.startswith("builtin:") or looks_like_id(path):
        return path
    return str(paths.absolute(path))
