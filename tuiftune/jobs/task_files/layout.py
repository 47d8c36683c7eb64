"""Task files as YAML: commands as blocks that a person can read."""

from __future__ import annotations

from typing import Any

from ruamel.yaml.scalarstring import LiteralScalarString

from tuiftune.interop.export import tool


def yaml(document: dict[str, Any]) -> str:
    """A document as YAML, in the order of its keys, with texts of several lines as blocks."""
    return tool.yaml(_blocks(document))


def _blocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _blocks(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_blocks(one) for one in value]
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
