"""Lengths as the trainer will count them, truncation in answer tokens, and mixtures of sources."""

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeded

from tuiftune import assets
from tuiftune.data.chat.environment import compile_template
from tuiftune.data.chat.fenced import UNCUT
from tuiftune.data.chat.local import read_tokenizer
from tuiftune.data.chat.spans import Chat
from tuiftune.data.chat.template import PLAIN_TEMPLATE, Template
from tuiftune.data.checks.check import Subject
from tuiftune.data.dataset import example_of
from tuiftune.data.example import Example
from tuiftune.data.inspect import checks_of
from tuiftune.data.measure import measure
from tuiftune.data.mix.sources import (
    Mix,
    Source,
    mixed,
    prompt_of,
    sample,
    weights_of_shares,
    weights_of_temperature,
)
from tuiftune.data.mix.split import split
from tuiftune.data.read.load import load
from tuiftune.data.tokens import lengths, name_of, truncation
from tuiftune.errors import UserError
from tuiftune.jobs.prepare import resolve
from tuiftune.preset.schema import Preset


@dataclass(frozen=True)
class Model:
    reference: str
    path: Path | None


TINY = Model("builtin:tiny", assets.BASE)
present = pytest.mark.skipif(
    not (assets.BASE / "tokenizer.json").is_file(), reason="the base model isn't built yet"
)


def positions_of(folder: Path, example: Example) -> tuple[int, list[int]]:
    (row,) = read_tokenizer(folder, max_length=UNCUT).rows([example])
    return row.length, [place for place, learnt in enumerate(row.mask) if learnt]


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


@present
def test_lengths_are_those_of_the_trainers_own_tokenizer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(assets.BASE))
    dataset = load(write(tmp_path / "a.jsonl", [*seeded.chats(30, random.Random(1)), {"messages": []}]))
    found = lengths(dataset, assets.BASE)
    for length, example in zip(found.total.tolist(), dataset.examples(), strict=True):
        assert example.messages is not None
        turns = [{"role": turn.role, "content": turn.content} for turn in example.messages]
        out = tokenizer.apply_chat_template(
            turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        assert length == len(out["input_ids"])
        total, positions = positions_of(assets.BASE, example)
        assert total == length
        assert positions == np.flatnonzero(out["assistant_masks"]).tolist()
        asked = tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True)
        assert (
            read_tokenizer(assets.BASE, max_length=UNCUT).template.render(example.prompt, prompt=True)
            == asked
        )


@present
def test_measure_counts_and_says_so() -> None:
    facts = measure(load("builtin:tickets"), TINY, 0.05)
    assert facts.rows + facts.rows_eval == load("builtin:tickets").rows
    assert len(facts.quantiles) == 21
    assert list(facts.quantiles) == sorted(facts.quantiles)
    assert facts.quantiles[-1] == facts.longest
    assert facts.quantiles[0] <= facts.mean_length <= facts.longest
    assert "builtin:tiny" in facts.basis
    train, held = split(load("builtin:tickets"), 0.05, 42)
    assert (facts.rows, facts.rows_eval) == (len(train), len(held))


def test_without_a_tokenizer_it_is_an_estimate_and_says_so() -> None:
    facts = measure(load("builtin:tickets"), None, 0.05)
    assert "estimated" in facts.basis


@present
def test_truncation_counts_answer_tokens(tmp_path: Path) -> None:
    rows = [
        {"prompt": "word " * 5, "completion": "answer " * 40},
        {"prompt": "word " * 80, "completion": "yes"},
    ] * 5
    dataset = load(write(tmp_path / "a.jsonl", rows))
    found = lengths(dataset, assets.BASE)
    limit = 30
    expected = bare = 0
    for example in dataset.examples():
        _, positions = positions_of(assets.BASE, example)
        expected += sum(position >= limit for position in positions)
        bare += all(position >= limit for position in positions)
    cut = truncation(dataset, found, limit, assets.BASE)
    assert cut.answer_tokens_lost == expected > 0
    assert len(cut.nothing_left) == bare == 5
    assert len(cut.rows) == 10
    assert truncation(dataset, found, 100_000, assets.BASE).answer_tokens_lost == 0


@present
def test_template_checks_pass_on_the_built_in_model() -> None:
    checks = {
        check.check: check for check in checks_of(Subject(load("builtin:tickets"), tokenizer=assets.BASE))
    }
    assert {checks[name].count for name in ("template-refusals", "double-bos", "endless-answers")} == {0}


