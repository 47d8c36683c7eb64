"""What a tool is that presets are written for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from tuiftune.interop.export import layouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.data.example import Example
    from tuiftune.interop.export.outward import Outward


@dataclass(frozen=True, slots=True)
class Tool:
    """`write` fills in its document, `texts` are its files by name, the configuration first, and `command`
    runs it. `reads`: the name under which `tuiftune import` reads it back. `service`: its request's published
    shape and version, for a managed one. `row`: a row of a stage as it reads it.
    """

    key: str
    name: str
    order: int
    write: Callable[[Outward], None]
    texts: Callable[[Outward], dict[str, str]]
    command: Callable[[Outward], str]
    reads: str = ""
    service: str = ""
    stages: tuple[str, ...] = ("sft",)
    row: Callable[[str, Example], dict[str, Any]] = layouts.plain


class _Representer(RoundTripRepresenter):
    """Writes 2e-05 as 2.0e-05: PyYAML, with which most tools read, takes the former for text."""


def _real(representer: Any, value: float) -> Any:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


_Representer.add_representer(float, _real)


def yaml(document: dict[str, Any]) -> str:
    """A document as YAML, in the order of its keys."""
    writer = YAML(typ="rt")
    writer.Representer = _Representer
    writer.default_flow_style = False
    writer.width = 4096
    stream = io.StringIO()
    writer.dump(document, stream)
    return stream.getvalue()
