"""The plan as a JSON document: `tuiftune plan --json` and a run's plan.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuiftune.plan.model import Plan


def document(plan: Plan) -> dict[str, Any]:
    """Plain JSON values only. Sizes in bytes, times in seconds, money in US dollars; null where not known."""
    return {
        "fits": plan.fits,
        "near_limit": plan.near_limit,
        "gpu": plan.gpu,
        "memory": asdict(plan.memory),
        "resolved": plan.resolved.model_dump(mode="json"),
        "reasons": [asdict(reason) for reason in plan.reasons],
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
        "notes": list(plan.notes),
    }
