"""Patterns of keys, tokens and passwords: one table for data checks, logs and presets."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from urllib.parse import quote

# Every pattern holds for Rust's regex (the fast scan of a dataset) and for Python's re in ASCII mode.
FORMS = {
    "AWS key": r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "GitHub token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}",
    "API key": r"sk-(?:proj-|ant-[a-z0-9]+-|or-)?[A-Za-z0-9_-]{20,}",
    "Slack token": r"xox[abposr]-[A-Za-z0-9-]{10,}",
    "Google key": r"AIza[0-9A-Za-z_-]{35}",
    "Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "Stripe key": r"[sr]k_(?:live|test)_[0-9a-zA-Z]{16,}",
    "GitLab token": r"glpat-[0-9A-Za-z_-]{20,}",
    "npm token": r"npm_[A-Za-z0-9]{36}",
    "private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "JSON web token": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password in a URL": r"[a-z][a-z0-9+.-]{2,10}://[^\s/:@]{1,64}:[^\s/@]{3,64}@[A-Za-z0-9.-]+",
    "password": r"(?:[Pp]assword|PASSWORD|passwd|pwd|PWD|[Ss]ecret|SECRET"
    r"|[Aa]pi[_-]?[Kk]ey|API_KEY|[Tt]oken|TOKEN)"
    r"[\"']? ?[:=] ?[\"']?[^\s\"',;()<>\[\]{}$]{8,64}",
}
GUESSED = ("password",)  # uncertain pattern: reported in data, where the user decides
HIDDEN = "[secret]"

_FORM = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    + "|".join(form for kind, form in FORMS.items() if kind not in GUESSED)
    + r")(?:[\s\S]*?-----END (?:[A-Z]+ )?PRIVATE KEY-----)?",
    re.ASCII,
)
_NAMES = re.compile(
    r"(?:^|_)(?:TOKENS?|KEYS?|API_?KEY|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|PAT|PASS|PWD|CREDENTIALS?|AUTH)(?:_|$)"
    r"|(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD)$",
    re.IGNORECASE,
)
_UNBROKEN = 16  # characters
_LONG, _SHORT = 12, 8  # characters: of any value, and of one that mixes letters and digits


def without_secrets(text: str) -> str:
    """Return `text` with secrets hidden: those of the environment by value, others by pattern."""
    for secret in _known():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _FORM.sub(lambda found: HIDDEN if _genuine(found[0]) else found[0], text)


def holds_secret(text: str) -> bool:
    """Return True if `text` contains a secret: by its pattern, or one of the environment by value."""
    formed = any(_genuine(found[0]) for found in _FORM.finditer(text))
    return formed or any(secret in text for secret in _known())


def _genuine(found: str) -> bool:
    """Return False for names with hyphens such as sk-learn-and-other-names: a key has one long part."""
    return not found.startswith("sk-") or max(map(len, found.split("-"))) >= _UNBROKEN


def _known() -> tuple[str, ...]:
    return _forms_of(tuple((name, value) for name, value in os.environ.items() if _NAMES.search(name)))


@lru_cache(maxsize=4)
def _forms_of(environment: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return the values, also as written in JSON, Python's repr and URLs; the longest first."""
    values = {value for _, value in environment if _is_secret(value)}
    written = set(values)
    for value in values:
        written |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
        written.add(quote(value, safe=""))
    return tuple(sorted(written, key=len, reverse=True))


def _is_secret(value: str) -> bool:
    """Return False for switches such as TOKENIZERS_PARALLELISM=false, and for paths of files."""
    mixed = any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)
    if len(value) < (_SHORT if mixed else _LONG) or value.isspace():
        return False
    try:
        return not os.path.exists(value)
    except (OSError, ValueError):
        return True
