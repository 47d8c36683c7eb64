"""What the name of a model to chat with means: a run, its base model, an adapter, a model, a GGUF file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tuiftune import paths, stages
from tuiftune.errors import UserError
from tuiftune.models import download
from tuiftune.models.resolve import BUILTIN
from tuiftune.printable import printable
from tuiftune.runs.store import base
from tuiftune.runs.store.directory import PLAN, RunDir, default_root
from tuiftune.runs.store.find import find

if TYPE_CHECKING:
    from pathlib import Path

BASE = "base"
RUN = "run:"


@dataclass(frozen=True, slots=True)
class Source:
    """One model. `given` is what the engine's job takes; `system` is the system message of its training."""

    name: str
    given: str
    system: str | None = None
    run: RunDir | None = None

    @property
    def base(self) -> Source:
        """The base model of a run. UserError where this is none."""
        if self.run is None:
            raise UserError(
                "only a run has a base model to compare with", place=f"--with {BASE}", remedy="name a model"
            )
        return Source(f"{self.name} (base model)", f"base:{self.run.path}", self.system, self.run)


def source(name: str, root: Path | None = None) -> Source:
    """The model that a name means: `run:NAME`, a run's name or directory, the directory of an adapter or of
    a model, a model ID. UserError where it is none of these, or a run without a result.
    """
    if name.startswith(RUN):
        return of_run(find(name.removeprefix(RUN), root))
    if name.startswith("builtin:"):
        return Source(name, f"model:{name}")
    if name.startswith(("http://", "https://")):
        raise UserError(
            "is an endpoint, and what answers here is loaded from files",
            place=printable(name),
            remedy=f"measure it with `tuiftune evaluate {printable(name)}`, or name a run or a model",
        )
    path = paths.given(name)
    if paths.is_file(path):
        return _file(path)
    if paths.is_file(path / PLAN):
        return of_run(RunDir.open(path))
    if paths.is_file(path / "adapter_config.json"):
        return Source(path.name, f"adapter:{paths.absolute(path)}")
    if paths.is_file(path / "config.json"):
        return Source(path.name, f"model:{paths.absolute(path)}")
    neither = UserError(
        "holds neither a run nor a model", place=printable(name), remedy="name a run or a model directory"
    )
    if paths.is_dir(path) and "/" in name:
        raise neither
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Source(name, f"model:{name}")
    try:
        return of_run(find(name, root))
    except UserError:
        if paths.is_dir(path) and not paths.is_file((root or default_root()) / name / PLAN):
            raise neither from None
        raise


def bring(given: str) -> None:
    """Download what the engine loads for `KIND:WHERE`, if it is not on this machine. UserError if it can't be
    had.
    """
    kind, _, where = given.partition(":")
    if kind in ("run", BASE):
        base.bring(RunDir.open(paths.given(where)), base=kind == BASE)
    elif kind in ("model", "adapter"):
        download.bring(where)


def of_run(run: RunDir) -> Source:
    """A finished run. UserError for one without a result."""
    if run.result() is None:
        raise UserError("has no result yet", place=run.name, remedy=f"`tuiftune watch {run.name}` shows it")
    stage = stages.every().get(str((run.planned().resolved.get("method") or {}).get("stage", "")))
    if stage is not None and stage.scores:
        raise UserError(
            f"{stage.name} gives a number for an answer, and writes none",
            place=run.name,
            remedy="chat with a run of another stage",
        )
    return Source(run.name, f"run:{run.path}", _system(run), run)


def _system(run: RunDir) -> str | None:
    """The system message that was put before rows without one."""
    found = run.planned().resolved.get("data")
    system = found.get("system") if isinstance(found, dict) else None
    return system if isinstance(system, str) else None


def _file(path: Path) -> Source:
    """A GGUF file, which llama.cpp answers from. UserError where it can't, or for any other file."""
    if path.suffix != ".gguf":
        raise UserError("is a file, not a model", place=printable(str(path)), remedy=f"try {BUILTIN}")
    if find_spec("xllamacpp") is None:
        raise UserError(
            "xllamacpp is not installed, which runs GGUF files",
            place=printable(str(path)),
            remedy="pip install 'tuiftune[gguf]'",
        )
    return Source(path.name, f"gguf:{paths.absolute(path)}")
