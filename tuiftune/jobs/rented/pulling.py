"""What is copied from a run's machine into its directory here, and what the machine is asked about it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable
from tuiftune.runs.store import checkpoints
from tuiftune.runs.store.checkpoints import MANIFEST, NAME, STAGED, Checkpoint
from tuiftune.runs.store.directory import PLAN, write_text

if TYPE_CHECKING:
    from tuiftune.jobs.rented.line import Line
    from tuiftune.jobs.rented.record import Record
    from tuiftune.runs.store.directory import RunDir

# What is not copied as it is: what the machine's processes hold, and what has its own way here.
APART = (
    "/events*.jsonl", f"/{PLAN}", "/preset.yaml", "/control", "/checkpoints", "/result", "/exports",
    "/engine.pid", "/.launch", "/copy", "/trackers",
)  # fmt: skip
ADAPTER = "model/adapter_config.json"
LONG_SECONDS = 600.0  # a log of some GB is hashed there


def small(line: Line, record: Record, run: RunDir) -> None:
    """Bring engine.log, sample answers and the like."""
    apart = [f"--exclude={name}" for name in APART]
    line.pull(record.run, str(run.path), *apart, doing="copying the log")


def result(line: Line, record: Record, run: RunDir) -> None:
    """Bring the result, and name the base model in it as it is called here."""
    run.result_path.mkdir(exist_ok=True)
    line.pull(f"{record.run}/result", str(run.result_path), doing="copying the result")
    for name in ("result.json", ADAPTER):
        path = run.result_path / name
        if paths.is_file(path):
            text = documents.read_text(path)
            if (here := _here(record, run, text)) != text:
                write_text(path, here)


def newest_checkpoint(line: Line, record: Record, run: RunDir) -> int | None:
    """Bring the newest sealed checkpoint if it is not here, and drop older ones. Returns its step.

    It has its name only once every byte is as its manifest says.
    """
    listed = line.ask(f"ls -1d {quoted(record.run)}/checkpoints/*/{MANIFEST} 2>/dev/null || true").decode()
    names = (NAME.fullmatch(text.rpartition("/")[0].rpartition("/")[2]) for text in listed.split())
    steps = sorted(int(name[1]) for name in names if name)
    if not steps:
        return None
    step = steps[-1]
    place = run.checkpoints_path / f"checkpoint-{step}"
    if paths.gone(place):
        staged = run.checkpoints_path / f"{STAGED}-pulled-{step}"
        staged.mkdir(parents=True, exist_ok=True)
        line.pull(
            f"{record.run}/checkpoints/checkpoint-{step}", str(staged), "--delete",
            doing=f"copying the checkpoint of step {step}",
        )  # fmt: skip
        if (fault := checkpoints.fault_of(Checkpoint(step, staged))) is not None:
            shutil.rmtree(staged, ignore_errors=True)
            if paths.gone(staged) and "missing" in fault:
                return None  # rotated there while it was copied
            raise UserError(
                f"the checkpoint of step {step} did not arrive as it is there: {fault}",
                place=run.name,
                exit_code=ExitCode.FAILED,
            )
        os.rename(staged, place)
    for older, path in checkpoints.found_in(run.checkpoints_path).checkpoints:
        if older != step:
            shutil.rmtree(path, ignore_errors=True)
    return step


def plan(line: Line, record: Record, run_path: str) -> dict[str, Any]:
    """Return the run's plan with paths of this machine. Raises UserError if it is not there."""
    text = line.ask(f"cat {quoted(record.run)}/{PLAN}", doing="reading its plan")
    document: dict[str, Any] = record.document_here(documents.loads(text))
    return json.loads(json.dumps(document).replace(f"{record.run}/", f"{run_path}/"))  # type: ignore[no-any-return]  # raw: just written


def is_beginning(line: Line, record: Record, run: RunDir) -> bool:
    """Return True if the log here is the beginning of the one there, by a hash of both."""
    size = paths.size(run.events_path)
    if not size:
        return True
    log = quoted(f"{record.run}/events.jsonl")
    script = f"[ -e {log} ] || exit 0\nwc -c <{log}\nhead -c {size} {log} | sha256sum"
    answer = line.ask(script, doing="comparing the log", within=LONG_SECONDS).decode().split()
    if not answer or not answer[0].isdigit():
        return True  # it is gone there, which `state_of` tells
    digest = hashlib.sha256()
    with documents.opened(run.events_path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return int(answer[0]) >= size and answer[1] == digest.hexdigest()


def log_size(line: Line, record: Record) -> int:
    """Return the bytes of the log there; 0 if there is none."""
    answer = line.ask(f"cat {quoted(record.run)}/events.jsonl 2>/dev/null | wc -c || true").strip()
    return int(answer) if answer.isdigit() else 0


def state_of(line: Line, record: Record) -> tuple[str, str]:
    """Return the run's state there and its reason; "gone" if its directory is not there any more."""
    status = record.command("status", record.run, "--json")
    script = f"[ -e {quoted(record.run)}/{PLAN} ] || exit 0\n{status} || true"
    said = line.ask(script, doing="asking how the run stands")
    if not said.strip():
        return "gone", f"its directory was deleted: {record.run}"
    try:
        document = documents.loads(said)
        return str(document["state"]), printable(str(document.get("why") or ""))
    except (ValueError, KeyError, TypeError):
        raise UserError(
            "tuiftune there gives no state of the run",
            place=str(line.address),
            remedy=f"look there: {record.run}/engine.log",
            exit_code=ExitCode.FAILED,
        ) from None


def call(line: Line, record: Record, *words: str) -> tuple[int, str]:
    """Call tuiftune there. Returns its exit code, and its last message with paths of this machine."""
    script = f"{record.command(*words)} 2>&1 >/dev/null </dev/null; echo $?"
    *said, code = (
        line.ask(script, doing="calling tuiftune there").decode("utf-8", "replace").strip().split("\n")
    )
    told = [text for text in said if text.strip()]
    return int(code) if code.isdigit() else 1, record.here(printable(told[-1])) if told else ""


def quoted(path: str) -> str:
    """Return a path there as a shell word."""
    return shlex.quote(path)


def _here(record: Record, run: RunDir, text: str) -> str:
    return record.here(text).replace(f"{record.run}/", f"{run.path}/")
