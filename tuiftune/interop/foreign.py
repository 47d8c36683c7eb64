"""A foreign tool's configuration as a preset: the tool recognized, its keys carried, the result validated."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tuiftune.errors import UserError
from tuiftune.interop import (
    axolotl,
    llamafactory,
    llamafactory_v1,
    openai,
    soup,
    swift,
    trl,
    trl_script,
    unsloth,
)
from tuiftune.interop.mapping import Line, Transfer, shown
from tuiftune.preset.explain import faults
from tuiftune.preset.parse import parse
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.interop.trl import Columns

TOOLS = {
    "axolotl": axolotl.TOOL,
    "llamafactory": llamafactory.TOOL,
    "llamafactory-v1": llamafactory_v1.TOOL,
    "trl": trl.TOOL,
    "swift": swift.TOOL,
    "soup": soup.TOOL,
    "unsloth": unsloth.TOOL,
    "openai": openai.TOOL,
}
_READERS = {
    "axolotl": axolotl.read,
    "llamafactory-v1": llamafactory_v1.read,
    "swift": swift.read,
    "soup": soup.read,
    "openai": openai.read,
}
_NEEDED = {"model.base": "--set model.base=HUB_ID_OR_DIRECTORY", "data.train": "--set data.train=FILE"}
_VARIABLE = re.compile(r"\$[A-Za-z_{(]|`")
_PYTHON = re.compile(
    r"^(?:from\s+[\w.]+\s+import\s|import\s+[\w.]+(?:\s+as\s+\w+)?$|def \w+\()", re.MULTILINE
)
_CONTINUED = re.compile(r"\\\r?\n\s*--\w")  # a command over several lines
_COMMAND = "give the command that starts training, or a configuration file"
_NEITHER = (
    "neither an Axolotl, LLaMA-Factory, TRL, ms-swift, Soup or OpenAI configuration nor an Unsloth script"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """The preset, and what became of each of the foreign document's keys."""

    tool: str
    preset: Preset
    lines: tuple[Line, ...]


def read(
    text: str,
    place: str,
    *,
    tool: str | None = None,
    settings: dict[str, Any] | None = None,
    datasets: Callable[[str], dict[str, Any]] = lambda _: {},
    columns: Columns = lambda _: None,
) -> Imported:
    """A preset out of a foreign configuration's text.

    `tool` is one of TOOLS, or None to recognize it; `settings` are dotted keys that the user adds; `datasets`
    reads LLaMA-Factory's dataset_info.json of a directory; `columns` are those of training files, None where
    they are not here. UserError where it is no such file, or where model or data are missing.
    """
    tool, left = _document(text, place, tool, (settings or {}).get("method.stage"))
    if tool == "trl" and "method.stage" in (settings or {}):
        left = {**left, "stage": (settings or {})["method.stage"]}
    transfer = Transfer(TOOLS[tool], left)
    if tool == "llamafactory":
        llamafactory.read(transfer, datasets)
    elif tool == "trl":
        trl.read(transfer, columns)
    elif tool == "unsloth":
        unsloth.read(transfer, columns)
    else:
        _READERS[tool](transfer)
    for key, value in (settings or {}).items():
        transfer.set(key, value)
    return Imported(transfer.tool, _validated(transfer, place, settings or {}), tuple(transfer.lines))


def _document(text: str, place: str, tool: str | None, stage: Any = None) -> tuple[str, dict[str, Any]]:
    """The tool, and its document's keys; `stage`: the one that is asked for."""
    wanted = None if stage is None else str(stage)
    if tool == "unsloth" or (tool is None and unsloth.recognizes(text)):
        return "unsloth", unsloth.arguments(text, place, wanted)
    if tool in (None, "trl") and trl_script.recognizes(text):
        return "trl", trl_script.arguments(text, place, wanted)
    for name, room in (("trl", trl), ("swift", swift), ("llamafactory", llamafactory)):
        if tool in (None, name) and room.COMMAND.search(text):
            found = room.arguments(text)
            if found:
                return name, found
    if _PYTHON.search(text) and tool is None:
        raise UserError(
            "a Python script that calls no trainer of TRL's or Unsloth's",
            place=place,
            remedy="give the script with SFTTrainer or another one, or the command that it is run by",
        )
    if tool is None and _CONTINUED.search(text):
        raise UserError("no command of TRL, ms-swift or LLaMA-Factory", place=place, remedy=_COMMAND)
    document = _parsed(text, place)
    if not isinstance(document, dict):
        raise UserError(_NEITHER, place=place, remedy="name the tool with --from")
    document = {str(key): value for key, value in document.items()}
    marked = trl.COMMANDED.search(text)
    if marked and tool in (None, "trl") and trl.recognizes(document):
        return "trl", {"stage": marked[1], **document}
    if tool is not None:
        return tool, document
    rooms = {"openai": openai, "axolotl": axolotl, "llamafactory": llamafactory}
    for name, room in (rooms | {"llamafactory-v1": llamafactory_v1}).items():
        if room.recognizes(document):
            return name, document
    for name, recognizes in (("trl", trl.recognizes), ("soup", soup.recognizes)):
        if recognizes(document):
            return name, document
    if swift.recognizes(document):
        return "swift", document
    raise UserError(_NEITHER, place=place, remedy=f"name the tool with --from: {', '.join(TOOLS)}")


def _parsed(text: str, place: str) -> Any:
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)  # raw: text that was read within limits
        except (ValueError, RecursionError):
            pass  # YAML in braces, or a fault that the YAML reader names with its line
    return parse(text, place, foreign=True).values


def _validated(transfer: Transfer, place: str, given: dict[str, Any]) -> Preset:
    """The preset without the values it refuses, each of them told."""
    for key, remedy in _NEEDED.items():
        value = transfer.get(key)
        if value is None:
            raise UserError(f"{key} is not in it", place=place, remedy=f"add {remedy}")
        for one in () if key in given else value if isinstance(value, list) else [value]:
            if isinstance(one, str) and _VARIABLE.search(one):
                what = f"{key} is {shown(one)}, which only the shell could tell"
                raise UserError(what, place=place, remedy=f"add {remedy}")
    while True:
        try:
            return Preset.model_validate(transfer.preset)
        except ValidationError as error:
            found = faults(error, place, {})
            key = _key(error)
            if key in given:
                raise UserError(found[0].message, place=f"--set {key}", remedy=found[0].remedy) from None
            if key == "method.stage":
                remedy = "to train another stage with its settings, add --set method.stage=STAGE"
                raise UserError(found[0].message, place=place, remedy=remedy) from None
            if not _drop(transfer, key, found[0].message):
                raise UserError(found[0].message, place=place, remedy=found[0].remedy) from None


def _key(error: ValidationError) -> str:
    """The dotted key, of at most two parts, of the first value that the preset refuses."""
    where = [str(part) for part in error.errors()[0]["loc"] if isinstance(part, str)]
    return ".".join(where[:2])


def _drop(transfer: Transfer, key: str, why: str) -> bool:
    """Take a refused key out of the preset, and tell of it. False where it is not there."""
    *path, leaf = key.split(".")
    node: Any = transfer.preset
    for part in path:
        node = node.get(part, {})
    if not isinstance(node, dict) or leaf not in node:
        return False
    value = node.pop(leaf)
    why = f"{shown(value)} cannot be carried to {key}: {why}"
    transfer.lines = [
        Line(line.key, line.value, "left out", why) if line.to == key else line for line in transfer.lines
    ]
    return True
