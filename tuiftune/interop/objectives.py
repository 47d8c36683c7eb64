"""Losses beyond supervised fine-tuning in other tools' keys: what each calls beta, margins and weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.interop.mapping import Cannot, Moot, Rules, To, Transfer, real, shown, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

MARGIN = 6  # digits of a margin over beta, which other tools give times beta
LOSSES = ("sigmoid", "hinge", "ipo", "sigmoid_norm")  # of DPO, by TRL's names
SAMPLED = {
    "num_generations": "generations",
    "max_completion_length": "max_completion_length",
    "temperature": "temperature",
}
REINFORCED = ("grpo", "rloo")
RULES: Rules = {
    **dict.fromkeys(
        ("label_smoothing", "dpo_label_smoothing"),
        Cannot("tuiftune has no label smoothing"),
    ),
    **dict.fromkeys(
        ("rpo_alpha", "pref_ftx", "sft_alpha"), Cannot("tuiftune adds no loss on chosen answers to DPO")
    ),
    **dict.fromkeys(
        ("loss_weights", "dpo_loss_weights"), Cannot("tuiftune trains on one preference loss at a time")
    ),
    **dict.fromkeys(
        ("ref_model", "ref_model_type", "ref_model_adapters", "sync_ref_model"),
        Cannot("the model as it began is the reference"),
    ),
    **dict.fromkeys(("max_prompt_length",), Moot("data.max_length holds prompt and answer")),
    **dict.fromkeys(
        ("precompute_ref_log_probs", "dpo_use_logits_to_keep", "dpo_padding_free", "dpo_use_liger_kernel"),
        Moot("the plan chooses how the loss is computed"),
    ),
    **dict.fromkeys(
        ("reward_funcs", "reward_model", "reward_weights", "reward_model_name_or_path", "external_plugins"),
        Cannot("rewards are written under method.rewards: `tuiftune preset schema` lists them"),
    ),
    **dict.fromkeys(
        ("use_vllm", "vllm_mode", "vllm_gpu_memory_utilization", "log_completions", "vllm_max_model_len"),
        Moot("tuiftune samples and logs answers its own way"),
    ),
}


@dataclass(frozen=True, slots=True)
class Keys:
    """What a tool calls the options of preference stages.

    Attributes:
        beta: by stage.
        usual: its beta where none is given, by stage, where that is not ours.
        loss: of DPO; `listed`: it takes a list of them.
        losses: those of ours that it has.
        weights: of desirable and undesirable answers, for KTO.
        gamma: SimPO's margin, which is ours times beta; `margin`: where none is given.
        chosen: weight of the loss on chosen answers that it adds to SimPO's, 1 where none is given; "": none.
        sampled: it trains on sampled answers, by TRL's keys.
    """

    beta: Mapping[str, str]
    loss: str
    usual: Mapping[str, float] = field(default_factory=dict)
    listed: bool = False
    losses: tuple[str, ...] = LOSSES
    weights: tuple[str, str] = ("desirable_weight", "undesirable_weight")
    gamma: str = "simpo_gamma"
    margin: float = 0.5
    chosen: str = ""
    sampled: bool = False


def usual_beta(stage: str) -> float:
    """Our value of a stage's beta at auto."""
    return float(stages.every()[stage].values["beta"].value)


def read(transfer: Transfer, keys: Keys) -> None:
    """Carry the options of the stage that was set; nothing for a stage without any."""
    stage = str(transfer.get("method.stage") or "sft")
    known = stages.every().get(stage)
    if known is None or not (known.options or known.scores):
        return
    if (name := keys.beta.get(stage)) is not None:
        _beta(transfer, keys, stage, name)
    if stage == "dpo":
        _loss(transfer, keys)
    if stage == "kto":
        for name, ours in zip(keys.weights, ("desirable_weight", "undesirable_weight"), strict=True):
            if (value := transfer.take(name)) is not None:
                transfer.place(name, value, To(f"method.{ours}", real))
    if stage == "simpo":
        _margin(transfer, keys)
    if stage in REINFORCED:
        for name, ours in SAMPLED.items():
            if (value := transfer.take(name)) is not None:
                transfer.place(name, value, To(f"method.{ours}", whole if name != "temperature" else real))
    transfer.apply({key: rule for key, rule in RULES.items() if key in transfer.left})


def _beta(transfer: Transfer, keys: Keys, stage: str, name: str) -> None:
    value = transfer.take(name)
    if value is not None:
        transfer.place(name, value, To("method.beta", real))
        return
    theirs = keys.usual.get(stage, usual_beta(stage))
    if theirs != usual_beta(stage):
        transfer.carry(name, None, "method.beta", theirs, f"unset there: {theirs:g}")


def _loss(transfer: Transfer, keys: Keys) -> None:
    value = transfer.take(keys.loss)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return
    if value in LOSSES:
        transfer.carry(keys.loss, value, "method.loss_type", value)
    else:
        transfer.leave(keys.loss, value, f"tuiftune's DPO has no {shown(value)} loss: sigmoid is used")


def _margin(transfer: Transfer, keys: Keys) -> None:
    gamma, beta = transfer.take(keys.gamma), transfer.get("method.beta")
    over = beta if isinstance(beta, float) else usual_beta("simpo")
    try:
        ratio = round(real(keys.margin if gamma is None else gamma) / over, MARGIN)
    except (ValueError, ZeroDivisionError) as fault:
        transfer.leave(keys.gamma, gamma, str(fault))
    else:
        why = f"a margin of {ratio:g} over beta" + (" (unset there)" if gamma is None else "")
        transfer.carry(keys.gamma, gamma, "method.gamma_ratio", ratio, why)
    if keys.chosen:
        weight = transfer.take(keys.chosen)
        if weight not in (0, "0", "0.0"):
            why = "SimPO there adds this times the loss on chosen answers, and none is added here"
            transfer.leave(keys.chosen, 1.0 if weight is None else weight, why)
        else:
            transfer.leave(keys.chosen, weight, "no loss on chosen answers is added here", "not needed")


AXOLOTL = Keys(
    beta={"dpo": "rl_beta", "kto": "rl_beta", "orpo": "orpo_alpha", "simpo": "rl_beta"},
    usual={"simpo": 0.1},
    loss="dpo_loss_type",
    listed=True,
    weights=("kto_desirable_weight", "kto_undesirable_weight"),
    chosen="cpo_alpha",
)
LLAMAFACTORY = Keys(
    beta=dict.fromkeys(("dpo", "kto", "orpo", "simpo"), "pref_beta"),
    usual={"simpo": 0.1},
    loss="pref_loss",
    losses=("sigmoid", "hinge", "ipo"),
    weights=("kto_chosen_weight", "kto_rejected_weight"),
)
TRL = Keys(
    beta=dict.fromkeys(("dpo", "kto", "orpo", "simpo", *REINFORCED), "beta"),
    usual={"simpo": 0.1},
    loss="loss_type",
    listed=True,
    chosen="cpo_alpha",
    sampled=True,
)
SWIFT = Keys(
    beta=dict.fromkeys(("dpo", "kto", "orpo", "simpo", *REINFORCED), "beta"),
    usual={"grpo": 0.04},
    loss="loss_type",
    listed=True,
    margin=1.0,
    chosen="cpo_alpha",
    sampled=True,
)
