"""The README's first command, as a user runs it: from nothing to a better model."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_demo_turns_prose_into_ticket_lines(tmp_path):
    environment = os.environ | {
        "OMP_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "tuiftune", "demo", "--headless", "--runs", str(tmp_path / "runs")],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=390,
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "runs" / "demo" / "result" / "result.json").read_text())
    before, after = result["before"], result["after"]
    assert before["exact_match"] < 0.2
    assert after["exact_match"] > 0.8
    assert after["rows"] >= 64
    assert after["loss"] < before["loss"]
    assert (tmp_path / "runs" / "demo" / "result" / "model" / "adapter_model.safetensors").is_file()

    answered = [
        json.loads(line) for line in (tmp_path / "runs/demo/result/samples.jsonl").read_text().splitlines()
    ]
    right = sum(row["after"].strip() == row["reference"].strip() for row in answered)
    assert right == round(after["exact_match"] * after["rows"]), "the score is that of the answers themselves"
    assert all(" | " not in row["before"] for row in answered), (
        "the untuned model has never seen a ticket line"
    )

    assert "exact match" in ended.stdout
    assert f"{right} of {after['rows']}" in ended.stdout
    assert sum(line.startswith("prompt  ") for line in ended.stdout.splitlines()) == 3
    assert "step " in ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
