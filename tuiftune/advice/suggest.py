"""Base models that fit this machine, the most able for the task first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.models import catalogue
from tuiftune.models.resolve import BUILTIN
from tuiftune.plan.model_size import enough

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.data.facts import DataFacts
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.architecture import Architecture
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.model_size import Enough
    from tuiftune.techniques.base import Technique

# One line of models with open licenses and no gate, smallest first; raw text starts from base models.
LADDER = (
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "HuggingFaceTB/SmolLM2-360M-Instruct",
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen3-1.7B",
    "Qwen/Qwen3-4B",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-14B",
    "Qwen/Qwen3-32B",
)
RAW_LADDER = (
    "HuggingFaceTB/SmolLM2-135M",
    "HuggingFaceTB/SmolLM2-360M",
    *(f"Qwen/Qwen3-{size}-Base" for size in ("0.6B", "1.7B", "4B", "8B", "14B")),
)
ON_PROCESSOR = 2e8
_LENGTH, _RANK = 2048, 16


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`needs` of `capacity` bytes, training one row at a time with checkpointing: the least it takes."""

    reference: str
    title: str
    parameters: int
    technique: str
    needs: int
    capacity: int
    fits: bool
    why: str
    licence: str | None
    gated: bool | None


def suggest(
    machine: Machine,
    answers: Mapping[str, str] | None = None,
    facts: DataFacts | None = None,
    local: Sequence[BaseModel] = (),
    many: int = 5,
) -> list[Suggestion]:
    """Up to `many` models, the recommended one first, those already on this machine among them.

    LoRA is preferred where it fits, QLoRA where only that does. Without a GPU: the built-in model, and the
    smallest open one, with honest words. With a GPU the built-in model is the last.
    """
    answers = answers or {}
    length = _length(facts)
    if not machine.gpus:
        return _on_processor(machine, length, local)[:many]
    capacity = min((gpu.memory_total or 0) for gpu in machine.gpus)
    needed = enough(answers.get("task", ""), answers.get("volume", ""), facts)
    bound = needed.parameters
    raw = facts is not None and facts.format == "text"
    found: list[Suggestion] = []
    for model in sorted(local, key=lambda model: -model.parameters):
        fitted = _fit(model.reference, model.reference, model, capacity, length, "already on this machine")
        if fitted.fits and model.parameters <= bound and len(found) < 2:
            found.append(fitted)
    ladder = [entry for name in (RAW_LADDER if raw else LADDER) if (entry := catalogue.find(name))]
    fitting = []
    for entry in reversed(ladder):
        fitted = _fit(entry.id, entry.title, entry.base_model(), capacity, length, "")
        if fitted.fits:
            fitting.append(fitted)
    able = [one for one in fitting if one.parameters <= bound] or fitting[-1:]
    beyond = [one for one in fitting if one.parameters > bound][-1:]
    ordered = [*able[:1], *found, *able[1:3], *beyond]
    explained = [_explain(one, index == 0, needed) for index, one in enumerate(ordered)]
    return [*explained[: many - 1], *_builtin(capacity)]


def least(
    model: BaseModel, capacity: int, length: int, *, kind: str = "cuda", technique: str = "auto"
) -> tuple[str, int]:
    """The best technique that fits, and the bytes it needs with one row at a time and checkpointing.

    LoRA before QLoRA; the last one tried where none fits. A technique that is asked for is the only one.
    `kind`: cuda or cpu.
    """
    from tuiftune.plan.hyperparameters import TINY

    if technique != techniques.AUTO:
        return technique, _needs(model.architecture, techniques.find(technique), length, kind)
    tiny, over = model.parameters <= TINY, kind != "cpu" and not model.quantization
    found, needs = _first_that_fits(model, capacity, length, kind, tiny=tiny, over=over)
    return found.key, needs


def _first_that_fits(
    model: BaseModel, capacity: int, length: int, kind: str, *, tiny: bool, over: bool
) -> tuple[Technique, int]:
    """The best technique that fits, else the last one, and the bytes it needs."""
    tried = [
        (one, _needs(model.architecture, one, length, kind))
        for one in techniques.automatic(tiny=tiny, over=over)
    ]
    return next((pair for pair in tried if pair[1] <= capacity), tried[-1])


