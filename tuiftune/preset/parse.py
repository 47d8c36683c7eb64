"""YAML text to plain values, with the line of every key: the safe subset, and duplicate keys are faults."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.secret_forms import holds_secret

KeyPath = tuple[str | int, ...]

# A preset has some sixty values. Nested aliases could grow a small file without end, so growth is bounded.
_MOST_VALUES = 3_000
_MOST_FOREIGN = 30_000  # of another tool's configuration
_DEEPEST = 20
_TOO_MUCH = "too many or too deeply nested values"
_PLAINER = "write fewer and plain values, without aliases"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_LONGEST_NUMBER = 100  # characters
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Document:
    """Plain values (dict, list, str, int, float, bool, None), and the 1-based line each path begins on."""

    values: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)


def parse(text: str, place: str, *, foreign: bool = False) -> Document:
    """Parse one YAML document. `place` opens the UserError that every fault becomes.

    `foreign`: another tool's, which may be longer and merge mappings (`<<: *defaults`), as PyYAML reads it.
    """
    yaml = YAML(typ="safe", pure=True)
    most = _MOST_FOREIGN if foreign else _MOST_VALUES
    yaml.Composer = functools.partial(_Bounded, most=most)  # type: ignore[assignment]
    try:
        root = yaml.compose(text)
    except _TooMuch as fault:
        raise UserError(_TOO_MUCH, place=f"{place} line {fault.line}", remedy=_PLAINER) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise UserError(
            f"not valid YAML: {printable(str(error.problem or error.context))}",
            place=f"{place}{line}",
            remedy="check indentation, quotes and brackets there",
        ) from error
    except YAMLError as error:
        raise UserError(f"not valid YAML: {printable(str(error).splitlines()[0])}", place=place) from error
    except (ValueError, LookupError, ArithmeticError, AssertionError) as error:  # of the library's scanner
        raise UserError(
            f"not valid YAML ({type(error).__name__})", place=place, remedy="simplify it"
        ) from error
    reader = _Reader(yaml, place, most, merges=foreign)
    return Document(None if root is None else reader.value(root, ()), reader.lines)


class _TooMuch(Exception):  # noqa: N818 - a limit, not an error
    def __init__(self, line: int) -> None:
        self.line = line


class _Bounded(Composer):
    """Puts a document together only as far as a preset goes: recursion and time stay bounded."""

    def __init__(self, *, most: int, **given: Any) -> None:
        super().__init__(**given)
        self._most = 2 * most  # keys are nodes too
        self._nodes = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._nodes += 1
        self._depth += 1
        if self._nodes > self._most or self._depth > _DEEPEST:
            raise _TooMuch(self.parser.peek_event().start_mark.line + 1)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    def __init__(self, yaml: YAML, place: str, most: int, *, merges: bool) -> None:
        self.yaml = yaml
        self.place = place
        self.most = most
        self.merges = merges
        self.lines: dict[KeyPath, int] = {}
        self.seen = 0

    def fault(self, node: Node, message: str, remedy: str) -> UserError:
        return UserError(message, place=f"{self.place} line {node.start_mark.line + 1}", remedy=remedy)

    def value(self, node: Node, path: KeyPath) -> Any:
        self.seen += 1
        if self.seen > self.most or len(path) > _DEEPEST:
            raise self.fault(node, _TOO_MUCH, _PLAINER)
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            self.plain_tag(node, "seq")
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        self.plain_tag(node, "map")
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self.fault(
                    key_node, "a key must be a plain word", "remove the brackets before the colon"
                )
            key = str(key_node.value)
            if key == "<<" and self.merges:
                merged = {**self.merge(value_node, (*path, key)), **merged}
                continue
            if key in result:
                first = self.lines[(*path, key)]
                raise self.fault(
                    key_node,
                    f"key `{printable(key)}` appears twice (first on line {first})",
                    "keep one of them",
                )
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key))
        return {**merged, **result}

    def merge(self, node: Node, path: KeyPath) -> dict[str, Any]:
        """The keys of one mapping or several, of which the first has precedence."""
        found = self.value(node, path)
        result: dict[str, Any] = {}
        for one in found if isinstance(found, list) else [found]:
            if not isinstance(one, dict):
                raise self.fault(node, "only mappings can be merged by `<<`", "write the keys themselves")
            result = {**one, **result}
        return result

    def scalar(self, node: Node) -> Any:
        if holds_secret(str(node.value)):
            raise self.fault(
                node,
                "a preset must not contain a token",
                "set it in the environment: HF_TOKEN, WANDB_API_KEY …",
            )
        if _NO_TEXT.search(str(node.value)):
            raise self.fault(node, "an invalid character", "remove the escape (\\0, \\ud800)")
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp"}:  # a date is a name here, as people write it
            return str(node.value)
        if kind not in {"null", "bool", "int", "float"}:
            self.plain_tag(node, "a plain value")
        if kind in {"int", "float"} and len(node.value) > _LONGEST_NUMBER:
            raise self.fault(node, f"a number of {len(node.value):,} characters", "write a shorter one")
        untagged = str(self.yaml.resolver.resolve(ScalarNode, node.value, (True, False)))
        fits = {kind, "int"} if kind == "float" else {kind}
        if untagged.removeprefix(_TAG) not in fits:  # `!!int abc`, which the library fails over
            raise self.fault(
                node, f"`{printable(node.value)[:60]}` is not a valid {kind}", "write the value without a tag"
            )
        try:
            return self.yaml.constructor.construct_object(node)
        except (ValueError, LookupError, ArithmeticError) as fault:
            raise self.fault(
                node, f"`{printable(node.value)[:60]}` is not a valid {kind}", "write a plain value"
            ) from fault

    def plain_tag(self, node: Node, kind: str) -> None:
        if node.tag != _TAG + kind:
            raise self.fault(
                node, f"the tag `{printable(str(node.tag))[:60]}` is not allowed", "write a plain value"
            )
