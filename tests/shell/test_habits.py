"""Habits of other command lines: quiet, dry runs, rows that do not wrap, completion, cron."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from shell_kit import ROWS, preset

from tuiftune.cli.engine_log import NOISE

if TYPE_CHECKING:
    from shell_kit import Shell


def test_a_dry_run_checks_everything_and_writes_nothing(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    shell.write("p.yaml", preset("rows.jsonl"))
    dry = shell(
        "tuiftune train p.yaml --dry-run --json -q && "
        "tuiftune data clean rows.jsonl -o out.jsonl --dry-run -q && test ! -e out.jsonl && test ! -e runs"
    )
    assert (dry.code, dry.err) == (0, "")
    assert dry.json["schema"] == "tuiftune/plan@1"
    refused = shell("tuiftune train p.yaml --dry-run -q --set data.train=gone.jsonl; echo $?")
    assert refused.out == "2\n"
    assert refused.err.startswith("error: gone.jsonl")  # errors are said all the same


def test_rows_do_not_wrap_in_pipes(shell: Shell) -> None:
    listed = shell("tuiftune preset list; tuiftune doctor; tuiftune plan demo")
    assert listed.code == 0
    presets = [line for line in listed.out.splitlines() if line.startswith("qlora-8b-24gb ")]
    assert len(presets) == 1
    assert "bitsandbytes" in next(line for line in listed.out.splitlines() if "torch 2" in line)
    assert any(line.startswith("method.rank: ") for line in listed.out.splitlines())
    narrow = shell("tuiftune preset list", COLUMNS="70")
    assert max(map(len, narrow.out.splitlines())) <= 70


@pytest.mark.long
def test_the_shell_completes_presets_keys_values_and_gpus(shell: Shell) -> None:
    script = (
        'complete() { _TUIFTUNE_COMPLETE=complete_bash COMP_WORDS="$1" COMP_CWORD=$2 tuiftune; echo --; }; '
        "complete 'tuiftune train qlora-8' 2; complete 'tuiftune plan --set training.ep' 3; "
        "complete 'tuiftune plan --set method.technique=qlo' 3; complete 'tuiftune plan --gpu H200' 3"
    )
    answers = [part.split() for part in shell(script).out.split("--\n")]
    assert answers[:4] == [["qlora-8b-24gb"], ["training.epochs="], ["method.technique=qlora"], answers[3]]
    assert answers[3][0].startswith("H200")


@pytest.mark.long
def test_it_works_from_cron_in_the_c_locale(shell: Shell) -> None:
    """Cron sets HOME, PATH and SHELL, and nothing else."""
    shell.write("rows.jsonl", [{"prompt": f"größer {one}", "completion": "→ ja"} for one in range(12)])
    cron = 'env -i HOME="$HOME" PATH="$PATH" SHELL=/bin/sh'
    told = shell(
        f"{cron} tuiftune data inspect rows.jsonl --json | {cron} python3 -c "
        "'import json,sys; print(json.load(sys.stdin)[\"rows\"])' && "
        f"{cron} LC_ALL=C tuiftune data inspect rows.jsonl > report.txt && {cron} tuiftune runs --json"
    )
    assert told.code == 0, told.err
    assert told.out.startswith("12\n")
    report = (shell.work / "report.txt").read_text("utf-8")
    assert "12 rows" in report


def test_closed_and_full_streams_end_with_their_code_and_one_line(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    shell.write("p.yaml", preset("rows.jsonl"))
    codes = shell(
        "tuiftune help --json > /dev/full; echo $?; tuiftune schema plan >&-; echo $?; "
        "tuiftune preset check p.yaml 2>&- ; echo $?; "
        "tuiftune preset check p.yaml - <&- 2>/dev/full; echo $?; "
        "tuiftune data clean rows.jsonl -o /dev/full 2>/dev/null; echo $?; "
        "tuiftune data inspect - < /dev/full; echo $?"
    )
    assert codes.out.split() == ["7", "1", "0", "2", "7", "2"], codes.err
    assert len(codes.err.splitlines()) == 3


TORCHAO = (
    "W1129 23:42:02.835000 22472 torch/utils/_pytree.py:646] <enum 'KernelPreference'> is an Enum subclass"
)


def test_logs_leave_out_what_libraries_write_for_themselves(shell: Shell) -> None:
    run = shell.work / "runs" / "noisy"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    said = [f"step {number}" for number in range(5)]
    (run / "engine.log").write_text(
        "\n".join([*said[:3], *NOISE, TORCHAO, *said[3:]]) + "\n" + f"{NOISE[0]}leaked\n" * 30
    )
    answers = shell(
        "tuiftune logs noisy; echo --; tuiftune logs noisy -n 2; echo --; tuiftune logs noisy --all | wc -l"
    )
    whole, last, every = answers.out.split("--\n")
    assert whole.split("\n")[:-1] == said
    assert last.split("\n")[:-1] == said[3:]
    assert int(every) == 5 + len(NOISE) + 1 + 30
