"""TRL's command line (`trl sft --model_name_or_path …`) and its YAML configurations."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.interop import objectives
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
    rate,
    real,
    shown,
    warmup,
)
from tuiftune.interop.rows import Source, paths, put

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
SCRIPT = re.compile(rf"(?:\S*/)?({_SCRIPTS})(?:_\w+)?\.py\b")  # that it comes with
COMMANDED = re.compile(r"^#\s*trl\s+(\w+)\s+--config\b", re.MULTILINE)  # how tuiftune marks its stage
MORE = "more commands"
_ENDS = re.compile(r"\n+")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^'\"\n]*$|^\s*#.*$", re.MULTILINE)
ASSUMED = "nothing in it names the stage. For another one than this add --set method.stage=STAGE"
RULES: Rules = {
    "attn_implementation": To("model.attention", attention),
    "packing_strategy": Moot("rows are packed by tuiftune's own rule"),
    "eval_packing": Moot("evaluation rows are never packed here"),
    "use_bnb_nested_quant": Moot("4-bit base models are double-quantized here"),
    "lora_task_type": Moot("read from the model"),
    "chat_template_path": Cannot("the base model's own chat template is used"),
    "eos_token": Cannot("the end of a turn is found from the template"),
    "dataset_config": Cannot("name the files, or the hub dataset alone"),
    "dataset_train_split": Moot("a hub dataset's train rows are taken"),
    "dataset_test_split": Moot("data.eval holds rows out, or names a file"),
    "loss_type": Cannot("tuiftune's loss is cross-entropy"),
    "activation_offloading": Moot(f"memory: {PLANNED}"),
    "test_split_size": To("data.eval", real),
    "num_processes": Moot("the plan takes the GPUs of the machine: hardware.gpus"),
    "accelerate_config": Moot("the plan chooses how a model is spread over GPUs: hardware.parallel"),
    MORE: Cannot("only the first command is read: give each in a file of its own"),
    "config": Cannot("its settings are in a file of their own: import that one, too"),
}


def recognizes(document: dict[str, Any]) -> bool:
    """Whether it looks like one of TRL's."""
    return "model_name_or_path" in document and ("dataset_name" in document or "datasets" in document)


def _program(word: str) -> str:
    return word.rsplit("/", 1)[-1]


def arguments(text: str) -> dict[str, Any] | None:
    """The options of the first `trl STAGE --key value …` command; None where the text is no such command.
    Variables that the text assigns are filled in.
    """
    commands = [words for words in _commands(text) if _start(words) is not None]
    if not commands:
        return None
    words, others = commands[0], commands[1:]
    places = [place for place in [_start(words)] if place is not None]
    rest = words[places[0] + 1 :]
    found: dict[str, Any] = {}
    script = SCRIPT.fullmatch(words[places[0]])
    if script is not None:
        found["stage"] = script[1]
    elif rest and not rest[0].startswith("-"):
        found["stage"] = rest.pop(0)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        values = [value] if equals else []
        while not equals and rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        name = name.replace("-", "_")
        if not values and name.startswith("no_"):  # how its switches are turned off
            found[name.removeprefix("no_")] = False
            continue
        found[name] = True if not values else values[0] if len(values) == 1 else values
    if others:
        found[MORE] = [" ".join(one) for one in others]
    return found


def _start(words: Sequence[str]) -> int | None:
    """Where TRL's program stands in a command; None where it does not."""
    found = (at for at, word in enumerate(words) if SCRIPT.fullmatch(word) or _program(word) == "trl")
    return next(found, None)


