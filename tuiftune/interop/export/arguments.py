"""What tools over transformers' TrainingArguments share: training, checkpoints, precision, adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.interop.export.outward import USUAL_OPTIMIZER, auto, batch, usual
from tuiftune.interop.mapping import FULL_RATE

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

SAME = {
    "training.max_steps": "max_steps",
    "training.weight_decay": "weight_decay",
    "training.max_grad_norm": "max_grad_norm",
    "training.seed": "seed",
    "run.checkpoints": "save_total_limit",
}
ALMOST = 0.9999  # of a float below 1, which `warmup_steps` takes for a share of the steps
PLANNED = "the tool chooses it"


def training(
    out: Outward,
    *,
    epochs: str = "num_train_epochs",
    schedule: str = "lr_scheduler_type",
    warmup: str = "warmup_steps",
    optimizer: str = "optim",
    rows: str = "per_device_train_batch_size",
) -> None:
    """Batch, learning rate and its course, optimizer, length of training, checkpoints."""
    batch(out, rows, "gradient_accumulation_steps")
    rate(out)
    out.carry("training.epochs", epochs)
    out.carry("training.schedule", schedule)
    if warmup == "warmup_steps" and out.preset.training.warmup_ratio >= 1:
        out.carry("training.warmup_ratio", warmup, ALMOST, why="1 would be one step", back=ALMOST)
    else:
        out.carry("training.warmup_ratio", warmup)
    if out.get("training.optimizer") == "auto":
        why = f"auto: {USUAL_OPTIMIZER} is the usual value"
        out.carry("training.optimizer", optimizer, USUAL_OPTIMIZER, why=why, back=USUAL_OPTIMIZER)
    else:
        out.carry("training.optimizer", optimizer)
    out.rename(SAME)
    save_every(out)


def rate(out: Outward, to: str = "learning_rate") -> None:
    """The learning rate; one that reading it back takes for full fine-tuning's is told."""
    value, known = out.get("training.learning_rate"), usual(out.preset)
    made = known.rate if value == "auto" else value
    own = stages.every()[out.preset.method.stage].adapter_rate is not None
    if made > FULL_RATE or known.technique == "full" or own:
        auto(out, "training.learning_rate", to, known.rate)
        return
    why = "`tuiftune import` reads auto: it takes this for a rate of full fine-tuning"
    if value == "auto":
        why = f"auto: {made:g} is the usual value; {why}"
    out.carry("training.learning_rate", to, made, why=why, back="auto", same=value != "auto")


def save_every(out: Outward, to: str = "save_steps", strategy: str = "save_strategy") -> None:
    """Checkpoints by steps; without a number, once an epoch."""
    if out.get("run.save_every") == "auto":
        out.put(strategy, "epoch")
        out.leave("run.save_every", "auto: once an epoch", "not needed")
    else:
        out.put(strategy, "steps")
        out.carry("run.save_every", to)


def checkpointing(out: Outward, to: str = "gradient_checkpointing") -> None:
    """Activation checkpointing, which these tools have on or off."""
    value = out.get("training.activation_checkpointing")
    if value is True:
        out.carry("training.activation_checkpointing", to, True, why="on", back=None)
    elif value is False:
        out.carry("training.activation_checkpointing", to, False, why="off", back=None)
    else:
        out.carry(
            "training.activation_checkpointing", to, True, why="on: less memory, about a quarter slower"
        )


def offloading(out: Outward, to: str) -> None:
    """Activation offloading, which is off where nothing is said, and nothing without checkpointing."""
    if out.get("training.activation_offloading") is not True:
        return
    if out.preset.training.activation_checkpointing is False:
        out.leave("training.activation_offloading", "only with activation checkpointing, which is off")
    else:
        out.carry("training.activation_offloading", to, True, why="on")


def compiled(out: Outward, to: str = "torch_compile") -> None:
    """torch.compile, off for auto."""
    if out.get("training.compile") == "auto":
        out.leave("training.compile", "auto: off", "not needed")
    else:
        out.carry("training.compile", to)


def trackers(out: Outward, to: str = "report_to") -> None:
    """Experiment trackers; none is said, since the default is every one that is installed."""
    if out.get("run.report_to"):
        out.carry("run.report_to", to)
    else:
        out.put(to, "none")
        out.leave("run.report_to", "none", "not needed")


def early_stopping(out: Outward, to: str = "") -> None:
    """Evaluations without gain before the end."""
    value = out.get("training.early_stopping")
    if value == 0:
        out.leave("training.early_stopping", "never: the tool's default")
    elif to:
        out.carry("training.early_stopping", to)
    else:
        out.leave("training.early_stopping", f"{out.tool} does not stop early by itself")


def model(
    out: Outward,
    name: str,
    revision: str,
    dtype: str = "",
    trust: str = "trust_remote_code",
    *,
    attention: bool = True,
) -> None:
    """The base model, its revision, its precision, whether its own code is run, and the kernel if it is left
    to the tool. `attention` False: the kernel is told elsewhere.
    """
    out.carry("model.base", name)
    out.rename({"model.revision": revision})
    if "model.trust_remote_code" not in out.left:
        pass
    elif out.get("model.trust_remote_code"):
        out.carry("model.trust_remote_code", trust)
    else:
        out.leave("model.trust_remote_code", "off, as there", "not needed")
    if out.get("model.dtype") == "auto":
        out.leave("model.dtype", "auto: bfloat16 where the GPU has it", "not needed")
    elif dtype:
        out.carry("model.dtype", dtype)
    if not attention:
        return
    if out.get("model.attention") == "auto":
        out.leave("model.attention", PLANNED, "not needed")
    elif out.get("model.attention") == "varlen":
        out.leave("model.attention", f"varlen is tuiftune's own; {PLANNED}")


def precision(out: Outward) -> None:
    """bf16 or fp16 of tools that say it by switches; the base model's dtype is told by it."""
    value = out.preset.model.dtype
    out.put("bf16", value in ("auto", "bfloat16"))
    if value == "float16":
        out.put("fp16", True)
    if "model.dtype" in out.left:
        out.note("model.dtype", "fp16" if value == "float16" else "bf16", why=f"{value} by a switch")


def adapters(out: Outward, rank: str, alpha: str, dropout: str) -> None:
    """Rank, alpha and dropout; nothing where all weights are trained."""
    known = usual(out.preset)
    if out.get("method.rank") is None:
        return
    auto(out, "method.rank", rank, known.rank)
    auto(out, "method.alpha", alpha, known.alpha)
    out.carry("method.dropout", dropout)


OVER_FOUR = ("rslora", "loraplus")  # that `tuiftune import` reads back over a 4-bit base model


def quantization(out: Outward, eight: str = "") -> None:
    """Of the base model: what the technique says, or 4 bits. `eight`: the switch of a tool for fp8."""
    value = out.get("model.quantization")
    if value == "auto":
        out.leave("model.quantization", "as the technique says", "not needed")
    elif value == "fp8" and eight:
        out.carry("model.quantization", eight, True, why="by a switch", back="fp8", same=True)
    elif value == "fp8":
        out.leave("model.quantization", f"{out.tool} trains over the 16-bit model, which takes more memory")
    elif value == "nf4" and any(
        line.back in OVER_FOUR for line in out.lines if line.key == "method.technique"
    ):
        out.note("model.quantization", "the technique", why="4 bits by the technique's switches", back="nf4")
    else:
        out.note("model.quantization", "the technique", why=f"{value}: told by the technique")
