"""A `sky` that rents directories of this machine: the part of SkyPilot's command line that tuiftune calls.

SKY_PLACE holds its jobs. A job whose machine was killed (SIGKILL) is recovered in a new, empty directory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

PLACE = Path(os.environ["SKY_PLACE"])
NOTE = PLACE / "jobs.json"


def jobs() -> list[dict[str, Any]]:
    return json.loads(NOTE.read_text()) if NOTE.exists() else []  # type: ignore[no-any-return]


def keep(known: list[dict[str, Any]]) -> None:
    partial = NOTE.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(known))
    partial.replace(NOTE)


def start(job: dict[str, Any]) -> None:
    """A machine of its own, which is not this process's child."""
    job["tries"] += 1
    machine = PLACE / f"machine-{job['job_id']}-{job['tries']}"
    shutil.copytree(job["workdir"], machine)
    commands = yaml.safe_load((machine / job["file"]).read_text())["run"]
    script = f"({commands}\n); echo $? > .code.new; mv .code.new .code"
    process = subprocess.Popen(
        ["sh", "-c", script],
        cwd=machine,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=(machine / ".log").open("wb"),
        stderr=subprocess.STDOUT,
        env=os.environ | {"XDG_STATE_HOME": str(machine / "state"), "HOME": str(machine)},
    )
    job.update(pid=process.pid, machine=str(machine))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def look(job: dict[str, Any]) -> None:
    code = Path(job["machine"]) / ".code"
    if job["status"] != "RUNNING":
        return
    if code.exists():
        found = int(code.read_text())
        job["status"] = "SUCCEEDED" if found == 0 else "FAILED"
        job["failure_reason"] = "" if found == 0 else f"exit code {found}"
    elif not alive(job["pid"]):
        start(job)


def main() -> None:
    words = sys.argv[1:]
    known = jobs()
    if words[:2] == ["jobs", "launch"]:
        if reason := os.environ.get("SKY_REFUSES"):
            sys.exit(reason)
        document = yaml.safe_load(Path(words[2]).read_text())
        assert document["resources"]["use_spot"] is True
        job = {
            "job_id": len(known) + 1,
            "job_name": words[words.index("-n") + 1],
            "status": "RUNNING",
            "workdir": os.getcwd(),
            "file": words[2],
            "tries": 0,
            "failure_reason": "",
        }
        start(job)
        keep([*known, job])
        print(f"Managed job submitted, ID: {job['job_id']}")
    elif words[:2] == ["jobs", "queue"]:
        for job in known:
            look(job)
        keep(known)
        print("Fetching managed job statuses...\n" if "json" not in words else json.dumps(known))
    elif words[:2] == ["jobs", "cancel"]:
        for job in known:
            if str(job["job_id"]) == words[2]:
                job["status"] = "CANCELLED"
                subprocess.run(["pkill", "-KILL", "-s", str(job["pid"])], check=False)
        keep(known)
    else:
        sys.exit(f"no such command: {words}")


main()
