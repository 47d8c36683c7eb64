"""The presets that come along: sound, explained, with a command line that works, and inside the wheel."""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tuiftune.errors import UserError
from tuiftune.preset import shipped
from tuiftune.preset.file import load, override
from tuiftune.preset.words import json_schema

ROOT = Path(__file__).parents[2]
WANTED = {"demo", "first-lora", "qlora-8b-24gb", "lora-8b-80gb", "full-1b", "pretrain-1b"}


def test_the_promised_ones_are_there() -> None:
    assert set(shipped.names()) >= WANTED
    assert len(shipped.names()) >= 6


@pytest.mark.parametrize("name", shipped.names())
def test_each_is_sound_and_opens_with_its_purpose_and_its_command(name: str) -> None:
    path = shipped.find(name)
    preset = load(path)
    assert preset.name == name
    lines = path.read_text("utf-8").splitlines()
    opening = [
        line.lstrip("# ") for line in lines[: next(n for n, line in enumerate(lines) if line[:1] != "#")]
    ]
    assert len(shipped.about(path)) > 20
    command = next(line for line in opening if line.startswith("tuiftune train"))
    words = shlex.split(command, comments=True)
    assert words[2] == name
    settings = [words[n + 1] for n, word in enumerate(words) if word == "--set"]
    override(preset, settings)


def test_the_demo_needs_no_network() -> None:
    preset = load(shipped.find("demo"))
    assert preset.model.base == "builtin:tiny"
    assert preset.data.train == "builtin:tickets"


def test_a_file_comes_before_a_name_and_a_directory_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full-1b").mkdir()
    assert shipped.find("full-1b") == shipped.directory() / "full-1b.yaml"
    (tmp_path / "demo").write_text("model: {base: x}\ndata: {train: y}\n")
    assert shipped.find("demo") == Path("demo")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("dmo", "Did you mean `demo`?"),
        ("first_lora.yaml", "`first-lora`"),
        ("./nothing/here.yaml", "preset list"),
    ],
)
def test_a_name_that_is_not_there_names_the_nearest(asked: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        shipped.find(asked)
    assert said in str(caught.value)


def test_a_directory_is_no_preset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a directory"):
        shipped.find(str(tmp_path))


def test_the_schema_knows_what_the_presets_use() -> None:
    schema = json_schema()
    assert schema["required"] == ["model", "data"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["TrainingSection"]["additionalProperties"] is False
    assert set(schema["properties"]) >= {"model", "data", "method", "training", "hardware", "run", "budget"}


def test_the_wheel_carries_them(tmp_path: Path) -> None:
    """Builds the real wheel, and reads the presets from it with nothing of the checkout in sight."""
    pytest.importorskip("hatchling")
    build = "from hatchling.build import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = tmp_path / "inside"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(inside)
    look = (
        "from tuiftune.preset import shipped; from tuiftune.preset.file import load;"
        "print(shipped.directory()); print(*shipped.names());"
        "[load(shipped.find(name)) for name in shipped.names()]"
    )
    run = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env={"PYTHONPATH": str(inside), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    place, names = run.stdout.splitlines()
    assert Path(place) == inside / "tuiftune" / "preset" / "shipped"
    assert names.split() == shipped.names()
