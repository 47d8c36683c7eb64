"""Unsloth scripts and notebooks' cells: the literal arguments of its calls, read without running anything."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from tuiftune import documents
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
ADAPTERS = "get_peft_model"
CALLS = (
    "from_pretrained",
    "get_peft_model",
    "SFTTrainer",
    "SFTConfig",
    "TrainingArguments",
    "UnslothTrainingArguments",
)
MODELS = ("FastLanguageModel", "FastModel", "FastVisionModel")
_ASSIGNED_MAGIC = re.compile(r"\s*[A-Za-z_][\w, ]*=\s*[!%]\s*\w")
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
    """The literal arguments of the calls that matter. UserError without any, or where it is not Python."""
    if text.lstrip().startswith("{"):
        text = _cells(text, place)
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
            if called == "get_peft_model":
                found[ADAPTERS] = True
            named = _named(node, names, found)
            if called == "from_pretrained":
                named += zip(POSITIONS, node.args, strict=False)
            for name, argument in named:
                value = _literal(argument, names)
                found[name] = Computed(ast.unparse(argument)) if value is ... else value
    if not found:
        raise UserError(
            "calls nothing of Unsloth's with arguments to read",
            place=place,
            remedy="give the script with FastLanguageModel.from_pretrained",
        )
    return found


def _named(call: ast.Call, names: dict[str, ast.expr], found: dict[str, Any]) -> list[tuple[str, ast.expr]]:
    """A call's arguments by name, those of a literal `**mapping` too; another one is told as computed."""
    named: list[tuple[str, ast.expr]] = []
    for keyword in call.keywords:
        if keyword.arg is not None:
            named.append((keyword.arg, keyword.value))
            continue
        given = names.get(keyword.value.id) if isinstance(keyword.value, ast.Name) else keyword.value
        if isinstance(given, ast.Dict) and all(isinstance(key, ast.Constant) for key in given.keys):
            keys = [str(key.value) for key in given.keys if isinstance(key, ast.Constant)]
            named += zip(keys, given.values, strict=True)
        elif isinstance(given, ast.Call) and not given.args and getattr(given.func, "id", "") == "dict":
            named += [(one.arg, one.value) for one in given.keywords if one.arg is not None]
        else:
            found[f"**{ast.unparse(keyword.value)}"] = Computed(ast.unparse(keyword.value))
    return named


def _cells(text: str, place: str) -> str:
    """The code of a notebook, cell after cell. UserError where it is not one."""
    try:
        book = documents.loads(text)
        sheets = [book, *book.get("worksheets", [])]
        cells = [cell for sheet in sheets for cell in sheet.get("cells", [])]
        code = [
            cell.get("source", cell.get("input", "")) for cell in cells if cell.get("cell_type") == "code"
        ]
        return "\n".join(one if isinstance(one, str) else "".join(one) for one in code)
    except (ValueError, TypeError, AttributeError):
        raise UserError(
            "is not a notebook", place=place, remedy="save it again, or give its code as a script"
        ) from None


def read(transfer: Transfer, columns: Columns = lambda files: None) -> None:
    """Carry a script's arguments over. `columns`: of the rows of some files, None where they are not here."""
    for key, value in list(transfer.left.items()):
        if isinstance(value, Computed) and not isinstance(ARGUMENTS.get(key, RULES.get(key)), Moot):
            transfer.leave(key, transfer.take(key), "computed by the script: set it by hand")
    four, eight, full = (transfer.word(key) for key in ("load_in_4bit", "load_in_8bit", "full_finetuning"))
    adapters = transfer.take(ADAPTERS) is not None
    transfer.settle(ADAPTERS, True, "adapters are trained")
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
    """A notebook's cell: lines for the shell are not Python, and stand in blocks as `pass`."""
    lines = []
    for line in text.splitlines():
        bare = line.lstrip()
        magic = bare.startswith(("!", "%", "?")) or _ASSIGNED_MAGIC.match(line)
        lines.append(line[: len(line) - len(bare)] + "pass" if magic else line)
    return "\n".join(lines)
