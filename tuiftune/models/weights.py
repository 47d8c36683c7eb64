"""What a model's safetensors files hold, by their headers alone: names, types and shapes. Nothing is loaded.

Format: eight bytes of length, little-endian; so many bytes of JSON; the tensors
(https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.hub.faults import offline
from tuiftune.models.count import linear_shapes
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiftune.models.architecture import Architecture
    from tuiftune.models.reference import BaseModel

INTEGERS = frozenset(("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL"))
MISSING = "weight files are missing"
SAFE_WEIGHTS = ("*.safetensors",)
UNSAFE_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf")
TOKENIZERS = ("tokenizer*", "*.model", "vocab*", "*.tiktoken")  # what a tokenizer's files are called
WHOLE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
LARGEST_HEADER = 100_000_000  # bytes; the format's own bound
HEAD = "lm_head.weight"
ADAPTER = "adapter_config.json"
WHOLE = 1 << 30  # bytes of weights that are hashed to the last; of more, three blocks of each tensor
BLOCK = 4096
CHUNK = 8 * 1024 * 1024
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
FLOATS = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
NAMED = 3  # tensors that a message names
_LAYER = re.compile(r"^(?P<root>(?:[A-Za-z_]+\.)*)(?:layers|h)\.(?P<number>\d+)\.(?P<rest>.+)$")
# What stands before a decoder's layers in files that transformers loads: its own names, those of a model
# without its head, and of a wrapper with other towers.
_ROOTS = frozenset(
    {
        "",
        "model.",
        "transformer.",
        "gpt_neox.",
        "language_model.",
        "language_model.model.",
        "model.language_model.",
        "model.text_model.",
        "model.decoder.",
        "decoder.",
    }
)
# What wrappers of training put before every name, which no loader takes off.
TABLES = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
_TRAINERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "base_model.model.", "_forward_module.")


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file: its safetensors type (`BF16`), its shape, and its place in bytes of the file."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def files(directory: Path) -> list[Path]:
    """The safetensors files that a loader reads: `model.safetensors`, else those of the index, else all."""
    whole = directory / WHOLE_FILE
    if paths.is_file(whole):
        return [whole]
    if paths.gone(directory / INDEX):
        return paths.matching(directory, "*.safetensors")
    try:
        listed = documents.read_json(directory / INDEX)["weight_map"]
        return [directory / Path(name).name for name in sorted({str(name) for name in listed.values()})]
    except (KeyError, TypeError, AttributeError):
        raise UserError(
            "the index of the weights names no files",
            place=printable(str(directory / INDEX)),
            remedy="download the model again",
        ) from None


def header(path: Path) -> dict[str, Stored]:
    """The tensors of one file by name. UserError where it is cut short or no safetensors file."""
    seen = paths.require(path, missing="weights not found", remedy="download the model again")
    return _header(path, seen.st_size, seen.st_mtime_ns)


@lru_cache(maxsize=512)
def _header(path: Path, size: int, stamp: int) -> dict[str, Stored]:
    try:
        with documents.opened(path) as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(LARGEST_HEADER, size - 8):
                raise _damaged(path, "it is not a safetensors file, or it is truncated")
            text = file.read(length)
    except OSError as fault:
        raise paths.cannot(fault, path, "read") from None
    try:
        document = documents.loads(text)
        found = {
            str(name): Stored(
                path.name,
                str(given["dtype"]),
                tuple(int(one) for one in given["shape"]),
                *(8 + length + int(offset) for offset in given["data_offsets"]),
            )
            for name, given in document.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise _damaged(path, "its header does not describe tensors") from None
    end = max((one.end for one in found.values()), default=0)
    if end > size:
        raise _damaged(path, f"it has {size:,} of its {end:,} bytes")
    return found


def tensors(directory: Path) -> dict[str, Stored]:
    """Every tensor of a model directory by name; {} where it has no safetensors files."""
    found: dict[str, Stored] = {}
    for path in files(directory):
        found |= header(path)
    return found


def stored_dtype(directory: Path) -> str | None:
    """What most of the weights are stored in, as torch names it; None where nothing is in floats of 16 bit
    or more.
    """
    sizes: dict[str, int] = {}
    for one in tensors(directory).values():
        if one.dtype in FLOATS:
            sizes[one.dtype] = sizes.get(one.dtype, 0) + one.end - one.begin
    return FLOATS[max(sizes, key=lambda name: sizes[name])] if sizes else None


def digest(directory: Path) -> str:
    """Of a model's weights and configuration: SHA-256 in 16 hex digits, another for another model of the same
    shape.

    Up to 1 GiB every byte counts; of larger files the headers and three blocks of every tensor, which takes
    a second for a model of 70 B parameters. UserError where they can't be read.
    """
    found = hashlib.sha256()
    parts = files(directory)
    whole = sum(paths.size(path) for path in parts) <= WHOLE
    try:
        for path in [directory / "config.json", *parts]:
            found.update(f"{path.name} {paths.size(path)}\n".encode())
            with documents.opened(path) as file:
                if whole or path.suffix == ".json":
                    while chunk := file.read(CHUNK):
                        found.update(chunk)
                    continue
                for name, one in sorted(header(path).items()):
                    found.update(f"{name} {one.dtype} {one.shape}\n".encode())
                    for place in (one.begin, (one.begin + one.end - BLOCK) // 2, one.end - BLOCK):
                        file.seek(max(one.begin, place))
                        found.update(file.read(min(BLOCK, one.end - one.begin)))
    except OSError as fault:
        raise paths.cannot(fault, directory, "read") from None
    return found.hexdigest()[:16]


def tokenizer_digest(directory: Path) -> str:
    """Of the tokenizer's files and the chat template: SHA-256 in 16 hex digits."""
    found = hashlib.sha256()
    for name in TOKENIZER:
        if paths.gone(directory / name):  # few models have all of them
            continue
        content = documents.read_bytes(directory / name, LARGEST_HEADER)
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def require(model: BaseModel) -> None:
    """UserError where the user's directory lacks weights that its index names, or has none at all; or has
    nothing of a tokenizer.
    """
    if model.source not in ("directory", "builtin") or model.path is None:
        return
    if model.weights:
        check_format(model.path)
        if not model.tokenizer and not any(paths.matching(model.path, one) for one in TOKENIZERS):
            raise UserError(
                "the model directory has no tokenizer",
                place=printable(str(model.path)),
                remedy="copy tokenizer.json and tokenizer_config.json of the model into it",
            )
        return
    missing = next((note for note in model.notes if note.startswith(MISSING)), "")
    raise UserError(
        missing or "the model directory has no weights",
        place=printable(str(model.path)),
        remedy="model.safetensors (or all of its parts) must be in it: download what is missing",
    )


