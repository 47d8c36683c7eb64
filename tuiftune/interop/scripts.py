"""Python scripts and notebooks: the literal arguments of their calls, read without running anything."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CELL_MAGIC = re.compile(r"\s*%%(?!capture|time\b)")  # of another language: the cell is no Python
_ASSIGNED_MAGIC = re.compile(r"\s*[A-Za-z_][\w, ]*=\s*[!%]\s*\w")
_COMPUTES = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_DEEPEST = 50  # names and operations that one value goes through


class Computed(str):
    """The text of an argument whose value only running the script would tell."""

    __slots__ = ()


@dataclass(slots=True)
class Call:
    """A call with the values of its arguments: `name` of what is called, `of` what it is an attribute of."""

    name: str
    of: str
    node: ast.Call
    positional: list[Any]
    named: dict[str, Any]


@dataclass(slots=True)
class Script:
    """What a script calls, in its order, without what stands under `if False`.

    Attributes:
        unread: where cells of a notebook are that are no Python here.
    """

    place: str
    calls: list[Call] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    _names: dict[str, list[tuple[int, ast.expr]]] = field(default_factory=dict)
    _functions: dict[str, ast.AST] = field(default_factory=dict)
    _later: list[tuple[str, str, ast.expr]] = field(default_factory=list)

    def called(self, *names: str) -> list[Call]:
        """The calls of one of some names."""
        return [call for call in self.calls if call.name in names]

    def bound(self, call: Call, argument: str) -> Call | None:
        """The call that made what is given as an argument: written there, or under a name."""
        node = next((one.value for one in call.node.keywords if one.arg == argument), None)
        for _ in range(_DEEPEST):
            if not isinstance(node, ast.Name):
                break
            node = self._assigned(node.id, call.node.lineno)
        return next((one for one in self.calls if one.node is node), None)

    def behind(self, call: Call, argument: str, made_by: str) -> list[Call]:
        """The calls of `made_by` that an argument comes from, through names and functions."""
        node = next((one.value for one in call.node.keywords if one.arg == argument), None)
        found: list[ast.Call] = []
        if node is not None:
            self._reach(node, call.node.lineno, made_by, found, set())
        return [one for one in self.calls if any(one.node is node for node in found)]

    def _reach(
        self, node: ast.AST, line: int, made_by: str, found: list[ast.Call], seen: set[tuple[str, int]]
    ) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and called(part)[0] == made_by:
                found.append(part)
            if not isinstance(part, ast.Name) or (part.id, line) in seen or len(seen) > _DEEPEST:
                continue
            seen.add((part.id, line))
            made = [one for one in self._names.get(part.id, ()) if one[0] < line]
            if made:
                self._reach(made[-1][1], made[-1][0], made_by, found, seen)
            elif part.id in self._functions:
                self._reach(self._functions[part.id], line, made_by, found, seen)

    def _assigned(self, name: str, line: int) -> ast.expr | None:
        """What a name was last given before a line; where there is nothing, what it is given after it."""
        made = self._names.get(name, [])
        before = [node for at, node in made if at <= line]
        return before[-1] if before else made[0][1] if made else None

    def value(self, node: ast.expr, line: int, depth: int = 0) -> Any:
        """A value that can be read without running the script: literals, names, plain arithmetic; `Computed`
        else.
        """
        found = self._literal(node, line, depth)
        return Computed(ast.unparse(node)) if found is ... else found

    def _literal(self, node: ast.expr, line: int, depth: int) -> Any:
        if depth > _DEEPEST:
            return ...
        if isinstance(node, ast.Name):
            made = self._assigned(node.id, line)
            return ... if made is None else self._literal(made, line, depth + 1)
        if isinstance(node, ast.Attribute):  # torch.bfloat16
            return node.attr if isinstance(node.value, ast.Name) and node.value.id == "torch" else ...
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node, line, depth)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return ...

    def _arithmetic(self, node: ast.BinOp, line: int, depth: int) -> Any:
        sides = [self._literal(side, line, depth + 1) for side in (node.left, node.right)]
        plain = all(isinstance(side, int | float) and not isinstance(side, bool) for side in sides)
        computes = _COMPUTES.get(type(node.op)) if plain else None
        try:
            return ... if computes is None else computes(*sides)
        except (ArithmeticError, ValueError):
            return ...

    def read(self, tree: ast.Module) -> None:
        """Take a module's names and functions, then its calls with their arguments."""
        nodes = sorted(
            _live(tree), key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
        )
        for node in nodes:
            if isinstance(node, ast.Assign):
                self._assignment(node)
            elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
                self._names.setdefault(node.target.id, []).append((node.lineno, node.value))
            elif isinstance(node, ast.FunctionDef):
                self._functions[node.name] = node
        for node in nodes:
            if isinstance(node, ast.Call):
                name, of = called(node)
                positional = [self.value(one, node.lineno) for one in node.args]
                self.calls.append(Call(name, of, node, positional, self._named(node)))
        for name, attribute, node in self._later:
            self._set(name, attribute, node)

    def _assignment(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._names.setdefault(target.id, []).append((node.lineno, node.value))
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                self._later.append((target.value.id, target.attr, node.value))

    def _set(self, name: str, attribute: str, node: ast.expr) -> None:
        """`arguments.seed = 7` after `arguments = SFTConfig(…)` is an argument of that call."""
        made = [one for _, one in self._names.get(name, ())]
        for call in self.calls:
            if call.node in made and call.name.endswith(("Config", "Arguments")):
                call.named[attribute] = self.value(node, node.lineno)

    def _named(self, call: ast.Call) -> dict[str, Any]:
        """A call's arguments by name, those of a literal `**mapping` too; another one is told as computed."""
        named: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg is not None:
                named[keyword.arg] = self.value(keyword.value, call.lineno)
                continue
            given: ast.expr | None = keyword.value
            if isinstance(given, ast.Name):
                given = self._assigned(given.id, call.lineno)
            if isinstance(given, ast.Dict) and all(isinstance(key, ast.Constant) for key in given.keys):
                keys = [str(key.value) for key in given.keys if isinstance(key, ast.Constant)]
                found = zip(keys, given.values, strict=True)
                named |= {key: self.value(one, call.lineno) for key, one in found}
            elif isinstance(given, ast.Call) and not given.args and called(given)[0] == "dict":
                pairs = [(one.arg, one.value) for one in given.keywords if one.arg is not None]
                named |= {key: self.value(one, call.lineno) for key, one in pairs}
            else:
                text = ast.unparse(keyword.value)
                named[f"**{text}"] = Computed(text)
        return named


def called(node: ast.Call) -> tuple[str, str]:
    """The name of what is called, and what it is an attribute of."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr, ast.unparse(node.func.value)
    return getattr(node.func, "id", ""), ""


def _live(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run: without the part of `if False`, `if True` and `if 0` that never does."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Constant):
            waiting += node.body if node.test.value else node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def script(text: str, place: str) -> Script:
    """A script or notebook as its calls. UserError where it is not Python.

    Of a notebook, cells that are no Python here are left out, and told of.
    """
    found = Script(place)
    if not text.lstrip().startswith("{"):
        found.read(_parsed(text, place))
        return found
    whole: list[ast.stmt] = []
    lines = 0
    for number, cell in enumerate(_cells(text, place), 1):
        if _CELL_MAGIC.match(cell):
            continue
        try:
            tree = _parsed(cell, place)
        except UserError as fault:
            where = (fault.place or "").removeprefix(place).strip()
            found.unread.append(f"cell {number}" + (f" {where}" if where else ""))
            continue
        whole += [ast.increment_lineno(one, lines) for one in tree.body]
        lines += cell.count("\n") + 1
    found.read(ast.Module(whole, []))
    return found


def _parsed(code: str, place: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what stands in the script
            try:
                return ast.parse(code)
            except SyntaxError:
                return ast.parse(_without_magics(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        line = getattr(fault, "lineno", None)
        where = f"{place} line {line}" if line else place
        raise UserError(
            "not valid Python", place=where, remedy="give the script itself, or a cell of it"
        ) from None


def _cells(text: str, place: str) -> list[str]:
    """The code of a notebook's cells. UserError where it is not one."""
    try:
        book = documents.loads(text)
        sheets = [book, *book.get("worksheets", [])]
        cells = [cell for sheet in sheets for cell in sheet.get("cells", [])]
        code = [
            cell.get("source", cell.get("input", "")) for cell in cells if cell.get("cell_type") == "code"
        ]
        return [one if isinstance(one, str) else "".join(one) for one in code]
    except (ValueError, TypeError, AttributeError):
        raise UserError(
            "is not a notebook", place=place, remedy="save it again, or give its code as a script"
        ) from None


def _without_magics(text: str) -> str:
    """A notebook's cell: lines for the shell, and what continues them, stand in blocks as `pass`."""
    lines: list[str] = []
    continued = False
    for line in text.splitlines():
        bare = line.lstrip()
        magic = continued or bare.startswith(("!", "%", "?")) or _ASSIGNED_MAGIC.match(line)
        before = "" if continued else line[: len(line) - len(bare)] + "pass"
        lines.append(before if magic else line)
        continued = bool(magic) and line.rstrip().endswith("\\")
    return "\n".join(lines)
