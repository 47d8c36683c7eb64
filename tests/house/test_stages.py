"""A stage is a file of its room: nobody else names one, and every one has its half in the engine."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tuiftune
from tuiftune import stages
from tuiftune.errors import UserError
from tuiftune.preset.schema import DataFormat

PACKAGE = Path(tuiftune.__file__).parent
ROOMS = ("stages", "engine/stages", "interop")  # interop: other tools' names beside ours
COLUMNS = {"reward"}  # names of columns, in files that read data, which are no stages
FORMATS = {name for name in DataFormat.__args__ if name != "auto"}  # type: ignore[attr-defined]


def named(source: str) -> set[str]:
    """Stages that a file names as strings. A format of the same name is no stage."""
    keys = {*stages.every(), *stages.AWAITED.values()} - FORMATS - COLUMNS
    return {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)} & keys


def test_no_file_outside_the_rooms_names_a_stage() -> None:
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in PACKAGE.rglob("*.py")
        if not str(path.relative_to(PACKAGE)).startswith(ROOMS) and (names := named(path.read_text("utf-8")))
    }
    assert found == {}


def test_a_name_in_code_would_be_found() -> None:
    assert named(f"if stage == {stages.usual().key!r}: pass") == {stages.usual().key}


def test_every_stage_has_its_half_in_the_engine() -> None:
    assert {f"{key}.py" for key in stages.every()} <= {
        path.name for path in (PACKAGE / "engine" / "stages").iterdir()
    }


@pytest.mark.parametrize("key", stages.every())
def test_a_stage_takes_its_own_rows_and_says_what_it_needs_of_others(key: str) -> None:
    stage = stages.every()[key]
    assert stage.own <= stage.formats <= FORMATS
    for name in FORMATS:
        if name in stage.formats:
            stage.check_rows(name)
            continue
        with pytest.raises(UserError) as caught:
            stage.check_rows(name, "rows.jsonl")
        for words in ("rows.jsonl", name, stage.does, stage.needs, stage.remedy):
            assert words.casefold() in str(caught.value).casefold()


def test_each_format_is_for_one_stage() -> None:
    for name in FORMATS:
        owners = [stage.key for stage in stages.every().values() if name in stage.own]
        owners += [stages.AWAITED[name]] if name in stages.AWAITED else []
        assert owners == [stages.of_format(name)]
