"""The pages of `docs/`: every command in them runs, every option exists, every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tuiftune.cli.help_ import EXIT_CODES
from tuiftune.cli.main import build
from tuiftune.tui.keys.actions import actions
from tuiftune.tui.keys.scopes import APP, DASHBOARD

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```bash(?P<words>[^\n]*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of commands: `long` ones start the training process, `not-run` ones say why not."""

    page: Path
    line: int
    words: str
    body: str

    @property
    def name(self) -> str:
        return f"{self.page.stem}:{self.line}"


def blocks() -> list[Block]:
    found = []
    for page in [*PAGES, ROOT / "README.md"]:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, match["words"].strip(), match["body"]))
    return found


ALL = blocks()
OF_PAGES = [block for block in ALL if block.page.name != "README.md"]
QUICK = [block for block in OF_PAGES if not block.words]
LONG = [block for block in OF_PAGES if block.words in ("", "long")]


def run(block: Block, place: Path) -> None:
    """Every line by a shell, as it stands on the page."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.body],
        cwd=place,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "XDG_STATE_HOME": str(place / "state"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert ended.returncode == 0, f"{block.name}\n{block.body}\n{ended.stderr[-1000:]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docs")


@pytest.mark.slow
@pytest.mark.parametrize("block", QUICK, ids=lambda block: block.name)
def test_commands_run(block: Block, place: Path) -> None:
    run(block, place)


@pytest.mark.long
def test_all_commands_run_in_the_order_of_the_pages(tmp_path: Path) -> None:
    order = re.findall(
        r": (\S+\.md)$", (ROOT / ".ci" / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(order) == [page.name for page in PAGES], "a page is missing from the site, or from docs/"
    for name in order:
        for block in LONG:
            if block.page.name == name:
                run(block, tmp_path)


def test_what_is_not_run_says_why() -> None:
    for block in ALL:
        if block.page.name != "README.md":
            assert re.fullmatch(r'|long|not-run="[^"]+"', block.words), block.name


def commands(text: str) -> list[list[str]]:
    """Each `tuiftune …` of a text: those of blocks whole, those in prose up to what stands for something."""
    lines = [line for block in FENCE.finditer(text) for line in block["body"].splitlines()]
    lines += re.findall(r"`(tuiftune [^`|]*)`", text)
    found = []
    for line in lines:
        for part in re.split(r"&&|\|(?!\|)|;|>", line.partition("  #")[0]):
            words = shlex.split(part.replace("uv run ", ""))
            if "tuiftune" in words[:1]:
                found.append(words[1:])
    return found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    group: Any = typer.main.get_command(build())
    for words in commands(page.read_text(encoding="utf-8")):
        command, rest = group, words
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            named = re.split(r"[\\|]", rest[0])[0].strip("[]…")
            assert named in command.commands, f"{page.name}: tuiftune {' '.join(words)}"
            command, rest = command.commands[named], rest[1:]
        known = {
            option for parameter in command.params for option in parameter.opts + parameter.secondary_opts
        }
        for word in rest:
            option = word.strip("[]").split("=")[0]
            if option.startswith("-") and option != "-":
                assert option in known | {"-h", "--help"}, (
                    f"{page.name}: {word} of tuiftune {' '.join(words)}"
                )


@pytest.mark.slow
def test_the_site_is_built_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    words = ["build", "--strict", "-q", "-f", str(ROOT / ".ci" / "mkdocs.yml"), "-d", str(tmp_path / "site")]
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert (tmp_path / "site" / "headless" / "index.html").exists()


def test_the_keys_of_the_dashboard_are_those_of_the_app() -> None:
    text = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\S+)` ([A-Z][a-z]+)", re.search(r"^Keys: .*?\n\n", text, re.M | re.S)[0])  # type: ignore[index]
    assert len(named) > 5
    assert set(named) <= {(action.shown, action.label) for action in actions(DASHBOARD, APP)}


def test_the_table_of_exit_codes_has_each_once() -> None:
    table = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "headless.md").read_text(encoding="utf-8"), re.M)
    assert list(map(int, table)) == sorted(EXIT_CODES)


def test_there_are_at_most_ten_pages() -> None:
    assert len(PAGES) <= 10