def _commands(text: str) -> list[list[str]]:
    """The words of each command of a shell's text; options on a line of their own belong to the command
    before. None where quotes do not close.
    """
    plain = _COMMENT.sub("", text.replace("\r\n", "\n")).replace("\\\n", " ")
    reader = shlex.shlex(_ENDS.sub(r" \g<0> ", plain), posix=True, punctuation_chars=";&|\n")
    reader.whitespace, reader.whitespace_split, reader.commenters = " \t\r", True, ""
    try:
        words = list(reader)
    except ValueError:
        return []
    found: list[list[str]] = [[]]
    known: dict[str, str] = {}
    for at, word in enumerate(words):
        if word and not word.strip(";&|\n"):
            following = words[at + 1] if at + 1 < len(words) else ""
            if not (set(word) == {"\n"} and following.startswith("-")):
                found.append([])
            continue
        assigned = _ASSIGNED.fullmatch(word) if found[-1] in ([], ["export"]) else None
        if assigned is None:
            found[-1].append(_VARIABLE.sub(lambda one: known.get(one[1] or one[2], one[0]), word))
        elif "$" not in assigned[2] and "`" not in assigned[2]:
            known[assigned[1]] = assigned[2]
    return [words for words in found if words]


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


def _named(transfer: Transfer) -> str:
    """Carry the stage over, and return its name at TRL. UserError where another file holds the settings."""
    found, sure = _stage(transfer.left)
    given = "stage" in transfer.left
    stage = str(transfer.word("stage", found))
    stage = {ours: theirs for theirs, ours in EXPERIMENTAL.items()}.get(stage, stage)
    config = transfer.left.get("config")
    if isinstance(config, str) and "model_name_or_path" not in transfer.left:
        remedy = f"import that file: tuiftune import {shown(config)} --set method.stage={stage}"
        raise UserError(f"the settings are in {shown(config)}", place="--config", remedy=remedy)
    ours = EXPERIMENTAL.get(stage, stage)
    if stage == "cpo" and transfer.left.get("loss_type") != "simpo":
        ours = stage  # CPO's own loss, which is none here
    transfer.carry("stage", stage, "method.stage", ours, "" if given or sure else ASSUMED)
    if ours == "simpo":
        transfer.leave("loss_type", transfer.take("loss_type"), "the stage's own loss", "not needed")
    return stage


def read(transfer: Transfer, columns: Columns = lambda files: None) -> None:
    """Carry TRL's options over. `columns`: of the rows of some files, None where they are not here."""
    stage = _named(transfer)
    objectives.read(transfer, objectives.TRL)
    peft, four, eight = (transfer.word(key) for key in ("use_peft", "load_in_4bit", "load_in_8bit"))
    marks = {"use_dora": "dora", "use_rslora": "rslora"}
    chosen = [key for key in marks if transfer.take(key)]
    if peft and four:
        transfer.carry("load_in_4bit", four, "method.technique", "qlora")
    elif peft and chosen:
        transfer.carry(chosen[0], True, "method.technique", marks[chosen[0]])
    else:
        transfer.carry("use_peft", bool(peft), "method.technique", "lora" if peft else "full")
    transfer.settle("use_peft", peft, "part of the technique")
    if eight:
        transfer.leave("load_in_8bit", eight, "tuiftune has no 8-bit base: 16-bit, or 4-bit with qlora")
    name = transfer.take("dataset_name")
    sources = [Source("dataset_name", name)] if name else []
    mixture = transfer.take("datasets")
    for entry in mixture if isinstance(mixture, list) else []:
        row = entry if isinstance(entry, dict) else {"path": entry}
        left = [key for key in ("name", "data_dir", "split", "columns") if row.get(key)]
        sources.append(Source("datasets", row.get("data_files") or row.get("path"), left_out=left))
    field = transfer.word("dataset_text_field")
    put(transfer, sources, "data.train")
    if field not in (None, "text"):
        transfer.carry("dataset_text_field", field, "data.columns", {"text": field})
    batch(transfer, "per_device_train_batch_size", "gradient_accumulation_steps")
    warmup(transfer)
    if transfer.get("method.stage") == "sft":
        loss(transfer, columns(paths(transfer)))
    transfer.apply(shared() | RULES)
    rate(transfer)
    transfer.finish(f"trl-{stage}" if stage in (*STAGES, *EXPERIMENTAL) else "trl")
