from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tiny  # noqa: E402
from warm import Parent  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 90.0
LLAMA_CPP = "llama-cpp-python-0.3.36"


@dataclass
class Job:
    """One engine process."""

    engine: Engine
    pid: int
    output: Path

    def wait(self, timeout: float = LONGEST) -> int:
        until = time.monotonic() + timeout
        while (code := self.engine.parent.poll(self.pid)) is None:
            assert time.monotonic() < until, "the engine did not end in time"
            time.sleep(0.01)
        return code

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_for_step(self, run: Path, step: int) -> None:
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            if (run / "events.jsonl").exists() and any(
                event["step"] >= step for event in tiny.events(run, "step")
            ):
                return
            time.sleep(0.005)
        raise AssertionError(f"step {step} never came")


class Engine:
    """Starts engine processes, forked from a parent that has the libraries loaded."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.numbers = itertools.count()
        self.parent = Parent()

    def start(self, *args: str | Path, fault: dict[str, Any] | None = None) -> Job:
        output = self.scratch / f"output-{next(self.numbers)}"
        return self.job(self.parent.start([[str(arg) for arg in args]], output, fault), output)

    def job(self, pid: int, output: Path) -> Job:
        """One that the parent has started."""
        return Job(self, pid, output)

    def run(self, *args: str | Path) -> tuple[int, str]:
        """Exit code and everything it said on its own standard output and error."""
        job = self.start(*args)
        return job.wait(), job.output.read_text(encoding="utf-8")

    def wait_for(self, call: str, *args: str) -> None:
        """Call a function in a process of its own, to its end."""
        output = self.scratch / f"output-{next(self.numbers)}"
        job = self.job(self.parent.start(list(args), output, call=call), output)
        assert job.wait() == 0, output.read_text(encoding="utf-8")

    def train(self, run: Path, *options: str) -> int:
        return self.run("train", run, *options)[0]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("output"))
    yield engine
    engine.parent.close()


@pytest.fixture(scope="session")
def model(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return engine.parent.make_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_rows(tmp_path_factory.mktemp("data") / "rows.jsonl", tiny.rows())


@pytest.fixture
def make_run(tmp_path: Path, model: Path, data: Path) -> Callable[..., Path]:
    """A run directory of the tiny model; keyword arguments are dotted preset keys with `__` for the dot."""
    numbers = itertools.count(1)

    def make(
        *, base: Path = model, rows: Path = data, plan: dict[str, Any] | None = None, **changes: Any
    ) -> Path:
        return tiny.make_run(
            tmp_path / "runs", f"run-{next(numbers)}", tiny.resolved(base, rows, **changes), **(plan or {})
        )

    return make


@pytest.fixture(scope="session")
def trained(engine: Engine, model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny model with LoRA that learned something, to be exported."""
    preset = tiny.resolved(model, data, training__max_steps=40, evaluation__rows=16)
    run = tiny.make_run(tmp_path_factory.mktemp("exported"), "colors", preset)
    assert engine.run("train", run) == (0, "")
    return run


@pytest.fixture(scope="session")
def llama_cpp() -> Path:
    """llama.cpp's converter, out of the source of a package that holds it; fetched once a machine."""
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuiftune-tests" / LLAMA_CPP
    if not (kept / "vendor" / "llama.cpp" / "convert_hf_to_gguf.py").exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as room:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
            name, version = LLAMA_CPP.rsplit("-", 1)
            subprocess.run([*pip, "--no-binary", ":all:", "-d", room, f"{name}=={version}"], check=True)
            with tarfile.open(next(Path(room).glob("*.tar.gz"))) as packed:
                wanted = [
                    one for one in packed if one.name.endswith(".py") and "/vendor/llama.cpp/" in one.name
                ]
                packed.extractall(room, wanted, filter="data")
            with contextlib.suppress(OSError):  # another worker was faster
                next(Path(room).glob("*/")).rename(kept)
    return kept
