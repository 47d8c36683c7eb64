"""Rows back to files, all of them whole or none."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tuiftune.data.example import Example, Message


def as_row(example: Example) -> dict[str, Any]:
    """The canonical JSON form: text and label, messages, text, or prompt with chosen and rejected."""
    if example.messages is None:
        return {"text": example.text or ""}
    messages = [_turn(message) for message in example.messages]
    if example.chosen is not None:
        answers = {"chosen": example.chosen, "rejected": example.rejected}
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
    manifest: Path,
    describe: Callable[[dict[Path, tuple[int, str]]], dict[str, Any]],
) -> dict[Path, tuple[int, str]]:
    """Write JSONL files, then a manifest made of their rows and SHA-256; rename them into place at the very
    end.

    Raises UserError and leaves nothing behind when one of them can't be written.
    """
    staged: dict[Path, str] = {}
    done: dict[Path, tuple[int, str]] = {}
    target = manifest
    try:
        for path, rows in files.items():
            target = path
            staged[path], count, digest = _stage(
                path, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            )
            done[path] = (count, digest)
        target = manifest
        document = json.dumps(describe(done), ensure_ascii=False, indent=2) + "\n"
        staged[manifest] = _stage(manifest, [document])[0]
        for path in staged:
            target = path
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        for path, temporary in staged.items():
            target = path
            os.replace(temporary, path)
    except OSError as fault:
        code = ExitCode.DISK_FULL if fault.errno == errno.ENOSPC else ExitCode.USAGE
        raise UserError(
            f"can't be written ({fault.strerror})",
            place=str(target),
            remedy="choose another place",
            exit_code=code,
        ) from None
    finally:
        for temporary in staged.values():
            if os.path.exists(temporary):
                os.unlink(temporary)
    return done


def write_text(path: Path, text: str) -> None:
    """One text file, whole or not at all. Raises UserError."""
    try:
        os.replace(_stage(path, [text])[0], path)
    except OSError as fault:
        raise UserError(
            f"can't be written ({fault.strerror})", place=str(path), remedy="choose another place"
        ) from None


def _stage(path: Path, lines: Iterable[str]) -> tuple[str, int, str]:
    """(temporary file, lines, SHA-256), synced, beside its target."""
    digest = hashlib.sha256()
    count = 0
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                raw = line.encode()
                digest.update(raw)
                file.write(raw)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o664 & ~_umask())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary, count, digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
