"""Comparisons: both sides as tokens, their checks, and what is told of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import assets
from tuiftune.data.chat import pairs
from tuiftune.data.chat.local import read_tokenizer
from tuiftune.data.example import Example, Message
from tuiftune.data.inspect import inspect
from tuiftune.data.measure import measure
from tuiftune.data.read.load import load
from tuiftune.errors import UserError
from tuiftune.jobs.prepare import resolve
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.data.checks.check import Check

ASKED = (Message("user", "Which key prints a page?"),)


def example(chosen: str = "Ctrl and P.", rejected: str = "I would not know that.") -> Example:
    return Example(ASKED, chosen=chosen, rejected=rejected)


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def found(path: Path, rows: list[dict[str, Any]]) -> dict[str, Check]:
    return {check.check: check for check in inspect(load(str(written(path, rows)))).checks}


def row(number: int, chosen: str, rejected: str) -> dict[str, Any]:
    return {"prompt": f"Question {number}: what is it?", "chosen": chosen, "rejected": rejected}


def test_a_side_is_the_prompt_with_its_answer_and_trains_on_the_answer_alone() -> None:
    tokenizer = read_tokenizer(assets.BASE, max_length=512, loss_on="all")
    (pair,) = pairs.pairs(tokenizer, [example()])
    prompt = tokenizer.prompt(ASKED)
    for side, answer in zip(pair.sides, ("Ctrl and P.", "I would not know that."), strict=True):
        assert side.ids[: len(prompt)] == prompt
        trained = [token for token, on in zip(side.ids, side.mask, strict=True) if on]
        assert trained == side.ids[len(prompt) :]
        assert tokenizer.answer(trained).answer == answer
    assert pair.teaches
    assert pair.parts == (pair.chosen.ids, pair.chosen.labels, pair.rejected.ids, pair.rejected.labels)


def test_both_sides_are_truncated_at_one_length() -> None:
    tokenizer = read_tokenizer(assets.BASE, max_length=512, loss_on="all")
    prompt = len(tokenizer.prompt(ASKED))
    short = read_tokenizer(assets.BASE, max_length=prompt + 3, loss_on="all")
    (pair,) = pairs.pairs(short, [example("one two three four five", "six seven eight nine ten eleven")])
    assert [len(side.ids) for side in pair.sides] == [prompt + 3, prompt + 3]
    assert pair.truncated
    assert pair.lost == pair.learnt - 6
    (same,) = pairs.pairs(short, [example("one two three four five", "one two three four five six")])
    assert not same.teaches, "what is left of both answers is the same"


def test_earlier_answers_are_context_and_turns_after_the_prompt_belong_to_a_side() -> None:
    tokenizer = read_tokenizer(assets.BASE, max_length=512, loss_on="assistant")
    asked = (*ASKED, Message("assistant", "Ctrl and P."), Message("user", "And saves it?"))
    longer = (Message("assistant", "Ctrl and S."), Message("user", "Thanks"), Message("assistant", "Bye."))
    (pair,) = pairs.pairs(
        tokenizer,
        [Example(asked, chosen="Ctrl and S.", rejected="-", rejected_turns=longer)],
    )
    texts = [
        tokenizer.backend.decode([token for token, on in zip(side.ids, side.mask, strict=True) if on])
        for side in pair.sides
    ]
    assert "Ctrl and P" not in texts[0]
    assert "Ctrl and S" in texts[0]
    assert "Thanks" not in texts[1]
    assert "Bye" in texts[1]


def test_pairs_without_a_difference_swapped_ones_and_long_ones_are_found(tmp_path: Path) -> None:
    plain = [row(n, f"answer {n} it is", f"wrong {n} it isnt") for n in range(30)]
    checks = found(tmp_path / "a.jsonl", plain)
    assert {checks[name].severity for name in ("equal-sides", "swapped-sides")} == {"ok"}
    faulty = [*plain, row(40, "Same.", " same. "), row(41, "yes", "no"), row(41, "no", "yes")]
    checks = found(tmp_path / "b.jsonl", faulty)
    assert (checks["equal-sides"].severity, checks["equal-sides"].rows) == ("error", (31,))
    assert checks["swapped-sides"].rows == (32, 33)
    assert checks["length-margin"].severity == "ok"
    long = [row(n, f"a much longer answer {n} that goes into detail", f"short {n}") for n in range(30)]
    assert found(tmp_path / "c.jsonl", long)["length-margin"].severity == "warning"


def test_equal_answers_are_no_rows_of_a_plan(tmp_path: Path) -> None:
    rows = [row(n, f"answer {n}", f"answer {n}" if n % 2 else f"wrong {n}") for n in range(40)]
    facts = measure(load(str(written(tmp_path / "a.jsonl", rows))), None, 0.2)
    assert (facts.rows + facts.rows_eval, facts.equal) == (20, 20)


def test_evaluation_rows_of_equal_answers_are_refused_before_a_run(tmp_path: Path) -> None:
    train = written(tmp_path / "a.jsonl", [row(n, f"answer {n}", f"wrong {n}") for n in range(40)])
    equal = written(tmp_path / "b.jsonl", [row(n, f"answer {n}", f"answer {n}") for n in range(50, 60)])
    data, method = {"train": str(train), "eval": str(equal)}, {"stage": "dpo"}
    preset = Preset.model_validate({"model": {"base": "builtin:tiny"}, "data": data, "method": method})
    with pytest.raises(UserError, match=r"data\.eval: .* equal in all 10 evaluation rows"):
        resolve(preset, tmp_path / "runs")


def test_numbers_under_the_names_of_answers_are_asked_for_by_these_names(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} + 1?", "chosen": n + 1, "rejected": n + 2} for n in range(30)]
    with pytest.raises(UserError, match="prompt: prompt, chosen: chosen, rejected: rejected") as fault:
        load(str(written(tmp_path / "a.jsonl", rows)))
    columns = {one: one for one in ("prompt", "chosen", "rejected")}
    assert "not detected" in str(fault.value)
    assert load(str(tmp_path / "a.jsonl"), columns=columns).usable.all()


def test_clean_drops_them_where_asked(tmp_path: Path) -> None:
    from tuiftune.data.clean.run import Settings, clean

    rows = [row(n, f"answer {n}", f"wrong {n}") for n in range(12)]
    rows += [row(40, "Same.", "Same."), row(41, "yes", "no"), row(41, "no", "yes")]
    source = load(str(written(tmp_path / "rows.jsonl", rows)))
    settings = Settings("none", False, "drop", "keep", "80/20", None, 42, ("equal-sides", "swapped-sides"))
    clean(source, tmp_path / "out.jsonl", settings, None)
    kept = load([str(tmp_path / f"out.{part}.jsonl") for part in ("train", "validation")])
    assert (kept.format, kept.rows) == ("preference", 12)


def test_lengths_are_those_of_the_longer_side_and_count_both_answers(tmp_path: Path) -> None:
    from tuiftune.data.tokens import lengths

    tokenizer = read_tokenizer(assets.BASE, max_length=512, loss_on="all")
    rows = [row(1, "short", "a rather longer answer than that one")]
    source = load(str(written(tmp_path / "rows.jsonl", rows)))
    counted = lengths(source, assets.BASE)
    (pair,) = pairs.pairs(tokenizer, source.head(1))
    assert counted.total.tolist() == [len(pair.rejected.ids)]
    assert counted.learnt.tolist() == [sum(pair.chosen.mask) + sum(pair.rejected.mask)]
    guess = lengths(source, None)
    assert guess.learnt[0] > len("a rather longer answer than that one") / 4


def test_judged_answers_train_on_the_last_answer_and_need_both_kinds(tmp_path: Path) -> None:
    from tuiftune.data.chat.judged import judged
    from tuiftune.data.checks.judgments import check_both_kinds

    tokenizer = read_tokenizer(assets.BASE, max_length=512, loss_on="assistant")
    asked = (*ASKED, Message("assistant", "Ctrl and P."), Message("user", "And saves it?"))
    rows = judged(
        tokenizer,
        [Example((*asked, Message("assistant", "Ctrl and S.")), label=one) for one in ("true", "false")],
    )
    assert [one.desirable for one in rows] == [True, False]
    trained = [token for token, on in zip(rows[0].row.ids, rows[0].row.mask, strict=True) if on]
    assert tokenizer.answer(trained).answer == "Ctrl and S."
    assert rows[1].parts[-1] == [0]

    judgments = [
        {"prompt": f"Question {n}?", "completion": f"answer {n}", "label": n % 4 != 0} for n in range(40)
    ]
    checks = found(tmp_path / "a.jsonl", judgments)
    assert checks["judgments"].severity == "warning"
    assert checks["judgments"].remedy == "set method.undesirable_weight: 3"
    one_sided = written(tmp_path / "b.jsonl", [{**one, "label": True} for one in judgments])
    with pytest.raises(UserError, match="all 40 answers are judged good") as caught:
        check_both_kinds(load(str(one_sided), format="kto"), "b.jsonl")
    assert "Add answers of the other kind" in str(caught.value)
    columns = {"prompt": "prompt", "completion": "completion", "label": "prompt"}
    with pytest.raises(UserError, match="no answer is judged good or bad"):
        check_both_kinds(load(str(one_sided), columns=columns), "b.jsonl")


def talk(*texts: str, system: str = "") -> list[dict[str, str]]:
    said = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    return [*([{"role": "system", "content": system}] if system else []), *said]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"prompt": "How far? \n", "chosen": talk("How far?", "A"), "rejected": talk("How far?", "B")}, 1),
        (
            {
                "messages": talk("How far? "),
                "chosen": talk("How far?", "A"),
                "rejected": talk("How far?", "B"),
            },
            1,
        ),
        ({"chosen": talk("How far?", "A", system="S "), "rejected": talk("How far? ", "B", system="S")}, 2),
        (
            {
                "prompt": "Hi",
                "chosen": talk("Hi", "Yes?", "How far?", "A"),
                "rejected": talk("Hi", "Yes?", "How far?", "B"),
            },
            3,
        ),
        (
            {
                "prompt": "How far?",
                "chosen": talk("Hi", "Yes?", "How far?", "A", "Thanks"),
                "rejected": talk("Hi", "Yes?", "How far?", "B", "Hm"),
            },
            3,
        ),
        ({"prompt": "Context", "chosen": talk("How far?", "A"), "rejected": talk("How far?", "B")}, 2),
    ],
)
def test_a_question_is_asked_once(given: dict[str, Any], asked: int, tmp_path: Path) -> None:
    """Where a column repeats it, with other white space or as one of several messages; and an answer ends a
    side.
    """
    (row,) = load(str(written(tmp_path / "a.jsonl", [given] * 9))).head(1)
    assert len(row.messages or ()) == asked
    assert (row.messages or ())[-1].content.strip() == "How far?"
    assert (row.chosen, row.rejected) == ("A", "B")


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": talk("How far?"), "completion": talk("How far? ", "A")},
        {"prompt": "How far?", "completion": talk("How far?", "A")},
        {"prompt": talk("How far?"), "completion": talk("How far?", "A"), "label": True},
        {"prompt": "How far?", "response": "A", "history": talk("Hi", "Yes?", "How far?")},
        {"instruction": "How far?", "output": "A", "history": talk("Hi", "Yes?", "How far?")},
        {"prompt": "How far?", "chosen": "A", "rejected": "B", "history": talk("Hi", "Yes?", "How far?")},
    ],
)
def test_a_question_is_asked_once_before_a_single_answer_too(given: dict[str, Any], tmp_path: Path) -> None:
    (row,) = load(str(written(tmp_path / "a.jsonl", [given] * 9))).head(1)
    said = [message.content for message in row.prompt]
    assert said in (["How far?"], ["Hi", "Yes?", "How far?"])
    assert row.reference == "A"
