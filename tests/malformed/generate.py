# ruff: noqa: E501 - a table of inputs is read as one
"""Malformed inputs of every kind that a command reads, from one seed: presets, rows, model directories.

Each case is a file that somebody may have: torn, of the wrong type, too deep, too long, or no file at all.
Every one of them has to end in one line and exit code 2 (or is read as what it is, and then exit code 0).
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import socket
import string
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import zstandard

from tuiftune import assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEED = 20_261_129
DEEP = 100_000
HEAD = 'model: {base: "builtin:tiny"}\ndata: {train: "builtin:tickets"}\n'
ROW = {"prompt": "What is two and two?", "completion": "Four."}
KEYS = (
    "version", "name", "model", "model.base", "model.revision", "model.dtype", "model.trust_remote_code", "data", "data.train",
    "data.eval", "data.columns", "data.mix", "data.max_length", "data.packing", "data.mix_temperature", "method.rank",
    "method.alpha", "method.dropout", "method.target_modules", "training", "training.epochs", "training.max_steps",
    "training.effective_batch", "training.micro_batch", "training.learning_rate", "training.warmup_ratio", "training.optimizer",
    "training.activation_checkpointing", "training.seed", "evaluation.rows", "evaluation.max_new_tokens", "evaluation.samples",
    "hardware.gpus", "hardware.processes", "hardware.memory_limit", "run.checkpoints", "run.save_every", "run.report_to",
    "budget.usd_per_hour", "budget.max_usd", "budget.max_hours",
)  # fmt: skip
CONFIG_KEYS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings", "model_type", "tie_word_embeddings", "head_dim", "sliding_window", "layer_types",
    "quantization_config", "text_config", "num_local_experts", "mlp_only_layers", "vision_config", "rope_scaling",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One malformed input, and the command lines that read it."""

    kind: str
    name: str
    commands: tuple[tuple[str, ...], ...]


def cases(folder: Path, seed: int = SEED) -> Iterator[Case]:
    """Write every input below `folder`, one at a time."""
    made = random.Random(seed)
    yield from _presets(folder, made)
    yield from _settings(folder, made)
    yield from _rows(folder, made)
    yield from _models(folder, made)


