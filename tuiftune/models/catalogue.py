"""The shipped catalog of open base models: exact facts without a network."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tuiftune.models.config import architecture_of
from tuiftune.models.count import parameters
from tuiftune.models.reference import BaseModel

if TYPE_CHECKING:
    from tuiftune.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Entry:
    """One hub id. `published` is the owner's total, where firmly known."""

    id: str
    title: str
    instruct: bool
    licence: str
    gated: bool | None
    config: dict[str, Any]
    published: int | None

    @property
    def architecture(self) -> Architecture:
        return architecture_of(self.config, self.id)

    @property
    def parameters(self) -> int:
        return parameters(self.architecture)

    def base_model(self, revision: str | None = None) -> BaseModel:
        quantization = self.config.get("quantization_config", {}).get("quant_method")
        arch = self.architecture
        return BaseModel(
            reference=self.id,
            architecture=arch,
            parameters=parameters(arch),
            source="catalogue",
            licence=self.licence,
            gated=self.gated,
            instruct=self.instruct,
            revision=revision,
            quantization=quantization,
            notes=arch.notes,
        )


@cache
def entries() -> tuple[Entry, ...]:
    """Every hub id of the catalog, in its order: by family, then by size, tuned variants first."""
    place = files("tuiftune.models").joinpath("catalogue.json")
    document = json.loads(place.read_bytes())  # raw: it comes along
    found = []
    for model in document["models"]:
        for tuned in (True, False):
            found += [
                Entry(
                    id=hub_id,
                    title=model["title"] + ("" if tuned or not model["instruct"] else " (base)"),
                    instruct=tuned,
                    licence=model["licence"],
                    gated=model["gated"],
                    config=_config(model, tuned),
                    published=model["parameters"],
                )
                for hub_id in model["instruct" if tuned else "base"]
            ]
    return tuple(found)


def _config(model: dict[str, Any], tuned: bool) -> dict[str, Any]:
    length = model.get("base_max_length")
    return model["config"] if tuned or not length else {**model["config"], "max_position_embeddings": length}


def find(reference: str) -> Entry | None:
    """The entry of a hub id, upper and lower case alike."""
    wanted = reference.casefold()
    return next((entry for entry in entries() if entry.id.casefold() == wanted), None)


def nearest(reference: str, many: int = 3) -> list[str]:
    """Hub ids that look like a mistyped one, best first: by the whole id, or by the name after the slash."""
    wanted = reference.casefold()
    full = {entry.id.casefold(): entry.id for entry in entries()}
    short = {entry.id.casefold().rpartition("/")[2]: entry.id for entry in entries()}
    name = wanted.rpartition("/")[2]
    if name in short:
        return [short[name]]
    close = [full[match] for match in difflib.get_close_matches(wanted, full, n=many, cutoff=0.75)]
    close += [short[match] for match in difflib.get_close_matches(name, short, n=many, cutoff=0.75)]
    return list(dict.fromkeys(close))[:many]
