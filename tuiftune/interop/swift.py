"""ms-swift's YAML and command line (`swift sft --model …`)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from tuiftune.interop import commands, objectives, unset
from tuiftune.interop.commands import Program, program
from tuiftune.interop.common import PLANNED, shared
from tuiftune.interop.mapping import (
    PROCESSES,
    Cannot,
    Moot,
    To,
    Transfer,
    batch,
    dtype,
    over_four_bits,
    rate,
    real,
    shown,
    warmup,
    whole,
)
from tuiftune.interop.rows import Source, evaluated, hub, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.interop.mapping import Rules

TOOL = "ms-swift"
LONGEST = (
    "unset there: rows as long as the model takes. Here they are truncated at 2,048 tokens: data.max_length"
)
ROWS, ACCUMULATION = "per_device_train_batch_size", "gradient_accumulation_steps"
LOSSES = {"default": "assistant", "last_round": "completion", "all": "all"}
STAGES = {"sft": "sft", "pt": "pretrain", "rm": "reward"}  # and, of rlhf, its own
RULES: Rules = {
    "model": To("model.base", str),
    "system": To("data.system", str),
    "split_dataset_ratio": To("data.eval", real),
    "attn_impl": Moot(f"attention kernel: {PLANNED}"),
    "model_type": Moot("read from the model's config.json"),
    "template": Cannot("the base model's own chat template is used"),
    "use_hf": Moot("models and data come from the Hugging Face hub, or from here"),
    "use_modelscope": Cannot("tuiftune does not read ModelScope: download the files"),
    "truncation_strategy": Moot("longer rows are truncated and counted"),
    "quant_method": Moot("4-bit base models use bitsandbytes here"),
    "bnb_4bit_compute_dtype": Moot(f"precision: {PLANNED}"),
    "model_author": Cannot("tuiftune writes no identity into rows"),
    "model_name": Cannot("tuiftune writes no identity into rows"),
    "lora_dtype": To("method.adapter_dtype", dtype),
    "lazy_tokenize": Moot("tuiftune reads and tokenizes data its own way"),
    "load_from_cache_file": Moot("tuiftune reads and tokenizes data its own way"),
    "loss_scale": To("data.loss_on", lambda value: LOSSES[value]),
}

COMMAND = re.compile(r"(?:^|[\s/])swift\s+\w|swift/cli/\w+\.py\b")
TRAINS = ("sft", "pt", "rlhf", "rm")
CONFIGURED = re.compile(r"swift\s+\w+\s+([^\s\"']+\.(?:ya?ml|json))|--config\s+([^\s\"']+)")
_SCRIPT = re.compile(r"(?:.*/)?swift/cli/(\w+)\.py")


def _start(words: Sequence[str]) -> tuple[int, str] | None:
    """Where its program stands in a command, and what it does; None where it does not."""
    for at, word in enumerate(words):
        script = _SCRIPT.fullmatch(word)
        if script is not None:
            return at, script[1]
        if program(word) == "swift":
            named = words[at + 1 : at + 2]
            return at, named[0] if named and not named[0].startswith("-") else ""
    return None


PROGRAM = Program(_start, lambda stage: stage in TRAINS)


def arguments(text: str) -> dict[str, Any] | None:
    """The options of the first command that trains; None where the text has no command of ms-swift's."""
    found = commands.arguments(text, PROGRAM)
    file = CONFIGURED.search(text)
    if found is not None and file is not None and "model" not in found:
        commands.elsewhere(file[1] or file[2])
    return found


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like one of ms-swift's."""
    return "model" in document and bool({"train_type", "tuner_type", "dataset"} & set(document))


def read(transfer: Transfer) -> None:
    """Carry ms-swift's options over."""
    stage = str(transfer.word("stage", "rlhf" if "rlhf_type" in transfer.left else "sft"))
    if stage == "sft" and transfer.left.get("use_chat_template") is False:
        stage = "pt"
    wanted = transfer.word("rlhf_type", "dpo") if stage == "rlhf" else stage
    key = "rlhf_type" if stage == "rlhf" else "stage"
    transfer.carry(key, wanted, "method.stage", STAGES.get(wanted, str(wanted)))
    transfer.settle("stage", stage, "rlhf_type names it")
    if stage == "pt":
        transfer.leave("use_chat_template", transfer.take("use_chat_template"), "so are texts", "not needed")
    objectives.read(transfer, objectives.SWIFT)
    key = "tuner_type" if "tuner_type" in transfer.left else "train_type"
    kind, bits = transfer.word(key, "lora"), transfer.word("quant_bits")
    marks = {
        "use_dora": "dora",
        "use_rslora": "rslora",
        "lorap_lr_ratio": "loraplus",
        "init_weights": "pissa",
    }
    ratio = transfer.left.get("lorap_lr_ratio")
    if transfer.left.get("init_weights") not in (None, "pissa"):
        transfer.leave(
            "init_weights", transfer.take("init_weights"), "adapters begin as PEFT's do", "not needed"
        )
    chosen = [mark for mark in marks if transfer.take(mark)]
    if kind not in ("lora", "full", "qlora"):
        transfer.leave(key, kind, f"tuiftune has no {shown(kind)}; the plan chooses the technique")
    elif kind == "lora" and bits in (4, "4"):
        over_four_bits(transfer, "quant_bits", bits, {key: marks[key] for key in chosen}, ratio)
    elif kind == "lora" and chosen:
        transfer.carry(chosen[0], True, "method.technique", marks[chosen[0]])
        if chosen[0] == "lorap_lr_ratio":
            transfer.place(chosen[0], ratio, To("method.loraplus_lr_ratio", real))
    else:
        transfer.carry(key, kind, "method.technique")
    transfer.settle(key, kind, "part of the technique")
    put(transfer, _sources(transfer, "dataset"), "data.train")
    evaluated(transfer, _sources(transfer, "val_dataset"))
    _accumulated(transfer)
    batch(transfer, ROWS, ACCUMULATION, 1)
    warmup(transfer)
    transfer.apply(shared() | RULES)
    if "max_length" not in transfer.given:
        transfer.leave("max_length", None, LONGEST, "changed")
    unset.fill(transfer, unset.SWIFT)
    unset.held_out(transfer, "split_dataset_ratio")
    rate(transfer)
    transfer.finish("swift")


def _accumulated(transfer: Transfer) -> None:
    """Set the accumulation steps that it takes where none are given: for 16 rows over all processes."""
    given = [transfer.left.get(key) for key in (ROWS, PROCESSES)]
    if transfer.left.get(ACCUMULATION) is not None or given == [None, None]:
        return
    try:
        at_once = math.prod(1 if one is None else whole(one) for one in given)
        transfer.left[ACCUMULATION] = max(1, math.ceil(16 / at_once))
    except (ValueError, ZeroDivisionError):
        pass  # told with the batch


def _sources(transfer: Transfer, key: str) -> list[Source]:
    """`ID:SUBSET#ROWS`, `HF::ID`: the number of rows has no place here."""
    found = transfer.take(key)
    names = found if isinstance(found, list) else str(found).split() if found else []
    sources = []
    for name in map(str, names):
        bare, _, rows = name.removeprefix("HF::").partition("#")
        found_at = re.fullmatch(r"(.*[^/\\:]):([^/\\:]+)", bare)
        path, without = hub(found_at[1], found_at[2]) if found_at else (bare, [])
        left = {"rows": rows} if rows else {}
        if found_at and without:
            left["subset"] = found_at[2]
        sources.append(Source(key, path, left_out=left))
    return sources
