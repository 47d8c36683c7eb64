"""The command line as a whole: what is registered, how fast it starts, how it ends."""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from typer.testing import CliRunner

from tuiftune.cli.main import COMMANDS, PANELS, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "pydantic",
    "polars",
    "textual",
    "pynvml",
    "huggingface_hub",
    "rich",
)


def tuiftune(
    *args: str, code: str | None = None, encoding: str = "utf-8", **environ: str
) -> subprocess.CompletedProcess[str]:
    command = (
        [sys.executable, "-m", "tuiftune", *args] if code is None else [sys.executable, "-c", code, *args]
    )
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding=encoding,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environ},
    )


def one_line(run: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert run.stderr.startswith("error: ")
    return run.stderr


@pytest.mark.parametrize(("command", "module", "function"), COMMANDS)
def test_every_command_is_there_and_explains_itself(command: str, module: str, function: str) -> None:
    assert getattr(importlib.import_module(f"tuiftune.cli.{module}"), function).__doc__
    result = CliRunner().invoke(build(), [*command.split(), "--help"], prog_name="tuiftune")
    assert result.exit_code == 0, result.output
    assert f"tuiftune {command}" in result.output


def test_help_lists_every_command_in_its_panel_without_cutting_its_line() -> None:
    run = tuiftune("--help")
    assert run.returncode == 0
    for panel, commands in PANELS.items():
        listed = run.stdout.partition(f"\n{panel}:\n")[2].partition("\n\n")[0]
        for command, *_ in commands:
            assert f"\n  {command.split()[0]} " in f"\n{listed}"
    assert "..." not in run.stdout.split("Start:")[1]
    assert max(len(line) for line in run.stdout.splitlines()) <= 80


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["train", "--help"], ["preset", "list"]])
def test_light_commands_load_nothing_heavy(args: list[str]) -> None:
    look = (
        "import sys\nfrom tuiftune.cli.main import main\n"
        "sys.argv[0] = 'tuiftune'\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(heavy, file=sys.stderr)"
    )
    run = tuiftune(*args, code=look)
    # Typer itself takes pydantic to read the options of a command, but not for the help of the program.
    typers_own = {"pydantic"} if len(args) > 1 else set()
    assert set(json.loads(run.stderr.replace("'", '"'))) <= typers_own


def test_help_takes_under_a_third_of_a_second_of_processor_time() -> None:
    """The bound of the README is on wall time on an idle machine; processor time holds on a busy one too. On
    a slow one it is three times what Typer alone takes to be imported just before: 0.25 s for 0.10.
    """

    def seconds(call: Callable[[], int]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert call() == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    alone = [sys.executable, "-c", "import typer"]
    pairs = [
        (
            seconds(lambda: subprocess.run(alone, check=False).returncode),
            seconds(lambda: tuiftune("--help").returncode),
        )
        for _ in range(7)
    ]
    within = [whole <= max(0.3, 3 * typers) for typers, whole in pairs]
    assert sum(within) > len(pairs) / 2, pairs


def test_version_is_the_packages() -> None:
    from tuiftune import __version__

    assert tuiftune("--version").stdout == f"tuiftune {__version__}\n"


@pytest.mark.parametrize(
    "args", [["trian"], ["train"], ["preset"], ["preset", "show", "--nonsense", "demo"], ["data"]]
)
def test_wrong_usage_ends_with_2(args: list[str]) -> None:
    run = tuiftune(*args)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_a_misspelt_command_names_the_right_one() -> None:
    assert "train" in tuiftune("trian").stderr


def test_a_users_fault_is_one_line_and_its_code(tmp_path: Path) -> None:
    path = tmp_path / "support.yaml"
    path.write_text("model: {base: x}\ndata: {train: y}\ntraining:\n  epoch: 3\n")
    run = tuiftune("preset", "show", str(path))
    assert run.returncode == 2
    assert run.stdout == ""
    assert f"{path} line 4: unknown key `training.epoch`. Did you mean `epochs`?" in one_line(run)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "preset not found"),
        ("", "is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("model: [\n", "not valid YAML"),
    ],
)
def test_files_that_are_no_presets(tmp_path: Path, content: str | bytes | None, said: str) -> None:
    path = tmp_path / "some.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    run = tuiftune("preset", "show", str(path))
    assert run.returncode == 2
    assert said in one_line(run)


def test_a_reader_that_goes_away_is_no_fault() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tuiftune", "preset", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_ctrl_c_ends_quietly_with_130() -> None:
    waits = (
        "import sys, time, tuiftune.cli.preset as preset\n"
        "from tuiftune.cli.main import main\n"
        "def list_() -> None:\n    'Wait.'\n    print('waiting', flush=True)\n    time.sleep(30)\n"
        "preset.list_ = list_\nsys.argv = ['tuiftune', 'preset', 'list']\nmain()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", waits],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_little_encoding_is_served(encoding: str) -> None:
    environ = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    plain = tuiftune("doctor", encoding=encoding, **environ)
    assert plain.returncode == 0
    assert "Traceback" not in plain.stderr
    assert json.loads(tuiftune("doctor", "--json", **environ).stdout)["tuiftune"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train", "--bogus"), "tuiftune train: no such option: --bogus"),
        (("--plain",), "tuiftune: --plain stands after a command. Use `tuiftune new --plain`"),
        (("chat", "x", "--seed", "many"), "tuiftune chat: invalid value for '--seed'"),
        (("nosuch",), "tuiftune: no such command 'nosuch'. See `tuiftune --help`"),
    ],
)
def test_a_misused_command_is_one_line(words: tuple[str, ...], says: str) -> None:
    done = tuiftune(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in one_line(done)


def test_a_group_alone_prints_its_help() -> None:
    done = tuiftune("data")
    assert done.returncode == 2
    assert "inspect" in done.stderr + done.stdout


def test_arguments_are_named_alike_and_brackets_stand_for_what_may_be_left_out() -> None:
    """Typer writes the brackets and the dots: names that had them too read `[[RUN]]` and `{FILE...}...`."""

    def arguments(command: Any, path: str) -> Iterator[tuple[str, str]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from arguments(inner, f"{path} {name}")
        for one in command.params:
            if one.param_type_name == "argument":
                yield path, str(one.metavar or one.name)

    found = list(arguments(typer.main.get_command(build()), "tuiftune"))
    assert len(found) > 30
    odd = [(path, name) for path, name in found if not re.fullmatch(r"(\[NAME=\])?[A-Z|=]+", name)]
    assert odd == []
