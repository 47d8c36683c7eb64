"""Which of llama.cpp's pre-tokenizers splits text as a tokenizer does, where its converter does not know it.

llama.cpp has its pre-tokenizers built in; its converter recognizes a tokenizer by the tokens of one text.
For any other tokenizer the candidates below are tried: the same vocabulary and merges behind each. One is
taken only where it gives the same tokens as the tokenizer itself for every text that it is tried on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Of llama.cpp, src/llama-vocab.cpp: the expressions behind a name, applied one after the other.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_CONTRACTIONS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True, slots=True)
class Known:
    """A pre-tokenizer of llama.cpp. `whole`: what is a token as it stands is not built from merges."""

    name: str
    expressions: tuple[str, ...]
    whole: bool = False


KNOWN = (
    Known("gpt-2", (_GPT2,)),
    Known("smollm", (r"\p{N}", _GPT2)),
    Known("qwen2", (_CONTRACTIONS + _WORDS + r"\p{N}|" + _REST,)),
    Known("llama-bpe", (_CONTRACTIONS + _WORDS + r"\p{N}{1,3}|" + _REST,), whole=True),
    Known("ufakzeka", (_WORDS + r"\p{N}|" + _REST,)),
    Known("default", (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
    Known("falcon", (r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, "[0-9][0-9][0-9]")),
    Known("deepseek-coder", (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}")),
)
# What tells pre-tokenizers apart: contractions, numbers, blanks, line ends, punctuation, scripts, emoji.
PROBES = (
    "I've told you she'd say it's Bob's; WE'LL SEE, they're 'tis don't DON'T",
    "1 12 123 1234 12345 3.14159 1,000,000 x1 1x 2024-11-29 100% $5 №7 ٣٤ ²",
    "a  b   c    d\te\t\tf \t g\n\nh\n \n  i\r\nj   \n   k ",
    "if (x==1) { return a[0]->b++; } // --- #!/bin/sh <tag attr='v'/> `x` ~ ^ | & @",
    "Ünïcödé straße Ελλάδα Привет 你好世界 こんにちは 안녕하세요 नमस्ते سلام ไทย 🚀 😶‍🌫️ é",
    " leading and trailing  ",
    "…“quotes” ‘single’ – — ¿¡ «» 100€/m² HTTPServer2_name.ext",
)


def matching(tokenizer: str, texts: Iterable[str]) -> str | None:
    """The name of the pre-tokenizer that gives the same tokens for all texts; None if none does.

    Args:
        tokenizer: the content of a tokenizer.json.
        texts: further texts to try them on.
    """
    from tokenizers import Tokenizer

    document = json.loads(tokenizer)  # raw: of a model that was loaded; its vocabulary may be large
    if document.get("model", {}).get("type") != "BPE":
        return None
    own = Tokenizer.from_str(tokenizer)
    tried = [*PROBES, *texts]
    wanted = _tokens(own, tried)
    for known in KNOWN:
        other = Tokenizer.from_str(json.dumps(_with(document, known)))
        if _tokens(other, tried) == wanted:
            return known.name
    return None


def _tokens(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return [one.ids for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def _with(document: dict[str, Any], known: Known) -> dict[str, Any]:
    """The tokenizer as llama.cpp runs it: this pre-tokenizer, no normalizer, bytes as GPT-2 writes them."""
    splits: list[dict[str, Any]] = [
        {"type": "Split", "pattern": {"Regex": one}, "behavior": "Isolated", "invert": False}
        for one in known.expressions
    ]
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        **document,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, bytes_]},
        "model": {**document["model"], "ignore_merges": known.whole},
    }
