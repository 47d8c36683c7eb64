"""A preset on its way out: another tool's document, and what became of each key of the preset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tuiftune import stages, techniques
from tuiftune.interop.mapping import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.preset.schema import Preset

Fate = Literal["carried", "changed", "not needed", "left out"]
USUAL_RANK = 16
LORA = "lora"
FULL_SHARE = 0.1  # of a stage's own rate, which is for adapters
USUAL_OPTIMIZER = "adamw_torch_fused"
_OWN = "tuiftune's own"
OFF = ("training.activation_offloading", "training.fp8_compute")  # in every tool that does not say otherwise
MOOT = {
    "version": "the version of the preset format",
    "data.test": "rows that only tuiftune keeps apart",
    "data.padding_free": "tuiftune's layout of rows",
    "method.adapter_dtype": "the tool's own precision of adapters",
    "training.divergence_patience": "tuiftune watches for divergence",
    "hardware.processes": "given to the tool's launcher",
    "hardware.memory_limit": "tuiftune's limit",
    **dict.fromkeys(("score", "rows", "max_new_tokens", "samples"), ""),
}


class Default:
    """Stands for the preset's own default, which a key has where it is read back."""

    def __repr__(self) -> str:
        return "default"


DEFAULT = Default()


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one key of the preset. `to`: the tool's keys; `back`: the value that `tuiftune import`
    makes of them.
    """

    key: str
    value: Any
    fate: Fate
    to: str = ""
    why: str = ""
    back: Any = DEFAULT


@dataclass(frozen=True, slots=True)
class Files:
    """The files of rows that were written for the tool. `eval` is None without evaluation rows."""

    train: str
    eval: str | None = None


@dataclass(slots=True)
class Outward:
    """The preset's values by dotted key, the foreign document so far, and the report."""

    tool: str
    preset: Preset
    files: Files | None = None
    document: dict[str, Any] = field(default_factory=dict)
    lines: list[Sent] = field(default_factory=list)
    left: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.left = flat(self.preset)

    def get(self, key: str) -> Any:
        """A value that is still to be told of, or None."""
        return self.left.get(key)

    def carry(
        self,
        key: str,
        to: str,
        made: Any = None,
        *,
        why: str = "",
        back: Any = None,
        same: bool = False,
        told: str = "",
    ) -> None:
        """`key` becomes `to: made` (its own value unless something else is made of it). `told`: the keys,
        where several; the others as of `note`.
        """
        self.put(to, self.left[key] if made is None else made)
        self.note(key, told or to, why=why, back=back, same=same)

    def note(self, key: str, to: str, *, why: str = "", back: Any = None, same: bool = False) -> None:
        """`key` is in the document. With `why` it is a change, unless it is the `same` there; `back` is then
        what is read back, unless that is the default.
        """
        value = self.left.pop(key)
        returned = back if back is not None else value if not why else DEFAULT
        fate: Fate = "changed" if why and not same else "carried"
        self.lines.append(Sent(key, value, fate, to, why, returned))

    def put(self, to: str, value: Any) -> None:
        """Set a dotted key of the foreign document."""
        *path, leaf = to.split(".")
        node = self.document
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = value

    def rename(self, table: Mapping[str, str]) -> None:
        """Carry every key of a table that has a value; one that is unset is left out of the document."""
        for key, to in table.items():
            if key in self.left:
                value = self.left[key]
                if value is None or value == []:
                    self.leave(key, "unset", "not needed")
                elif value == "auto":
                    self.leave(key, "left to the tool", "not needed")
                else:
                    self.carry(key, to)

    def leave(self, key: str, why: str, fate: Fate = "left out") -> None:
        """`key` does not go over, and why."""
        self.lines.append(Sent(key, self.left.pop(key), fate, "", why))

    def finish(self) -> None:
        """Tell of every key that no rule took."""
        for key in list(self.left):
            section = key.partition(".")[0]
            why = MOOT.get(key, "")
            if key == "hardware.parallel":
                _shared(self)
                continue
            if key == "name" or section in ("evaluation", "budget", "version") or key in MOOT:
                self.leave(key, why or f"only concerns {_OWN} runs", "not needed")
            elif self.left[key] in (None, [], {}, "auto"):
                self.leave(key, "unset", "not needed")
            elif key in OFF and self.left[key] is False:
                self.leave(key, "off, as without a setting", "not needed")
            else:
                self.leave(key, f"{self.tool} has no counterpart")


