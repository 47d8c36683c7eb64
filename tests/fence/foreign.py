"""Programs of strangers, as short as they can be; imported by the fenced process as well."""

import os
import re
import sys
import time
from typing import Any

from tuiftune.errors import UserError
from tuiftune.fence.marks import Stage, at


def thing(*faults: str) -> dict[str, Any]:
    for fault in faults:
        misbehave({}, fault)
    return {"pid": os.getpid()}


def misbehave(_: dict[str, Any], how: str) -> str:
    if how == "loop":
        while True:
            pass
    elif how == "template":
        at(Stage.TEMPLATE)
        while True:
            pass
    elif how == "sleep":
        time.sleep(3600)
    elif how == "kernel":
        while os.times().system < 1.5:
            os.urandom(1 << 22)
    elif how == "backtracking":  # holds the GIL
        re.match(r"(a|a)*$", "a" * 60 + "b")
    elif how == "at once":
        bytearray(8 << 30)
    elif how == "growing":
        kept = []
        while True:
            kept.append(b"\x01" * (1 << 20))
    elif how == "answer":
        return "x" * (1 << 29) * 3
    elif how == "recursion":
        misbehave({}, how)
    elif how == "stack":
        import ctypes

        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        sys.exit(0)
    elif how == "zero":
        1 / 0  # noqa: B018
    elif how == "escape":
        raise ValueError("\x1b]0;owned\x07 and\nmore")
    elif how == "refusal":
        raise UserError("row 3 is refused", place="rows.jsonl:3", remedy="fix it")
    elif how == "rows":
        for _ in range(8):
            at(Stage.TEMPLATE)
            time.sleep(0.4)
    return how


def who(made: dict[str, Any]) -> int:
    return int(made["pid"])


def written(_: dict[str, Any], path: str) -> str:
    try:
        with open(path, "wb") as file:
            file.write(bytes(8 << 20))
    except OSError as fault:
        return type(fault).__name__
    return "written"