def model_with(template: str, folder: Path) -> Path:
    """A directory with the built-in tokenizer and another template."""
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((assets.BASE / "tokenizer.json").read_bytes())
    config = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(template)
    return folder


FAULTY = {
    # refuses the probe for the end of a turn, and has none
    "endless-answers": "{% if messages[0].content | length < 12 %}{{ raise_exception('short') }}{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    "double-bos": "{{ bos_token }}{{ bos_token }}{% for m in messages %}{{ m.content }}<|end|>{% endfor %}",
    "template-refusals": "{% if messages | length > 2 %}{{ raise_exception('too many turns') }}{% endif %}"
    "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}",
}


@present
@pytest.mark.parametrize("name", FAULTY)
def test_template_faults_are_found(name: str, tmp_path: Path) -> None:
    folder = model_with(FAULTY[name], tmp_path / "model")
    rows = seeded.chats(24, random.Random(1))
    checks = {
        c.check: c for c in checks_of(Subject(load(write(tmp_path / "a.jsonl", rows)), tokenizer=folder))
    }
    assert checks[name].count == 24
    assert checks[name].severity == "error"
    assert {other: checks[other].count for other in FAULTY if other != name} == dict.fromkeys(
        set(FAULTY) - {name}, 0
    )
    assert "generation" in checks["template"].why


def test_templates_are_sandboxed(tmp_path: Path) -> None:
    template = Template("{{ messages.__class__.__mro__[1].__subclasses__() }}", {})
    example = next(load(write(tmp_path / "a.jsonl", seeded.pairs(3, random.Random(1)))).examples())
    with pytest.raises(UserError, match="chat template"):
        template.render(example.messages or ())
    with pytest.raises(UserError, match="does not compile"):
        compile_template("{% for %}", "model/chat_template.jinja")


def test_the_stand_in_template_marks_what_is_learnt(tmp_path: Path) -> None:
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    template = Template(PLAIN_TEMPLATE, special)
    example = next(load(write(tmp_path / "a.jsonl", [{"prompt": "a", "completion": "b"}] * 3)).examples())
    rendered = Chat(template, special.values(), "</s>").learnt(example.messages or (), "assistant")
    assert rendered.text == "<s>### User:\na\n\n### Assistant:\nb</s>"
    assert [rendered.text[start:end] for start, end in rendered.spans] == ["b</s>"]
    assert rendered.text.startswith(template.render(example.prompt, prompt=True))


def weighted(first: Any, second: Any, name: str = "weight") -> dict[str, Any]:
    """Two questions and two answers; what the row says of each answer's part in the loss."""
    turns = [("user", "What colour?", None), ("assistant", "It is quite red.", first)]
    turns += [("user", "And the lamp?", None), ("assistant", "Blue.", second)]
    return {
        "messages": [
            {"role": role, "content": content} | ({} if said is None else {name: said})
            for role, content, said in turns
        ]
    }


