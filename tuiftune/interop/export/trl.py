"""TRL's YAML for `trl sft --config` and its other stages (1.15 and later, with transformers 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, objectives, rows, techniques
from tuiftune.interop.export.outward import DEFAULT
from tuiftune.interop.export.tool import Tool, yaml
from tuiftune.interop.objectives import REINFORCED, TRL

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "trl.yaml"
PEFT = {"use_peft": True}
FORMS: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": PEFT,
    "qlora": {**PEFT, "load_in_4bit": True, "use_bnb_nested_quant": True},
    "dora": {**PEFT, "use_dora": True},
    "rslora": {**PEFT, "use_rslora": True},
}


def write(out: Outward) -> None:
    """Fill in TRL's document."""
    arguments.model(out, "model_name_or_path", "model_revision", "dtype")
    techniques.write(out, FORMS, back={})
    arguments.adapters(out, "lora_r", "lora_alpha", "lora_dropout")
    techniques.targets(out, "lora_target_modules", all_linear=("lora_target_modules", "all-linear"))
    out.rename({"method.modules_to_save": "lora_modules_to_save"})
    objectives.write(out, TRL)
    _data(out)
    _longest(out)
    if not objectives.compares(out):
        packing_apart(out, "attn_implementation")
        loss(out)
    arguments.training(out)
    arguments.early_stopping(out)
    arguments.checkpointing(out)
    if out.preset.method.stage not in REINFORCED:
        arguments.offloading(out, "activation_offloading")
    arguments.compiled(out)
    arguments.quantization(out)
    arguments.trackers(out)
    if "model.attention" in out.left:
        out.carry("model.attention", "attn_implementation")
    if out.preset.training.kernels == "liger":
        out.carry("training.kernels", "use_liger_kernel", True, why="liger by a switch", back=None)
    out.put("bf16", out.preset.model.dtype in ("auto", "bfloat16"))
    objectives.evaluation_batch(out)
    out.put("output_dir", "outputs")


def _longest(out: Outward) -> None:
    """Of prompt and answer; stages that sample answers limit those alone."""
    if out.preset.method.stage in REINFORCED:
        out.leave("data.max_length", "answers are limited there: max_completion_length")
    else:
        out.carry("data.max_length", "max_length")


def packing(out: Outward, to: str = "packing") -> None:
    """Packing; off for auto, also where a tool packs texts without being told."""
    if out.get("data.packing") == "auto":
        out.carry("data.packing", to, False, why="auto: off", back=False)
    else:
        out.carry("data.packing", to)


def packing_apart(out: Outward, kernel: str) -> None:
    """Packing of a tool whose packed rows see one another unless FlashAttention keeps them apart; `kernel` is
    its key.
    """
    chosen = out.preset.model.attention
    if out.preset.data.packing is not True or chosen == "flash_attention_2":
        packing(out)
    elif chosen in ("sdpa", "eager"):
        why = f"off: {out.tool} keeps packed rows apart with FlashAttention alone, not with {chosen}"
        out.carry("data.packing", "packing", False, why=why, back=False)
    else:
        why = "with FlashAttention, which keeps packed rows apart there"
        out.put(kernel, "flash_attention_2")
        out.carry("data.packing", "packing", why=why, back=True, same=True)
        back = "flash_attention_2" if kernel == "attn_implementation" else DEFAULT
        out.lines = [
            replace(
                line,
                fate="changed",
                to=kernel,
                why="it keeps packed rows apart, and needs flash-attn",
                back=back,
            )
            if line.key == "model.attention"
            else line
            for line in out.lines
        ]


def loss(out: Outward) -> None:
    """TRL trains on every token of a chat unless it is told otherwise."""
    value = out.preset.data.loss_on
    if value == "completion":
        out.carry(
            "data.loss_on", "assistant_only_loss", True, why="every answer of a chat is trained on", back=None
        )
    else:
        out.carry("data.loss_on", "assistant_only_loss", value == "assistant")


def _data(out: Outward) -> None:
    found = rows.paths(out)
    if all(path.endswith((".jsonl", ".json")) for path in found):
        out.put("datasets", [{"path": "json", "data_files": found[0] if len(found) == 1 else found}])
    else:
        kept = [rows.parts(path) for path in found]
        out.put("datasets", [{key: one[key] for key in one if key != "revision"} for one in kept])
    rows.told(out, "datasets", kept=("name", "split"))
    if out.preset.method.stage == "pretrain":
        column = "text" if out.files is not None else out.preset.data.columns.get("text", "text")
        out.put("dataset_text_field", column)
        why = "`trl sft` trains on a column of texts, and reads back so"
        out.note("method.stage", "dataset_text_field", why=why, back="sft")
        if "data.columns" in out.left:
            back = {"text": column} if column != "text" else {}
            out.note("data.columns", "dataset_text_field", why="the column of texts", back=back)
    if out.files is not None:
        why = f"evaluate {out.files.eval} by yourself: TRL splits the training rows only"
        out.leave("data.eval", why if out.files.eval else "no evaluation rows")
    elif isinstance(out.preset.data.eval, str):
        out.leave("data.eval", "TRL splits the training rows, and takes no file of its own")
    elif out.preset.data.eval:
        out.put("eval_strategy", "epoch")
        out.carry("data.eval", "test_split_size")
    else:
        out.leave("data.eval", "no evaluation rows")


def command(out: Outward) -> str:
    """The command of a stage, which the file begins with: `tuiftune import` reads the stage there."""
    stage = out.preset.method.stage
    return f"trl {'sft' if stage == 'pretrain' else stage} --config {FILE}"


TOOL = Tool(
    key="trl",
    name="TRL",
    order=30,
    write=write,
    texts=lambda out: {FILE: f"# {command(out)}\n{yaml(out.document)}"},
    command=command,
    reads="trl",
    stages=("sft", "pretrain", "dpo", "kto", "reward", *REINFORCED),
)
