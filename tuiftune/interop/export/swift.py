"""ms-swift's YAML for `swift sft --config` (4.x)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, rows, techniques
from tuiftune.interop.export.tool import Tool, yaml
from tuiftune.interop.export.trl import packing

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
    found = rows.paths(out)
    out.put("dataset", found)
    rows.told(out, "dataset")
    rows.held_out(out, "split_dataset_ratio", "val_dataset")
    if isinstance(out.document.get("val_dataset"), str):
        out.put("val_dataset", [out.document["val_dataset"]])
    evaluated = out.document.get("val_dataset") or out.document.get("split_dataset_ratio")
    out.put("eval_strategy", "epoch" if evaluated else "no")
    if out.preset.data.system is not None and out.files is None:
        out.carry("data.system", "system")
    out.carry("data.max_length", "max_length")
    out.put("truncation_strategy", "right")
    packing(out)
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
    out.put("output_dir", "outputs")


TOOL = Tool(
    key="swift",
    name="ms-swift",
    order=50,
    write=write,
    texts=lambda out: {FILE: yaml(out.document)},
    command=lambda out: f"swift sft --config {FILE}",
    reads="swift",
)
