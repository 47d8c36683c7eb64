"""TRL's command line (`trl sft --model_name_or_path …`) and its YAML configurations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.interop import commands, objectives, unset
from tuiftune.interop.commands import Program, program
from tuiftune.interop.common import PLANNED, shared
from tuiftune.interop.mapping import (
    Cannot,
    Moot,
    To,
    Transfer,
    attention,
    batch,
    flag,
    known_to,
    over_four_bits,
    rate,
    real,
    warmup,
)
from tuiftune.interop.rows import Source, hub, loaded, paths, put
from tuiftune.interop.scripts import Computed
from tuiftune.interop.trained import OTHERS as OTHERS_TRAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.interop.mapping import Rules

    Columns = Callable[[Sequence[str]], frozenset[str] | None]

TOOL = "TRL"
ASSISTANT, COMPLETION = "assistant_only_loss", "completion_only_loss"
EVERY_TOKEN = "TRL's default: every token is trained on, prompts too. To train on answers only: assistant"
EVERY_TOKEN_UNSEEN = (
    "TRL's default for conversations and texts: every token is trained on, prompts too. If the rows have "
    "prompt and completion, TRL trains on completions: set it to assistant"
)
STAGES = ("dpo", "kto", "reward", "grpo", "rloo")  # of its command line, next to sft
EXPERIMENTAL = {"orpo": "orpo", "cpo": "simpo"}  # its scripts' names and our stages
OTHERS = (  # trainers of its scripts that are no stage here
    "async_grpo", "bco", "distillation", "dpo_online", "gkd", "gold", "gspo", "mpo", "nash_md", "online_dpo",
    "ppo", "prm", "sdft", "sdpo", "ssd", "tpo", "xpo",
)  # fmt: skip
_SCRIPTS = "|".join((*OTHERS, "sft", *STAGES, *EXPERIMENTAL))
SCRIPT = re.compile(rf"(?<![\w.-])({_SCRIPTS})(?:_\w+)?\.py\b")  # that it comes with
SERVES = ("", "vllm-serve", "env", "chat", "skills")  # its commands that train nothing
SCRIPTED = "script"  # the options are a Python script's arguments
COMMAND = re.compile(rf"(?:^|[\s/])trl\s+\w|{SCRIPT.pattern}")
COMMANDED = re.compile(r"^#\s*trl\s+(\w+)\s+--config\b", re.MULTILINE)  # how tuiftune marks its stage
MIXED = ("path", "data_files", "name", "split")  # what is read of an entry of `datasets`
ASSUMED = "nothing in it names the stage. For another one than this add --set method.stage=STAGE"
RULES: Rules = {
    "attn_implementation": To("model.attention", attention),
    "packing_strategy": Moot("rows are packed by tuiftune's own rule"),
    "eval_packing": Moot("evaluation rows are never packed here"),
    "use_bnb_nested_quant": Moot("4-bit base models are double-quantized here"),
    "lora_task_type": Moot("read from the model"),
    "chat_template_path": Cannot("the base model's own chat template is used"),
    "eos_token": Cannot("the end of a turn is found from the template"),
    "dataset_test_split": Moot("data.eval holds rows out, or names a file"),
    "loss_type": Cannot("tuiftune's loss is cross-entropy"),
    "activation_offloading": Moot(f"memory: {PLANNED}"),
    "test_split_size": To("data.eval", real),
    "accelerate_config": Moot("the plan chooses how a model is spread over GPUs: hardware.parallel"),
    commands.MORE: Cannot("only the first command is read: give each in a file of its own"),
    OTHERS_TRAINED: Cannot("only one training is read. For another one add --set method.stage=STAGE"),
    "cells": Cannot("not Python here: what is set in them is not read"),
    "config": Cannot("its settings are in a file of their own: import that one, too"),
}


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like one of TRL's."""
    return "model_name_or_path" in document and ("dataset_name" in document or "datasets" in document)