@present
@pytest.mark.parametrize("marked", [True, False], ids=["generation marks", "no marks"])
@pytest.mark.parametrize(
    ("first", "second", "name"),
    [(0, 1, "weight"), (True, False, "train"), (1, 0.0, "weight"), (0, 0, "loss")],
)
def test_the_count_leaves_out_what_the_engine_leaves_out(
    first: Any, second: Any, name: str, marked: bool, tmp_path: Path
) -> None:
    """Turns of weight 0 (or `train: false`): what is counted here is, token for token, the trainer's mask."""
    from transformers import AutoTokenizer

    from tuiftune.engine.model.tokenizer import RowTokenizer

    source = (assets.BASE / "chat_template.jinja").read_text("utf-8")
    if not marked:
        source = source.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    folder = model_with(source, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(str(assets.BASE))
    tokenizer.chat_template = source
    dataset = load(write(tmp_path / "a.jsonl", [weighted(first, second, name)] * 9))
    example = next(dataset.examples())
    trained = RowTokenizer(tokenizer, max_length=512, loss_on="assistant").rows([example])[0]
    _, positions = positions_of(folder, example)
    assert positions == [place for place, learnt in enumerate(trained.mask) if learnt]
    assert bool(positions) == bool(first or second)
    estimated = lengths(dataset, None).learnt
    assert estimated.tolist() == [math.ceil(((16 if first else 0) + (5 if second else 0)) / 4)] * 9
    checks = {check.check: check for check in checks_of(Subject(dataset))}
    assert checks["muted-turns"].count == 9
    assert checks["nothing-to-train"].count == (0 if first or second else 9)


def test_a_model_without_a_template_gets_the_stand_in(tmp_path: Path) -> None:
    folder = model_with("", tmp_path / "model")
    assert not read_tokenizer(folder, max_length=99).own_template


def test_mixing_counts_what_the_trainer_sees(tmp_path: Path) -> None:
    rng = random.Random(1)
    main = load(write(tmp_path / "main.jsonl", seeded.pairs(100, rng)))
    train, held = split(main, 0.1, 3)
    general = write(tmp_path / "general.jsonl", seeded.chats(200, rng))
    leaking = write(
        tmp_path / "leak.jsonl",
        [{"prompt": e.prompt[0].content, "completion": "x"} for e in held] + seeded.pairs(10, rng),
    )
    mixture = mixed(
        train, held, Mix((Source(general, 0.25), Source(leaking, 2.5))), seed=3, format=main.format
    )
    seen = [(portion.rows, portion.seen, portion.left_out) for portion in mixture.portions]
    assert seen == [(90, 90, 0), (200, 50, 0), (20, 25, 10)]
    assert len(mixture.examples) == 165
    assert sum(mixture.share(portion) for portion in mixture.portions) == pytest.approx(1)
    assert (
        mixed(train, held, Mix((Source(general, 0.25),)), seed=3, format="chat").examples
        == mixed(train, held, Mix((Source(general, 0.25),)), seed=3, format="chat").examples
    )
    facts = measure(main, None, 0.1, mix=Mix((Source(general, 0.25), Source(leaking, 2.5))), seed=3)
    assert facts.rows == 165
    assert "2 sources" in facts.basis


def test_the_longest_answer_is_of_what_is_held_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"say {number}", "completion": "a b c " * number} for number in range(1, 41)]
    main = load(write(tmp_path / "main.jsonl", rows))
    held = split(main, 0.2, 3)[1]
    longest = max(len(example.reference) for example in held)
    assert measure(main, None, 0.2, seed=3).longest_answer == math.ceil(longest / 4 * 4 / 3)
    assert measure(main, None, 0.0).longest_answer == math.ceil(240 / 4 * 4 / 3)
    text = load(write(tmp_path / "text.jsonl", [{"text": f"only text {number}"} for number in range(9)]))
    assert measure(text, None, 0.2).longest_answer is None


