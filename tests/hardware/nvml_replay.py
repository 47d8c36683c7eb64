"""Recorded NVML answers in the place of `pynvml`. Records are made by `benchmarks/record_nvml.py`."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class NVMLError(Exception):
    def __init__(self, value: int, text: str = "recorded error") -> None:
        super().__init__(text)
        self.value = value


class Replay:
    """Answers each call with what was recorded for the same arguments; an unrecorded call fails the test.

    `sample` picks the moment; what a later moment did not ask again is answered from the moments before it.
    `down` makes every call fail with that NVML code, as when the driver goes away.
    """

    NVMLError = NVMLError

    def __init__(self, samples: list[dict[str, Any]]) -> None:
        self.samples = samples
        self.sample = 0
        self.down: int | None = None
        self.asked: list[str] = []
        self._lock = threading.Lock()

    @classmethod
    def of_file(cls, path: Path) -> Replay:
        return cls(json.loads(path.read_text("utf-8"))["samples"])

    @classmethod
    def of_calls(cls, *calls: tuple[Any, ...]) -> Replay:
        """Constructed, not recorded: `(call, args…, answer)`; an NVMLError as the answer is raised."""
        entries = [{"call": call[0], "args": list(call[1:-1]), "raw": call[-1]} for call in calls]
        return cls([{"label": "constructed", "calls": entries}])

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        return lambda *args: self._answer(name, args)

    def _answer(self, name: str, args: tuple[Any, ...]) -> Any:
        with self._lock:
            self.asked.append(name)
        if self.down is not None:
            raise NVMLError(self.down, f"code {self.down}")
        for moment in reversed(self.samples[: self.sample + 1]):
            for entry in moment["calls"]:
                if entry["call"] == name and tuple(_key(arg) for arg in entry["args"]) == args:
                    return _decoded(entry)
        raise AssertionError(f"{name}{args} was not recorded")


def _key(arg: Any) -> Any:
    return f"handle {arg['handle']}" if isinstance(arg, dict) else arg


def _decoded(entry: dict[str, Any]) -> Any:
    if "raw" in entry:
        if isinstance(entry["raw"], Exception):
            raise entry["raw"]
        return entry["raw"]
    if "error" in entry:
        raise NVMLError(entry["error"]["code"], entry["error"]["text"])
    return _value(entry["answer"])


def _value(encoded: Any) -> Any:
    if isinstance(encoded, list):
        return [_value(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    if "bytes" in encoded:
        return encoded["bytes"].encode("latin-1")
    if "fields" in encoded:
        return SimpleNamespace(**{name: _value(value) for name, value in encoded["fields"].items()})
    return f"handle {encoded['handle']}"
