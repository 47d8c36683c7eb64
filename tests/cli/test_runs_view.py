"""The table of runs on a terminal of 80 columns: names and scores whole, places only where they differ."""

from __future__ import annotations

import io
import shutil
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tuiftune.cli import runs_view
from tuiftune.runs.state.summary import summarize
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "tickets-export-final-of-the-second-quarter"


@pytest.mark.parametrize("width", [80, 160])
def test_names_and_scores_are_whole_at_any_width(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUIFTUNE_RUNS", raising=False)
    told = io.StringIO()
    monkeypatch.setattr(runs_view, "plain", lambda: False)
    monkeypatch.setattr(runs_view, "out", lambda: Console(file=told, width=width))
    here, elsewhere = Path("runs") / NAME, Path("elsewhere") / "other"
    for path in (here, elsewhere):
        shutil.copytree(str(files("tuiftune") / "assets" / "recorded"), path)
    runs_view.show([summarize(RunDir(path.absolute())) for path in (here, elsewhere)])
    lines = told.getvalue().splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "…" not in told.getvalue()
    assert NAME in "".join(column(lines, "run"))
    assert "exact match 0% → 93%" in told.getvalue()
    assert told.getvalue().count("./elsewhere") == 1
    assert told.getvalue().count("./runs") == (width > 80)


def column(lines: Sequence[str], heading: str) -> list[str]:
    """The cells of a column without those of the next."""
    start = lines[0].index(f" {heading} ") + 1
    return [line[start:].split("  ")[0].strip() for line in lines[1:]]