def _start(words: Sequence[str]) -> tuple[int, str] | None:
    """Where TRL's program stands in a command, and its stage; None where it does not."""
    for at, word in enumerate(words):
        script = SCRIPT.fullmatch(program(word))
        if script is not None and "swift/cli/" not in word:
            return at, script[1]
        if program(word) == "trl" and not {"from", "import"} & set(words[:at]):
            named = words[at + 1 : at + 2]
            return at, named[0] if named and not named[0].startswith("-") else ""
    return None


def _trains(stage: str) -> bool:
    """Whether one of its commands trains, by a stage that is here or by another."""
    return stage not in SERVES


PROGRAM = Program(_start, _trains)


def arguments(text: str) -> dict[str, Any] | None:
    """The options of the first command that trains; None where the text has no command of TRL's."""
    return commands.arguments(text, PROGRAM)


def loss(transfer: Transfer, columns: frozenset[str] | None) -> None:
    """What the loss is on: unless told otherwise, TRL trains on the completions of rows with prompt and
    completion, and on every token of others (`SFTTrainer` of TRL 1.16; `completion_only_loss` is None).

    `columns`: of the training rows, where they are known.
    """
    given = {key: transfer.take(key) for key in (ASSISTANT, COMPLETION)}
    wanted: dict[str, bool] = {}
    for key, value in given.items():
        try:
            wanted[key] = value is not None and flag(value)
        except ValueError as fault:
            transfer.leave(key, value, str(fault))
            wanted[key], given[key] = False, None
    pairs = columns is not None and {"prompt", "completion"} <= columns
    to = "data.loss_on"
    if wanted[ASSISTANT]:
        transfer.carry(ASSISTANT, given[ASSISTANT], to, "assistant")
    elif wanted[COMPLETION]:
        transfer.carry(
            COMPLETION, given[COMPLETION], to, "assistant", "the completion of a row is its answer"
        )
    elif given[COMPLETION] is not None:
        transfer.carry(COMPLETION, given[COMPLETION], to, "all", "every token of a row is trained on")
    elif pairs:
        transfer.carry(COMPLETION, None, to, "assistant", "TRL's default for rows with prompt and completion")
    else:
        transfer.carry(ASSISTANT, given[ASSISTANT], to, "all", EVERY_TOKEN if columns else EVERY_TOKEN_UNSEEN)
    for key, value in given.items():
        if value is not None and not any(line.key == key for line in transfer.lines):
            transfer.leave(key, value, "follows from the other setting of the loss", "not needed")


def _stage(document: dict[str, Any]) -> tuple[str, bool]:
    """The stage that a configuration belongs to, by keys that only its trainer has; else one that has all of
    them. And whether a key says so.
    """
    if {"simpo_gamma", "cpo_alpha"} & set(document):
        return "cpo", True
    for stage in STAGES:
        others = frozenset[str]().union(*(known_to(f"trl-{other}") for other in STAGES if other != stage))
        if (known_to(f"trl-{stage}") - known_to("trl") - others) & set(document):
            return stage, True
    sampled = known_to("trl-grpo") & known_to("trl-rloo")
    if (sampled - known_to("trl") - known_to("trl-dpo") - known_to("trl-kto")) & set(document):
        return "grpo", False
    return ("dpo" if "beta" in document else "sft"), False


def carried_stage(transfer: Transfer) -> str:
    """Carry the stage over, and return its name at TRL. UserError where another file holds the settings."""
    found, sure = _stage(transfer.left)
    given = "stage" in transfer.left
    stage = str(transfer.word("stage", found))
    stage = {ours: theirs for theirs, ours in EXPERIMENTAL.items()}.get(stage, stage)
    config = transfer.left.get("config")
    if isinstance(config, str) and "model_name_or_path" not in transfer.left:
        commands.elsewhere(config, stage)
    ours = EXPERIMENTAL.get(stage, stage)
    if stage == "cpo" and transfer.left.get("loss_type") != "simpo":
        ours = stage  # CPO's own loss, which is none here
    transfer.carry("stage", stage, "method.stage", ours, "" if given or sure else ASSUMED)
    if ours == "simpo":
        transfer.leave("loss_type", transfer.take("loss_type"), "the stage's own loss", "not needed")
    return stage


