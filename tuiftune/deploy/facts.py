"""What is known of a run's result before anything is loaded: its adapter, its base model, their sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths, stages, techniques
from tuiftune.deploy.base import Facts
from tuiftune.errors import UserError
from tuiftune.models import weights
from tuiftune.models.resolve import resolve
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.models.reference import BaseModel
    from tuiftune.runs.store.directory import RunDir

ADAPTER = "adapter_config.json"
TEXTS = frozenset({"text"})  # formats of a stage that trains to continue texts


def facts_of(run: RunDir, base: Path | None = None) -> Facts:
    """The facts of a finished run. `base`: where the base model is now, if it was moved.

    UserError for a run without a result, and for an adapter whose base model is gone.
    """
    if run.result() is None:
        raise UserError(
            "has no result to export yet",
            place=run.name,
            remedy=f"`tuiftune watch {run.name}` shows how far it is",
        )
    result = run.result_path / "model"
    paths.require(result / "config.json" if not paths.is_file(result / ADAPTER) else result)
    adapter = documents.read_json(result / ADAPTER) if paths.is_file(result / ADAPTER) else {}
    preset = run.plan().preset(str(run.plan_path))
    technique = techniques.every()[preset.method.technique]
    stage = stages.every()[preset.method.stage]
    model = _base(preset.model.base, preset.model.revision, base, needed=bool(adapter))
    source = model.path if model is not None and model.weights else None
    whole = source if adapter else result
    config = _config(whole if whole is not None else model.path if model is not None else None)
    parameters = model.parameters if model is not None else 0
    return Facts(
        name=run.name,
        result=result,
        adapter=adapter,
        base=preset.model.base,
        source=source,
        stored=weights.stored_dtype(whole) if whole is not None else None,
        quantization=model.quantization if model is not None else None,
        size=2 * parameters if parameters else sum(paths.size(path) for path in weights.files(result)),
        architectures=_architectures(config),
        license=model.licence if model is not None else None,
        system=preset.data.system,
        context=preset.data.max_length,
        positions=_positions(config),
        technique=technique.name,
        scores=stage.scores,
        texts=stage.formats == TEXTS,
    )


def _base(name: str, revision: str | None, moved: Path | None, *, needed: bool) -> BaseModel | None:
    """The base model; None where it is gone and not needed."""
    try:
        return resolve(str(moved) if moved is not None else name, revision)
    except UserError as fault:
        if not needed:
            return None
        raise UserError(
            f"the base model cannot be found ({fault.message})",
            place=printable(str(moved or name)),
            remedy="if it was moved, name its directory with --base DIR",
        ) from None


def _positions(config: dict[str, Any]) -> int | None:
    """Tokens that a model was made for, by its configuration or that of its text part."""
    inner = config.get("text_config")
    for document in (config, inner if isinstance(inner, dict) else {}):
        value = document.get("max_position_embeddings")
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _architectures(config: dict[str, Any]) -> tuple[str, ...]:
    """The classes that a configuration names, and those that its text part does."""
    inner = config.get("text_config")
    found = [config.get("architectures"), inner.get("architectures") if isinstance(inner, dict) else None]
    return tuple(str(name) for names in found if isinstance(names, list) for name in names)


def _config(directory: Path | None) -> dict[str, Any]:
    if directory is None or not paths.is_file(directory / "config.json"):
        return {}
    return documents.read_json(directory / "config.json")
