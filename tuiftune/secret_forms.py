"""What a key, token or password looks like: one table for checks of data, for logs and for presets."""

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
GUESSED = ("password",)  # what only looks like one: told in data, where somebody decides on it
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
    """`text` with tokens hidden: those of the environment by their value, others by their form."""
    for secret in _known():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _FORM.sub(lambda found: HIDDEN if _genuine(found[0]) else found[0], text)


def holds_secret(text: str) -> bool:
    """Whether a token stands in `text`: by its form, or one of the environment by its value."""
    formed = any(_genuine(found[0]) for found in _FORM.finditer(text))
    return formed or any(secret in text for secret in _known())


def _genuine(found: str) -> bool:
    """No name with hyphens, such as sk-learn-and-other-long-names: a key has one long part at least."""
    return not found.startswith("sk-") or max(map(len, found.split("-"))) >= _UNBROKEN


def _known() -> tuple[str, ...]:
    return _forms_of(tuple((name, value) for name, value in os.environ.items() if _NAMES.search(name)))


@lru_cache(maxsize=4)
def _forms_of(environment: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The values, also as JSON, as Python's repr and as a URL write them; the longest first."""
    values = {value for _, value in environment if _is_secret(value)}
    written = set(values)
    for value in values:
        written |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
        written.add(quote(value, safe=""))
    return tuple(sorted(written, key=len, reverse=True))


def _is_secret(value: str) -> bool:
    """Not a switch such as TOKENIZERS_PARALLELISM=false, nor the path of a file that holds one."""
    mixed = any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)
    if len(value) < (_SHORT if mixed else _LONG) or value.isspace():
        return False
    try:
        return not os.path.exists(value)
    except (OSError, ValueError):
        return True
