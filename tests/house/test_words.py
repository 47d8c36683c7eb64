"""The project's vocabulary: words that strings, docstrings, comments and pages must not use.

A line that must use one (a regular expression that reads data, a quotation) ends in `# words: ok`; say why
next to it. A new forbidden word is one line in the tables.
"""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROSE = ("README.md", "CONTRIBUTING.md", "presets/*.yaml", "tuiftune/*/README.md", "docs/**/*.md")
SKIP = ("languages.py", "secrets.py", "special_tokens.py")  # word lists that recognize data

# Pattern -> what to write instead. Case-insensitive, whole words.
EVERYWHERE = {
    r"learnt": "trained on / learned",
    r"anew": "again",
    r"whoever|heeded|foresaw|foreseen|beforehand": "(rewrite)",
    r"by heart": "memorize",
    r"beside(?! the point)": "next to / in addition to / compared with",
    r"(?:the )?very (?:tokens|model)": "the exact tokens / the same model",
    r"mend(?:s|ed|ing)?": "fix (the user) or clean (tuiftune)",
    r"rehears\w+": "preflight check",
    r"untuned": "base model",
    r"verdicts?": "recommendation",
    r"optimisers?": "optimizer",
    r"(?:recognis|memoris|tokenis|quantis|summaris|normalis|utilis)\w+": "the -ize spelling",
    r"colour\w*|licen[c]e\w*|behaviour\w*|catalogue|labelled|cancelled": "American spelling",
}
# Only in what users see: strings, help texts, pages.
USER_FACING = {
    r"(?<!model )(?<!credit )cards?(?! numbers?)": "GPU",
    r"processors?": "CPU",
    r"(?:is|are|were|was) cut(?: (?:at|off|away))?|rows cut|cut at": "truncated",
    r"goes on|go on|going on|gone on": "continues / resume",
    r"(?:the )?(?:held[- ]out) loss": "eval loss",
    r"answers exactly right": "exact match",
    r"not a number": "NaN",
    r"guides? [A-E](?:[,–-] ?[A-E])*": "name the source",
    r"you asked for it": "set in the preset",
    r"(?<!there )(?:is|are) no(?! longer)": "is not a / not a valid",
    r"twins?|doubled|doubles": "near-duplicate / duplicate",
    r"dear(?:er)?": "costs",
    r"folders?": "directory",
    r"died|dies": "crashed / exited",
    r"shipped": "built-in",
    r"\d %|\} %": "no space before %",
}


def _pieces(path: Path) -> list[tuple[int, str, bool]]:
    """Return (line, text, user-facing) of every string, docstring and comment of a Python file."""
    source = path.read_text(encoding="utf-8")
    allowed = {n for n, line in enumerate(source.splitlines(), 1) if "# words: ok" in line}
    kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    # Docstrings of commands become --help, those of preset sections YAML comments.
    printed = path.parent.name == "cli" or path.name == "schema.py"
    blank = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}
    found, fresh = [], True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds and token.start[0] not in allowed:
            docstring = fresh and token.string.lstrip("rbfRBF").startswith('"""')
            seen = token.type != tokenize.COMMENT and (not docstring or printed)
            text = re.sub(r"\{[^{}]*\}", "{}", token.string)  # in Python 3.11 an f-string includes its code
            if " " in text.strip():  # one word is an identifier or a key; prose has a space
                found.append((token.start[0], text, seen))
        fresh = token.type in blank
    return found


def violations() -> list[str]:
    """Return `file:line: word -> replacement` for every forbidden word."""
    pieces = [
        (path.relative_to(ROOT), *piece)
        for path in sorted((ROOT / "tuiftune").rglob("*.py"))
        if path.name not in SKIP
        for piece in _pieces(path)
    ]
    for pattern in PROSE:
        for path in sorted(ROOT.glob(pattern)):
            lines = path.read_text(encoding="utf-8").splitlines()
            pieces += [(path.relative_to(ROOT), n, line, True) for n, line in enumerate(lines, 1)]
    compiled = {
        seen: [
            (re.compile(rf"(?<![\w.`/-])(?:{pattern})(?![\w`])", re.IGNORECASE), better)
            for pattern, better in (EVERYWHERE | USER_FACING if seen else EVERYWHERE).items()
        ]
        for seen in (True, False)
    }
    return [
        f"{path}:{line}: {hit[0]!r} -> {better}"
        for path, line, text, seen in pieces
        for pattern, better in compiled[seen]
        for hit in pattern.finditer(text)
    ]


def test_no_forbidden_word_in_what_users_and_readers_of_the_code_see() -> None:
    found = violations()
    if found:
        pytest.fail(f"{len(found)} forbidden words:\n" + "\n".join(found[:200]))


# Names in code, of which those that must stay say so.
NAMES = {r"tokenis": "tokeniz", r"(?<!model)(?:^|_)cards?(?:_|$)|^cards?(?=[A-Z]|$)": "gpu"}
MODEL_CARDS = (  # where a card is a model's
    "tuiftune/deploy/",
    "tuiftune/engine/export/",
    "tuiftune/engine/training/trainer.py",
    "tuiftune/hub/",
    "tuiftune/runs/reports/concluded.py",
    "tests/engine/test_engine_export.py",
    "tests/engine/test_engine_read_back.py",
    "tests/evaluate/",
    "tests/hub/",
    "tests/models/",
)


def misnamed() -> list[str]:
    """Return `file:line: name -> replacement` for every identifier that spells a forbidden word."""
    found = []
    for room in ("tuiftune", "tests", "benchmarks"):
        for path in sorted((ROOT / room).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if not any(re.search(pattern, source, re.IGNORECASE) for pattern in NAMES):
                continue
            place, lines = path.relative_to(ROOT), source.splitlines()
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                if token.type != tokenize.NAME or "# words: ok" in lines[token.start[0] - 1]:
                    continue
                if "card" in token.string.lower() and place.as_posix().startswith(MODEL_CARDS):
                    continue
                found += [
                    f"{place}:{token.start[0]}: {token.string!r} -> {better}"
                    for pattern, better in NAMES.items()
                    if re.search(pattern, token.string, re.IGNORECASE)
                ]
    return found


def test_no_identifier_spells_a_forbidden_word() -> None:
    assert not misnamed()


@pytest.mark.parametrize(
    ("line", "hits"),
    [
        ('SAYS = "the card is full"', 1),
        ('SAYS = "the model card is here"', 0),
        ('SAYS = "card"', 0),  # one word is a key
        ("x = 1  # learnt tokens", 1),
        ('"""Two cards, in a docstring."""', 0),
        ('"""Tokens learnt, in a docstring."""', 1),
        ('SAYS = "the card is full"  # words: ok', 0),
    ],
)
def test_a_forbidden_word_is_found(
    line: str, hits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tuiftune" / "room"
    package.mkdir(parents=True)
    (package / "file.py").write_text(line + "\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert len(violations()) == hits


if __name__ == "__main__":
    print("\n".join(violations()))
