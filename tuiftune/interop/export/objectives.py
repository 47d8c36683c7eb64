"""Options of the stages beyond supervised fine-tuning, written in another tool's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.interop.export.outward import auto
from tuiftune.interop.objectives import MARGIN, REINFORCED, SAMPLED, usual_beta

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward
    from tuiftune.interop.objectives import Keys

PAIRS = ("dpo", "orpo", "simpo", "reward")
JUDGED = ("kto",)
REWARDS = "rewards are Python functions there: write yours, and name it with reward_funcs"


def compares(out: Outward) -> bool:
    """Whether the stage trains on answers as wholes, which are neither packed nor masked token by token. Its
    keys of layout are then told of.
    """
    if out.preset.method.stage in ("sft", "pretrain"):
        return False
    out.leave("data.packing", "rows are not packed", "not needed")
    out.leave("data.loss_on", "answers are compared as wholes", "not needed")
    return True


def evaluation_batch(out: Outward) -> None:
    """Rows at once in evaluations: whole groups of sampled answers, which these tools insist on."""
    if out.preset.method.stage in REINFORCED and out.document.get("eval_strategy", "no") != "no":
        out.put("per_device_eval_batch_size", out.preset.method.generations)


def write(out: Outward, keys: Keys) -> None:
    """Carry the options of the preset's stage that are still to be told of."""
    stage = out.preset.method.stage
    if "method.beta" in out.left:
        auto(out, "method.beta", keys.beta[stage], usual_beta(stage))
    if "method.loss_type" in out.left:
        _loss(out, keys)
    for ours, theirs in zip(("desirable_weight", "undesirable_weight"), keys.weights, strict=True):
        if f"method.{ours}" in out.left:
            out.carry(f"method.{ours}", theirs)
    if "method.gamma_ratio" in out.left:
        _margin(out, keys)
    for theirs, ours in SAMPLED.items():
        if f"method.{ours}" in out.left:
            out.carry(f"method.{ours}", theirs)
    if "method.rewards" in out.left:
        out.leave("method.rewards", REWARDS)


def _loss(out: Outward, keys: Keys) -> None:
    value = str(out.get("method.loss_type"))
    if value in keys.losses:
        made = [value] if keys.listed else value
        out.carry("method.loss_type", keys.loss, made)
    else:
        why = f"{out.tool} has no {value}: sigmoid"
        out.carry("method.loss_type", keys.loss, "sigmoid", why=why, back="sigmoid")


def _margin(out: Outward, keys: Keys) -> None:
    """SimPO's margin, which these tools give times beta; they would add a loss on the chosen answers."""
    ratio = float(out.get("method.gamma_ratio"))
    beta = out.preset.method.beta
    beta = usual_beta("simpo") if beta == "auto" else float(beta)
    gamma = round(ratio * beta, 10)
    back = round(gamma / beta, MARGIN) if beta else ratio
    out.carry("method.gamma_ratio", keys.gamma, gamma, why="times beta", back=back, same=True)
    if keys.chosen:
        out.put(keys.chosen, 0.0)
