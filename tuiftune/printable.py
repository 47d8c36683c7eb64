"""Text that came from a file, a model name or another program, made safe to show and to keep."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import cache

# Controls and format characters (bidi overrides, zero-width joins) repaint a terminal or hide text;
# lone surrogates (Cs) cannot be encoded at all.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_NOT_PLAIN = {False: re.compile("[^ -~]"), True: re.compile("[^ -~\n\t]")}

# Tokens by their form, and the variables of the environment that hold others.
_FORMS = re.compile(
    r"(?<![A-Za-z0-9_])(?:hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|sk-(?:proj|ant)-[A-Za-z0-9_-]{20,}"
    r"|sk-[A-Za-z0-9]{32,}|xox[abposr]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35})"
)
_NAMES = re.compile(r"TOKEN|KEY|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 12  # characters; what is shorter is a switch, such as TOKENIZERS_PARALLELISM=false
HIDDEN = "[secret]"


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with control, escape and bidirectional characters shown as escapes such as `\\x1b`.

    With `lines`, newlines and tabs are kept, for text that is shown as a block.
    """
    return _NOT_PLAIN[lines].sub(_safe, text)


def _safe(found: re.Match[str]) -> str:
    char = found[0]
    if unicodedata.category(char) in _UNSAFE:
        return char.encode("unicode_escape").decode("ascii")
    return char


def without_secrets(text: str) -> str:
    """`text` with tokens hidden: those of the environment by their value, others by their form."""
    for secret in _secrets():
        text = text.replace(secret, HIDDEN)
    return _FORMS.sub(HIDDEN, text)


def holds_secret(text: str) -> bool:
    """Whether a token stands in `text`, by its form."""
    return _FORMS.search(text) is not None


@cache
def _secrets() -> tuple[str, ...]:
    values = {value for name, value in os.environ.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
    return tuple(sorted(values - {value for value in values if os.path.exists(value)}, key=len, reverse=True))
