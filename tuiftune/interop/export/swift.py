"""ms-swift's YAML for `swift sft swift.yaml` (4.x)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, layouts, objectives, rows, techniques
from tuiftune.interop.export.tool import Tool, yaml
from tuiftune.interop.export.trl import packing_apart
from tuiftune.interop.objectives import SWIFT

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "swift.yaml"
LORA = {"tuner_type": "lora"}
FORMS: dict[str, dict[str, Any]] = {
    "full": {"tuner_type": "full"},
    "lora": LORA,
    "qlora": {**LORA, "quant_bits": 4, "quant_method": "bnb"},
    "dora": {**LORA, "use_dora": True},
    "rslora": {**LORA, "use_rslora": True},
    "loraplus": LORA,
    "pissa": {**LORA, "init_weights": "pissa"},
}


def write(out: Outward) -> None:
    """Fill in ms-swift's document."""
    out.leave("model.trust_remote_code", "ms-swift runs a model's own code by itself", "not needed")
    arguments.model(out, "model", "model_revision", "torch_dtype")
    out.put("use_hf", True)
    techniques.write(out, FORMS, back={})
    arguments.adapters(out, "lora_rank", "lora_alpha", "lora_dropout")
    techniques.targets(out, "target_modules", all_linear=("target_modules", ["all-linear"]))
    out.rename({"method.modules_to_save": "modules_to_save", "method.loraplus_lr_ratio": "lorap_lr_ratio"})
    objectives.write(out, SWIFT)
    _stage(out)
    found = rows.paths(out)
    out.put("dataset", [_dataset(path) for path in found])
    rows.told(out, "dataset", kept=("name",))
    rows.held_out(out, "split_dataset_ratio", "val_dataset", kept=("name",))
    if isinstance(out.document.get("val_dataset"), str):
        out.put("val_dataset", [_dataset(out.document["val_dataset"])])
    evaluated = out.document.get("val_dataset") or out.document.get("split_dataset_ratio")
    out.put("eval_strategy", "epoch" if evaluated else "no")
    if out.preset.data.system is not None and out.files is None:
        out.carry("data.system", "system")
    out.carry("data.max_length", "max_length")
    if out.preset.method.stage != "grpo":  # which it refuses to truncate at the end
        out.put("truncation_strategy", "right")
    if not objectives.compares(out):
        packing_apart(out, "attn_impl")
        value = out.preset.data.loss_on
        scale = {"assistant": "default", "completion": "last_round", "all": "all"}[value]
        out.carry("data.loss_on", "loss_scale", scale)
    arguments.training(out)
    arguments.early_stopping(out)
    arguments.checkpointing(out)
    arguments.compiled(out)
    arguments.quantization(out)
    arguments.trackers(out)
    if "model.attention" in out.left:
        kernel = out.preset.model.attention
        out.carry("model.attention", "attn_impl", why=f"{kernel} by its name", back=None)
    if out.preset.training.kernels == "liger":
        out.carry("training.kernels", "use_liger_kernel", True, why="liger by a switch", back=None)
    objectives.evaluation_batch(out)
    out.put("output_dir", "outputs")


def _dataset(path: str) -> str:
    """`ID:SUBSET`, or a file."""
    found = rows.parts(path)
    return ":".join(found[key] for key in ("path", "name") if key in found)


def _stage(out: Outward) -> None:
    """The kind of human feedback, or texts without a chat template; else the command says it."""
    stage = out.preset.method.stage
    if stage == "pretrain":
        out.put("use_chat_template", False)
        out.note("method.stage", "use_chat_template")
    elif stage != "sft":
        out.put("rlhf_type", "rm" if stage == "reward" else stage)
        out.note("method.stage", "rlhf_type")


def command(out: Outward) -> str:
    """The command of a stage."""
    kind = {"sft": "sft", "pretrain": "pt"}.get(out.preset.method.stage, "rlhf")
    return f"swift {kind} {FILE}"


TOOL = Tool(
    key="swift",
    name="ms-swift",
    order=50,
    write=write,
    texts=lambda out: {FILE: yaml(out.document)},
    command=command,
    reads="swift",
    stages=("sft", "pretrain", "dpo", "kto", "orpo", "simpo", "reward", "grpo"),
    row=layouts.swift,
)
