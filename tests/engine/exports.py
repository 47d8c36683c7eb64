"""Exports by the warm engine: `exporting.export`, its process forked from the warm parent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import engine_call
from tuiftune.deploy import exporting, find
from tuiftune.deploy.request import Wanted
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    import pytest
    from conftest import Engine


class Exporter:
    """Exports runs; `told` holds the phases of the last one."""

    def __init__(self, engine: Engine, patch: pytest.MonkeyPatch) -> None:
        self.engine, self.told = engine, list[str]()
        self.fault: dict[str, Any] | None = None
        self.options: dict[str, str] = {}  # the warm parent's environment is older than a test's
        patch.setattr(engine_call, "follow", self._follow)

    def __call__(self, run: Path, target: str, **wanted: Any) -> dict[str, Any]:
        self.told = []
        prepared = exporting.prepare(RunDir(run), Wanted(target, options=self._options(target), **wanted))
        return exporting.export(prepared, lambda said: self.told.append(said.get("phase", "")))

    def _options(self, target: str) -> tuple[tuple[str, str], ...]:
        taken = find(target).options
        return tuple((name, value) for name, value in self.options.items() if name in taken)

    def _follow(self, job: engine_call.Job, tell: Any, *, place: str = "") -> dict[str, Any]:
        started = self.engine.start(job.kind, *job.arguments, fault=self.fault)
        code, said = started.wait(), started.output.read_text(encoding="utf-8")
        lines = said.strip().splitlines()
        if code:
            raise engine_call.refusal(said, code, place)
        documents = [json.loads(line) for line in lines if line.startswith("{")]
        for one in documents:
            tell(one)
        return documents[-1]


def files(directory: str | Path) -> set[str]:
    return {path.name for path in Path(directory).iterdir()}
