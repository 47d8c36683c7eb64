"""The architecture of any config: from the families' rules, or counted by the engine on the meta device.

Counting takes some seconds, once: what was counted is kept in $XDG_CACHE_HOME/tuiftune/models, by the config
and the libraries that built the model.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuiftune import documents, engine_call, paths
from tuiftune.engine_call import Job
from tuiftune.errors import UserError
from tuiftune.models.architecture import Architecture, Counted, Reach
from tuiftune.models.config import architecture_of
from tuiftune.models.families import FAMILIES
from tuiftune.models.kinds import Kind, kind_of, version
from tuiftune.printable import printable

FORM = 3  # of the kept documents
PATIENCE = 300.0  # seconds that counting may take
_BOUND = "the safety margin of its activations is wide"


def architecture(config: dict[str, Any], place: str, *, ask: bool) -> Architecture:
    """The architecture that a parsed `config.json` describes, counted by an engine process if `ask`.

    UserError in one line that names the `model_type` where nothing trains it.
    """
    kind = check(config, place)
    if _ruled(config):
        return architecture_of(config, place)
    if not kind.listed and isinstance(config.get("auto_map"), dict):
        return architecture_of(config, place)  # by code of its own, which isn't run to plan
    kept = _path(config)
    document = _read(kept)
    if document is None and ask:
        document = _ask(config, place)
        _keep(kept, document)
    return architecture_of(config, place) if document is None else _from(document, config, kind)


def check(config: dict[str, Any], place: str) -> Kind:
    """The kind of a parsed config. UserError for a `model_type` that nothing trains: what can be told without
    the engine, whose libraries take seconds to start.
    """
    kind = kind_of(config)
    if kind.refused:
        name = printable(kind.name)[:60]
        raise UserError(f"model_type '{name}' cannot be fine-tuned: {kind.refused}", place=place)
    own_code = isinstance(config.get("auto_map"), dict)
    if not kind.listed and not own_code and importlib.metadata.version("transformers") == version():
        raise UserError(
            f"model_type '{printable(kind.name)[:60]}' is not known to transformers {version()}", place=place
        )
    if kind.name in FAMILIES and config.get("text_config") is not None:
        raise UserError(f"'{kind.name}' does not have a text_config, so its own keys are used", place=place)
    return kind


def _ruled(config: dict[str, Any]) -> bool:
    """Whether the families' rules count it exactly without the engine."""
    nested = config.get("text_config")
    if not isinstance(nested, dict):
        return str(config.get("model_type")) in FAMILIES
    return config.get("model_type") == "gemma3" and str(nested.get("model_type", "gemma3_text")) in FAMILIES


def _ask(config: dict[str, Any], place: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tuiftune-") as room:
        file = Path(room) / "config.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        late = UserError(
            f"counting the parameters of this model took more than {PATIENCE:.0f} s", place=place
        )
        said = engine_call.ask(Job("describe", (str(file),)), within=PATIENCE, late=late, place=place)
    found: dict[str, Any] = documents.loads(said or b"")
    return found


def _from(document: dict[str, Any], config: dict[str, Any], kind: Kind) -> Architecture:
    sizes = document["sizes"]
    nested = config.get("text_config")
    inner = nested if isinstance(nested, dict) else config
    family = str(inner.get("model_type") or config.get("model_type") or "unknown")
    counted = Counted(
        parameters=int(document["parameters"]),
        experts=int(document["experts"]),
        beside=int(document["beside"]),
        linears=tuple((str(n), int(i), int(o), int(m), bool(a)) for n, i, o, m, a in document["linears"]),
        reach=tuple(
            Reach(name, one["rank"], one["magnitudes"], one["reached"], one["of"], one["held"])
            for name, one in document["adapters"].items()
            if one is not None
        ),
        kept=None if document["kept"] is None else tuple(document["kept"]),
        checkpoints=bool(document["checkpoints"]),
    )
    window = inner.get("sliding_window")
    return Architecture(
        family=family,
        hidden_size=sizes["hidden"],
        intermediate_size=sizes["intermediate"],
        num_layers=sizes["layers"],
        num_heads=sizes["heads"],
        num_kv_heads=sizes["kv_heads"],
        head_dim=sizes["head_dim"],
        vocab_size=sizes["vocabulary"],
        max_length=sizes["length"],
        tie_embeddings=bool(sizes["tied"]),
        num_experts=sizes["experts"],
        experts_per_token=sizes["chosen"] if sizes["experts"] else 0,
        moe_intermediate_size=sizes["expert_width"] if sizes["experts"] else 0,
        sliding_window=window if isinstance(window, int) and window > 0 else None,
        sliding_layers=sizes["layers"] if isinstance(window, int) and window > 0 else 0,
        known=False,
        notes=_notes(kind, counted),
        kind=replace(kind, sdpa=bool(document["sdpa"])),
        counted=counted,
    )


def _notes(kind: Kind, counted: Counted) -> tuple[str, ...]:
    name = printable(kind.name)
    notes = [f"'{name}': its {counted.parameters:,} parameters are counted, {_BOUND}"]
    if counted.beside:
        notes.append(f"{counted.beside:,} parameters are not used for text; they stay frozen")
    if not kind.tested:
        notes.append(f"'{name}' was not tested with transformers {version()}; its own loss is used")
    if counted.experts:
        notes.append("its experts stay in 16 bit under QLoRA")
    return tuple(notes)


def _path(config: dict[str, Any]) -> Path:
    made = [FORM, *(importlib.metadata.version(name) for name in ("transformers", "peft"))]
    text = json.dumps([made, config], sort_keys=True)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "tuiftune" / "models" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"


def _read(path: Path) -> dict[str, Any] | None:
    if not paths.is_file(path):
        return None
    try:
        return documents.read_json(path)
    except UserError:
        return None  # counted again


def _keep(path: Path, document: dict[str, Any]) -> None:
    """A cache that can't be written to costs only the time of counting again."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        staged.write_text(json.dumps(document), encoding="utf-8")
        staged.replace(path)
