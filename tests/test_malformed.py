"""Malformed inputs of every kind end in one line: some here in process, all as commands in `.ci/long`."""

from __future__ import annotations

import contextlib
import io
import random
import time
from typing import TYPE_CHECKING

import pytest
import typer
from malformed.account import SECONDS, table, tried
from malformed.generate import SEED, Case, cases

from tuiftune.cli.main import build
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.backends import local

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = -1
HERE = 36  # inputs in process
REFUSED = (ExitCode.USAGE, ExitCode.DOES_NOT_FIT)


class _EngineError(Exception):
    """The engine would have been started."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    everything = [case for case in cases(tmp_path_factory.mktemp("inputs")) if "long" not in case.name]
    return random.Random(SEED).sample(everything, HERE)


def test_a_sample_of_malformed_inputs_ends_in_one_line(
    made: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise _EngineError

    monkeypatch.setattr(local, "launch", refuse)
    for name, value in (("TUIFTUNE_RUNS", "runs"), ("XDG_STATE_HOME", "state"), ("HF_HUB_OFFLINE", "1")):
        monkeypatch.setenv(name, value if value == "1" else str(tmp_path / value))
    app = build()
    kinds = {case.kind for case in made}
    assert {"preset", "setting", "--set", "rows", "model"} <= kinds
    for number, case in enumerate(made):
        command = case.commands[number % len(case.commands)]
        began = time.monotonic()
        code, said = _ended(app, command)
        assert code in (0, *REFUSED) or (code == ENGINE and command[0] == "train"), (case, command)
        assert "\n" not in said, (case, command)
        assert len(said) < 600, (case, command)
        assert time.monotonic() - began < SECONDS, (case, command)


def _ended(app: typer.Typer, command: tuple[str, ...]) -> tuple[int, str]:
    """The exit code of a command, and the one line that it ends in; ENGINE where it would have trained."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            app(args=list(command), standalone_mode=False)
        except UserError as fault:
            return int(fault.exit_code), str(fault)
        except typer.Exit as end:
            return end.exit_code, ""
        except _EngineError:
            return ENGINE, ""
    return 0, ""


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_every_malformed_input_as_its_user_gives_it(tmp_path: Path) -> None:
    everything = tried(tmp_path)
    print(table(everything))
    assert len({(one.case.kind, one.case.name) for one in everything}) >= 300
    assert [(one.fault, one.case.kind, one.case.name, one.command) for one in everything if one.fault] == []
