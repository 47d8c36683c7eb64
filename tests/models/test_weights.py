"""Weights looked at by their headers: what a loader would make up or leave out is known before it loads."""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.assets import BASE
from tuiftune.errors import UserError
from tuiftune.models import weights
from tuiftune.models.directory import base_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(BASE, tmp_path / "model")
    return tmp_path / "model"


def read(directory: Path) -> tuple[dict[str, Any], bytes]:
    data = (directory / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return header, data[8 + length :]


def write(directory: Path, header: dict[str, Any], body: bytes, name: str = "model.safetensors") -> None:
    text = json.dumps(header).encode()
    (directory / name).write_bytes(struct.pack("<Q", len(text)) + text + body)


def renamed(header: dict[str, Any]) -> dict[str, Any]:
    return {f"module.{name}": one for name, one in header.items()}


def without(header: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in header.items() if "layers.1.mlp" not in name}


def bent(header: dict[str, Any]) -> dict[str, Any]:
    return {**header, UP: {**header[UP], "shape": [2 * header[UP]["shape"][0], header[UP]["shape"][1] // 2]}}


def beyond(header: dict[str, Any]) -> dict[str, Any]:
    return {**header, "model.layers.99.mlp.up_proj.weight": header[UP]}


def fewer_tokens(header: dict[str, Any]) -> dict[str, Any]:
    name = "model.embed_tokens.weight"
    rows, width = header[name]["shape"]
    return {**header, name: {**header[name], "shape": [rows // 2, 2 * width]}}


def whole_numbers(header: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {**one, "dtype": "I8", "shape": [2 * one["shape"][0], *one["shape"][1:]]}
        for name, one in header.items()
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (whole_numbers, "whole numbers (I8)"),
        (renamed, "module.model.embed_tokens.weight"),
        (without, "layers.1.….down_proj.weight, layers.1.….gate_proj.weight, layers.1.….up_proj.weight are"),
        (bent, "layers.1.….up_proj.weight has shape"),
        (fewer_tokens, "model.embed_tokens.weight has shape"),
        (beyond, "layers.99.… belongs to no part of the model"),
    ],
)
def test_weights_of_another_model_are_named(
    change: Callable[[dict[str, Any]], dict[str, Any]], said: str, model: Path
) -> None:
    header, body = read(model)
    write(model, change(header), body)
    with pytest.raises(UserError) as caught:
        weights.check(base_model(model, "it", "directory"))
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_sound_weights_pass(model: Path) -> None:
    weights.check(base_model(model, "it", "directory"))
    header, body = read(model)
    stripped = {name.removeprefix("model."): one for name, one in header.items()}
    write(model, stripped, body)  # as a model without its head is saved
    weights.check(base_model(model, "it", "directory"))
    assert weights.stored_dtype(model) == "bfloat16"


def test_an_adapter_among_the_weights_is_refused(model: Path) -> None:
    """The loader would add it to the model without a word."""
    (model / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="next to a model") as caught:
        weights.check(base_model(model, "it", "directory"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("same", [True, False])
def test_a_head_that_its_config_ties_to_other_numbers_is_refused(same: bool, model: Path) -> None:
    config = json.loads((model / "config.json").read_text("utf-8")) | {"tie_word_embeddings": True}
    (model / "config.json").write_text(json.dumps(config))
    header, body = read(model)
    table = header["model.embed_tokens.weight"]
    begin, end = table["data_offsets"]
    head = body[begin:end] if same else bytes(end - begin)
    header["lm_head.weight"] = {**table, "data_offsets": [len(body), len(body) + len(head)]}
    write(model, header, body + head)
    if same:
        return weights.check(base_model(model, "it", "directory"))
    with pytest.raises(UserError, match="tie_word_embeddings"):
        weights.check(base_model(model, "it", "directory"))


def test_the_file_that_is_loaded_is_the_one_that_is_looked_at(model: Path) -> None:
    """Loaders take model.safetensors, whatever an index left over from before names."""
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weights.files(model) == [model / "model.safetensors"]
    assert base_model(model, "it", "directory").weights


@pytest.mark.parametrize("size", [0, 4, 8, 100, 5000, 50_000])
def test_a_file_cut_short_is_damaged(size: int, model: Path) -> None:
    data = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(data[:size])
    with pytest.raises(UserError, match="corrupted"):
        weights.check(base_model(model, "it", "directory"))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 90_000,
        b'{"a": 3}',
        b'{"a": {"dtype": "F32"}}',
        b"\xff\xfe",
        b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}',
    ],
)
def test_a_header_that_describes_nothing(header: bytes, model: Path) -> None:
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    with pytest.raises(UserError, match="corrupted"):
        weights.tensors(model)


def test_shards_come_from_the_index(model: Path) -> None:
    header, body = read(model)
    parts = {"a": without(header), "b": {name: one for name, one in header.items() if "layers.1.mlp" in name}}
    for name, part in parts.items():
        write(model, part, body, f"{name}.safetensors")
    (model / "model.safetensors").unlink()
    index = {tensor: f"{name}.safetensors" for name, part in parts.items() for tensor in part}
    (model / weights.INDEX).write_text(json.dumps({"weight_map": index}))
    weights.check(base_model(model, "it", "directory"))
    write(model, {}, body, "b.safetensors")
    with pytest.raises(UserError, match=r"layers\.1\..*missing"):
        weights.check(base_model(model, "it", "directory"))


@pytest.mark.parametrize("whole", [1 << 30, 0], ids=["whole", "sampled"])
def test_replaced_weights_have_another_digest(
    whole: int, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "WHOLE", whole)
    before = weights.digest(model)
    assert weights.digest(model) == before
    header, body = read(model)
    begin, end = header[UP]["data_offsets"]
    write(model, header, body[:begin] + bytes(end - begin) + body[end:])
    assert weights.digest(model) != before


def test_a_changed_tokenizer_has_another_digest(model: Path) -> None:
    before = weights.tokenizer_digest(model)
    template = model / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert weights.tokenizer_digest(model) != before
