"""A model directory in a public model's shape, with random weights: what a benchmark trains without a hub.

    python benchmarks/gpu/shape.py meta-llama/Llama-3.2-1B DIRECTORY

The tokenizer is the embedded one: its ids are all within any larger vocabulary.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tuiftune import assets
from tuiftune.models import catalogue

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def make(reference: str, directory: Path, seed: int = 0) -> Path:
    """Write the model, unless it is there already. LookupError where the catalogue has no such model."""
    if (directory / "tokenizer.json").exists():
        return directory
    entry = catalogue.find(reference)
    if entry is None:
        raise LookupError(reference)
    fields = dict(entry.config)
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    torch.manual_seed(seed)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(directory, max_shard_size="8GB")
    for name in TOKENIZER_FILES:
        shutil.copy(assets.BASE / name, directory / name)
    return directory


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2])))
