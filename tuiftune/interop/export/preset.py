"""A preset for another tool: its files, the command that runs them, and what became of every key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.errors import UserError
from tuiftune.interop.export.outward import Files, Outward, Sent
from tuiftune.interop.export.tool import Tool
from tuiftune.options import entries

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset


@dataclass(frozen=True, slots=True)
class Exported:
    """What is written for a tool. `files` by name, the configuration first."""

    tool: Tool
    files: dict[str, str]
    command: str
    lines: tuple[Sent, ...]


@functools.cache
def tools() -> dict[str, Tool]:
    """Every tool by key."""
    return entries("interop.export", Tool)


def export(preset: Preset, key: str, files: Files | None = None) -> Exported:
    """Write a preset for a tool. `files`: chat rows that are written next to it; None: the preset's own.

    UserError for a tool that is not known, or a stage that it does not have.
    """
    if key not in tools():
        raise UserError(f"{key} is not a known tool", place="--to", remedy=f"one of {', '.join(tools())}")
    tool = tools()[key]
    if preset.method.stage not in tool.stages:
        name = stages.every()[preset.method.stage].name
        raise UserError(
            f"{name} cannot be written for {tool.name} yet",
            place="method.stage",
            remedy=f"stages that can be: {', '.join(tool.stages)}",
        )
    base = preset.model.base
    if base.startswith(("builtin:", "run:")):
        raise UserError(
            f"{base} only exists in tuiftune",
            place="model.base",
            remedy="name a model that the tool can load: --set model.base=MODEL_ID",
        )
    out = Outward(tool.name, preset, files)
    tool.write(out)
    if "method.stage" in out.left:
        out.note("method.stage", "the command")
    out.finish()
    return Exported(tool, tool.texts(out), tool.command(out), tuple(out.lines))