def _shared(out: Outward) -> None:
    """Tell of how processes share the training, which other tools are told when they are started."""
    value = out.left["hardware.parallel"]
    if value in ("auto", "none", "ddp"):
        out.leave("hardware.parallel", "given to the tool's launcher", "not needed")
    else:
        known = "DeepSpeed's ZeRO-2" if value == "zero2" else "FSDP"
        out.leave("hardware.parallel", f"{value}: start it with a configuration of {known} for accelerate")


def flat(preset: Preset) -> dict[str, Any]:
    """Every key of a preset with its value, dotted, defaults too."""
    document = preset.model_dump(mode="json")
    found: dict[str, Any] = {}
    for section, part in document.items():
        if isinstance(part, dict):
            found |= {f"{section}.{key}": value for key, value in part.items()}
        else:
            found[section] = part
    return found


@dataclass(frozen=True, slots=True)
class Usual:
    """What stands in the place of `auto` where no plan resolved it: the registries' usual values."""

    technique: str
    rank: int
    alpha: int
    rate: float


def usual(preset: Preset) -> Usual:
    """The technique, rank, alpha and learning rate of a preset; those at auto by the registries."""
    method = preset.method
    technique = str(method.technique)
    if technique == techniques.AUTO:
        technique = techniques.automatic(tiny=False, over=False)[0].key
    known = techniques.find(technique)
    if known.adapters and not any(option.key == "rank" for option in known.options):
        known = techniques.find(LORA)  # which tools without this technique get, with its learning rate
    rank = getattr(method, "rank", "auto")
    rank = USUAL_RANK if rank == "auto" else int(rank)
    alpha = getattr(method, "alpha", "auto")
    if alpha == "auto":
        alpha = known.alpha.value if known.alpha_fixed else known.alpha.value * rank
    rate = preset.training.learning_rate
    if rate == "auto":
        stage = stages.every()[method.stage]
        own = stage.adapter_rate
        rate = known.rates.usual.value * stage.rate
        if own is not None:
            rate = own.value * (1.0 if known.adapters else FULL_SHARE)
    return Usual(technique, rank, int(alpha), float(rate))


def auto(out: Outward, key: str, to: str, value: Any) -> None:
    """Carry a key whose `auto` becomes the usual value, which is told."""
    if out.get(key) == "auto":
        why = f"auto: {shown(value)} is the usual value; `--resolved` plans it for this machine"
        out.carry(key, to, value, why=why, back=value)
    else:
        out.carry(key, to)


def batch(out: Outward, rows: str, accumulation: str) -> None:
    """The effective batch as rows at once and accumulation steps, over as many GPUs as the preset names."""
    effective = int(out.preset.training.effective_batch)
    gpus = out.preset.hardware.gpus
    count = len(gpus) if isinstance(gpus, list) else 1 if gpus == "auto" else int(gpus)
    micro = out.preset.training.micro_batch
    at_once = 1 if micro == "auto" else min(int(micro), effective)
    steps = max(1, round(effective / at_once / count))
    out.put(rows, at_once)
    made = at_once * steps
    why = "" if made * count == effective else f"{made * count} rows a step, which its parts multiply to"
    if count > 1:
        why = f"{made} on each of {count} GPUs"
    out.carry(
        "training.effective_batch", accumulation, steps, why=why, back=made, told=f"{rows} × {accumulation}"
    )
    if micro == "auto":
        out.leave(
            "training.micro_batch", f"{rows}: 1 fits anywhere; raise it where memory is free", "not needed"
        )
    else:
        out.note("training.micro_batch", rows, why="part of the effective batch")
    if count > 1:
        out.leave("hardware.gpus", f"start it on {count} GPUs with the tool's launcher", "not needed")
