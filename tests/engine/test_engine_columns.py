"""Rows by whole columns, with words looked up, are to the bit those that are tokenized one at a time."""

from __future__ import annotations

import json
import random
from array import array
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune.data.chat.template import PLAIN_TEMPLATE, Template
from tuiftune.data.chat.tokenize import RowTokenizer
from tuiftune.data.chat.word_tokens import WordTokens
from tuiftune.data.example import Example, Message
from tuiftune.engine.model import columns, foreign
from tuiftune.engine.stages.base import stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenizers import Tokenizer

GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = ["some", "plain", "words", "It", "is", "red"]
AWKWARD = (
    "the 's don't 1 4567 . , ... !? ( ) <|end|> <|user|> <|en _ — “ é e\u0301 \u0301 ß 你好 नमस्ते سلام "
    "🚀 👩\u200d💻 \u200b \ufeff \u180e <think> </think>"
)
BLANKS = ("\u00a0", "\u3000", "\x1c", "\x85", "\t", "\n", "\r\n", "\n\n", " ", "  ", "   ")
PIECES = (*WORDS, *AWKWARD.split(" "), *BLANKS, "x" * 70)
THINKING = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' }}{% set c = m.content %}"
    "{% if m.role == 'assistant' and '</think>' in c and not loop.last %}"
    "{% set c = c.split('</think>')[-1] %}{% endif %}{{ c + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
GLUED = "{% for m in messages %}{{ m.content }}{{ '<|end|>' if m.role == 'assistant' else ':' }}{% endfor %}"
SPACED = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}"
    "{{ '<|end|>' if m.role == 'assistant' }}{% endfor %}"
)


@pytest.fixture(scope="module")
def variants() -> dict[str, Tokenizer]:
    """The tiny model's tokenizer, and others of its vocabulary."""
    from tokenizers import Tokenizer

    own = tiny.make_tokenizer().backend_tokenizer
    document = json.loads(own.to_str())
    for pair in ("ĠĠ", "ĠĠĠ", "ĊĠ", "ĉĠ"):  # white space that belongs together, as real vocabularies have it
        document["model"]["vocab"][pair] = max(own.get_vocab().values()) + 1
        document["model"]["merges"].append([pair[:-1], pair[-1]])
        own = Tokenizer.from_str(json.dumps(document))
    end = next(one for one in document["added_tokens"] if one["content"] == "<|end|>")
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    begins = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|end|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [end["id"]], "tokens": ["<|end|>"]}},
    }

    def other(*splits: Any, **changed: Any) -> Tokenizer:
        if splits:
            changed["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": list(splits)}
        return Tokenizer.from_str(json.dumps({**document, **changed}))

    def split(expression: str) -> dict[str, Any]:
        return {
            "type": "Split",
            "pattern": {"Regex": expression},
            "behavior": "Isolated",
            "invert": False,
        }

    return {
        "gpt-2": own,
        "smollm": other({"type": "Digits", "individual_digits": True}, {**bytes_, "use_regex": True}),
        "digits first": other(split(r"\p{N}{1,3}"), split(LLAMA), bytes_),
        "llama": other(split(LLAMA), bytes_, post_processor=begins),
        "gpt-4o": other(split(GPT4O), bytes_, normalizer={"type": "NFC"}),
        "trimmed": other(
            split(LLAMA), bytes_, post_processor={"type": "Sequence", "processors": [bytes_, begins]}
        ),
    }


def text(chance: random.Random, most: int) -> str:
    made = []
    for _ in range(chance.randrange(most)):
        made.append(chance.choice(WORDS if chance.random() < 0.5 else PIECES))
        made.append(" " * (chance.random() < 0.7))
    return "".join(made)


def example(chance: random.Random, row: int) -> Example:
    if chance.random() < 0.2:
        return Example(text=text(chance, 60), row=row)
    made = [Message("system", text(chance, 9))] if chance.random() < 0.3 else []
    for _ in range(chance.randrange(1, 4)):
        made.append(Message("user", text(chance, 9)))
        if chance.random() < 0.1:
            made += [Message("assistant", "call"), Message("tool", text(chance, 9))]
        thought = f"<think>\n{text(chance, 9)}\n</think>\n\n" if chance.random() < 0.2 else ""
        made.append(Message("assistant", thought + text(chance, 20), chance.choice([None, None, 0, 1])))
    return Example(tuple(made[: -1 if chance.random() < 0.05 else None]), row=row)


@pytest.mark.parametrize("name", ["gpt-2", "smollm", "digits first", "llama", "gpt-4o", "trimmed"])
def test_words_that_are_looked_up_give_the_tokens_of_the_text(
    name: str, variants: dict[str, Tokenizer]
) -> None:
    backend, chance = variants[name], random.Random(name)
    words = WordTokens.of(backend)
    assert words is not None
    for _ in range(4):
        texts = [text(chance, 30) for _ in range(100)]
        expected = backend.encode_batch(texts, add_special_tokens=False)
        assert words.encode(texts) == [array("i", one.ids).tobytes() for one in expected]


