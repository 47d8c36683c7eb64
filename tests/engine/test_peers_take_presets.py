"""What is written for other tools is taken by those tools' own code, where that can be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tuiftune.interop.export.outward import Files
from tuiftune.interop.export.preset import export, tools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Engine

    from tuiftune.preset.schema import Preset

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
from test_preset_export import of_stage, presets

# What is installed into a directory of its own, without what it depends on unless that is missing here.
OVERLAYS = {
    "axolotl": ("axolotl==0.19.0", "pillow"),
    "llamafactory": ("llamafactory==0.9.5", "omegaconf", "antlr4-python3-runtime==4.9.3"),
    "swift": (
        "ms-swift==4.6.0",
        "modelscope",
        "modelscope_hub",
        "json_repair",
        "pillow",
        "attrdict",
        "addict",
        "simplejson",
        "sortedcontainers",
        "dacite",
        "binpacking",
        "zstandard",
        "einops",
        "oss2",
        "tiktoken",
    ),
    "together": ("together==3.1.1", "distro", "sniffio", "types-tqdm", "tabulate", "detect-agent"),
    "vertex": ("google-genai==3.6.1", "google-auth", "websockets", "tenacity", "distro", "sniffio"),
    "azure": ("azure-ai-ml==1.35.2",),
    "sagemaker": ("botocore==1.44.8", "jmespath", "python-dateutil", "six"),
}


def written(tool: str, directory: Path, count: int, seed: int = 5) -> None:
    """Many presets' configurations for a tool, each with what it says as JSON."""
    write(tool, directory, presets(count, seed))


def staged(tool: str, directory: Path, count: int, seed: int = 5) -> None:
    """The same of every other stage that the tool has. Answers of GRPO fill whole batches."""
    for stage in tools()[tool].stages:
        if stage == "sft":
            continue
        place = directory / stage
        place.mkdir(parents=True)
        whole = {"training.effective_batch": 64, "training.micro_batch": "auto"}
        found = of_stage(stage, count, seed)
        sampled = stage in ("grpo", "rloo")
        write(tool, place, (preset.with_values(whole) if sampled else preset for preset in found))


def write(tool: str, directory: Path, found: Iterable[Preset]) -> None:
    for number, preset in enumerate(found):
        files = Files("train.jsonl", "eval.jsonl") if number % 2 else None
        name, text = next(iter(export(preset, tool, files).files.items()))
        path = directory / f"{number}{Path(name).suffix}"
        path.write_text(text)
        if path.suffix == ".yaml":
            path.with_suffix(".json").write_text(json.dumps(yaml.safe_load(text)))


def test_trl_takes_them(engine: Engine, tmp_path: Path) -> None:
    written("trl", tmp_path, 12)
    parse(engine, tmp_path)


@pytest.mark.long
def test_trl_takes_other_stages(engine: Engine, tmp_path: Path) -> None:
    staged("trl", tmp_path / "presets", 8)
    for place in sorted((tmp_path / "presets").iterdir()):
        parse(engine, place)


def parse(engine: Engine, tmp_path: Path) -> None:
    """By TRL's own parser, in a process that has it."""
    output = tmp_path.with_name(f"{tmp_path.name}.said")
    pid = engine.parent.start([str(tmp_path)], output, call="peer_schemas:trl")
    while (code := engine.parent.poll(pid)) is None:
        pass
    assert code == 0, output.read_text()


@pytest.mark.long
@pytest.mark.parametrize("tool", OVERLAYS)
def test_the_tool_itself_takes_them(tool: str, tmp_path: Path) -> None:
    overlay, presets_ = tmp_path / "overlay", tmp_path / "presets"
    presets_.mkdir()
    written(tool, presets_, 40)
    if tool in ("axolotl", "llamafactory", "swift"):
        staged(tool, presets_, 8)
    if tool in ("axolotl", "llamafactory", "swift", "azure"):
        for path in presets_.rglob("*.json"):
            path.unlink()
    alone = [] if tool == "azure" else ["--no-deps"]  # its own are many, and none is among ours
    subprocess.run(
        ["uv", "pip", "install", "-q", "--target", str(overlay), *alone, *OVERLAYS[tool]], check=True
    )
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, str(overlay), str(Path(__file__).parent), tool, str(presets_)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert checked.returncode == 0, checked.stderr[-3000:]


CHECK = (
    "import sys; sys.path.insert(0, sys.argv[1]); sys.path.insert(1, sys.argv[2]); "
    "import peer_schemas; getattr(peer_schemas, sys.argv[3])(sys.argv[4])"
)