def test_of_many_answers_those_with_the_most_bytes_are_made_into_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an evaluation set the longest answer is of all rows: ten million took minutes."""
    rows = [{"prompt": f"say {number}", "completion": "a" * (number * 7 % 500)} for number in range(1, 600)]
    main = load(write(tmp_path / "main.jsonl", rows))
    before = measure(main, None, 0.0)
    made, make = [], example_of
    monkeypatch.setattr("tuiftune.data.dataset.example_of", lambda *given: made.append(1) or make(*given))
    monkeypatch.setattr("tuiftune.data.measure.ANSWERS", 40)
    monkeypatch.setattr("tuiftune.data.measure.LOOKED_AT", 5)
    assert measure(main, None, 0.0) == before
    assert 40 <= len(made) < 60


def test_sampling_follows_content_not_order(tmp_path: Path) -> None:
    rows = list(load(write(tmp_path / "a.jsonl", seeded.pairs(60, random.Random(1)))).examples())
    taken = {example.reference for example in sample(rows, 0.5, 1)}
    assert len(taken) == 30
    assert {example.reference for example in sample(rows[::-1], 0.5, 1)} == taken
    assert {example.reference for example in sample(rows, 0.5, 2)} != taken


def test_weights_from_shares_and_temperature() -> None:
    assert weights_of_shares([900, 5000], [0.9, 0.1]) == pytest.approx([1, 0.02])
    assert weights_of_temperature([100, 10_000], 1) == pytest.approx([1, 1])
    assert weights_of_temperature([100, 10_000], 2) == pytest.approx([1, 0.1])


@pytest.mark.parametrize("weight", [0, -1, 101])
def test_bad_weights(weight: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a valid weight"):
        mixed([], [], Mix((Source(write(tmp_path / "a.jsonl", [{"text": "a"}]), weight),)), 1, format="text")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data.eval": 0}, "there are none"),
        ({"method.stage": "grpo"}, "cannot be evaluated by themselves in group relative"),
        ({}, "none is left to train on"),
    ],
)
def test_what_a_source_cannot_be_evaluated_with_is_told_before_a_run(
    given: dict[str, Any], told: str, tmp_path: Path
) -> None:
    rng = random.Random(1)
    main = write(tmp_path / "main.jsonl", seeded.pairs(40, rng))
    other = [{"prompt": f"One prompt{'' if not given else f' {n}'}", "completion": "5"} for n in range(20)]
    write(tmp_path / "other.jsonl", other)
    mix = {"path": str(tmp_path / "other.jsonl"), "weight": 1.0}
    data = {"train": str(main), "eval": 0.2, "mix": [mix], "mix_eval": 4}
    preset = Preset.model_validate({"model": {"base": "builtin:tiny"}, "data": data})
    with pytest.raises(UserError, match=told):
        resolve(preset.with_values({"training.effective_batch": 16, **given}), tmp_path / "runs")


def test_no_row_is_held_out_of_a_source_that_another_trains_on(tmp_path: Path) -> None:
    """Its score would be of rows that were seen."""
    rng = random.Random(3)
    rows = seeded.pairs(30, rng)
    main = load(write(tmp_path / "main.jsonl", [*seeded.pairs(20, rng), *rows[:10]]))
    first = write(tmp_path / "first.jsonl", rows)
    second = write(tmp_path / "second.jsonl", [*rows[10:20], *seeded.pairs(10, rng)])
    train = list(main.examples())
    both = (Source(first), Source(second))
    mixture = mixed(train, [], Mix(both, held=6), seed=1, format=main.format)
    seen = {prompt_of(row) for row in mixture.examples}
    assert mixture.shared == 20
    for held in mixture.held.values():
        assert len(held) == 6
        assert not seen & {prompt_of(row) for row in held}
    with pytest.raises(UserError, match="the prompts of only 10 are in no other source"):
        mixed(train, [], Mix(both, held=11), seed=1, format=main.format)


def test_a_held_out_question_is_left_out_whichever_side_has_a_system_message(tmp_path: Path) -> None:
    """data.system goes before the main rows alone."""
    rows = [{"prompt": f"Where is {n}?", "completion": f"At {n}."} for n in range(20)]
    main = load(write(tmp_path / "main.jsonl", rows), system="Be brief.")
    train, held = split(main, 0.5, 1)
    others = write(tmp_path / "others.jsonl", rows)
    told = write(tmp_path / "told.jsonl", [{"system": "Be kind.", **row} for row in rows])
    (portion,) = mixed(train, held, Mix((Source(others),)), 1, format=main.format).portions[1:]
    assert portion.left_out == len(held) == 10
    (portion,) = mixed(train, held, Mix((Source(told),)), 1, format=main.format).portions[1:]
    assert portion.left_out == 0, "another system message asks something else"
    train, held = split(load(others), 0.5, 1)
    (portion,) = mixed(train, held, Mix((Source(told),)), 1, format=main.format).portions[1:]
    assert portion.left_out == 10


def test_a_source_of_which_no_row_is_taken_is_refused(tmp_path: Path) -> None:
    rng = random.Random(4)
    train = list(load(write(tmp_path / "main.jsonl", seeded.pairs(20, rng))).examples())
    one = write(tmp_path / "one.jsonl", seeded.pairs(1, rng))
    assert len(mixed(train, [], Mix((Source(one, 3.0),)), 1, format="chat").examples) == 23
    for source in (Source(one, 0.4), Source(one, share=0.01)):
        with pytest.raises(UserError, match=r"of its 1 row is none"):
            mixed(train, [], Mix((source,)), 1, format="chat")


def test_preferences_are_not_mixed_with_answers(tmp_path: Path) -> None:
    pairs = list(load(write(tmp_path / "a.jsonl", seeded.pairs(5, random.Random(1)))).examples())
    other = write(tmp_path / "b.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}] * 5)
    with pytest.raises(UserError, match="preferences"):
        mixed(pairs, [], Mix((Source(other),)), 1, format="prompt-completion")


def test_shares_and_temperature_decide_what_is_seen(tmp_path: Path) -> None:
    rng = random.Random(9)
    train = list(load(write(tmp_path / "main.jsonl", seeded.pairs(300, rng))).examples())
    general = write(tmp_path / "general.jsonl", seeded.pairs(1000, rng))
    small = write(tmp_path / "small.jsonl", seeded.pairs(30, rng))
    shares = mixed(
        train, [], Mix((Source(general, share=0.1), Source(small, share=0.3))), seed=1, format="chat"
    )
    assert [portion.seen for portion in shares.portions] == [
        300,
        50,
        150,
    ]  # down to a twentieth, five times up
    assert [round(shares.share(portion), 6) for portion in shares.portions] == [0.6, 0.1, 0.3]
    beside = mixed(train, [], Mix((Source(general, share=0.5), Source(small, 2.0))), seed=1, format="chat")
    assert [portion.seen for portion in beside.portions] == [300, 360, 60]
    both = (Source(general), Source(small))
    seen = {
        t: [p.seen for p in mixed(train, [], Mix(both, t), seed=1, format="chat").portions]
        for t in (1.0, 2.0, 1e6)
    }
    assert seen[1.0] == [300, 1000, 30]
    assert seen[2.0] == [300, 548, 95]  # ∝ √rows: 300·√(1000/300), 300·√(30/300)
    assert seen[1e6] == [300, 300, 300]
    facts = measure(load(str(tmp_path / "main.jsonl")), None, 0.0, mix=Mix(both, 2.0), seed=1)
    assert [portion.seen for portion in facts.portions] == seen[2.0]
    assert facts.rows == 943
    assert len(facts.tokens) == 3
    long = write(tmp_path / "long.jsonl", [{"text": "word " * 800} for _ in range(10)])
    short = load(write(tmp_path / "short.jsonl", [{"text": f"Few words {n}."} for n in range(90)]))
    few = measure(short, None, 0.0, mix=Mix((Source(long),)), seed=1)
    assert [portion.seen for portion in few.portions] == [90, 10]
    assert few.tokens[1] > 0.9 * sum(few.tokens)  # of a tenth of the rows
    with pytest.raises(UserError, match="used 147 times"):
        mixed(
            train,
            [],
            Mix((Source(write(tmp_path / "few.jsonl", seeded.pairs(2, rng)), share=0.495),)),
            seed=1,
            format="chat",
        )


def test_the_longest_rows_are_known_even_where_only_a_sample_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a plan would bound a batch by rows that happened to be in the sample."""
    from tuiftune.data import tokens
    from tuiftune.models.resolve import resolve

    model = resolve("builtin:tiny")
    texts = [f"row {number} " + "word " * (number % 7) for number in range(400)]
    texts[123], texts[77] = "word " * 300, "word " * 200
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    dataset = load(str(path))
    whole = measure(dataset, model)
    monkeypatch.setattr(
        tokens.lengths, "__kwdefaults__", {**(tokens.lengths.__kwdefaults__ or {}), "limit": 16}
    )
    sampled = measure(dataset, model)
    assert "sample of 16" in sampled.basis
    assert sampled.longest_rows[:2] == whole.longest_rows[:2]
    assert sampled.longest == whole.longest == whole.longest_rows[0]


