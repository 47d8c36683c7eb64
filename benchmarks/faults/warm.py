"""Engine processes without the seconds of imports: a parent that has them forks one real process a job.

Each child leads its own session, as a launched engine does, and may carry a fault to inject.
"""

from __future__ import annotations

import gc
import json
import os
import sys


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
        answer(start(request) if "args" in request else poll(request["pid"]))


def start(request: dict[str, object]) -> dict[str, int]:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            out = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for target in (1, 2):
                os.dup2(out, target)
            from benchmarks.faults import inject
            from tuiftune.engine.__main__ import main

            inject.arm(request["inject"])  # type: ignore[arg-type]
            code = main(request["args"])  # type: ignore[arg-type]
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


def poll(pid: int) -> dict[str, int | None]:
    done, status = os.waitpid(pid, os.WNOHANG)
    return {"code": os.waitstatus_to_exitcode(status) if done else None}


def answer(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
