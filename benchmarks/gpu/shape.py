"""A model directory in a public model's shape, with random weights: what a benchmark trains without a hub.

    python benchmarks/gpu/shape.py meta-llama/Llama-3.2-1B DIRECTORY [--sparse]

The tokenizer is the embedded one: its ids are all within any larger vocabulary. With `--sparse` only the
first values of each matrix are numbers, and the rest zeros that take no room on the disk: a 70B shape in
seconds, for memory and loading; GPUs multiply zeros some 10 % faster.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tuiftune import assets
from tuiftune.models import catalogue

WRITTEN = 1 << 18  # bytes of a matrix that are numbers; of tables, the rows that the tokenizer knows
FILE = 8 * 10**9  # bytes a file
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def make(reference: str, directory: Path, *, sparse: bool = False, seed: int = 0) -> Path:
    """Write the model, unless it is there already. LookupError where the catalogue has no such model."""
    if (directory / "tokenizer.json").exists():
        return directory
    entry = catalogue.find(reference)
    if entry is None:
        raise LookupError(reference)
    fields = dict(entry.config)
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    torch.manual_seed(seed)
    if sparse:
        write_sparse(config, directory)
    else:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.save_pretrained(directory, max_shard_size="8GB")
    for name in TOKENIZER_FILES:
        shutil.copy(assets.BASE / name, directory / name)
    return directory


def write_sparse(config: Any, directory: Path) -> None:
    """Files of the model's tensors, whose zeros are holes."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    tied = set(model._tied_weights_keys or ()) if config.tie_word_embeddings else set()
    files: list[list[tuple[str, torch.Tensor]]] = [[]]
    held = 0
    for name, one in model.state_dict().items():
        if name in tied:
            continue
        if held + one.nbytes > FILE:
            files.append([])
            held = 0
        files[-1].append((name, one))
        held += one.nbytes
    directory.mkdir(parents=True, exist_ok=True)
    places: dict[str, str] = {}
    for number, tensors in enumerate(files, start=1):
        name = f"model-{number:05}-of-{len(files):05}.safetensors"
        write_file(directory / name, tensors)
        places |= {one: name for one, _ in tensors}
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    config.dtype, config.architectures = "bfloat16", [type(model).__name__]
    config.save_pretrained(directory)


def write_file(path: Path, tensors: list[tuple[str, torch.Tensor]]) -> None:
    """One file in the safetensors format: the header's length, the header, the values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, one in tensors:
        header[name] = {"dtype": "BF16", "shape": list(one.shape), "data_offsets": [end, end + one.nbytes]}
        end += one.nbytes
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    with path.open("wb") as out:
        out.write(len(words).to_bytes(8, "little") + words)
        start = out.tell()
        out.truncate(start + end)
        for name, one in tensors:
            out.seek(start + header[name]["data_offsets"][0])
            table = name.endswith(("embed_tokens.weight", "lm_head.weight"))
            rows = 8192 * one.shape[-1] if table else WRITTEN // 2
            drawn = torch.ones(one.numel()) if one.dim() == 1 else torch.randn(min(rows, one.numel())) * 0.02
            out.write(drawn.to(torch.bfloat16).view(torch.uint8).numpy().tobytes())


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2]), sparse="--sparse" in sys.argv[3:]))
