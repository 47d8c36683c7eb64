"""Axolotl's YAML (0.19 to 0.21)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, layouts, objectives, techniques
from tuiftune.interop.export.outward import DEFAULT
from tuiftune.interop.export.rows import axolotl as datasets
from tuiftune.interop.export.rows import is_text
from tuiftune.interop.export.tool import Tool, yaml
from tuiftune.interop.objectives import AXOLOTL

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "axolotl.yaml"
FORMS: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"adapter": "lora"},
    "qlora": {"adapter": "qlora", "load_in_4bit": True},
    "dora": {"adapter": "lora", "peft_use_dora": True},
    "rslora": {"adapter": "lora", "peft_use_rslora": True},
    "loraplus": {"adapter": "lora"},
    "pissa": {"adapter": "lora", "peft_init_lora_weights": "pissa"},
}
MORE = {
    "method.modules_to_save": "lora_modules_to_save",
    "method.loraplus_lr_ratio": "loraplus_lr_ratio",
}


def write(out: Outward) -> None:
    """Fill in Axolotl's document."""
    arguments.model(out, "base_model", "revision_of_model", attention=False)
    techniques.write(out, FORMS, back={"pissa": "lora"})
    arguments.adapters(out, "lora_r", "lora_alpha", "lora_dropout")
    techniques.targets(out, "lora_target_modules", all_linear=("lora_target_linear", True))
    out.rename(
        {"method.modules_to_save": "lora_modules_to_save", "method.loraplus_lr_ratio": "loraplus_lr_ratio"}
    )
    _stage(out)
    objectives.write(out, AXOLOTL)
    datasets(out)
    _attention(out)
    out.carry("data.max_length", "sequence_len")
    out.put("excess_length_strategy", "truncate")
    if not objectives.compares(out):
        _packing(out)
        told_loss(out)
    arguments.training(
        out, epochs="num_epochs", schedule="lr_scheduler", warmup="warmup_ratio", optimizer="optimizer",
        rows="micro_batch_size",
    )  # fmt: skip
    out.document.pop("save_strategy", None)
    if out.preset.method.stage == "simpo":
        _warmup(out)
    if "save_steps" not in out.document:
        out.put("saves_per_epoch", 1)
    _early_stopping(out)
    arguments.checkpointing(out)
    arguments.offloading(out, "activation_offloading")
    arguments.compiled(out)
    out.put("bf16", "auto" if out.preset.model.dtype == "auto" else out.preset.model.dtype == "bfloat16")
    if out.preset.model.dtype == "float16":
        out.put("fp16", True)
    if "model.dtype" in out.left:
        out.note("model.dtype", "bf16, fp16", why=f"{out.preset.model.dtype} by a switch")
    arguments.quantization(out)
    if "wandb" in out.preset.run.report_to:
        out.put("wandb_project", out.preset.name)
        left = [name for name in out.preset.run.report_to if name != "wandb"]
        why = f"its project is {out.preset.name}" + (f"; without {', '.join(left)}" if left else "")
        out.note("run.report_to", "wandb_project", why=why, back=["wandb"])
    out.put("output_dir", "outputs")


def _early_stopping(out: Outward) -> None:
    """Axolotl stops early only where it saves and evaluates by the same number of steps."""
    evaluated = out.document.get("val_set_size") or "test_datasets" in out.document
    if not out.preset.training.early_stopping or (evaluated and "save_steps" in out.document):
        if out.preset.training.early_stopping:
            out.put("eval_steps", out.document["save_steps"])
        arguments.early_stopping(out, "early_stopping_patience")
    else:
        why = "Axolotl needs run.save_every and evaluation rows for it"
        out.leave("training.early_stopping", why)


def _warmup(out: Outward) -> None:
    """Its SimPO trainer takes warmup as steps alone, which are known where the number of steps is."""
    del out.document["warmup_ratio"]
    place = next(at for at, line in enumerate(out.lines) if line.key == "training.warmup_ratio")
    line, most = out.lines[place], out.preset.training.max_steps
    if most is None:
        why = "its SimPO trainer takes warmup as steps: set training.max_steps"
        out.lines[place] = replace(line, fate="left out", to="", why=why, back=DEFAULT)
        return
    steps = round(float(line.value) * most)
    out.put("warmup_steps", steps)
    back = round(steps / most, 4)
    out.lines[place] = replace(line, fate="changed", to="warmup_steps", why=f"{steps} steps", back=back)


def _packing(out: Outward) -> None:
    if out.get("data.packing") == "auto":
        out.put("sample_packing", True)
        out.note("data.packing", "sample_packing", why="auto: on", back=True)
    else:
        out.carry("data.packing", "sample_packing")


def told_loss(out: Outward) -> None:
    """Axolotl trains on answers, or on all tokens; of texts always on all."""
    value = out.preset.data.loss_on
    if is_text(out):
        out.note("data.loss_on", "datasets.type", why="every token of a text is trained", back="all")
    elif value == "completion":
        out.carry(
            "data.loss_on", "train_on_inputs", False, why="every answer of a chat is trained on", back=None
        )
    else:
        out.carry("data.loss_on", "train_on_inputs", value == "all")


def _stage(out: Outward) -> None:
    """`rl`, or `reward_model`; texts by their type, which are read back as continued pre-training."""
    stage = out.preset.method.stage
    if stage == "reward":
        out.put("reward_model", True)
        out.note("method.stage", "reward_model")
    elif stage in objectives.PAIRS:
        out.put("rl", stage)
        out.note("method.stage", "rl")
    elif stage == "pretrain":
        out.note("method.stage", "datasets.type")
    elif is_text(out):
        out.note("method.stage", "datasets.type", why="texts are continued pre-training", back="pretrain")


def _attention(out: Outward) -> None:
    """The attention kernel. Only some keep packed rows apart, and Axolotl chooses none by itself."""
    value, packed = out.preset.model.attention, out.preset.data.packing is not False
    why = f"{value} by its name"
    if value in ("auto", "varlen") and packed:
        value, why = "flash_attention_2", "it keeps packed rows apart, and needs flash-attn"
    if value not in ("auto", "varlen"):
        out.carry("model.attention", "attn_implementation", value, why=why)


TOOL = Tool(
    key="axolotl",
    name="Axolotl",
    order=10,
    write=write,
    texts=lambda out: {FILE: yaml(out.document)},
    command=lambda out: f"axolotl train {FILE}",
    reads="axolotl",
    stages=("sft", "pretrain", "dpo", "orpo", "simpo", "reward"),
    row=layouts.axolotl,
)
