"""What a Python script trains with: its trainer, the trainer's settings, and the rows it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.interop.rows import Source, hub
from tuiftune.interop.scripts import Computed

if TYPE_CHECKING:
    from tuiftune.interop.scripts import Call, Script

OTHERS = "more trainings"
STAGES = {
    "SFT": "sft", "Unsloth": "sft", "DPO": "dpo", "KTO": "kto", "ORPO": "orpo", "CPO": "cpo", "GRPO": "grpo",
    "RLOO": "rloo", "Reward": "reward",
}  # fmt: skip
GENERAL = ("TrainingArguments", "UnslothTrainingArguments")
FILES = ("json", "csv", "parquet", "text", "arrow")  # loaders of files, by the name of a dataset
ROWS = ("path", "name")  # of `load_dataset`, by position


@dataclass(frozen=True, slots=True)
class Trainer:
    """A call that makes a trainer, and its stage by TRL's name; its class where it is none of TRL's."""

    call: Call
    stage: str


def trainer(script: Script, wanted: str | None) -> tuple[Trainer | None, list[str]]:
    """The trainer of a script, the first one of the `wanted` stage where it is there, and the classes of the
    others.
    """
    found = [
        Trainer(call, _stage(call.name))
        for call in script.calls
        if call.name.endswith("Trainer") and not call.name.startswith("Patch")
    ]
    if not found:
        return None, []
    ours = "cpo" if wanted == "simpo" else wanted
    chosen = next((one for one in found if one.stage == ours), found[0])
    return chosen, [one.call.name for one in found if one is not chosen and one.stage != chosen.stage]


def _stage(name: str) -> str:
    """Of a class, or of one that is made from it (`MySFTTrainer`)."""
    kinds = (stage for kind, stage in STAGES.items() if name.endswith(f"{kind}Trainer"))
    return next(kinds, name)


def configuration(script: Script, chosen: Trainer | None) -> list[Call]:
    """The calls that make a trainer's settings: what it is given, else all that fit it."""
    given = None if chosen is None else script.bound(chosen.call, "args")
    if given is not None:
        return [given]
    stage = "sft" if chosen is None else chosen.stage
    own = tuple(f"{kind}Config" for kind, one in STAGES.items() if one == stage)
    return [call for call in script.calls if call.name.endswith(own) or call.name in GENERAL]


def datasets(script: Script, chosen: Trainer | None) -> dict[str, Any]:
    """The rows of a training: `load_dataset` calls as sources under `dataset`, what is computed by name."""
    trained = [] if chosen is None else script.behind(chosen.call, "train_dataset", "load_dataset")
    sources: list[Source] = []
    found: dict[str, Any] = {}
    for call in trained or script.called("load_dataset"):
        given = dict(zip(ROWS, call.positional, strict=False)) | call.named
        path, files = given.get("path"), given.get("data_files")
        files = files.get("train") if isinstance(files, dict) else files
        if isinstance(path, Computed) or path is None:
            found["load_dataset"] = Computed(path or "load_dataset()")
        elif isinstance(files, Computed):
            found["load_dataset"] = files
        else:
            sources.append(_source(str(path), files, given))
    if sources:
        found["dataset"] = [one for at, one in enumerate(sources) if one not in sources[:at]]
    return found


def _source(path: str, files: Any, given: dict[str, Any]) -> Source:
    said = {key: given[key] for key in ("name", "split", "revision") if given.get(key) is not None}
    if files:
        split = said.get("split")
        return Source("dataset", files, left_out={} if split in (None, "train") else {"split": split})
    computed = [key for key, value in said.items() if isinstance(value, Computed)]
    known = {key: value for key, value in said.items() if key not in computed}
    name, left = hub(path, known.get("name"), known.get("split"), known.get("revision"))
    return Source("dataset", name, left_out={key: said[key] for key in (*computed, *left)})