def _length(facts: DataFacts | None) -> int:
    return max(64, min(facts.longest, _LENGTH)) if facts else _LENGTH


def _fit(reference: str, title: str, model: BaseModel, capacity: int, length: int, why: str) -> Suggestion:
    """With LoRA if that fits, else with QLoRA (not over a file that is quantized already)."""
    technique, needs = _first_that_fits(
        model, capacity, length, "cuda", tiny=False, over=not model.quantization
    )
    return Suggestion(
        reference=reference,
        title=title,
        parameters=model.parameters,
        technique=technique.key,
        needs=needs,
        capacity=capacity,
        fits=needs <= capacity,
        why=why,
        licence=model.licence,
        gated=model.gated,
    )


def _needs(arch: Architecture, technique: Technique, length: int, device: str = "cuda") -> int:
    from tuiftune.plan.memory import estimate
    from tuiftune.plan.settings import Settings

    settings = Settings(
        technique=technique.key,
        micro_batch=1,
        length=min(length, arch.max_length),
        rank=_RANK,
        weight_bytes=4 if device == "cpu" or not technique.adapters else 2,
        autocast=device != "cpu" and not technique.adapters,
        device=device,
    )
    return estimate(arch, settings).needs


def _explain(one: Suggestion, first: bool, needed: Enough) -> Suggestion:
    """Why it is listed; of the recommended one, what it was chosen for and what would change that."""
    how = techniques.find(one.technique).fits
    if one.why:
        return replace(one, why=f"{one.why}; fits {how}")
    if first:
        return replace(one, why=f"{needed.told()}; fits {how}")
    if one.parameters > needed.parameters:
        return replace(one, why=f"larger than this task usually needs, and costs more to serve; fits {how}")
    return replace(one, why=f"smaller and faster; fits {how}")


def _on_processor(machine: Machine, length: int, local: Sequence[BaseModel]) -> list[Suggestion]:
    entry = catalogue.find(LADDER[0])
    assert entry is not None
    model = entry.base_model()
    technique = techniques.automatic(tiny=False, over=False)[0]
    needs = _needs(model.architecture, technique, length, "cpu")
    slow = "the smallest open model: expect hours on a CPU, and modest answers"
    found = [
        *_builtin(machine.memory, "No GPU found: use this model to try the workflow in minutes"),
        Suggestion(
            reference=entry.id,
            title=entry.title,
            parameters=entry.parameters,
            technique=technique.key,
            needs=needs,
            capacity=machine.memory,
            fits=needs <= machine.memory,
            why=slow,
            licence=entry.licence,
            gated=entry.gated,
        ),
    ]
    for model in local:
        needs = _needs(model.architecture, technique, length, "cpu")
        if model.parameters <= ON_PROCESSOR and needs <= machine.memory and model.reference != entry.id:
            found.append(
                Suggestion(
                    reference=model.reference,
                    title=model.reference,
                    parameters=model.parameters,
                    technique=technique.key,
                    needs=needs,
                    capacity=machine.memory,
                    fits=True,
                    why="already on this machine, and small enough for a CPU",
                    licence=model.licence,
                    gated=model.gated,
                )
            )
    return found


def _builtin(
    capacity: int, why: str = "a toy model that trains in a minute: to try the workflow first"
) -> list[Suggestion]:
    from tuiftune.errors import UserError
    from tuiftune.models.resolve import resolve

    try:
        model = resolve(BUILTIN)
    except UserError:
        return []  # an installation without the embedded model has nothing to suggest here
    technique = techniques.automatic(tiny=True)[0]
    needs = _needs(model.architecture, technique, 512, "cpu")
    return [
        Suggestion(
            reference=BUILTIN,
            title="the built-in tiny model",
            parameters=model.parameters,
            technique=technique.key,
            needs=needs,
            capacity=capacity,
            fits=needs <= capacity,
            why=why,
            licence=model.licence,
            gated=False,
        )
    ]
