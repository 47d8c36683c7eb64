"""Gates: what `train` would refuse is refused before; malformed lines are counted; codes tell them apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shell_kit import ROWS, preset

if TYPE_CHECKING:
    from shell_kit import Shell


def test_preset_check_reports_every_file_and_what_train_would_refuse(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    shell.write("good.yaml", preset("rows.jsonl"))
    shell.write("no-data.yaml", preset("nowhere.jsonl"))
    shell.write(
        "columns.yaml", preset("rows.jsonl").replace("max_length", "columns: {prompt: nosuch}, max_length")
    )
    shell.write("typo.yaml", preset("rows.jsonl", traning="{epochs: 1}"))
    shell.write("model.yaml", preset("rows.jsonl").replace("builtin:tiny", "./bare"))
    (shell.work / "bare").mkdir(exist_ok=True)
    shell.write("offline.yaml", preset("rows.jsonl").replace("builtin:tiny", "Qwen/Qwen2.5-0.5B-Instruct"))
    names = "good.yaml missing.yaml no-data.yaml columns.yaml typo.yaml model.yaml offline.yaml"
    answer = shell(f"tuiftune preset check --json {names}")
    assert answer.code == 2
    document = answer.json
    told = {one["preset"]: one for one in document["presets"]}
    assert document["ok"] is False
    assert [name for name, one in told.items() if one["ok"]] == ["good.yaml"]
    words = {name: " ".join(error["message"] for error in one["errors"]) for name, one in told.items()}
    assert "preset not found" in words["missing.yaml"]
    assert "no such file" in words["no-data.yaml"]
    assert "nosuch" in words["columns.yaml"]
    assert "unknown key" in words["typo.yaml"]
    assert "config.json" in words["model.yaml"]
    assert "HF_HUB_OFFLINE" in words["offline.yaml"]
    lines = shell(f"tuiftune preset check {names}").err.splitlines()
    assert len(lines) == 7


def test_a_plan_is_refused_as_training_is_or_made_without(shell: Shell) -> None:
    shell.write("no-data.yaml", preset("nowhere.jsonl"))
    refused = shell("tuiftune plan no-data.yaml --json")
    assert (refused.code, refused.out) == (2, "")
    assert "nowhere.jsonl" in refused.err
    made = shell(
        "tuiftune plan no-data.yaml --without data --json; tuiftune preset check no-data.yaml --without data"
    )
    assert made.code == 0, made.err
    assert made.json["without"] == ["data"]
    assert shell("tuiftune plan no-data.yaml --without money").code == 2


def test_malformed_lines_are_all_counted_and_can_be_dropped(shell: Shell) -> None:
    lines = [json.dumps(row) for row in ROWS]
    lines[4], lines[9], lines[20] = '{"prompt": ', "null", "not json"
    shell.write("broken.jsonl", "\n".join(lines) + "\n")
    seen = shell("tuiftune data inspect broken.jsonl --json --fail-on error")
    assert seen.code == 1
    assert seen.json["ok"] is False
    assert seen.json["rows"] == 37
    check = seen.json["checks"][0]
    assert (check["check"], check["severity"], check["count"], check["rows"]) == (
        "malformed-lines",
        "error",
        3,
        [5, 10, 21],
    )
    shell.write("broken.yaml", preset("broken.jsonl"))
    refused = shell("tuiftune preset check broken.yaml")
    assert refused.code == 2
    assert "broken.jsonl:5" in refused.err
    assert "the first of 3 malformed lines; 37 are rows" in refused.err
    piped = shell(
        "tuiftune data clean broken.jsonl -o whole.jsonl --json | "
        'python3 -c \'import json,sys; print(json.load(sys.stdin)["removed"]["malformed line"])\'; '
        "wc -l < whole.jsonl; grep -c malformed whole.changes.jsonl"
    )
    assert piped.out.split() == ["3", "37", "3"], piped.err


def test_fail_on_tells_findings_from_faults(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    codes = shell(
        "tuiftune data inspect rows.jsonl --fail-on error >/dev/null; echo $?; "
        "tuiftune data inspect rows.jsonl --fail-on warning >/dev/null; echo $?; "
        "tuiftune data inspect nowhere.jsonl --fail-on warning; echo $?; "
        "tuiftune data inspect rows.jsonl --fail-on info; echo $?"
    )
    assert codes.out.split() == ["0", "1", "2", "2"], codes.err  # 40 rows are a warning
