"""A whole run with secrets around it and control characters in its data: neither gets anywhere."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CANARY = "hf_CanaryThatNobodyMaySee0123456789ab"
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY")
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
# What no line to a terminal may hold, beside the newline and the tab.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def tuiftune(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **dict.fromkeys(SECRETS, CANARY),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "XDG_STATE_HOME": str(cwd / "state"),
        "TERM": "dumb",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *words],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        umask=0,  # whatever isn't world-writable is so by our own doing
    )


@pytest.mark.slow
def test_a_run_leaves_no_secret_and_no_escape_behind(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{ESCAPES}What is {number} and one?", "completion": f"{number + 1}{ESCAPES}"}
        for number in range(24)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "small.yaml").write_text(
        "version: 1\nname: small\nmodel: {base: 'builtin:tiny'}\ndata: {train: rows.jsonl, max_length: 128}\n"
        "method: {technique: lora}\ntraining: {max_steps: 2}\nevaluation: {rows: 2, max_new_tokens: 4}\n"
    )
    done = tuiftune("train", "small.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [done]
    run = tmp_path / "runs" / "small"
    said += [tuiftune(*words, cwd=tmp_path) for words in (("report", "small"), ("logs", "small"))]
    (run / "small.md").write_text(said[1].stdout)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "events.jsonl" for path in files)
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
    text = "".join(one.stdout + one.stderr for one in said)
    assert CANARY not in text
    assert CONTROL.findall(text) == []
    for path in (run, *run.rglob("*")):
        assert not path.stat().st_mode & stat.S_IWOTH, f"{path.name} is world-writable"
    # The log shows nothing of the rows at all.
    assert "and one?" not in (run / "events.jsonl").read_text() + (run / "engine.log").read_text()


def test_a_secret_in_a_preset_is_refused_unseen(tmp_path: Path) -> None:
    """A token where a preset has no place for one: the key is named, what was given for it isn't."""
    (tmp_path / "mine.yaml").write_text(
        f"version: 1\nmodel: {{base: 'builtin:tiny', token: {CANARY}}}\ndata: {{train: x.jsonl}}\n"
    )
    refused = tuiftune("train", "mine.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "token" in refused.stderr
    assert CANARY not in refused.stdout + refused.stderr
    assert not (tmp_path / "runs").exists()