def check_format(directory: Path) -> None:
    """UserError unless the directory has weights in safetensors; pickled ones are never opened."""
    if any(paths.matching(directory, pattern) for pattern in SAFE_WEIGHTS):
        return
    unsafe = next((path for pattern in UNSAFE_WEIGHTS for path in paths.matching(directory, pattern)), None)
    if unsafe is not None:
        raise UserError(
            f"the weights ({unsafe.name}) are not safetensors, and other formats can run code when opened",
            place=printable(str(directory)),
            remedy="convert them to safetensors",
        )
    raise UserError(
        "the model directory has no weights (no .safetensors file)",
        place=printable(str(directory)),
        remedy="download the complete model, or name another directory",
    )


def require_reachable(model: BaseModel) -> None:
    """UserError where weights would have to be downloaded, and HF_HUB_OFFLINE forbids it."""
    if offline() and not model.weights and model.source in ("catalogue", "cache", "hub"):
        raise UserError(
            "its weights are not on this machine, and HF_HUB_OFFLINE forbids to download them",
            place=printable(model.reference),
            remedy="unset HF_HUB_OFFLINE, or name a local directory as model.base",
        )


def check(model: BaseModel) -> None:
    """UserError where the headers show that the weights aren't those of this model (files cut short, tensors
    that a layer lacks or that have another shape), or where an adapter lies among them.

    Says nothing of what only a loader knows: families not modeled exactly, experts, quantized files.
    """
    if model.path is None or not model.weights:
        return
    if not paths.gone(model.path / ADAPTER):
        raise adapted(str(model.path))
    found = tensors(model.path)
    arch = model.architecture
    whole = [name for name, one in found.items() if one.dtype in INTEGERS and len(one.shape) == 2]
    if model.quantization is None and len(whole) > len(found) / 4:
        raise UserError(
            f"the weights are whole numbers ({found[whole[0]].dtype}), and config.json does not say how they "
            "are quantized",
            place=printable(str(model.path)),
            remedy="name the original, unquantized model",
        )
    if not found or not arch.known or arch.num_experts or model.quantization is not None:
        return
    layers = _by_layer(found)
    if not layers and (strangers := [name for name in found if name.startswith(_TRAINERS)]):
        refuse(_expected(arch), strangers, (), str(model.path))
    if not layers:
        return
    missing, mismatched = [], []
    for number in range(arch.num_layers):
        there = layers.get(number, {})
        for name, into, out, _ in linear_shapes(arch):
            shapes = [one.shape for rest, one in there.items() if rest.endswith(f"{name}.weight")]
            if not shapes:
                missing.append(f"layers.{number}.….{name}.weight")
            elif all(shape not in ((out, into), (into, out)) for shape in shapes):
                mismatched.append((f"layers.{number}.….{name}.weight", shapes[0], (out, into)))
    for name, one in found.items():
        if name.endswith(TABLES) and len(one.shape) == 2 and one.shape[0] != arch.vocab_size:
            mismatched.append((name, one.shape, (arch.vocab_size, one.shape[1])))
    if arch.tie_embeddings and _other_head(model.path, found):
        raise UserError(
            f"config.json ties the output layer to the embeddings, but {HEAD} in the files differs from them",
            place=printable(str(model.path)),
            remedy='set "tie_word_embeddings" to false in config.json to use it; or remove it from the files',
        )
    beyond = [f"layers.{number}.…" for number in sorted(layers) if number >= arch.num_layers]
    if missing or mismatched or beyond:
        refuse(missing, beyond, mismatched, str(model.path))


