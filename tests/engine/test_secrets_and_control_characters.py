"""A whole run with secrets around it and control characters in its data: neither gets anywhere."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import psutil
import pytest
import tiny

from tuiftune.runs.log.writer import EventWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine

ROOT = Path(__file__).parents[2]
CANARY = "hf_CanaryThatNobodyMaySee0123456789ab"
FORMLESS = "0123456789abcdef0123456789abcdef01234567"  # as W&B has them: like any hash
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
    looks = (("report", "small"), ("logs", "small"), ("runs",), ("runs", "--json"), ("doctor", "--json"))
    said += [tuiftune(*words, cwd=tmp_path) for words in (*looks, ("watch", "small"))]
    (run / "small.md").write_text(said[1].stdout)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"events.jsonl", "engine.log", "plan.json"} <= {path.name for path in files}
    assert (run / "result" / "model" / "README.md").is_file(), "the model card"
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
    text = "".join(one.stdout + one.stderr for one in said)
    assert CANARY not in text
    assert CONTROL.findall(text) == []
    for path in (run, *run.rglob("*"), *(tmp_path / "state").rglob("*")):
        assert not path.stat().st_mode & stat.S_IWOTH, f"{path.name} is world-writable"
    # The log shows nothing of the rows at all.
    assert "and one?" not in (run / "events.jsonl").read_text() + (run / "engine.log").read_text()


def test_a_token_that_a_library_fails_with_goes_nowhere(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    """In the message of an exception, so in the traceback, the end of the run and its post-mortem; one that
    has a form of its own, and one that only the environment gives away.
    """
    run = make_run(evaluation__rows=0)
    fault = {
        "module": "hindered",
        "environment": {"WANDB_API_KEY": FORMLESS},
        "raises": f"401 Client Error: invalid credentials {FORMLESS}, {CANARY} {ESCAPES}",
    }
    assert engine.start("train", run, fault=fault).wait() == 1
    ends = tiny.events(run, "end")
    assert "invalid credentials [secret], [secret]" in ends[0]["why"]
    assert "Traceback" in (run / "engine.log").read_text()
    assert "[secret]" in (run / "engine.log").read_text()
    assert CONTROL.findall((run / "engine.log").read_text()) == []
    events = (run / "events.jsonl").read_bytes().splitlines(keepends=True)
    (run / "events.jsonl").write_bytes(b"".join(line for line in events if b'"type":"end"' not in line))
    with (run / "engine.log").open("a") as log:  # as a library's own C code would
        log.write(f"RuntimeError: no access with {CANARY}\n")
    looks = [tuiftune(word, str(run), cwd=run) for word in ("watch", "logs", "report")]
    text = "".join(one.stdout + one.stderr for one in looks)
    assert "the training process crashed: RuntimeError: no access with [secret]" in text
    assert CANARY not in text
    for path in run.rglob("*"):
        if path.is_file() and path.name != "engine.log":
            assert not any(token.encode() in path.read_bytes() for token in (CANARY, FORMLESS)), path.name
    assert FORMLESS not in (run / "engine.log").read_text()


def test_what_a_hostile_name_puts_into_the_log_is_shown_as_text(tmp_path: Path) -> None:
    """Names of models, data and answers as they may come from elsewhere, in every way a run is looked at."""
    root = tmp_path / "runs"
    run = tiny.make_run(root, "hostile", {"model": {"base": f"m{ESCAPES}"}, "data": {"train": f"d{ESCAPES}"}})
    writer = EventWriter(run / "events.jsonl")
    writer.emit("start", run=f"r{ESCAPES}", model=f"m{ESCAPES}", technique=f"t{ESCAPES}", device=ESCAPES)
    writer.emit("phase", name="training", detail=ESCAPES)
    gpu = {"index": 0, "name": f"card{ESCAPES}", "utilisation": 9, "throttle": [ESCAPES]}
    writer.emit("gpu", gpus=[gpu], cpu=1.0)
    writer.emit("step", step=1, loss=2.0, lr=1e-4)
    writer.emit("warning", code="x", message=f"warned{ESCAPES}", remedy=ESCAPES)
    writer.emit("control", what=f"stop{ESCAPES}", by=ESCAPES)
    told = (run / "events.jsonl").read_text()  # long ago, or a watcher would wait for a sign of life
    (run / "events.jsonl").write_text(re.sub(r'"t":(\d+)', lambda match: f'"t":{int(match[1]) - 1000}', told))
    (run / "engine.log").write_text(f"OSError: {ESCAPES} was lost\n")
    looks = [
        tuiftune(*words, cwd=tmp_path)
        for words in (("watch", str(run)), ("logs", str(run)), ("runs",), ("report", str(run)))
    ]
    shown = "".join(one.stdout + one.stderr for one in looks)
    assert "warned" in shown
    assert CONTROL.findall(shown) == []
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "tuiftune", "watch", str(run)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "XDG_STATE_HOME": str(tmp_path),
        },
        dimensions=(40, 120),
        encoding="latin-1",
        timeout=60,
    )
    terminal.logfile_read = io.StringIO()
    terminal.expect("warned")
    terminal.expect("crashed")
    terminal.close(force=True)
    drawn = terminal.logfile_read.getvalue()
    assert "]0;owned" in drawn or "owned" not in drawn
    assert not any(raw in drawn for raw in ("\x1b]0;", "\x9b31m", "\xe2\x80\xae", "\xc2\x9b"))


def test_a_run_listens_nowhere(engine: Engine, make_run: Callable[..., Path]) -> None:
    """Neither the engine nor what it starts, nor a watcher: no socket waits for anybody from the network."""
    run = make_run(training__max_steps=100_000, run__save_every=50_000, data__eval=0.0, evaluation__rows=0)
    job = engine.start("train", run)
    job.wait_for_step(run, 2)
    watcher = subprocess.Popen(
        [sys.executable, "-m", "tuiftune", "watch", str(run)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert watcher.stdout
        assert watcher.stdout.readline(), "it has begun to tell"
        for pid in (job.pid, watcher.pid):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                found = one.net_connections(kind="inet")
                assert [seen for seen in found if seen.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)] == []
    finally:
        job.send(signal.SIGTERM)
        assert job.wait() == 4
        assert watcher.wait(timeout=60) == 4
        assert watcher.stdout
        watcher.stdout.close()


@pytest.mark.parametrize(
    "line", ["model: {base: 'builtin:tiny'}\nrun: {report_to: [wandb, TOKEN]}", "model: {base: TOKEN}"]
)
def test_a_token_as_a_value_of_a_preset_is_refused_unseen(tmp_path: Path, line: str) -> None:
    text = f"version: 1\n{line}\ndata: {{train: x.jsonl}}\n".replace("TOKEN", CANARY)
    (tmp_path / "mine.yaml").write_text(text)
    refused = tuiftune("train", "mine.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "a preset must not contain a token" in refused.stderr
    assert "HF_TOKEN" in refused.stderr
    assert CANARY not in refused.stdout + refused.stderr


def test_names_that_leave_their_place_are_refused(tmp_path: Path) -> None:
    for name in ("../out", "a/b", ESCAPES, "a\nb", ".."):
        refused = tuiftune("train", "demo", "--name", name, cwd=tmp_path)
        assert refused.returncode == 2
        assert CONTROL.findall(refused.stderr) == []
    assert not (tmp_path / "runs").exists()


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
