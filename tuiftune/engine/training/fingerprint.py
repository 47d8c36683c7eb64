"""What must be the same for a resumed run to be the same run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.data.mix.sources import Mix
from tuiftune.errors import UserError
from tuiftune.models import weights
from tuiftune.runs.data_files import digest_of_file

if TYPE_CHECKING:
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.rows import Prepared
    from tuiftune.engine.training.settings import Settings
    from tuiftune.preset.schema import Preset

WEIGHTS, TOKENIZER = "the base model's weights", "the tokenizer's files"
WRITTEN = ("result_dtype",)  # of `method`: how the result is written, which changes no step
REWARDS, MODELS = "reward files", "the weights of reward models or of the teacher"
DIFFER = ("rows", WEIGHTS, TOKENIZER, REWARDS, MODELS)  # digests, which tell nobody anything
# Settings that change no step but for rounding, or that older runs do not have and are added where in use.
LEVERS = ("activation_checkpointing", "activation_offloading", "kernels", "compile", "fp8_compute")
ADAPTER = "adapter_model.safetensors"


def fingerprint(
    settings: Settings, base: Base, train: Prepared, held_out: Prepared | None, world: int
) -> dict[str, Any]:
    """Everything that decides the numbers of a run, but for the files of its base (`of_base`).

    The rows' digest covers data, split, template, tokenizer and length.
    """
    preset = settings.preset
    mix = Mix.of(preset.data)
    training = preset.training.model_dump(mode="json", exclude={*LEVERS, "divergence_patience"})
    return {
        "model.base": base.reference,
        "model.revision": base.revision,
        "model.dtype": preset.model.dtype,
        **({} if settings.held_in == preset.model.dtype else {"weights held in": settings.held_in}),
        **({"model.quantization": settings.traits.base} if settings.fp8 else {}),
        **({"training.fp8_compute": True} if settings.fp8_compute else {}),
        "data.packing": bool(preset.data.packing),
        **({"data.padding_free": True} if preset.data.padding_free is True else {}),
        "data.max_length": preset.data.max_length,
        "rows of training": train.digest,
        "rows held out": held_out.digest if held_out else None,
        **({"data.mix": [source.describe() for source in mix.sources]} if mix else {}),
        **({"data.mix_temperature": mix.temperature} if mix.temperature is not None else {}),
        **({"data.mix_eval": mix.held} if mix.held else {}),
        "processes": world,
        **({"hardware.parallel": preset.hardware.parallel} if settings.sharded or settings.divided else {}),
        "method.adapter_dtype": settings.adapter_dtype,
        **{
            f"method.{key}": value
            for key, value in preset.method.model_dump(mode="json").items()
            if key not in WRITTEN and (key != "modules_to_save" or value)  # which older runs do not have
        },
        **_rewards(preset),
        **_models(preset),
        **{f"training.{key}": value for key, value in training.items()},
        # As planned: what was halved for want of memory isn't a change of the run.
        "training.micro_batch": settings.planned_micro_batch or preset.training.micro_batch,
    }


def _rewards(preset: Preset) -> dict[str, Any]:
    """Digests of the files that rewards are made of, by their names; nothing of a stage without."""
    named = [str(one["path"]) for one in getattr(preset.method, "rewards", ()) if one.get("path")]
    files = [path for path in (Path(paths.absolute(name)) for name in named) if paths.is_file(path)]
    return {REWARDS: {path.name: digest_of_file(path)[:16] for path in files}} if files else {}


def _models(preset: Preset) -> dict[str, Any]:
    """Digests of the other models in directories that a run asks: the teacher, reward models."""
    teacher = getattr(preset.method, "teacher", None)
    named = [teacher, *(one.get("path") for one in getattr(preset.method, "rewards", ()))]
    found = {}
    for directory in (paths.absolute(str(name)) for name in named if name):
        for place in (directory, directory / "result" / "model"):  # a model's, or a run's
            if paths.is_file(place / ADAPTER):
                found[directory.name] = digest_of_file(place / ADAPTER)[:16]
            elif paths.is_file(place / "config.json"):
                found[directory.name] = weights.digest(place)
    return {MODELS: found} if found else {}


def of_base(directory: Path) -> dict[str, str]:
    """What the base's own files hold: weights and tokenizer may be replaced under the same name."""
    return {WEIGHTS: weights.digest(directory), TOKENIZER: weights.tokenizer_digest(directory)}


def _shown(print_: dict[str, Any], key: str) -> Any:
    """A value, for a user: what is in a fingerprint only where it is in use is unset where it isn't."""
    return print_.get(key, "unset")


def compare(
    saved: dict[str, Any], now: dict[str, Any], place: str, *, but: frozenset[str] = frozenset()
) -> None:
    """UserError naming what differs from when the checkpoint was saved.

    The base's files are compared where both know them: earlier versions didn't, and a hub's may yet have to
    come. Keys in `but` were changed on purpose, with `tuiftune resume --set`.
    """
    if "method.rewards" in but:
        but |= {REWARDS, MODELS}
    if "method.teacher" in but:
        but |= {MODELS}
    known = {key for key in (WEIGHTS, TOKENIZER, REWARDS, MODELS) if key not in saved or key not in now}
    either = {*saved, *now} - known
    changed = [key for key in sorted(either - but) if saved.get(key) != now.get(key)]
    if not changed:
        return
    said = "; ".join(
        f"{key} differ"
        if key.startswith(DIFFER)
        else f"{key} was {_shown(saved, key)}, is {_shown(now, key)}"
        for key in changed
    )
    raise UserError(
        f"the run has changed since this checkpoint: {said}",
        place=place,
        remedy="start a new run with the new settings, or continue anyway with --force",
    )
