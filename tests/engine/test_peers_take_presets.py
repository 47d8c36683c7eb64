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
from tuiftune.interop.export.preset import export

if TYPE_CHECKING:
    from conftest import Engine

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
from test_preset_export import presets

# What is installed into a directory of its own, without what it depends on unless that is missing here.
OVERLAYS = {
    "axolotl": ("axolotl==0.19.0", "pillow"),
    "llamafactory": ("llamafactory==0.9.5", "omegaconf", "antlr4-python3-runtime==4.9.3"),
    "together": ("together==3.1.1", "distro", "sniffio", "types-tqdm", "tabulate", "detect-agent"),
    "vertex": ("google-genai==3.6.1", "google-auth", "websockets", "tenacity", "distro", "sniffio"),
    "azure": ("azure-ai-ml==1.35.2",),
    "sagemaker": ("botocore==1.44.8", "jmespath", "python-dateutil", "six"),
}


def written(tool: str, directory: Path, count: int, seed: int = 5) -> None:
    """Many presets' configurations for a tool, each with what it says as JSON."""
    for number, preset in enumerate(presets(count, seed)):
        files = Files("train.jsonl", "eval.jsonl") if number % 2 else None
        name, text = next(iter(export(preset, tool, files).files.items()))
        path = directory / f"{number}{Path(name).suffix}"
        path.write_text(text)
        if path.suffix == ".yaml":
            path.with_suffix(".json").write_text(json.dumps(yaml.safe_load(text)))


def test_trl_takes_them(engine: Engine, tmp_path: Path) -> None:
    written("trl", tmp_path, 12)
    output = tmp_path / "said"
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
    if tool in ("axolotl", "llamafactory", "azure"):
        for path in presets_.glob("*.json"):
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
