"""Engine processes without the seconds of imports: a warm parent forks one real process a job.

Each child leads its own session, as a launched engine does, ends with the job's exit code, and may carry a
fault: `{"module": NAME, …}`, whose `arm` is called with it before the engine starts.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "tuiftune.engine.__main__:main"
# What an engine imports on its way, some of it only once it knows the model.
IMPORTED = (
    "datasets",
    "numpy.ctypeslib",
    "peft",
    "polars",  # its threads begin with its first work, which is a child's
    "torch",
    "trl.trainer.sft_trainer",
    "transformers.models.llama.modeling_llama",
    "tuiftune.data.read.load",
    "tuiftune.engine.process.job",
    "tuiftune.engine.training.recipe",
    "tuiftune.engine.evaluation.score",
    "tuiftune.engine.model.tokenizer",
    "tuiftune.engine.stages.next_token",
    "tuiftune.engine.training.trainer",
)

_ended: dict[int, int] = {}  # process id → exit code


class Parent:
    """The warm parent, seen from outside. Several threads may ask it."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        assert self._read() == {"ready": True}

    def start(
        self,
        args: list[Any],
        output: Path,
        fault: dict[str, Any] | None = None,
        call: str = ENGINE,
        pipes: tuple[Path, Path] | None = None,
        environ: dict[str, str] | None = None,
    ) -> int:
        """The process id of a new engine; what it says on its standard output and error goes to `output`.

        `pipes`: named pipes that are its standard input and output instead; `environ`: more variables.
        """
        request = {"call": call, "args": args, "output": str(output), "fault": fault}
        request["environ"] = environ or {}
        request["pipes"] = None if pipes is None else [str(one) for one in pipes]
        return int(self._ask(request)["pid"])

    def make_model(self, directory: Path) -> Path:
        """The tiny model, by a process that has the libraries for it."""
        directory.mkdir(parents=True, exist_ok=True)
        said = directory.with_name(directory.name + ".said")
        pid = self.start([str(directory)], said, call="tiny:make_model")
        while (code := self.poll(pid)) is None:
            time.sleep(0.01)
        assert code == 0, said.read_text()
        return directory

    def poll(self, pid: int) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        code = self._ask({"pid": pid})["code"]
        return None if code is None else int(code)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the warm parent died"
        document = json.loads(line)
        assert isinstance(document, dict)
        return document


def serve() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    from tuiftune.engine.process import libraries

    libraries.environment()
    for name in IMPORTED:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # or each child's first collection copies all of it
    _answer({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        _answer(_start(request) if "args" in request else _poll(request["pid"]))


def _start(request: dict[str, Any]) -> dict[str, int]:
    pid = os.fork()
    _ended.pop(pid, None)
    if pid == 0:
        code = 1
        try:
            os.setsid()
            out = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for target in (1, 2):
                os.dup2(out, target)
            os.environ.update(request["environ"])
            sys.modules["torch"].set_num_threads(1)  # see `ranks._renew_threads`
            if request["pipes"]:
                os.dup2(os.open(request["pipes"][0], os.O_RDONLY), 0)
                os.dup2(os.open(request["pipes"][1], os.O_WRONLY), 1)
            if request["fault"]:
                importlib.import_module(request["fault"]["module"]).arm(request["fault"])
            module, _, name = request["call"].partition(":")
            returned = getattr(importlib.import_module(module), name)(*request["args"])
            code = returned if isinstance(returned, int) else 0
        except SystemExit as over:
            code = int(over.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return {"pid": pid}


def _poll(pid: int) -> dict[str, int | None]:
    """Its exit code; of one that has ended as often as it is asked, for two threads may ask at once."""
    if pid not in _ended:
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            return {"code": None}
        _ended[pid] = os.waitstatus_to_exitcode(status)
    return {"code": _ended[pid]}


def _answer(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
