"""Engine processes without the seconds of imports: a warm parent that forks one real process a job.

Each child leads its own session, as a launched engine does, and ends with the job's exit code.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time


def serve() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    from tuiftune.engine import quiet

    quiet.environment()
    import datasets
    import peft
    import torch
    import trl.trainer.sft_trainer  # noqa: F401

    torch.set_num_threads(1)
    assert datasets
    assert peft
    gc.collect()
    gc.freeze()  # or each child's first collection copies all of it
    answer({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        answer(start(request) if "args" in request else wait(**request))


def start(request: dict[str, object]) -> dict[str, int]:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        out = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        from tuiftune.engine.__main__ import main

        code = 1
        try:
            code = main(request["args"])  # type: ignore[arg-type]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return {"pid": pid}


def wait(pid: int, timeout: float) -> dict[str, int | None]:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return {"code": os.waitstatus_to_exitcode(status)}
        time.sleep(0.01)
    return {"code": None}


def answer(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
