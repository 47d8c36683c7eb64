"""How a foreign document's keys become a preset's: a rule for each key, a line of the report for each."""

from __future__ import annotations

import functools
import json
import math
import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from tuiftune import stages, techniques
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Fate = Literal["carried", "changed", "not needed", "left out", "unknown"]
PROCESSES = "num_processes"  # that a command starts, by any of its names
_PATTERN = re.compile(r"[][\\()|*+?^$]")  # what a name of modules never has
_LONGEST_SHOWN = 60  # characters of a value in the report
# Published full fine-tuning rates end here; adapters train with ten times as much (Schulman et al., 2025).
FULL_RATE = 5e-5
NEUTRAL: tuple[Any, ...] = (None, False, "", [], {}, 0, "none", "no")


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one foreign key. `to` is the preset's key; empty where there is none."""

    key: str
    value: Any
    fate: Fate
    why: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class To:
    """The key is carried to `key` as it is, or as `convert` makes it (ValueError: it can't be, and why)."""

    key: str
    convert: Callable[[Any], Any] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Moot:
    """Nothing to carry: tuiftune does it by itself, or it only concerns the other tool."""

    why: str


@dataclass(frozen=True, slots=True)
class Cannot:
    """tuiftune has nothing of the kind. Said only where the key is switched on."""

    why: str


Rule = To | Moot | Cannot
Rules = dict[str, Rule]


@dataclass(slots=True)
class Transfer:
    """A foreign document on its way: what is left of it, the preset so far, and the report."""

    tool: str
    left: dict[str, Any]
    preset: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    given: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.given = dict(self.left)

    def take(self, key: str, default: Any = None) -> Any:
        """A value for rules of its own: no other rule sees it."""
        return self.left.pop(key, default)

    def word(self, key: str, default: Any = None) -> Any:
        """A plain value for rules of its own; a list or mapping in its place is told, and not taken."""
        value = self.take(key)
        if isinstance(value, dict | list):
            self.leave(key, value, f"{shown(value)} is not a plain value")
            return default
        return default if value is None else value

    def set(self, to: str, value: Any) -> None:
        """Set a dotted key of the preset."""
        *path, leaf = to.split(".")
        node = self.preset
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = value

    def get(self, to: str) -> Any:
        """A dotted key of the preset; None where it was not set."""
        node: Any = self.preset
        for part in to.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def carry(self, key: str, value: Any, to: str, made: Any = None, why: str = "") -> None:
        """`key: value` becomes `to: made` (`value` where nothing else was made of it)."""
        made = value if made is None else made
        self.set(to, made)
        same = not why and (made == value or _reads_as(value, made))
        self.lines.append(Line(key, value, "carried" if same else "changed", why or f"→ {shown(made)}", to))

    def leave(self, key: str, value: Any, why: str, fate: Fate = "left out") -> None:
        """`key` is not carried over, and why."""
        self.lines.append(Line(key, value, fate, why))

    def settle(self, key: str, value: Any, why: str) -> None:
        """Tell of a key that is part of what another carried, unless it is told of or was not given."""
        if key in self.given and not any(line.key == key for line in self.lines):
            self.leave(key, value, why, "not needed")

    def apply(self, rules: Mapping[str, Rule]) -> None:
        """Carry every key there is a rule for."""
        for key in [key for key in self.left if key in rules]:
            value, rule = self.left.pop(key), rules[key]
            if isinstance(rule, Moot):
                self.leave(key, value, rule.why, "not needed")
            elif isinstance(rule, Cannot) and value in NEUTRAL:
                self.leave(key, value, "off there, and here", "not needed")
            elif value is None:
                self.leave(key, value, "not set there: tuiftune's default", "not needed")
            elif isinstance(rule, Cannot):
                self.leave(key, value, rule.why)
            else:
                self.place(key, value, rule)

    def finish(self, tool: str = "") -> None:
        """Tell of what no rule took, and of what one took without a word: every key ends in the report."""
        there = known_to(tool)
        for key, value in self.left.items():
            if key in there and value in NEUTRAL:
                self.leave(key, value, "off there, and here", "not needed")
            elif key in there:
                self.leave(key, value, "has no counterpart here")
            else:
                self.lines.append(Line(key, value, "unknown", "not a key of this tool"))
        self.left = {}
        told = {line.key for line in self.lines} | {line.key.partition(".")[0] for line in self.lines}
        for key in [key for key in self.given if key not in told]:
            value = self.given[key]
            if value in NEUTRAL:
                self.leave(key, value, "off there, and here", "not needed")
            else:
                self.leave(key, value, "is not used together with the other settings")

    def place(self, key: str, value: Any, rule: To) -> None:
        """Carry a value as a rule makes it; what it can't be is told."""
        try:
            made = rule.convert(value) if rule.convert is not None else value
        except (ValueError, TypeError, KeyError, OverflowError) as fault:
            self.leave(key, value, str(fault).strip("'\""))
            return
        if made is None:
            self.leave(key, value, rule.why or "unset there: tuiftune's default", "not needed")
        else:
            self.carry(key, value, rule.key, made)


@functools.cache
def known_to(tool: str) -> frozenset[str]:
    """Every key of a tool, as its own schema of the version in known.json lists them."""
    listed = json.loads(files("tuiftune.interop").joinpath("known.json").read_text("utf-8"))  # raw: our own
    return frozenset(listed[tool]["keys"]) if tool in listed else frozenset()