def _other_head(directory: Path, found: dict[str, Stored]) -> bool:
    """Whether the files have an output layer of its own numbers, by three blocks of it and the embeddings."""
    head, table = found.get(HEAD), next((one for name, one in found.items() if name.endswith(TABLES)), None)
    if head is None or table is None or (head.shape, head.dtype) != (table.shape, table.dtype):
        return False
    return _blocks(directory, head) != _blocks(directory, table)


def _blocks(directory: Path, one: Stored) -> list[bytes]:
    size, found = one.end - one.begin, []
    try:
        with documents.opened(directory / one.file) as file:
            for place in (0, (size - BLOCK) // 2, size - BLOCK):
                file.seek(one.begin + max(0, place))
                found.append(file.read(min(BLOCK, size)))
    except OSError as fault:
        raise paths.cannot(fault, directory / one.file, "read") from None
    return found


def adapted(place: str) -> UserError:
    """Of a directory with a model and an adapter, which a loader would silently add to it."""
    return UserError(
        f"the directory has {ADAPTER} next to a model, so loaders add that adapter to its weights",
        place=printable(place),
        remedy="to train the model itself, move adapter_config.json and adapter_model.safetensors elsewhere; "
        "to train it with its adapter, merge them first",
    )


def refuse(
    missing: Iterable[str],
    unexpected: Iterable[str],
    mismatched: Iterable[tuple[str, Any, Any]],
    place: str,
) -> None:
    """UserError naming tensors that aren't in the files, that nothing takes, or that have another shape
    (name, stored, expected): a loader would make them up or leave them out.
    """
    parts = []
    if lacking := sorted(missing):
        parts.append(f"{_some(lacking)} {'is' if len(lacking) == 1 else 'are'} missing")
    if wrong := sorted(mismatched):
        name, stored, expected = wrong[0]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        parts.append(f"{name} has shape {_shape(stored)}, the model needs {_shape(expected)}{more}")
    if extra := sorted(unexpected):
        parts.append(f"{_some(extra)} {'belongs' if len(extra) == 1 else 'belong'} to no part of the model")
    raise UserError(
        f"the weights are not those of the model in config.json: {'; '.join(parts)}",
        place=printable(place),
        remedy="download the model again, or restore the names that its config.json asks for",
    )


def _by_layer(found: dict[str, Stored]) -> dict[int, dict[str, Stored]]:
    layers: dict[int, dict[str, Stored]] = {}
    for name, one in found.items():
        match = _LAYER.match(name)
        if match and match["root"] in _ROOTS:
            layers.setdefault(int(match["number"]), {})[match["rest"]] = one
    return layers


def _expected(arch: Architecture) -> list[str]:
    numbers = range(arch.num_layers)
    return [f"layers.{number}.….{name}.weight" for number in numbers for name, *_ in linear_shapes(arch)]


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name)[:120] for name in names[:NAMED])
    return shown + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _shape(shape: Any) -> str:
    return " × ".join(str(one) for one in shape)


def _damaged(path: Path, why: str) -> UserError:
    return UserError(
        f"the weights are corrupted: {why}", place=printable(str(path)), remedy="download the file again"
    )
