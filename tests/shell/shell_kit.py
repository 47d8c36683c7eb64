"""The command line as scripts, CI jobs and cron use it: by a real bash, with real streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROWS = [{"prompt": f"say {number}", "completion": f"it is {number}"} for number in range(40)]


@dataclass(frozen=True)
class Answer:
    """What became of a script."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """A directory with a bash in it; `tuiftune` is on its PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        tools = directory / "bin"
        tools.mkdir()
        program = tools / "tuiftune"
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tuiftune "$@"\n')
        program.chmod(0o755)
        self.home = directory / "home"
        self.home.mkdir()
        self.work = directory / "work"
        self.work.mkdir()
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": str(directory),
        }

    def __call__(self, script: str, seconds: float = 120, **environment: str) -> Answer:
        """Run a script in the working directory."""
        given = self.environment | environment
        done = subprocess.run(
            ["bash", "-uc", script],
            cwd=self.work,
            env=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
        return Answer(done.returncode, done.stdout, done.stderr)

    def write(self, name: str, content: str | list[dict[str, Any]]) -> Path:
        """A file in the working directory, rows as JSON lines."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_text(content)
        return path


def preset(data: str, **more: str) -> str:
    lines = [f"{section}: {value}" for section, value in more.items()]
    head = f"name: mine\nmodel: {{base: 'builtin:tiny'}}\ndata: {{train: '{data}', max_length: 64}}\n"
    return head + "\n".join(lines) + "\n"