def read(transfer: Transfer, columns: Columns = lambda files: None) -> None:
    """Carry TRL's options over. `columns`: of the rows of some files, None where they are not here."""
    for key, value in list(transfer.left.items()):
        if isinstance(value, Computed):
            transfer.leave(key, transfer.take(key), "computed by the script: set it by hand")
    scripted = transfer.take(SCRIPTED) is not None
    transfer.settle(SCRIPTED, True, "nothing of it was run")
    stage = carried_stage(transfer)
    objectives.read(transfer, objectives.TRL)
    peft, four, eight = (transfer.word(key) for key in ("use_peft", "load_in_4bit", "load_in_8bit"))
    marks = {"use_dora": "dora", "use_rslora": "rslora"}
    chosen = [key for key in marks if transfer.take(key)]
    if peft and four:
        over_four_bits(transfer, "load_in_4bit", four, {key: marks[key] for key in reversed(chosen)})
    elif peft and chosen:
        transfer.carry(chosen[0], True, "method.technique", marks[chosen[0]])
    else:
        transfer.carry("use_peft", bool(peft), "method.technique", "lora" if peft else "full")
    transfer.settle("use_peft", peft, "part of the technique")
    if eight:
        transfer.leave("load_in_8bit", eight, "tuiftune has no 8-bit base: 16-bit, or 4-bit with qlora")
    put(transfer, _sources(transfer), "data.train")
    field = transfer.word("dataset_text_field")
    if field not in (None, "text"):
        transfer.carry("dataset_text_field", field, "data.columns", {"text": field})
    batch(transfer, "per_device_train_batch_size", "gradient_accumulation_steps")
    warmup(transfer)
    if transfer.get("method.stage") == "sft":
        loss(transfer, columns(paths(transfer)))
    transfer.apply(shared() | RULES)
    unset.fill(transfer, (*unset.TRL, *(unset.PEFT_ADAPTERS if scripted else unset.TRL_ADAPTERS)))
    unset.held_out(transfer, "eval_strategy")
    rate(transfer)
    transfer.finish(keys_of(stage))


def _sources(transfer: Transfer) -> list[Source]:
    """The rows: one dataset by its name, configuration and split, a mixture, or what a script loads."""
    name = transfer.take("dataset_name")
    sources = loaded(transfer)
    if isinstance(name, str):
        parts = {key: transfer.word(key) for key in ("dataset_config", "dataset_train_split")}
        config, split = parts.values()
        named, left = hub(name, config, split)
        sources.append(Source("dataset_name", named))
        for key, part in zip(parts, ("name", "split"), strict=True):
            if parts[key] is not None and part in left:
                transfer.leave(key, parts[key], "has no place in the name of a file or a dataset here")
            else:
                transfer.settle(key, parts[key], "part of data.train")
        _evaluated(transfer, name, config)
    elif name:
        sources.append(Source("dataset_name", name))
    mixture = transfer.take("datasets")
    for entry in mixture if isinstance(mixture, list) else []:
        row = entry if isinstance(entry, dict) else {"path": entry}
        path: Any = row.get("data_files") or row.get("path")
        left = [key for key in row if key not in MIXED and row[key]]
        if isinstance(path, str) and not row.get("data_files"):
            path, more = hub(path, row.get("name"), row.get("split"))
            left += more
        sources.append(Source("datasets", path, left_out={str(key): row[key] for key in left}))
    return sources


def _evaluated(transfer: Transfer, name: str, config: str | None) -> None:
    """The split of a Hub dataset that is evaluated, where it is named, as `data.eval`."""
    split = transfer.left.get("dataset_test_split")
    if not isinstance(split, str) or "data.eval" in transfer.preset:
        return
    path, left = hub(name, config, split)
    if path.startswith("hf:") and "split" not in left:
        transfer.carry("dataset_test_split", transfer.take("dataset_test_split"), "data.eval", path)


def keys_of(stage: str) -> str:
    """Under which name the keys of a stage are listed in known.json."""
    return f"trl-{stage}" if stage in (*STAGES, *EXPERIMENTAL) else "trl"