def test_rows_of_another_format_among_chats_have_their_answers(tmp_path: Path) -> None:
    pairs = [{"prompt": f"How far is {n}?", "completion": "Near."} for n in range(9)]
    chats = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "Far."}]}
        for n in range(9)
    ]
    dataset = load(write(tmp_path / "a.jsonl", [*pairs, *chats]))
    checks = {check.check: check for check in checks_of(Subject(dataset))}
    assert (int(dataset.usable.sum()), checks["nothing-to-train"].count) == (18, 0)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (assets.BASE, "builtin:tiny"),
        (Path("/cache/models--acme--llama-1b/snapshots/0123abc"), "acme/llama-1b"),
        (Path("/models/llama-1b"), "llama-1b"),
    ],
)
def test_a_tokenizer_is_named_as_its_model_is(place: Path, name: str) -> None:
    assert name_of(place) == name


@pytest.mark.parametrize("text", ["Hello there.", "<|begin|>Hello there.", "<|begin|>Hello there.<|end|>"])
def test_a_document_begins_and_ends_once(text: str, tmp_path: Path) -> None:
    """Whether the tokenizer or the text brings the first token."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    folder = model_with((assets.BASE / "chat_template.jinja").read_text("utf-8"), tmp_path / "model")
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    begin = own.token_to_id("<|begin|>")
    own.post_processor = TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)])
    own.save(str(folder / "tokenizer.json"))
    tokenizer = read_tokenizer(folder, max_length=99)
    (row,) = tokenizer.rows([Example(text=text)])
    assert tokenizer.backend.decode(row.ids, skip_special_tokens=False) == "<|begin|>Hello there.<|end|>"
    assert row.mask == [0, *[1] * (len(row.ids) - 1)]
