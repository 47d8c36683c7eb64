"""Rows back to files, all of them whole or none."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, BinaryIO

from tuiftune.data.example import Message
from tuiftune.outputs import Output, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tuiftune.data.example import Example


def as_row(example: Example) -> dict[str, Any]:
    """The canonical JSON form: text and label, messages, text, or prompt with chosen and rejected."""
    if example.messages is None:
        return {"text": example.text or ""}
    messages = [_turn(message) for message in example.messages]
    if example.chosen is not None:
        sides = (("chosen", example.chosen_turns), ("rejected", example.rejected_turns))
        answers: dict[str, Any] = {"chosen": example.chosen, "rejected": example.rejected}
        if example.chosen_turns or example.rejected_turns:  # both in one form
            for name, turns in sides:
                turns = turns or (Message("assistant", answers[name] or ""),)
                answers[name] = [_turn(message) for message in turns]
            return {"prompt": messages, **answers}
        if len(messages) == 1 and messages[0]["role"] == "user":
            return {"prompt": messages[0]["content"], **answers}
        return {"messages": messages, **answers}
    if example.label is not None and example.label == messages[-1]["content"]:
        system = {"system": messages[0]["content"]} if messages[0]["role"] == "system" else {}
        return {**system, "text": messages[-2]["content"], "label": example.label}
    if example.label in ("true", "false"):
        return {"messages": messages, "label": example.label == "true"}
    return {"messages": messages}


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.weight is not None:
        turn["weight"] = message.weight
    return turn


def write_files(
    files: dict[Path, Iterable[dict[str, Any]]],
    manifest: Path | None,
    describe: Callable[[dict[Path, tuple[int, str]]], dict[str, Any]],
) -> dict[Path, tuple[int, str]]:
    """Write JSONL files, then a manifest made of their rows and SHA-256; all of them appear at the very end.

    Raises UserError and leaves nothing behind when one of them can't be written.
    """
    outputs: list[Output] = []
    done: dict[Path, tuple[int, str]] = {}
    target = next(iter(files))
    try:
        for path, rows in files.items():
            target = path
            outputs.append(Output(path))
            done[path] = _lines(outputs[-1].file, rows)
        if manifest is not None:
            target = manifest
            outputs.append(Output(manifest))
            document = json.dumps(describe(done), ensure_ascii=False, indent=2) + "\n"
            outputs[-1].file.write(document.encode("utf-8", "backslashreplace"))  # a name that is no text
        for output in outputs:  # before the first is in its place: there may be no room for the others
            target = output.path
            output.settle()
        for output in outputs:
            target = output.path
            output.commit()
    except OSError as fault:
        raise unwritable(target, fault) from None
    finally:
        for output in outputs:
            output.abandon()
    return done


def _lines(file: BinaryIO, rows: Iterable[dict[str, Any]]) -> tuple[int, str]:
    """(lines, SHA-256) of the rows as JSONL."""
    digest = hashlib.sha256()
    count = 0
    for row in rows:
        raw = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        digest.update(raw)
        file.write(raw)
        count += 1
    return count, digest.hexdigest()
