"""The tokens and the mask: what is learnt, for templates that help and templates that don't."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune.data.chat.prompts import prompts
from tuiftune.data.example import Example, Message
from tuiftune.engine.model.tokenizer import RowTokenizer
from tuiftune.engine.stages.rewarded import wanted
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

CHAT = (
    Message("system", "Be short."),
    Message("user", "What colour?"),
    Message("assistant", "It is red."),
    Message("user", "And the lamp?"),
    Message("assistant", "It is blue, naïvely 🎈."),
)
# The shapes of well-known templates, written with the tiny tokenizer's own special tokens.
UNMARKED = (  # ChatML: end of turn, then a newline that is nobody's
    "{% for message in messages %}<|user|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|user|>assistant\n{% endif %}"
)
MARKS_WITHOUT_END = (  # generation marks that leave the end of turn out: a model would never learn to stop
    "{% for message in messages %}<|{{ message['role'] }}|>{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}{% endgeneration %}{% else %}{{ message['content'] }}{% endif %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
REWRITES_EARLIER_TURNS = (  # Qwen3: the last answer is rendered with an empty thought, earlier ones without
    "{% for message in messages %}<|user|>{{ message['role'] }}\n"
    "{% if loop.last and message['role'] == 'assistant' %}"
    "<think>\n\n</think>\n\n{% endif %}{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|user|>assistant\n{% endif %}"
)
SHOUTS = (  # an answer that can't be found again
    "{% for message in messages %}<|user|>{{ message['content'] | upper }}{{ messages | length }}<|end|>"
    "{% endfor %}"
)
NO_SYSTEM = (  # Gemma and old Mistral: refuse a system message
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + UNMARKED
)


def tokenizer(template: str | None, **options: Any) -> RowTokenizer:
    backend = tiny.make_tokenizer()
    backend.chat_template = template
    return RowTokenizer(backend, **{"max_length": 512, "loss_on": "assistant", **options})


def learnt(made: RowTokenizer, messages: tuple[Message, ...] = CHAT) -> list[str]:
    """The learnt stretches as text."""
    (row,) = made.rows([Example(messages)])
    stretches: list[list[int]] = [[]]
    for token, on in zip(row.ids, row.mask, strict=True):
        if on:
            stretches[-1].append(token)
        elif stretches[-1]:
            stretches.append([])
    return [made.tokenizer.decode(stretch) for stretch in stretches if stretch]


BOTH = ["It is red.<|end|>", "It is blue, naïvely 🎈.<|end|>"]


@pytest.mark.parametrize(
    ("template", "method"),
    [(tiny.TEMPLATE, "generation marks"), (UNMARKED, "prefixes"), (MARKS_WITHOUT_END, "prefixes")],
    ids=["marks", "unmarked", "marks without the end"],
)
def test_answers_and_their_ends_are_learnt(template: str, method: str) -> None:
    made = tokenizer(template)
    assert made.chat.method == method
    assert learnt(made) == BOTH
    assert learnt(tokenizer(template, loss_on="completion")) == BOTH[1:]
    assert learnt(tokenizer(template, loss_on="all")) == [made.template.render(CHAT)]


def test_turns_that_are_rewritten_are_found_all_the_same() -> None:
    assert learnt(tokenizer(REWRITES_EARLIER_TURNS)) == [BOTH[0], "<think>\n\n</think>\n\n" + BOTH[1]]


def test_a_template_that_hides_the_answer_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be distinguished"):
        tokenizer(SHOUTS).rows([Example(CHAT)])
    assert tokenizer(SHOUTS, loss_on="all").rows([Example(CHAT)])[0].teaches


def test_a_template_that_refuses_a_row_says_why() -> None:
    with pytest.raises(UserError, match="System role not supported") as refusal:
        tokenizer(NO_SYSTEM).rows([Example(CHAT)])
    assert "\n" not in str(refusal.value)


def test_without_a_template_a_plain_one_ends_its_turns() -> None:
    made = tokenizer(None)
    assert not made.own_template
    assert learnt(made) == BOTH
    assert made.stop_tokens() == [made.tokenizer.eos_token_id]


def test_turns_of_weight_zero_are_not_learnt() -> None:
    unwanted = (*CHAT[:2], Message("assistant", "It is red.", 0), *CHAT[3:])
    for template in (tiny.TEMPLATE, UNMARKED):
        assert learnt(tokenizer(template), unwanted) == BOTH[1:]


def test_the_prompt_is_where_the_answer_begins() -> None:
    """What inference sends is, token for token, what stands before the last answer in training."""
    for template in (tiny.TEMPLATE, UNMARKED):
        made = tokenizer(template)
        (row,) = made.rows([Example(CHAT)])
        prompt = made.prompt(CHAT[:-1])
        assert row.ids[: len(prompt)] == prompt
        assert row.mask[len(prompt)] == 1
        assert row.mask[len(prompt) - 1] == 0


def test_the_mask_is_the_libraries_own() -> None:
    made = tokenizer(tiny.TEMPLATE)
    (row,) = made.rows([Example(CHAT)])
    theirs = made.tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in CHAT],
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    assert row.ids == theirs["input_ids"]
    assert row.mask == theirs["assistant_masks"]


def test_the_cut_counts_what_it_takes() -> None:
    whole = tokenizer(tiny.TEMPLATE).rows([Example(CHAT)])[0]
    (cut,) = tokenizer(tiny.TEMPLATE, max_length=whole.length - 3).rows([Example(CHAT)])
    assert (len(cut.ids), cut.truncated, cut.lost) == (whole.length - 3, True, 3)
    assert cut.ids == whole.ids[:-3]
    (nothing,) = tokenizer(tiny.TEMPLATE, max_length=5).rows([Example(CHAT)])
    assert not nothing.teaches


def test_raw_text_is_learnt_whole_and_ends() -> None:
    made = tokenizer(tiny.TEMPLATE)
    (row,) = made.rows([Example(text="The door is red.")])
    assert all(row.mask)
    assert row.ids[-1] == made.tokenizer.eos_token_id


def test_rewards_compare_with_a_reference_without_its_reasoning() -> None:
    """As with what was written: an exact match was out of reach for every row that reasons first."""
    answer = Message("assistant", "<think>\nIt glows.\n</think>\n\nIt is red.")
    (prompt,) = prompts(tokenizer(UNMARKED), [Example((Message("user", "What colour?"), answer))])
    assert wanted(prompt.parts[2]) == "\n\nIt is red."


def test_rows_keep_their_order() -> None:
    made = tokenizer(tiny.TEMPLATE)
    mixed = [Example(text="red"), Example(CHAT), Example(text="blue")]
    assert [row.ids for row in made.rows(mixed)] == [made.rows([one])[0].ids for one in mixed]


def test_the_tokens_job_prints_one_document(engine: Engine, model: Path, data: Path) -> None:
    code, said = engine.run("tokens", data, "--model", model, "--row", "2", "--max-length", "10")
    assert code == 0
    document = json.loads(said)
    assert document["row"] == 2
    assert document["truncated"] is True
    assert len(document["tokens"]) == 10
    assert document["mask_from"] == "generation marks"
    assert document["training"].startswith(document["inference"])
    assert document["length"] == 10 + len(document["truncated_tokens"])
    assert sum(token["trained"] for token in document["truncated_tokens"]) == document["lost"]
    assert (
        "".join(token["text"] for token in document["tokens"] + document["truncated_tokens"])
        == document["training"]
    )
    code, said = engine.run("tokens", data, "--model", model, "--row", "3", "--row", "1")
    assert code == 0
    assert [one["row"] for one in json.loads(said)["rows"]] == [3, 1]
    code, said = engine.run("tokens", data, "--model", model, "--row", "4812")
    assert code == 2
    assert len(said.strip().splitlines()) == 1


def test_every_token_has_its_own_text_and_muted_answers_are_told(engine: Engine, tmp_path: Path) -> None:
    """With the embedded model: an emoji is several tokens, and joined they are the row to the character."""
    turns = [("user", "Où est-il? 🎈\nhere", None), ("assistant", "Non 🎉 là", 0)]
    turns += [("user", "Sure?", None), ("assistant", "Yes 日本.", 1)]
    row = {
        "messages": [
            {"role": role, "content": content, **({} if weight is None else {"weight": weight})}
            for role, content, weight in turns
        ]
    }
    rows = tiny.write_rows(tmp_path / "rows.jsonl", [row] * 9)
    code, said = engine.run("tokens", rows, "--model", "builtin:tiny", "--max-length", "12")
    assert code == 0, said
    document = json.loads(said)
    tokens = document["tokens"] + document["truncated_tokens"]
    assert "".join(token["text"] for token in tokens) == document["training"]
    learnt = "".join(token["text"] for token in tokens if token["trained"])
    assert learnt.startswith("Yes 日本.")
    assert "là" not in learnt
    assert document["masked_answers"] == 1


def test_rows_without_an_answer_left_are_counted(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    long = {"messages": [{"role": "user", "content": "red " * 200}, {"role": "assistant", "content": "Yes."}]}
    rows = tiny.write_rows(tmp_path / "rows.jsonl", [*tiny.rows(40), long])
    run = make_run(rows=rows, data__eval=0.0, evaluation__rows=0, training__max_steps=1)
    assert engine.train(run) == 0
    said = {event["code"]: event["message"] for event in tiny.events(run, "warning")}
    assert said["rows_cut"].startswith("1 of 41")
    assert said["rows_dropped"].startswith("1 of 41")
    assert tiny.events(run, "start")[0]["rows_train"] == 40


@pytest.mark.parametrize("trimmed", [False, True], ids=["blanks kept", "blanks trimmed"])
def test_the_mask_from_the_ends_is_the_mask_from_every_token(trimmed: bool) -> None:
    """What is taken from the ends of the spans agrees with a look at each token, bytes of emoji included."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    from tuiftune.data.chat.spans import Rendered
    from tuiftune.data.chat.tokenize import _mask, learnt_mask

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=trimmed)
    text = "def f():\n        return 'naïve 🎈🎈'   # a tea\n\n    pass 你好  "
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator([text] * 3, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    (encoded,) = made.encode_batch([text], add_special_tokens=False)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            spans = ((start, end),)
            fast = learnt_mask(encoded, Rendered(text, spans), whole=True)
            slow = _mask(encoded.offsets, spans)
            if trimmed:  # blanks at the very end of a span stand for no character then
                assert [on for on, (a, b) in zip(fast, encoded.offsets, strict=True) if b > a] == [
                    on for on, (a, b) in zip(slow, encoded.offsets, strict=True) if b > a
                ]
            else:
                assert fast == slow
