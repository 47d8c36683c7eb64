"""A base model as the user names it, with what is known about it without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class BaseModel:
    """`source` says where the facts come from: catalog, directory, cache, hub or builtin."""

    reference: str  # what the preset says: a hub id, a path, builtin:tiny
    architecture: Architecture
    parameters: int  # total, to the parameter
    source: str
    path: Path | None = (
        None  # a local directory (config, tokenizer, weights if `weights`), where there is one
    )
    licence: str | None = None
    gated: bool | None = False  # its owner asks for an account and consent first; None: not known
    instruct: bool | None = None  # has a chat template; None: not known
    revision: str | None = None
    weights: bool = False  # all weight files are in `path`
    weight_bytes: int | None = None  # their size on disk, where they are
    tokenizer: bool | None = None  # a tokenizer.json is in `path`; None: not known
    quantization: str | None = None  # the file's own quantization: bitsandbytes, gptq, awq, mxfp4 …
    notes: tuple[str, ...] = ()  # what the user should know: assumptions, missing files

    @property
    def known(self) -> bool:
        return self.architecture.known
