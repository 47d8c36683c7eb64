"""LLaMA-Factory's YAML or JSON (0.9), with the dataset_info.json that names its datasets."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.interop import commands, objectives, unset
from tuiftune.interop.commands import Program, program
from tuiftune.interop.common import PLANNED, RHYTHM, shared
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    batch,
    over_four_bits,
    rate,
    real,
    shown,
    targets,
    warmup,
    whole,
)
from tuiftune.interop.rows import Source, evaluated, hub, put

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.interop.mapping import Rules

TOOL = "LLaMA-Factory"
STAGES = {"sft": "sft", "pt": "pretrain", "rm": "reward", "ppo": "ppo", "dpo": "dpo", "kto": "kto"}
OTHERS = ("orpo", "simpo")  # losses of its stage dpo that are stages here
TECHNIQUES = {
    "use_dora": "dora",
    "use_rslora": "rslora",
    "pissa_init": "pissa",
    "loraplus_lr_ratio": "loraplus",
}
RATIO = "loraplus_lr_ratio"  # its key here, too
ENTRY = (  # keys of an entry of dataset_info.json that are read
    "file_name", "hf_hub_url", "ms_hub_url", "directory", "formatting", "ranking", "columns", "subset",
    "split",
)  # fmt: skip
WITHIN = {"subset": "name", "split": "split"}  # at `load_dataset`
COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "history",
    "messages": "messages",
    "system": "system",
    "tools": "tools",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "label",
}
RULES: Rules = {
    "lora_target": To("method.target_modules", targets),
    "additional_target": To("method.modules_to_save", lambda value: str(value).split(",")),
    "cutoff_len": To("data.max_length", whole),
    "default_system": To("data.system", str),
    "val_size": To("data.eval", real),
    "early_stopping_steps": To("training.early_stopping", whole),
    "template": Cannot("the base model's own chat template is used"),
    "neat_packing": Moot("packed rows never see one another here"),
    "flash_attn": Moot(f"attention kernel: {PLANNED}"),
    "enable_liger_kernel": Moot(f"fused kernels: {PLANNED}"),
    "use_unsloth": Moot("only concerns LLaMA-Factory"),
    "use_unsloth_gc": Moot("only concerns LLaMA-Factory"),
    "disable_gradient_checkpointing": Moot(f"activation checkpointing: {PLANNED}"),
    "max_samples": Cannot("tuiftune trains on every row: cut the file, or set training.max_steps"),
    "streaming": Cannot("rows are read whole here"),
    "mask_history": Cannot("every assistant turn is trained on"),
    "rope_scaling": Cannot("the model's own positions are used"),
    "double_quantization": Moot("4-bit base models are double-quantized here"),
    "quantization_type": Moot("4-bit base models are stored as NF4 here"),
    "freeze_trainable_layers": Cannot("tuiftune trains all weights or adapters"),
    "pissa_iter": Moot("tuiftune's own number of iterations"),
    "pissa_convert": Moot("the exported adapter fits the original base model"),
    "create_new_adapter": Moot("each run trains an adapter of its own"),
    "adapter_name_or_path": Cannot("tuiftune begins from a base model"),
    "plot_loss": Moot(RHYTHM),
    "tokenized_path": Moot("only concerns LLaMA-Factory"),
    "ray_run_name": Moot("only concerns LLaMA-Factory"),
    "use_swanlab": Cannot("tuiftune has no SwanLab tracker"),
    "eval_num_beams": Moot(RHYTHM),
    "buffer_size": Moot("only concerns LLaMA-Factory"),
    "mix_strategy": Cannot("use data.mix"),
    "interleave_probs": Cannot("use data.mix"),
    "include_effective_tokens_per_second": Moot(RHYTHM),
}

COMMAND = re.compile(r"llamafactory-cli\s+\w|(?<!\w)src/train(?:_bash)?\.py\b")
CONFIGURED = re.compile(r"(?:llamafactory-cli\s+train|src/train(?:_bash)?\.py)\s+([^\s\"']+\.(?:ya?ml|json))")


def _start(words: Sequence[str]) -> tuple[int, str] | None:
    """Where its program stands in a command, and what it does; None where it does not."""
    for at, word in enumerate(words):
        if re.fullmatch(r"(?:.*/)?src/train(?:_bash)?\.py", word):
            return at, ""
        if program(word) == "llamafactory-cli" and len(words) > at + 1:
            return at + 1, "" if words[at + 1] == "train" else words[at + 1]
    return None


PROGRAM = Program(_start, lambda other: not other)


def arguments(text: str) -> dict[str, Any] | None:
    """The options of the first command that trains; None where the text has none. UserError where another
    file holds its settings.
    """
    found = commands.arguments(text, PROGRAM)
    file = CONFIGURED.search(text)
    if found is not None and file is not None and "model_name_or_path" not in found:
        commands.elsewhere(file[1])
    return found


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like one of LLaMA-Factory's."""
    return "model_name_or_path" in document and bool(
        {"finetuning_type", "cutoff_len", "dataset_dir", "template"} & set(document)
    )