def _presets(folder: Path, made: random.Random) -> Iterator[Case]:
    demo = f"{HEAD}name: bad\ntraining: {{max_steps: 2}}\n"
    texts: dict[str, str | bytes] = {
        "empty": "", "blank": "\n\n  \n", "comment": "# nothing\n", "list": "- 1\n- 2\n", "text": "hello", "number": "42",
        "deep_list": "[" * DEEP, "deep_map": "{a: " * DEEP, "deep_sequence": "- " * DEEP, "deep_keys": "? " * 3000,
        "closed_list": "[" * 900 + "]" * 900, "laughs": _laughs(), "itself": "a: &a [*a]\n", "alias": "name: *nowhere\n",
        "two": demo + "---\n" + demo, "twice": demo + "name: again\n", "tab": "\tname: x\n", "colon": "a: b: c\n",
        "quote": "name: 'open\n", "zero": b"name: \0\n", "latin": b"name: caf\xe9\n", "utf16": demo.encode("utf-16"),
        "surrogate": b"name: \xed\xa0\x80\n", "random": made.randbytes(4096), "gzip": gzip.compress(demo.encode()),
        "large": b"# x\n" * 300_000, "many": "- 1\n" * 200_000, "many_keys": "".join(f"k{i}: {i}\n" for i in range(40_000)),
        "long_key": "a" * 100_000 + ": 1\n", "long_text": f'{HEAD}name: "{"a" * 200_000}"\n', "merge": HEAD + "<<: {name: x}\n",
        "directive": "%YAML 9.9\n---\nname: x\n", "long_directive": "%YAML " + "9" * 5000 + ".1\n---\na: 1\n",
        "escape": HEAD + 'name: "\\U00110000"\n', "half": demo[: len(demo) // 3], "json": json.dumps({"model": 1}),
        "python": HEAD + "name: !!python/object/apply:os.system [echo]\n", "binary": HEAD + "name: !!binary abc\n",
        "escaped_zero": 'model: {base: "\\0"}\ndata: {train: "\\0"}\n', "lone": 'model: {base: "\\ud800"}\ndata: {train: "\\ud800"}\n',
        "unknown_user": "model: {base: ~nobody-here/m}\ndata: {train: ~nobody-here/d.jsonl}\n",
    }  # fmt: skip
    for name, text in texts.items():
        path = folder / f"preset_{name}.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        yield _preset_case("preset", path)
    for path in _no_files(folder, "preset", ".yaml", made):
        yield _preset_case("preset path", path)


def _settings(folder: Path, made: random.Random) -> Iterator[Case]:
    """Each key with values that it cannot have; the plan must refuse them, or bear them."""
    tags = (
        "!!float abc",
        "!!int abc",
        "!!int 0x",
        "!!int",
        "!!bool maybe",
        "!!int 1:30:00",
        "!!null abc",
        "!!set {a}",
    )
    values = (
        *tags, "9" * 5000, "9" * 400, "9" * 90, "-1", "-" + "9" * 400, "1e400", ".nan", "-.inf", "0", "1:30:00", "99999999999999999999",
        "4294967296", "[]", "{}", "[[1], {a: b}]", "{a: {b: c}}", "''", "null", "'\\0'", '"\\0"', '"\\ud800"', "~x/y", "2020-01-01",
        '"' + "a" * 5000 + '"', "[" * 3000, "999983", "1e-300", "'\u202e'",
    )  # fmt: skip
    for key in KEYS:
        for value in made.sample(values, 2):
            yield _setting(folder, key, value)
    for value in values:
        yield _setting(folder, "training.effective_batch", value)
        yield _setting(folder, "training.epochs", value)
    for value in (*tags, "[" * 1000, "9" * 5000, "{a: " * 500, "- " * 500, '"\\0"', "&a [*a]"):
        for setting in (
            f"training.epochs={value}",
            f"name={value}",
            f"{value}={value}",
            f"data.columns.{value[:4]}=x",
        ):
            yield Case(
                "--set",
                setting[:40],
                (("plan", "demo", "--set", setting), ("train", "demo", "--set", setting)),
            )


def _setting(folder: Path, key: str, value: str) -> Case:
    section, _, name = key.rpartition(".")
    inside: dict[str, Any] = {
        "model": {"base": '"builtin:tiny"'},
        "data": {"train": '"builtin:tickets"'},
        "training": {},
    }
    if section:
        inside.setdefault(section, {})[name] = value
    else:
        inside[name] = value
    lines = []
    for one, keys in inside.items():
        lines.append(f"{one}: {keys}" if isinstance(keys, str) else f"{one}:")
        lines += [f"  {key}: {value}" for key, value in keys.items()] if isinstance(keys, dict) else []
    path = folder / f"setting_{key}_{_mark(value)}.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return _preset_case("setting", path, f"{key}: {value[:30]}")


def _preset_case(kind: str, path: Path, name: str = "") -> Case:
    given = str(path)
    return Case(kind, name or path.name[:60], (("preset", "check", given), ("plan", given), ("train", given)))


def _rows(folder: Path, made: random.Random) -> Iterator[Case]:
    sound = "".join(json.dumps(ROW) + "\n" for _ in range(40))
    deep = '{"prompt": ' + "[" * DEEP
    lines: dict[str, str | bytes] = {
        "empty": "", "blank": "\n\n\n", "zeros": b"\0" * 4096, "random": made.randbytes(65_536), "half": sound[:-30] + "\n",
        "deep": deep, "deep_closed": '{"prompt": ' + "[" * 900 + "]" * 900 + ', "completion": "x"}\n', "deep_map": '{"a":' * DEEP,
        "digits": '{"prompt": ' + "9" * 5000 + ', "completion": "x"}\n', "digits_400": '{"prompt": ' + "9" * 400 + ', "completion": 1}\n',
        "infinite": '{"prompt": 1e999, "completion": NaN}\n', "nothing": "null\n" * 9, "numbers": "1\n2\n3\n", "lists": "[1]\n[2]\n",
        "twice": '{"prompt": "a", "prompt": "b", "completion": "c"}\n', "two": '{"a": 1} {"b": 2}\n', "open": '{"prompt": "a\n',
        "lone": '{"prompt": "\\ud800", "completion": "\\udfff"}\n', "controls": '{"prompt": "a\x01b", "completion": "c"}\n',
        "long": '{"prompt": "' + "a" * (17 << 20) + '", "completion": "b"}\n', "wide": json.dumps({f"k{i}": i for i in range(20_000)}),
        "types": '{"prompt": "a", "completion": "b"}\n{"prompt": {"a": [1]}, "completion": [[2]]}\n{"prompt": 3, "completion": null}\n',
        "messages": '{"messages": 5}\n{"messages": [5, null, {"role": 3, "content": {"a": [null]}}]}\n{"messages": [[[]]]}\n',
        "latin": b'{"prompt": "caf\xe9", "completion": "\xff\xfe"}\n', "utf16": sound.encode("utf-16"), "html": "<!doctype html><p>404</p>",
        "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pickle": b"\x80\x04\x95\x00", "crlf": sound.replace("\n", "\r"),
    }  # fmt: skip
    for ending in (".jsonl", ".json", ".csv", ".txt"):
        for name in lines if ending in (".jsonl", ".json") else made.sample(sorted(lines), 12):
            text = lines[name]
            path = folder / f"rows_{name}{ending}"
            path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
            yield _rows_case(folder, path)
    packed = gzip.compress(sound.encode() * 50)
    frame = zstandard.ZstdCompressor().compress(sound.encode() * 50)
    table = folder / "whole.parquet"
    pl.DataFrame([ROW] * 200).write_parquet(table)
    parquet = table.read_bytes()
    files: dict[str, bytes] = {
        "cut.jsonl.gz": packed[: len(packed) // 2], "flipped.jsonl.gz": _flipped(packed, made), "bomb.jsonl.gz": gzip.compress(b"0" * (1 << 26)),
        "cut.jsonl.zst": frame[: len(frame) // 2], "flipped.jsonl.zst": _flipped(frame, made),
        "bomb.jsonl.zst": zstandard.ZstdCompressor().compress(b"\0" * (1 << 28)), "named.jsonl.gz": sound.encode(), "named.parquet": sound.encode(),
        "cut.parquet": parquet[: len(parquet) // 2], "flipped.parquet": _flipped(parquet, made), "head.parquet": b"PAR1" + made.randbytes(2000),
        "ends.parquet": b"PAR1" + made.randbytes(2000) + b"\xff\xff\xff\x7fPAR1", "head.arrow": b"ARROW1\0\0" + made.randbytes(2000),
        "stream.arrow": b"\xff\xff\xff\xff" + made.randbytes(2000), "ragged.csv": b"prompt,completion\na,b\nc\n", "open.csv": b'prompt,completion\n"a,b\n',
        "wide.csv": b"," * 60_000, "twice.csv": b"prompt,prompt\na,b\n", "zero.csv": b"prompt,completion\na\0b,c\n", "nothing.parquet": b"PAR1PAR1",
        "array.json": b"[" + sound.replace("\n", ",").encode()[:-40], "after.json": b"[]]", "commas.json": b"[,,,]", "open.json": b'{"train": [',
        "empty.json": b"{}", "list.json": b"[]", "null.json": b"null", "string.json": b'"a"', "columns.json": b'{"prompt": {"0": "a"}, "completion": {"0": 1}}',
    }  # fmt: skip
    for name, data in files.items():
        path = folder / f"rows_{name}"
        path.write_bytes(data)
        yield _rows_case(folder, path)
    for path in _no_files(folder, "rows", ".jsonl", made):
        yield _rows_case(folder, path)
    for given in (
        "~nobody-here/rows.jsonl",
        "/proc",
        "/dev",
        "/proc/self/mem",
        "hf:../../x",
        "builtin:nothing",
        "*.none",
        "a" * 300,
        "**/" * 40,
    ):
        yield Case("rows path", given[:40], (("data", "inspect", given), ("plan", _naming(folder, given))))


def _rows_case(folder: Path, path: Path) -> Case:
    named = _naming(folder, str(path))
    return Case("rows", path.name[:60], (("data", "inspect", str(path)), ("plan", named), ("train", named)))


def _naming(folder: Path, data: str, base: str = "builtin:tiny") -> str:
    path = folder / f"naming_{_mark(f'{data}|{base}')}.yaml"
    path.write_text(
        f"name: bad\nmodel: {{base: {json.dumps(base)}}}\ndata: {{train: {json.dumps(data)}}}\n", "utf-8"
    )
    return str(path)


def _models(folder: Path, made: random.Random) -> Iterator[Case]:
    values: tuple[Any, ...] = (
        [],
        {},
        "x",
        -1,
        0,
        10**20,
        1.5,
        True,
        None,
        [[1]],
        {"a": {"b": 1}},
        "9" * 400,
        float("nan"),
    )
    for key in CONFIG_KEYS:
        for value in made.sample(values, 2):
            yield _model(folder, f"config_{key}", "config.json", {key: value})
    texts: dict[str, bytes] = {
        "empty": b"", "list": b"[]", "null": b"null", "text": b'"x"', "number": b"9" * 5000, "deep": b'{"a":' * DEEP, "deep_list": b"[" * DEEP,
        "closed": b'{"a":' * 900 + b"1" + b"}" * 900, "digits": b'{"hidden_size": ' + b"9" * 5000 + b"}", "digits_400": b'{"vocab_size": ' + b"9" * 400 + b"}",
        "latin": b'{"a": "\xe9"}', "zeros": b"\0" * 100, "half": b'{"model_type": "llama", "hid', "random": made.randbytes(3000),
        "utf16": '{"a": 1}'.encode("utf-16"), "infinite": b'{"hidden_size": 1e999, "vocab_size": NaN}', "large": b'{"a": "' + b"x" * (20 << 20) + b'"}',
    }  # fmt: skip
    names = (
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
        "model.safetensors.index.json",
    )
    for name in names:
        for kind in texts if name == "config.json" else made.sample(sorted(texts), 7):
            yield _model(folder, f"{name.split('.')[0]}_{kind}", name, texts[kind])
        yield _model(folder, f"{name.split('.')[0]}_pipe", name, _pipe)
        yield _model(folder, f"{name.split('.')[0]}_folder", name, lambda path: path.mkdir())
        yield _model(folder, f"{name.split('.')[0]}_circle", name, lambda path: path.symlink_to(path))
    for kind in ("list", "deep", "digits_400", "half", "text"):
        yield _model(folder, f"adapter_{kind}", "adapter_config.json", texts[kind], without="config.json")
    for path in _no_files(folder, "model", "", made):
        named = _naming(folder, "builtin:tickets", str(path))
        yield Case("model path", path.name[:40], (("plan", named), ("train", named)))


def _model(folder: Path, name: str, file: str, content: Any, *, without: str = "") -> Case:
    """A copy of the built-in model with one file replaced."""
    place = folder / f"model_{name}_{len(list(folder.iterdir()))}"
    shutil.copytree(assets.BASE, place)
    if without:
        (place / without).unlink()
    path = place / file
    if isinstance(content, dict):
        content = json.dumps({**json.loads(path.read_text("utf-8")), **content}).encode()
    path.unlink(missing_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    named = _naming(folder, "builtin:tickets", str(place))
    return Case("model", name, (("plan", named), ("train", named)))


def _no_files(folder: Path, what: str, ending: str, made: random.Random) -> Iterator[Path]:
    """What isn't a file that can be read, under a name that such a file would have."""
    makers: dict[str, Callable[[Path], Any]] = {
        "pipe": _pipe,
        "folder": lambda path: path.mkdir(),
        "circle": lambda path: path.symlink_to(path),
        "nowhere": lambda path: path.symlink_to(folder / "not there"),
        "socket": _socket,
        "zero": lambda path: path.symlink_to("/dev/zero"),
        "full": lambda path: path.symlink_to("/dev/full"),
        "null": lambda path: path.symlink_to("/dev/null"),
        "random": lambda path: path.symlink_to("/dev/urandom"),
        "terminal": lambda path: path.symlink_to("/dev/tty"),
        "memory": lambda path: path.symlink_to("/proc/self/mem"),
    }
    for name, make in makers.items():
        path = folder / f"{what}_is_{name}{ending}"
        make(path)
        yield path
    yield folder / f"{what}_{''.join(made.choices(string.ascii_letters, k=300))}{ending}"
    yield folder / f"{what}_is_zero{ending}" / "below"
    yield folder / f"{what}_missing{ending}"


def _mark(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _laughs() -> str:
    lines = ['a0: &a0 ["x", "x"]']
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 18)]
    return "\n".join(lines) + "\n"


def _flipped(data: bytes, made: random.Random) -> bytes:
    """The same with some bytes of its middle changed."""
    changed = bytearray(data)
    for at in made.sample(range(len(data) // 4, len(data)), 12):
        changed[at] ^= 0xFF
    return bytes(changed)
