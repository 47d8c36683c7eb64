"""The number that an answer ends with, read one way by the number match of evaluations and by rewards.

Read by value: `1/2`, `3 1/2`, `½`, `\\frac{1}{2}`; `1e3`, `2.5 × 10^3`; `$1,234.50`, `12,34,567`, `1'234`,
`1 234,5` and `1.234,50`; `5 million`; a sign before a currency, and the minus signs of typesetters. One comma
before exactly three digits separates thousands (`1,234`), any other one is a decimal comma (`3,5`); one point
is always a decimal point. A percentage is compared with a number without the sign as that of a percentage if
the number is above 1 (`50%` is 50), else as a share (`50%` is 0.5, `0.5%` is not). Values are exact: 1/3 is
not 0.33. Digits and signs of Arabic, Indian and East Asian writing are read too, with 万, 亿, lakh and crore.

Compared as it is written: what digits and signs form without being one number, such as dates, times, ratios,
ranges, versions and products (`10:30`, `5-10`, `2^10`). Not compared: units. Not read: digits that end a word
or its power (`m2`, `CO2`, `m^2`), and the uncertainty after `±`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 400  # characters of one number; longer ones are compared as they are written
LARGEST = 400  # power of ten
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "lakh": 5, "crore": 7}
MYRIADS = {
    "万": 4,
    "萬": 4,
    "만": 4,
    "亿": 8,
    "億": 8,
    "억": 8,
}  # written without a space before what is counted

_MINUS = "\u2212\u2013\ufe63\uff0d"  # signs of typesetters, which models write too
_SPACES = "\u00a0\u2007\u2009\u202f"  # that stand between groups of digits
_SUPERSCRIPT = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True))
_LETTER = r"A-Za-z\u00aa-\u024f\u0370-\u03ff\u0400-\u052f"  # of scripts that put a space before a number

_FRACTION = re.compile(r"(\d?)\s*\\[dt]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_RAISED = re.compile(rf"([\d)])([{''.join(_SUPERSCRIPT)}]+)")
_POINTS = str.maketrans("\u066b\u066c\uff0e\u066a", ".,.%")  # of Arabic, and of full width
_WIDE_COMMA = re.compile(r"(?<=\d)\uff0c(?=\d{3}(?!\d))")  # else it separates what is listed
_LATEX = str.maketrans(dict.fromkeys(_SPACES, " ") | {"\u2044": "/", "\u2215": "/", "\uff05": "%"})

_POWER = r"(?:\s*[×x*·⋅]\s*10\s*(?:\^|\*\*)\s*\{?\s*(?P<power>[-+]?\d+)\s*\}?)"
_GLUE = (  # what may stand between the digits of one word
    rf"(?!{re.sub('[?]P<power>', '?:', _POWER)})(?:\*\*|[.,:/^×*+_'’-]-?| (?=\d{{3}}(?!\d)))"
)
_TOKEN = re.compile(
    rf"(?:=\s*(?P<apart>-)\s+|\b(?P<word>negative|(?<!\d )minus)\s+)?"
    rf"(?:(?<![\w)\]%])(?P<sign>[-+]|±\s?)(?=[$€£¥₹.\d]))?[$€£¥₹]?\s?(?P<after>(?<![\w)\]%])-)?"
    rf"(?:10\s?(?:\^|\*\*)\s?\{{?(?P<alone>[-+]?\d+)\}}?(?![\d^])"
    rf"|(?<![\d{_LETTER}_^])(?P<whole>\d+) (?:and )?(?P<part>\d+/\d+)(?![\d/])"
    rf"|(?P<digits>(?:\d|(?<![\w.])\.\d)\d*(?:{_GLUE}\d+)*(?:[eE][-+]?\d+(?![\d{_LETTER}]))?){_POWER}?)"
    rf"\s*(?P<percent>%|per ?cent\b)?"
    rf"(?:\s*(?P<scale>{'|'.join(SCALES)})\b|\s?(?P<myriad>{'|'.join(MYRIADS)})(?!\s?\d))?",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3})?(?:\.\d+)?")
_SPACED = re.compile(r"\d{1,3}(?:[ '’_]\d{3})+(?:[.,]\d+)?")
_POINTED = re.compile(r"\d{1,3}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})")
_COMMA = re.compile(r"\d+,\d+")
_RATIO = re.compile(r"(\d+)/(-?\d+)")
_MARK = re.compile(r"####\s*[^\w\s.]{0,3}\s*(?=[-+.]?\d)")  # how GSM8K writes its result
_HEADING = re.compile(r"[.)]\s+\w")  # "#### 1. Add the numbers" of Markdown


@dataclass(frozen=True, slots=True)
class Number:
    """A number by its value, or digits with signs as they are written."""

    value: Fraction | str
    percent: bool = False


def last(text: str) -> Number | None:
    """Return the last number of a text; None if there is none."""
    found = None
    plain = _plain(text)
    for token in _TOKEN.finditer(plain):
        if not _ends_a_word(plain, token):
            found = token
    return None if found is None else _read(found)


def marked(text: str) -> Number | None:
    """Return the last `#### number`, as GSM8K writes its results; None if there is none."""
    plain, found = _plain(text), None
    for mark in _MARK.finditer(plain):
        start = mark.end() - len(mark[0]) + 4
        token = _TOKEN.search(plain, start)
        if token is not None and not _HEADING.match(plain, token.end()):
            found = token
    return None if found is None else _read(found)


def final(text: str) -> Number | None:
    """Return the last `#### number`, or else the last number of a text; None if there is none."""
    return marked(text) or last(text)


def same(one: Number | None, other: Number | None, within: Fraction | int = 0) -> bool:
    """Return True if two numbers are at most `within` apart; no number is the same as none."""
    if one is None or other is None:
        return False
    if isinstance(one.value, str) or isinstance(other.value, str):
        return one.value == other.value
    first, second = one.value, other.value
    if one.percent is not other.percent:
        bare = second if one.percent else first
        if abs(bare) > 1:  # the number of a percentage
            first, second = (first * 100, second) if one.percent else (first, second * 100)
    return abs(first - second) <= within


def _plain(text: str) -> str:
    """A text with one form of minus, space, fraction and power, as far as numbers need it."""
    for sign in _MINUS:
        text = text.replace(sign, "-")
    if not text.isascii():
        text = _WIDE_COMMA.sub(",", text.translate(_POINTS))
    if "\\" in text:
        text = _FRACTION.sub(lambda found: f"{found[1]} {found[2]}/{found[3]}".lstrip(), text)
        for command, sign in (("\\times", "×"), ("\\cdot", "·"), ("\\pm", "±"), ("\\%", "%"), ("\\$", "$")):
            text = text.replace(command, sign)
        text = text.replace("{,}", ",").replace("\\,", " ")
    text = _RAISED.sub(lambda found: f"{found[1]}^{''.join(_SUPERSCRIPT[one] for one in found[2])}", text)
    return "".join(_vulgar(one, text[at - 1 : at]) for at, one in enumerate(text)).translate(_LATEX)


def _vulgar(one: str, before: str) -> str:
    """`½` as ` 1/2`; any other character as it is."""
    if one < "\u00bc" or not unicodedata.decomposition(one).startswith("<fraction>"):
        return one
    written = unicodedata.normalize("NFKC", one)
    return f" {written}" if before.isdigit() else written


def _ends_a_word(text: str, token: re.Match[str]) -> bool:
    """Return True if digits end a word or its power, or tell how uncertain a number is."""
    if (token["sign"] or "").startswith("±"):
        return True
    start = token.start("digits")
    if start <= 0:
        return False
    before = text[max(0, start - 5) : start]
    if re.search(r"(?<![A-Za-z])(?:[A-Z]{3}|Rs|R)$", before):
        return False  # a currency
    return re.search(rf"[{_LETTER}](?:(?:\^|\*\*|_)\{{?-?)?$", before) is not None


def _read(token: re.Match[str]) -> Number:
    written = token["digits"] or ""
    value = _value(token)
    sign = -1 if token["apart"] or token["word"] or "-" in (token["sign"], token["after"]) else 1
    if isinstance(value, str):
        return Number(f"-{written}" if sign < 0 else written)
    if token["percent"]:
        value /= 100
    scale = SCALES.get((token["scale"] or "").lower(), 0) or MYRIADS.get(token["myriad"] or "", 0)
    return Number(sign * value * 10**scale, bool(token["percent"]))


def _value(token: re.Match[str]) -> Fraction | str:
    """The value without its sign; the text if it is not one number."""
    written = token["digits"] or token[0]
    if len(written) > LONGEST:
        return written
    if token["alone"]:
        return _scaled(Fraction(1), token["alone"]) or written
    if token["whole"]:
        part = _ratio(token["part"])
        if part is None or part >= 1:  # not a mixed number: "in 2024 3/2"
            return part if part is not None else token["part"]
        return int(token["whole"]) + part
    digits, _, power = written.lower().partition("e")
    found = _ratio(digits) or _decimal(digits)
    for exponent in (power, token["power"]):
        found = _scaled(found, exponent) if found is not None and exponent else found
    return written if found is None else found


def _scaled(number: Fraction, power: str) -> Fraction | None:
    exponent = int(power) if len(power) <= 6 else LARGEST + 1
    return number * Fraction(10) ** exponent if abs(exponent) <= LARGEST else None


def _ratio(written: str) -> Fraction | None:
    found = _RATIO.fullmatch(written)
    return Fraction(int(found[1]), int(found[2])) if found and int(found[2]) else None


def _decimal(written: str) -> Fraction | None:
    zero_first = re.match(r"0\d*,", written) is not None  # "0,125" has no thousands
    if _ENGLISH.fullmatch(written) and not zero_first:
        return Fraction(written.replace(",", ""))
    if _POINTED.fullmatch(written):
        return Fraction(written.replace(".", "").replace(",", "."))
    if _SPACED.fullmatch(written) or _COMMA.fullmatch(written):
        return Fraction(re.sub(r"[ '’_]", "", written).replace(",", "."))
    return None
