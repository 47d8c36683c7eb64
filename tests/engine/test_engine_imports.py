"""What a run has no use for isn't imported, and what it has a use for is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Asked as PEFT and transformers ask, in a process of its own: what it decides is for a whole process.
ASK = """
import gc, importlib.util, sys
from pathlib import Path
from tuiftune.engine.model import base
from tuiftune.engine.process import libraries
from tuiftune.engine.training import settings
from tuiftune.runs.store.directory import RunDir
wanted = settings.read(RunDir(Path(sys.argv[1])))
libraries.leave_out(wanted, base.find(wanted))
with libraries.quickly():
    assert not gc.isenabled()
assert gc.isenabled()
print(importlib.util.find_spec("bitsandbytes") is not None)
"""


def found(run: Path) -> bool:
    done = subprocess.run([sys.executable, "-c", ASK, str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() == "True"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"method__technique": "lora"}, False),
        ({"method__technique": "qlora"}, True),
        ({"training__optimizer": "adamw_8bit"}, True),
        ({"training__optimizer": "paged_adamw_8bit"}, True),
    ],
)
def test_bitsandbytes_is_there_for_the_runs_that_use_it(
    make_run: Callable[..., Path], changes: dict[str, Any], wanted: bool
) -> None:
    assert found(make_run(**changes)) is wanted


def test_a_base_that_is_quantised_already_keeps_it(
    make_run: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    base = tmp_path / "quantised"
    base.mkdir()
    for file in model.iterdir():
        (base / file.name).symlink_to(file)
    config = json.loads((model / "config.json").read_text())
    (base / "config.json").unlink()
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (base / "config.json").write_text(json.dumps(config))
    assert found(make_run(base=base))
    assert not found(make_run())
