"""Unsloth scripts and notebooks' cells: the literal arguments of its calls, read without running anything."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.interop import trl
from tuiftune.interop.common import ARGUMENTS, PLANNED, shared
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    batch,
    rate,
    warmup,
    whole,
)
from tuiftune.interop.rows import Source, paths, put

if TYPE_CHECKING:
    from tuiftune.interop.mapping import Rules
    from tuiftune.interop.trl import Columns

TOOL = "Unsloth"
ANSWERS_ONLY = "train_on_responses_only"
CALLS = (
    "from_pretrained",
    "get_peft_model",
    "SFTTrainer",
    "SFTConfig",
    "TrainingArguments",
    "UnslothTrainingArguments",
)
MODELS = ("FastLanguageModel", "FastModel", "FastVisionModel")
POSITIONS = ("model_name", "max_seq_length", "dtype", "load_in_4bit")  # of their from_pretrained
OBJECTS = ("model", "tokenizer", "train_dataset", "eval_dataset", "args", "data_collator", "processing_class")
RULES: Rules = {
    **dict.fromkeys(OBJECTS, Moot("an object of the script")),
    "model_name": To("model.base", lambda value: re.sub(r"(-unsloth)?-bnb-4bit$", "", str(value))),
    "revision": To("model.revision", str),
    "r": To("method.rank", whole),
    "random_state": To("training.seed", whole),
    "use_gradient_checkpointing": Moot(f"activation checkpointing: {PLANNED}"),
    "bias": Moot("adapters have no bias here"),
    "loftq_config": Cannot("tuiftune has no LoftQ"),
    "token": Moot("tokens come from the environment"),
    "fast_inference": Moot("only concerns Unsloth"),
    "gpu_memory_utilization": Moot("hardware.memory_limit limits GPU memory"),
    "dataset_text_field": Moot("rows are read as they are, and rendered by the model's template"),
    "formatting_func": Cannot("rows are read as they are, and rendered by the model's template"),
    "embedding_learning_rate": Cannot("all that is trained has one learning rate"),
    "finetune_vision_layers": Cannot("tuiftune trains text models"),
}


class Computed(str):
    """The text of an argument whose value only running the script would tell."""

    __slots__ = ()


def recognizes(text: str) -> bool:
    """Whether it looks like a script that uses Unsloth."""
    return "unsloth" in text and ("FastLanguageModel" in text or "FastModel" in text)


def arguments(text: str, place: str) -> dict[str, Any]:
    """The literal arguments of the calls that matter. UserError where it is not Python."""
    try:
        tree = ast.parse(_without_magics(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        line = getattr(fault, "lineno", None)
        where = f"{place} line {line}" if line else place
        raise UserError(
            "not valid Python", place=where, remedy="give the script itself, or a cell of it"
        ) from None
    names = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == "load_dataset" and node.args:
            kind, files = _literal(node.args[0], names), _keyword(node, "data_files", names)
            if files or isinstance(kind, str):
                found.setdefault("dataset", []).append(files or kind)
            else:
                found["load_dataset"] = Computed(ast.unparse(node.args[0]))
        elif called == ANSWERS_ONLY:
            found[ANSWERS_ONLY] = True
        elif called in CALLS:
            of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            if called == "from_pretrained" and not of.endswith(MODELS):
                continue  # a tokenizer's, or of other libraries
            named = [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg is not None]
            if called == "from_pretrained":
                named += zip(POSITIONS, node.args, strict=False)
            for name, argument in named:
                value = _literal(argument, names)
                found[name] = Computed(ast.unparse(argument)) if value is ... else value
    return found


def read(transfer: Transfer, columns: Columns = lambda files: None) -> None:
    """Carry a script's arguments over. `columns`: of the rows of some files, None where they are not here."""
    for key, value in list(transfer.left.items()):
        if isinstance(value, Computed) and not isinstance(ARGUMENTS.get(key, RULES.get(key)), Moot):
            transfer.leave(key, transfer.take(key), "computed by the script: set it by hand")
    four, eight, full = (transfer.word(key) for key in ("load_in_4bit", "load_in_8bit", "full_finetuning"))
    adapters = "r" in transfer.left
    marks = {"use_rslora": "rslora", "use_dora": "dora"}
    chosen = [key for key in marks if transfer.take(key)]
    if full or not adapters:
        transfer.carry("full_finetuning", bool(full), "method.technique", "full")
    elif four is not False:
        transfer.carry("load_in_4bit", True, "method.technique", "qlora", "" if four else "Unsloth's default")
    elif chosen:
        transfer.carry(chosen[0], True, "method.technique", marks[chosen[0]])
    else:
        transfer.carry("load_in_4bit", four, "method.technique", "lora")
    if eight:
        transfer.leave("load_in_8bit", eight, "tuiftune has no 8-bit base: 16-bit, or 4-bit with qlora")
    named = transfer.take("dataset", [])
    put(
        transfer,
        [Source("dataset", name) for name in (named if isinstance(named, list) else [named])],
        "data.train",
    )
    batch(transfer, "per_device_train_batch_size", "gradient_accumulation_steps")
    warmup(transfer)
    if transfer.take(ANSWERS_ONLY):
        transfer.carry(ANSWERS_ONLY, True, "data.loss_on", "assistant")
    else:
        trl.loss(transfer, columns(paths(transfer)))
    transfer.apply(shared() | RULES)
    rate(transfer)
    transfer.finish("trl")


def _literal(node: ast.expr, names: dict[str, ast.expr]) -> Any:
    """A value that can be read without running the script; `...` where there is none."""
    if isinstance(node, ast.Name) and node.id in names and not isinstance(names[node.id], ast.Name):
        node = names[node.id]
    if isinstance(node, ast.Attribute):  # torch.bfloat16
        return node.attr
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ...


def _keyword(call: ast.Call, name: str, names: dict[str, ast.expr]) -> Any:
    found = [_literal(one.value, names) for one in call.keywords if one.arg == name]
    value = found[0] if found else None
    if isinstance(value, dict):
        value = value.get("train")
    return None if value is ... else value


def _without_magics(text: str) -> str:
    """A notebook's cell: lines for the shell are no Python."""
    return "\n".join("" if line.lstrip().startswith(("!", "%")) else line for line in text.splitlines())
