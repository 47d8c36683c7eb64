"""Commands of shell scripts: the one that trains, with its options; nothing is run."""

from __future__ import annotations

import ast
import operator
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tuiftune.errors import UserError
from tuiftune.interop.mapping import PROCESSES, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MORE = "more commands"
_STARTERS = ("num_processes", "nproc_per_node", "num_gpus")  # options of accelerate, torchrun, deepspeed
_ENVIRONMENT = "NPROC_PER_NODE"  # of ms-swift and LLaMA-Factory
_ENDS = re.compile(r"\n+")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_SUMS = re.compile(r"\$\(\(([^()`\n]*)\)\)|\$\(\s*expr\s([^()`\n]*)\)|`\s*expr\s([^()`\n]*)`")
_SUM = re.compile(r"\$\(\(([\d+*/%-]{1,80})\)\)")
_COMPUTES = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.floordiv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """How a tool's command line is known.

    Attributes:
        stage: of the words of a command, where the stage stands, and what it is; None: another program's.
        trains: the stages that train; other commands (a server, an export) are passed over for one of them.
    """

    stage: Callable[[Sequence[str]], tuple[int, str] | None]
    trains: Callable[[str], bool]


def program(word: str) -> str:
    """A program without its directories."""
    return word.rsplit("/", 1)[-1]


def arguments(text: str, of: Program) -> dict[str, Any] | None:
    """The options of the first command that trains, its stage under `stage`, the number of processes that it
    starts; None where the text has no command of the program. Variables that the text assigns are filled in.
    UserError where no command trains.
    """
    commands = [(words, at) for words in _commands(text) if (at := of.stage(words)) is not None]
    if not commands:
        return None
    training = [one for one in commands if of.trains(one[1][1])]
    if not training:
        named = ", ".join(dict.fromkeys(shown(stage) for _, (_, stage) in commands))
        raise UserError(f"no command that trains ({named})", remedy="give the command that starts training")
    words, (place, stage) = training[0]
    found: dict[str, Any] = {"stage": stage} if stage else {}
    found |= options(words[place + 1 :])
    started = _processes(words[:place])
    if started and PROCESSES not in found:
        found[PROCESSES] = started
    others = [" ".join(one) for one, _ in commands if one is not words]
    if others:
        found[MORE] = others
    return found


def elsewhere(file: str, stage: str = "") -> NoReturn:
    """UserError: a command's settings are in a file of their own."""
    chosen = f" --set method.stage={stage}" if stage else ""
    raise UserError(
        f"the settings are in {shown(file)}",
        place="--config",
        remedy=f"import that file: tuiftune import {shown(file)}{chosen}",
    )


def options(rest: Sequence[str]) -> dict[str, Any]:
    """`--key value`, `--key=value`, `--key a b`, `--key`, `--no_key` as values."""
    found: dict[str, Any] = {}
    waiting = list(rest)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        values = [value] if equals else []
        while not equals and waiting and not waiting[0].startswith("--"):
            values.append(waiting.pop(0))
        name = name.replace("-", "_")
        if not values and name.startswith("no_"):  # how its switches are turned off
            found[name.removeprefix("no_")] = False
            continue
        found[name] = True if not values else _said(values[0]) if len(values) == 1 else values
    return found


def _said(word: str) -> Any:
    """`--key true` and `--key False` as what they say, else the word."""
    return {"true": True, "false": False}.get(word.lower(), word)


def _processes(before: Sequence[str]) -> str | None:
    """The processes that a command starts, where what stands before its program says so."""
    given = options([word.replace("--nproc-per-node", "--nproc_per_node") for word in before])
    named = [str(given[key]) for key in _STARTERS if isinstance(given.get(key), str | list)]
    told = [word.partition("=")[2] for word in before if word.startswith(f"{_ENVIRONMENT}=")]
    return next((one for one in (*named, *reversed(told)) if one.isdigit()), None)


def _commands(text: str) -> list[list[str]]:
    """The words of each command of a shell's text; options on a line of their own belong to the command
    before. What a command is given in its environment stands before its program. None where quotes do not
    close.
    """
    plain = _uncommented(text.replace("\r\n", "\n")).replace("\\\n", " ")
    plain = _SUMS.sub(_one_word, plain)
    reader = shlex.shlex(_ENDS.sub(r" \g<0> ", plain), posix=True, punctuation_chars=";&|\n")
    reader.whitespace, reader.whitespace_split, reader.commenters = " \t\r", True, ""
    try:
        words = list(reader)
    except ValueError:
        return []
    split: list[list[str]] = [[]]
    for at, word in enumerate(words):
        if not word or word.strip(";&|\n"):
            split[-1].append(word)
            continue
        following = words[at + 1] if at + 1 < len(words) else ""
        if not (set(word) == {"\n"} and following.startswith("-")):
            split.append([])
    found: list[list[str]] = []
    known: dict[str, str] = {}
    exported: dict[str, str] = {}
    for command in filter(None, split):
        filled = [_filled(word, known) for word in command]
        assigned = [_ASSIGNED.fullmatch(word) for word in filled if word != "export"]
        if all(assigned):
            told = {one[1]: one[2] for one in assigned if one and "$" not in one[2] and "`" not in one[2]}
            known |= told
            exported |= told if filled[0] == "export" else {}
            continue
        number = exported.get(_ENVIRONMENT)
        found.append([f"{_ENVIRONMENT}={number}", *filled] if number else filled)
    return found


def _one_word(found: re.Match[str]) -> str:
    """A sum as one word, which `_filled` reads: `$((16/2))`."""
    inside = found[1] or found[2] or found[3] or ""
    return "$((" + re.sub(r"\s|\\", "", inside) + "))"


def _uncommented(text: str) -> str:
    """A shell's text without its comments; a # inside quotes is none."""
    kept: list[str] = []
    quote, place = "", 0
    while place < len(text):
        sign = text[place]
        if not quote and sign == "#" and (place == 0 or text[place - 1].isspace()):
            end = text.find("\n", place)
            place = len(text) if end < 0 else end
            continue
        step = 2 if sign == "\\" and quote != "'" else 1
        kept.append(text[place : place + step])
        if step == 1 and sign in ("'", '"') and quote in ("", sign):
            quote = "" if quote else sign
        place += step
    return "".join(kept)


def _filled(word: str, known: dict[str, str]) -> str:
    """A word with its variables and whole-number sums filled in, as far as they are known."""
    word = _VARIABLE.sub(lambda one: known.get(one[1] or one[2], one[0]), word)
    if "$((" in word:
        bare = re.sub(r"\$\(\(([^()]*)\)\)", lambda one: f"$(({_bare(one[1], known)}))", word)
        word = _SUM.sub(lambda one: _total(one[1]) or one[0], bare)
    return word


def _bare(inside: str, known: dict[str, str]) -> str:
    """`$((N / 2))`: names stand without a dollar there."""
    return re.sub(r"[A-Za-z_]\w*", lambda one: known.get(one[0], one[0]), inside)


def _total(expression: str) -> str | None:
    """A sum of whole numbers; None where it is none."""

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTES:
            return int(_COMPUTES[type(node.op)](value(node.left), value(node.right)))
        raise ValueError

    try:
        return str(value(ast.parse(expression, mode="eval").body))
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None
