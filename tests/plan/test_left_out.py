"""What is asked to be left out isn't looked for: a plan by a model's config.json alone."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tuiftune import assets
from tuiftune.errors import UserError
from tuiftune.models import catalogue
from tuiftune.plan.inputs import of_named

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("broken", [False, True])
def test_a_directory_is_planned_without_its_weights(tmp_path: Path, broken: bool) -> None:
    entry = catalogue.find("meta-llama/Llama-3.2-1B")
    assert entry is not None
    (tmp_path / "config.json").write_text(json.dumps(dict(entry.config)))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(assets.BASE / name, tmp_path / name)
    if broken:
        (tmp_path / "model.safetensors").write_bytes(b"cut short")
    (tmp_path / "p.yaml").write_text(f"model: {{base: '{tmp_path}'}}\ndata: {{train: 'builtin:tickets'}}\n")
    inputs = of_named(str(tmp_path / "p.yaml"), [], without=("weights",))
    made = inputs.plan("H200")
    assert made.fits
    assert made.without == (() if broken else ("weights",))
    with pytest.raises(UserError):
        of_named(str(tmp_path / "p.yaml"), []).plan("H200")
