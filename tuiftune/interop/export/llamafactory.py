"""LLaMA-Factory's YAML (0.9.5), with the dataset_info.json that names its rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune.data.read import hub
from tuiftune.interop.export import arguments, layouts, objectives, rows, techniques
from tuiftune.interop.export.tool import Tool, yaml
from tuiftune.interop.export.trl import packing
from tuiftune.interop.objectives import LLAMAFACTORY

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE, INFO = "llamafactory.yaml", "dataset_info.json"
STAGES = {"pretrain": "pt", "reward": "rm", "orpo": "dpo", "simpo": "dpo"}
LORA = {"finetuning_type": "lora"}
FORMS: dict[str, dict[str, Any]] = {
    "full": {"finetuning_type": "full"},
    "lora": LORA,
    "qlora": {**LORA, "quantization_bit": 4, "quantization_method": "bnb"},
    "dora": {**LORA, "use_dora": True},
    "rslora": {**LORA, "use_rslora": True},
    "loraplus": LORA,
    "pissa": {**LORA, "pissa_init": True},
}
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def write(out: Outward) -> None:
    """Fill in LLaMA-Factory's document. Without a template it takes the tokenizer's own."""
    _stage(out)
    out.put("do_train", True)
    arguments.model(out, "model_name_or_path", "model_revision")
    techniques.write(out, _forms(out), back={})
    arguments.adapters(out, "lora_rank", "lora_alpha", "lora_dropout")
    techniques.targets(out, "lora_target", all_linear=("lora_target", "all"), joined=",")
    if out.get("method.modules_to_save"):
        out.carry("method.modules_to_save", "additional_target", ",".join(out.get("method.modules_to_save")))
    objectives.write(out, LLAMAFACTORY)
    out.rename({"method.loraplus_lr_ratio": "loraplus_lr_ratio"})
    if "pissa_init" not in out.document:
        if "method.pissa_iterations" in out.left:
            out.leave("method.pissa_iterations", "LoRA in place of PiSSA")
    elif out.get("method.pissa_iterations") is not None:
        out.carry("method.pissa_iterations", "pissa_iter", why="set there, too", back=None)
    elif "method.pissa_iterations" in out.left:
        out.carry("method.pissa_iterations", "pissa_iter", -1, why="an exact decomposition", back=None)
    _data(out)
    out.carry("data.max_length", "cutoff_len")
    if not objectives.compares(out):
        packing(out)
        if out.preset.data.packing is True and out.preset.method.stage == "sft":
            out.put("neat_packing", True)  # without it, packed rows see one another
        _loss(out)
    arguments.training(out)
    arguments.early_stopping(out, "early_stopping_steps" if _evaluated(out) else "")
    _checkpointing(out)
    arguments.compiled(out)
    arguments.precision(out)
    arguments.quantization(out)
    arguments.trackers(out)
    if "model.attention" in out.left:
        names = {"sdpa": "sdpa", "eager": "disabled", "flash_attention_2": "fa2"}
        kernel = out.preset.model.attention
        out.carry("model.attention", "flash_attn", names[kernel], why=f"{kernel} by its name", back=None)
    if out.preset.training.kernels == "liger":
        out.carry("training.kernels", "enable_liger_kernel", True, why="liger by a switch", back=None)
    out.put("output_dir", "outputs")


def _forms(out: Outward) -> dict[str, dict[str, Any]]:
    """Its techniques. It refuses PiSSA where the model is compared with a reference, which that changes."""
    compared = out.preset.method.stage in ("dpo", "kto")
    return {key: form for key, form in FORMS.items() if not (compared and key == "pissa")}


def _loss(out: Outward) -> None:
    value = out.preset.data.loss_on
    if out.preset.method.stage == "pretrain":
        out.leave("data.loss_on", "every token of a text is trained there", "not needed")
    elif value == "completion":
        out.carry("data.loss_on", "mask_history", True, why="the last answer alone is trained on", back=None)
    else:
        out.carry("data.loss_on", "train_on_prompt", value == "all")


def _stage(out: Outward) -> None:
    """Its stage; ORPO and SimPO are losses of dpo there."""
    stage = out.preset.method.stage
    out.put("stage", STAGES.get(stage, stage))
    if stage in ("orpo", "simpo"):
        out.put("pref_loss", stage)
    out.note("method.stage", "stage")


def _evaluated(out: Outward) -> bool:
    """Set up evaluation where there are rows for it. Whether it can stop early, which needs the best kept."""
    if not (out.document.get("val_size") or out.document.get("eval_dataset")):
        return False
    out.put("eval_strategy", out.document["save_strategy"])  # the best is kept only where both are the same
    if "save_steps" in out.document:
        out.put("eval_steps", out.document["save_steps"])
    if out.preset.method.stage == "reward":
        return False  # it refuses to keep the best of reward models
    out.put("load_best_model_at_end", True)
    return True


def _checkpointing(out: Outward) -> None:
    value = out.get("training.activation_checkpointing")
    off = value is False
    why = "off by a switch" if off else "on, as it is by itself there"
    out.carry("training.activation_checkpointing", "disable_gradient_checkpointing", off, why=why)


def _data(out: Outward) -> None:
    found = rows.paths(out)
    names = found if out.files is None else ["train"]
    out.put("dataset", ",".join(names))
    out.put("dataset_dir", ".")
    _layout(out)
    rows.told(out, "dataset", kept=("name", "split"))
    rows.held_out(out, "val_size", "eval_dataset")
    if out.files is not None and out.files.eval is not None:
        out.put("eval_dataset", "eval")
    if out.preset.data.system is not None and out.files is None:
        out.carry("data.system", "default_system")


def _layout(out: Outward) -> None:
    """How dataset_info.json says that rows are laid out: alpaca for instructions, else chats."""
    stage = out.preset.method.stage
    if stage == "pretrain":
        out.note("data.format", INFO, why="texts", back="text")
        out.note("data.columns", INFO, why="texts", back={"text": _column(out, "text")})
        return
    if stage in objectives.PAIRS:
        names = {role: _column(out, role) for role in ("prompt", "chosen", "rejected")}
        out.note("data.format", INFO, why="a conversation with two answers", back="preference")
        out.note("data.columns", INFO, why="a conversation with two answers", back=names)
        return
    if stage in objectives.JUDGED:
        names = {role: _column(out, role) for role in ("messages", "label")}
        out.note("data.format", INFO, why="a conversation with its judgment", back="kto")
        out.note("data.columns", INFO, why="a conversation with its judgment", back=names)
        return
    if _alpaca(out):
        out.note("data.format", INFO)
        return
    column = "messages" if out.files is not None else out.preset.data.columns.get("messages", "messages")
    out.note("data.format", INFO, why="chat messages", back="sharegpt")
    out.note("data.columns", INFO, why="chat messages", back={"messages": column})


def _column(out: Outward, role: str) -> str:
    """The column of a role: of the rows that are written, or as the preset names it."""
    own = "messages" if role == "prompt" else role
    return own if out.files is not None else out.preset.data.columns.get(role, own)


def _alpaca(out: Outward) -> bool:
    return out.files is None and out.preset.data.format == "instruction"


def info(out: Outward) -> str:
    """The dataset_info.json."""
    files = out.files
    places = {path: path for path in rows.paths(out)} if files is None else {"train": files.train}
    if files is not None and files.eval is not None:
        places["eval"] = files.eval
    elif files is None and isinstance(out.preset.data.eval, str):
        places[out.preset.data.eval] = out.preset.data.eval
    column = "messages" if files is not None else out.preset.data.columns.get("messages", "messages")
    chats = {"formatting": "sharegpt", "columns": {"messages": column}, "tags": TAGS}
    entry: dict[str, Any] = {} if _alpaca(out) else chats
    stage = out.preset.method.stage
    if stage == "pretrain":
        entry = {"columns": {"prompt": _column(out, "text")}}
    elif stage in objectives.PAIRS:
        named = {"messages": _column(out, "prompt")} | {
            role: _column(out, role) for role in ("chosen", "rejected")
        }
        entry = {"ranking": True, **chats, "columns": named}
    elif stage in objectives.JUDGED:
        entry = {
            **chats,
            "columns": {"messages": _column(out, "messages"), "kto_tag": _column(out, "label")},
        }
    return json.dumps({name: {**_place(path), **entry} for name, path in places.items()}, indent=2) + "\n"


def _place(path: str) -> dict[str, str]:
    """Where rows lie, by dataset_info.json's names."""
    found = rows.parts(path)
    if hub.looks_like_id(path):
        named = {"hf_hub_url": found["path"], "subset": found.get("name"), "split": found.get("split")}
        return {key: value for key, value in named.items() if value}
    return {"file_name": path}


TOOL = Tool(
    key="llamafactory",
    name="LLaMA-Factory",
    order=20,
    write=write,
    texts=lambda out: {FILE: yaml(out.document), INFO: info(out)},
    command=lambda out: f"llamafactory-cli train {FILE}",
    reads="llamafactory",
    stages=("sft", "pretrain", "dpo", "kto", "orpo", "simpo", "reward"),
    row=layouts.llamafactory,
)