def read(transfer: Transfer, datasets: Callable[[str], dict[str, Any]]) -> None:
    """Carry a LLaMA-Factory document over. `datasets` reads a directory's dataset_info.json, {} without."""
    stage = transfer.word("stage", "sft")
    loss = transfer.left.get("pref_loss")
    if stage == "dpo" and loss in OTHERS:
        transfer.carry("pref_loss", transfer.take("pref_loss"), "method.stage", str(loss))
    named = str(loss) if stage == "dpo" and loss in OTHERS else STAGES.get(stage)
    if named != "sft":
        transfer.carry("stage", stage, "method.stage", named or str(stage))
    else:
        transfer.carry("stage", stage, "method.stage", "sft")
    objectives.read(transfer, objectives.LLAMAFACTORY)
    _technique(transfer)
    directory = transfer.word("dataset_dir")
    info = datasets(str(directory or "data"))
    if directory:
        transfer.leave("dataset_dir", directory, "dataset_info.json is read there", "not needed")
    put(transfer, [*_sources(transfer, "dataset", info)], "data.train")
    held_out = list(_sources(transfer, "eval_dataset", info))
    evaluated(transfer, held_out)
    if transfer.take("train_on_prompt"):
        transfer.carry("train_on_prompt", True, "data.loss_on", "all")
    batch(transfer, "per_device_train_batch_size", "gradient_accumulation_steps")
    warmup(transfer)
    transfer.apply(shared() | RULES)
    packed = transfer.get("data.packing") is True and not transfer.given.get("neat_packing")
    if packed and transfer.get("method.stage") == "sft":
        transfer.lines = [
            replace(line, fate="changed", why="packed rows see one another there, and never here")
            if line.key == "packing"
            else line
            for line in transfer.lines
        ]
    unset.fill(transfer, unset.LLAMAFACTORY)
    unset.held_out(transfer, "val_size")
    rate(transfer)
    transfer.finish("llamafactory")


def _technique(transfer: Transfer) -> None:
    kind = transfer.word("finetuning_type", "lora")
    bits = transfer.word("quantization_bit")
    bits = int(bits) if str(bits).isdecimal() else bits
    method = transfer.word("quantization_method")
    marks = {key: transfer.take(key) for key in ("use_dora", "use_rslora", "pissa_init", "loraplus_lr_ratio")}
    if kind not in ("lora", "full"):
        transfer.leave(
            "finetuning_type", kind, f"tuiftune has no {shown(kind)}; the plan chooses the technique"
        )
        return
    chosen = [key for key, value in marks.items() if value]
    if kind == "lora" and bits == 4:
        kinds = {key: TECHNIQUES[key] for key in reversed(chosen)}
        over_four_bits(transfer, "quantization_bit", bits, kinds, marks[RATIO])
    elif kind == "lora" and chosen:
        transfer.carry(chosen[0], marks[chosen[0]], "method.technique", TECHNIQUES[chosen[0]])
        if chosen[0] == RATIO:
            transfer.place(RATIO, marks[RATIO], To(f"method.{RATIO}", real))
        for key in chosen[1:]:
            transfer.leave(key, marks[key], f"one technique at a time: {TECHNIQUES[chosen[0]]}")
    else:
        transfer.carry("finetuning_type", kind, "method.technique")
    transfer.settle("finetuning_type", kind, "part of the technique")
    if bits not in (None, 4):
        transfer.leave("quantization_bit", bits, "tuiftune quantizes base models to 4 bits only")
    if method not in (None, "bnb", "bitsandbytes"):
        transfer.leave("quantization_method", method, "4-bit base models use bitsandbytes here")
    transfer.settle("quantization_method", method, "as here")


def _sources(transfer: Transfer, key: str, info: dict[str, Any]) -> list[Source]:
    names = transfer.take(key)
    if not names:
        return []
    parts = names if isinstance(names, list) else str(names).split(",")
    return [_source(key, str(part).strip(), info) for part in parts]


def _source(key: str, name: str, info: dict[str, Any]) -> Source:
    entry = info.get(name)
    if not isinstance(entry, dict):
        return Source(key, name, said="not named in dataset_info.json: taken as a file or a hub dataset")
    path = entry.get("file_name") or entry.get("hf_hub_url") or entry.get("ms_hub_url")
    if entry.get("file_name") and entry.get("directory"):
        path = f"{entry['directory']}/{entry['file_name']}"
    sharegpt = entry.get("formatting") == "sharegpt"
    ranking = bool(entry.get("ranking"))
    given = entry.get("columns")
    named = dict(given) if isinstance(given, dict) else {}
    judged = bool(named.get("kto_tag"))
    roles = COLUMNS | ({"messages": "prompt", "prompt": "prompt"} if ranking else {})
    if set(named) == {"prompt"} and not sharegpt:  # texts: nothing else is said of them
        roles = {"prompt": "text"}
    columns = {roles[role]: str(column) for role, column in named.items() if role in roles and column}
    form = "preference" if ranking else "kto" if judged else "sharegpt" if sharegpt else "instruction"
    left = {str(part): value for part, value in entry.items() if value and part not in ENTRY}
    left |= {f"columns.{role}": column for role, column in named.items() if role not in roles and column}
    said = None
    if entry.get("file_name"):
        left |= {part: entry[part] for part in ("subset", "split") if entry.get(part) not in (None, "train")}
    elif entry.get("hf_hub_url"):
        path, without = hub(str(path), entry.get("subset"), entry.get("split"))
        left |= {part: entry[part] for part in ("subset", "split") if WITHIN[part] in without}
    elif path:
        said = f"{shown(path)} is of ModelScope: looked for on the Hugging Face Hub"
    return Source(
        key,
        path,
        "text" if "text" in columns else "auto" if columns and not sharegpt else form,
        columns,
        said,
        left,
    )