def test_words_that_normalizing_lengthens_and_shortens_are_not_taken_for_one_another(
    variants: dict[str, Tokenizer],
) -> None:
    backend, chance = variants["gpt-4o"], random.Random(1)
    words = WordTokens.of(backend)
    assert words is not None
    changed = ["e\u0301", "\ufb2a", "\u212a", "\u2126", "\u0958", "\u0344", "\u1f71", "1", "22", "3x", "the"]
    for _ in range(300):
        text = "a " + " ".join(chance.choices(changed, k=6))
        rows = [text, *(f"q {word}" for word in text.split(" "))]
        for row in rows:
            assert words.encode([row]) == [array("i", backend.encode(row).ids).tobytes()]
    assert not words.as_is("a \ufb2a e\u0301")  # as many bytes as its tokens stand for, each elsewhere


def test_added_tokens_that_are_looked_for_in_a_normalized_text_leave_all_to_the_tokenizer(
    variants: dict[str, Tokenizer],
) -> None:
    from tokenizers import AddedToken, Tokenizer

    backend = Tokenizer.from_str(variants["gpt-4o"].to_str())
    backend.add_tokens([AddedToken("norm\u00e9")])
    assert WordTokens.of(backend) is None


@pytest.mark.parametrize("name", ["gpt-2", "llama", "gpt-4o", "trimmed"])
@pytest.mark.parametrize("template", [tiny.TEMPLATE, PLAIN_TEMPLATE, THINKING, GLUED, SPACED])
def test_columns_are_the_rows(
    name: str, template: str, variants: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(name + template)
    for loss_on, reasoning, length in (
        ("assistant", "keep", 2048),
        ("completion", "mask", 30),
        ("all", "drop", 12),
        ("assistant", "last", 60),
    ):
        tokenizer = RowTokenizer(
            variants[name],
            Template(template, {"eos_token": "<|end|>", "bos_token": "<|end|>"}),
            max_length=length,
            loss_on=loss_on,
            reasoning=reasoning,
        )
        words = WordTokens.of(tokenizer.backend)
        assert words is not None
        examples = [example(chance, row) for row in range(30)]
        for key in ("sft", "pretrain"):
            half = stage(key)
            plain = foreign.plainly(foreign.Foreign(tokenizer, half.rows, {}), examples)
            assert columns.packed(tokenizer, words, examples, half.cut) == plain
        chats = [one for one in examples if one.messages]
        expected = [tokenizer.completion_lengths([one]) for one in chats]
        tokenizer.words = words
        assert [tokenizer.completion_lengths([one]) for one in chats] == expected


def test_common_rows_need_no_offsets(variants: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the columns would be right, and slow."""
    tokenizer = RowTokenizer(
        variants["llama"], Template(tiny.TEMPLATE, {}), max_length=64, loss_on="assistant"
    )
    words = WordTokens.of(tokenizer.backend)
    assert words is not None
    rows = [
        Example((Message("user", f"What is {row}?"), Message("assistant", f"It is “{row}”.")))
        for row in range(9)
    ]
    asked = []
    plainly: Callable[..., Any] = tokenizer.encoded
    monkeypatch.setattr(
        tokenizer, "encoded", lambda given, **kinds: asked.extend(given) or plainly(given, **kinds)
    )
    assert columns.packed(tokenizer, words, rows, "truncated").rows == 9
    assert asked == []


@pytest.mark.parametrize(
    "changed",
    [
        {"normalizer": {"type": "NFKC"}},
        {"normalizer": {"type": "Prepend", "prepend": "▁"}},
        {"pre_tokenizer": None},
        {
            "pre_tokenizer": {
                "type": "Metaspace",
                "replacement": "▁",
                "prepend_scheme": "always",
                "split": True,
            }
        },
        {
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {
                        "type": "Split",
                        "pattern": {"Regex": r"\w+ \w+|\s+"},
                        "behavior": "Isolated",
                        "invert": False,
                    },
                    {
                        "type": "ByteLevel",
                        "add_prefix_space": False,
                        "trim_offsets": True,
                        "use_regex": False,
                    },
                ],
            }
        },
        {
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            }
        },
    ],
    ids=["other normalizer", "prefix", "no splits", "other spaces", "over spaces", "space put before"],
)
def test_other_tokenizers_are_left_to_themselves(
    changed: dict[str, Any], variants: dict[str, Tokenizer]
) -> None:
    from tokenizers import Tokenizer

    document = json.loads(variants["gpt-2"].to_str())
    assert WordTokens.of(Tokenizer.from_str(json.dumps({**document, **changed}))) is None


def test_a_token_with_a_space_leaves_all_to_the_tokenizer() -> None:
    from tokenizers import AddedToken

    backend = tiny.make_tokenizer().backend_tokenizer
    backend.add_tokens([AddedToken("it is")])
    assert WordTokens.of(backend) is None