def rate(transfer: Transfer) -> None:
    """Leave a full fine-tuning rate to the plan where adapters train: they need about ten times as much.

    Preference stages have rates of their own, which are as low with adapters.
    """
    value = transfer.get("training.learning_rate")
    if not isinstance(value, float) or transfer.get("method.technique") == "full" or value > FULL_RATE:
        return
    if value <= 0:
        return  # the preset refuses it, which is told
    stage = stages.every().get(str(transfer.get("method.stage") or "sft"))
    if stage is not None and stage.adapter_rate is not None:
        return
    transfer.set("training.learning_rate", "auto")
    transfer.lines = [
        Line(
            line.key,
            line.value,
            "changed",
            f"{value:g} is a learning rate for full fine-tuning; adapters need about ten times as much: auto",
            line.to,
        )
        if line.to == "training.learning_rate"
        else line
        for line in transfer.lines
    ]


def over_four_bits(
    transfer: Transfer, key: str, value: Any, chosen: Mapping[str, str], ratio: Any = None, why: str = ""
) -> None:
    """Carry adapters over a 4-bit base model: the technique of the first of the `chosen` keys that trains
    over one, else QLoRA; the other keys are told. `ratio`: of the learning rates of LoRA+.
    """
    known = techniques.every()
    mark = next((mark for mark, technique in chosen.items() if known[technique].nf4 is not None), None)
    if mark is None:
        transfer.carry(key, value, "method.technique", "qlora", why)
    else:
        transfer.carry(mark, True, "method.technique", chosen[mark])
        transfer.carry(key, value, "model.quantization", "nf4", why)
        if chosen[mark] == "loraplus":
            transfer.place(mark, ratio, To("method.loraplus_lr_ratio", real))
    made = transfer.get("method.technique")
    for other in chosen:
        if other != mark:
            transfer.leave(other, True, f"not over a 4-bit base model here, or not next to {made}")


def batch(transfer: Transfer, rows: str, accumulation: str, default: int = 8) -> None:
    """Rows a device and accumulation steps become the effective batch; the plan chooses how it is split."""
    per_device, steps = transfer.take(rows), transfer.take(accumulation)
    processes = transfer.take(PROCESSES)
    if per_device is None and steps is None:
        if processes is not None:
            said = "the plan takes the GPUs of the machine: hardware.gpus"
            transfer.leave(PROCESSES, processes, said, "not needed")
        return
    found = ((rows, per_device), (accumulation, steps), (PROCESSES, processes))
    given = [(key, value) for key, value in found if value is not None]
    try:
        counts = [whole(value) for _, value in given]
    except ValueError as fault:
        for key, value in given:
            transfer.leave(key, value, str(fault))
        return
    effective = math.prod(counts) * (default if per_device is None else 1)
    where = "one GPU (on N there, N times that)"
    if processes is not None:
        where = f"the {counts[-1]} processes of the command"
    why = f"effective batch of {effective} on {where}; the plan splits it here"
    for key, value in given:
        transfer.carry(key, value, "training.effective_batch", effective, why)


def warmup(transfer: Transfer) -> None:
    """Warmup steps become a share of the steps where their number is known."""
    value, most = transfer.take("warmup_steps"), transfer.left.get("max_steps")
    if value in (None, ""):
        return
    try:
        share = real(value) if real(value) < 1 else real(value) / real(most or 0)
    except (ValueError, ZeroDivisionError, OverflowError):
        transfer.leave("warmup_steps", value, "set a share of the steps: training.warmup_ratio")
        return
    transfer.carry("warmup_steps", value, "training.warmup_ratio", min(1.0, round(share, 4)))


def _reads_as(text: Any, value: Any) -> bool:
    """Whether a number was written as text, or a whole one as a float."""
    try:
        return not isinstance(value, bool) and float(text) == float(value)
    except (TypeError, ValueError, OverflowError):
        return False


def whole(value: Any) -> int:
    """An integer, also one written as text or 4.0. ValueError in words otherwise."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{shown(value)} is not a whole number") from None
    if isinstance(value, bool) or (isinstance(value, float) and value != number):
        raise ValueError(f"{shown(value)} is not a whole number")
    return number


def real(value: Any) -> float:
    """A number, also one that YAML reads as text (1e-4 without a dot). ValueError in words otherwise."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{shown(value)} cannot be read as a number") from None


def flag(value: Any) -> bool:
    """True or false, also as text. ValueError in words otherwise."""
    words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError(f"{shown(value)} is neither true nor false")
    return bool(found)


def schedule(value: Any) -> str:
    """A learning-rate schedule by transformers' name."""
    known = {"cosine", "linear", "constant", "constant_with_warmup"}
    if value in known:
        return str(value)
    raise ValueError(f"tuiftune has no schedule {shown(value)}; cosine is used")


def dtype(value: Any) -> str:
    """A precision by any of its names."""
    names = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "half": "float16", "float": "float32"}
    name = str(value).removeprefix("torch.")
    name = names.get(name, name)
    if name not in {"auto", "bfloat16", "float16", "float32"}:
        raise ValueError(f"tuiftune has no precision {shown(value)}")
    return name


def attention(value: Any) -> str:
    """An attention kernel by transformers' name; the plan chooses in the place of others."""
    if value in {"sdpa", "eager", "flash_attention_2"}:
        return str(value)
    raise ValueError(f"{shown(value)}: the plan chooses the attention kernel")


def targets(value: Any) -> str | list[str]:
    """Modules that get adapters: `all-linear`, or their names."""
    if isinstance(value, str) and _PATTERN.search(value):
        raise ValueError("a pattern of names: name the modules, such as q_proj, v_proj")
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip()]
        return "all-linear" if parts in (["all"], ["all-linear"]) else parts
    if isinstance(value, list) and value:
        parts = [name.strip() for part in value for name in str(part).split(",") if name.strip()]
        return "all-linear" if parts in (["all-linear"], ["all"]) else parts
    raise ValueError(f"{shown(value)} names no modules")


def shown(value: Any) -> str:
    """A value as the report shows it: one line, not too long."""
    text = printable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
