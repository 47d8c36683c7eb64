"""Relative paths start at the preset's own directory; presets and rows are read from pipes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shell_kit import ROOT, ROWS, preset

if TYPE_CHECKING:
    from shell_kit import Shell


def test_a_path_in_a_preset_starts_at_the_preset_and_one_that_is_typed_here(shell: Shell) -> None:
    shell.write("conf/near.jsonl", ROWS)
    shell.write("far.jsonl", ROWS[:20])
    shell.write("conf/p.yaml", preset("near.jsonl"))
    shell.write("conf/up.yaml", preset("../far.jsonl"))
    shell.write("conf/old.yaml", preset("far.jsonl"))
    shell.write("conf/none.yaml", preset("gone.jsonl"))
    own = shell("tuiftune preset show conf/p.yaml | grep '  train:'")
    assert own.out.strip() == "train: conf/near.jsonl"
    assert (
        shell(
            "cd conf && tuiftune preset check p.yaml up.yaml && cd / && tuiftune preset check $OLDPWD/p.yaml"
        ).code
        == 0
    )
    typed = shell("tuiftune preset show conf/p.yaml --set data.train=far.jsonl | grep '  train:'")
    assert typed.out.strip() == "train: far.jsonl"
    old = shell("tuiftune preset check conf/old.yaml")
    assert old.code == 0
    assert "warning: conf/old.yaml: `data.train`: far.jsonl" in old.err
    assert "Write ../far.jsonl" in old.err
    gone = shell("tuiftune preset check conf/none.yaml")
    assert gone.code == 2
    assert "conf/gone.jsonl" in gone.err


def test_a_run_keeps_a_preset_that_trains_again_from_anywhere(shell: Shell) -> None:
    shell.write("deep/rows.jsonl", ROWS)
    shell.write("deep/p.yaml", preset("rows.jsonl", training="{max_steps: 1}"))
    code = (
        "from pathlib import Path; from tuiftune.jobs.prepare import prepare; "
        "from tuiftune.preset.file import load; "
        "print(prepare(load(Path('deep/p.yaml')), Path('runs')).path)"
    )
    made = shell(f'PYTHONPATH="{ROOT}" "{sys.executable}" -c "{code}"')
    assert made.code == 0, made.err
    run = made.out.strip()
    again = shell(
        f"cd / && tuiftune preset show {run}/preset.yaml | grep '  train:'; "
        f"tuiftune preset check {run}/preset.yaml"
    )
    assert again.code == 0
    assert again.out.strip() == f"train: {shell.work}/deep/rows.jsonl"


def test_presets_from_pipes(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    shell.write("t.yaml", preset("$FILE"))
    answers = shell(
        "export FILE=rows.jsonl; "
        "sed s/.FILE/$FILE/ t.yaml | tuiftune preset check -; "
        "sed s/.FILE/$FILE/ t.yaml | tuiftune preset check /dev/stdin; "
        "tuiftune preset check <(sed s/.FILE/$FILE/ t.yaml); "
        "printf 'base_model: builtin:tiny\ndatasets: [{path: rows.jsonl, type: alpaca}]\nadapter: lora\n' | "
        "tuiftune import - -o imported.yaml 2>/dev/null && test -s imported.yaml; "
        "sed s/.FILE/$FILE/ t.yaml | tuiftune plan - --json"
    )
    assert answers.code == 0, answers.err
    assert answers.json["fits"] is True
    assert len(answers.err.splitlines()) == 3
    closed = shell("tuiftune preset check - <&-; echo $?; tuiftune preset check - </dev/null; echo $?")
    assert closed.out.split() == ["2", "2"]
    assert "is empty" in closed.err


def test_rows_from_pipes(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    chain = shell(
        "tuiftune data clean rows.jsonl -o - 2>/dev/null | tuiftune data inspect - --json; "
        'test -z "$(ls $TMPDIR | grep tuiftune-)"'
    )
    assert chain.code == 0, chain.err
    assert chain.json["rows"] == 40
    assert chain.json["files"] == ["-"]
    mixed = shell(
        "mkfifo pipe; cat rows.jsonl > pipe & tuiftune data inspect pipe --json | grep '\"rows\": 40' && "
        "tuiftune data inspect <(head -n 30 rows.jsonl) --json | grep '\"rows\": 30' && "
        "gzip -c rows.jsonl | tuiftune data inspect /dev/stdin --json | grep '\"rows\": 40'"
    )
    assert mixed.code == 0, mixed.err
    named = shell("printf '{\"prompt\": 1\\n' | tuiftune data inspect -")
    assert (named.code, named.out) == (2, "")
    assert named.err.startswith("error: -:2: not JSON")
    train = shell("cat rows.jsonl | tuiftune train demo --set data.train=-")
    assert train.code == 2
    assert "a pipe can be read only once" in train.err


def test_a_reward_s_file_starts_at_the_preset_too(shell: Shell) -> None:
    shell.write("rl/rows.jsonl", ROWS)
    shell.write("rl/reward.py", "def reward(completion, **_):\n    return float(len(completion))\n")
    method = "{stage: grpo, rewards: [{reward: python, path: reward.py}]}"
    shell.write("rl/p.yaml", preset("rows.jsonl", method=method))
    told = shell("tuiftune preset show rl/p.yaml --json")
    assert told.code == 0, told.err
    assert told.json["preset"]["method"]["rewards"] == [{"reward": "python", "path": "rl/reward.py"}]
    assert shell("tuiftune preset check rl/p.yaml && cd rl && tuiftune preset check p.yaml").code == 0
