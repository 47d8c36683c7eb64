"""A tokenizer as transformers loads it, where that differs from what tokenizer.json says.

For many model types the library rebuilds the tokenizer (Llama's with another treatment of blanks, for
instance). The engine is asked once for such a model, and its answer kept until the files change.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tuiftune import __version__, documents, engine_call, paths
from tuiftune.engine_call import Job
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "config.json",
)
SINGLE = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
TOKENS = (*SINGLE, "additional_special_tokens", "extra_special_tokens", "added_tokens_decoder")
ADDED = 1 << 22  # bytes at the beginning of a tokenizer.json that hold its added tokens
LARGEST = 1 << 28  # bytes of an answer
SECONDS = 120  # of the engine, which imports its libraries first
GENERIC = ("TokenizersBackend", "PreTrainedTokenizerFast")
REBUILT = ("qwen2", "qwen3_5", "qwen4", "hyperclovax")
"""Model types whose tokenizer transformers 5 rebuilds even if its files name a generic class
(MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS in tokenization_auto.py)."""


def by_files(config: dict[str, Any], tokenizer: dict[str, Any]) -> bool:
    """Whether tokenizer.json is taken as it is: from config.json and tokenizer_config.json."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        return True  # no model that could be trained
    return tokenizer.get("tokenizer_class") in GENERIC and not kind.startswith(REBUILT)


def as_written(folder: Path, tokenizer: dict[str, Any]) -> bool:
    """Whether tokenizer.json holds every token that the other files name, as far as they say the same: only
    the library knows what it makes of a token that is added, or of two files that disagree.
    """
    if tokenizer.get("split_special_tokens") or not tokenizer.get("eos_token"):
        return False
    named = [_contents(tokenizer.get(name)) for name in TOKENS]
    for name in ("special_tokens_map.json", "added_tokens.json"):
        if paths.gone(folder / name):
            continue
        document = documents.read_json(folder / name)
        if name == "added_tokens.json":
            named.append(list(document))
            continue
        named += [_contents(value) for value in document.values()]
        both = ((value, tokenizer.get(key)) for key, value in document.items() if key in SINGLE)
        if any(_contents(one) != _contents(other) for one, other in both):
            return False
    held = documents.read_head(folder / "tokenizer.json", ADDED)
    texts = [text for texts in named for text in texts]
    return all(json.dumps(text) in held or json.dumps(text, ensure_ascii=False) in held for text in texts)


def _contents(value: Any) -> list[str]:
    """The texts of a token, or of tokens, in any of the forms that tokenizer_config.json has."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        if isinstance(value.get("content"), str):
            return [value["content"]]
        value = list(value.values())
    return [text for one in value for text in _contents(one)] if isinstance(value, list) else []


def kept(folder: Path) -> dict[str, Any] | None:
    """The engine's answer for a directory as it is now: `backend`, `special`, `template`, `stops`."""
    answer = place(folder)
    return documents.read_json(answer, LARGEST) if paths.is_file(answer) else None


def ask(folder: Path) -> None:
    """Have the engine load the tokenizer and keep what it is. UserError with the engine's line."""
    answer = place(folder)
    if paths.is_file(answer):
        return
    try:
        answer.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # nowhere to keep it: the files are read as they are
    late = UserError(
        f"the tokenizer takes more than {SECONDS} s to load",
        place=str(folder),
        remedy="use the files that came with the model, or another model",
    )
    engine_call.ask(Job("tokenizer", (str(folder), str(answer))), within=SECONDS, late=late)


def write(to: Path, document: dict[str, Any]) -> None:
    """Keep an answer, whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_suffix(f".{os.getpid()}")
    try:
        partial.write_text(json.dumps(document), encoding="utf-8")
        os.replace(partial, to)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def place(folder: Path) -> Path:
    """Where the answer for a directory is kept."""
    signature: list[Any] = [os.path.realpath(folder), version("transformers"), __version__]
    for name in FILES:
        try:
            seen = os.stat(folder / name)
        except OSError:
            signature.append(None)
        else:
            signature.append((seen.st_mtime_ns, seen.st_size))
    name = hashlib.sha256(json.dumps(signature).encode()).hexdigest()[:32]
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return paths.given(base) / "tuiftune" / "tokenizers" / f"{name}.json"
