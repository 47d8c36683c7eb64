"""The preset's JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from tuiftune.preset import method
from tuiftune.preset.schema import Preset


def json_schema() -> dict[str, Any]:
    """A draft 2020-12 schema of a preset file."""
    schema = Preset.model_json_schema()
    schema["$defs"]["MethodSection"] |= {"allOf": conditions} if (conditions := method.conditions()) else {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "tuiftune preset, version 1",
    }
