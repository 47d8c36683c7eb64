"""An answer that is called bad, or worse than another, never becomes one to learn unless the user says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from tuiftune import stages
from tuiftune.data.mix.sources import Mix, Source, check_sides, fresh_rows, mixed
from tuiftune.data.mix.split import held_out_file
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

TOWNS = [
    "Oslo",
    "Bergen",
    "Lund",
    "Riga",
    "Kiel",
    "Turku",
    "Umea",
    "Narva",
    "Tartu",
    "Visby",
    "Aarhus",
    "Gdynia",
]
USER = {"role": "user", "content": "How far?"}


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def pair(number: int) -> dict[str, Any]:
    town = TOWNS[number % 12]
    return {"prompt": f"How far is {town}?", "completion": f"{number} km." if number % 2 else "Go away."}


SCALES = [
    (False, True), ("FALSE", "TRUE"), ("False", "True"), (0, 1), ("0", "1"), (0.0, 1.0), (-1, 1), ("-1", "1"),
    ("no", "yes"), ("down", "up"), ("thumbs_down", "thumbs_up"), ("bad", "good"), ("negative", "positive"),
    ("dislike", "like"), ("undesirable", "desirable"), ("rejected", "accepted"), ("incorrect", "correct"),
    ("👎", "👍"),
]  # fmt: skip


@pytest.mark.parametrize(("down", "up"), SCALES)
@pytest.mark.parametrize("name", ["label", "kto_tag", "Thumbs Up", "feedback"])
def test_thumbs_of_every_type(down: Any, up: Any, name: str, tmp_path: Path) -> None:
    rows = [{**pair(n), name: up if n % 2 else down} for n in range(12)]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert (dataset.format, dataset.stage) == ("kto", "kto")
    assert [example.label for example in dataset.head(2)] == ["false", "true"]


@pytest.mark.parametrize("words", [("False", "True"), ("0", "1"), ("no", "yes")])
def test_thumbs_in_csv(words: tuple[str, str], tmp_path: Path) -> None:
    rows = [
        f"{row['prompt']},{row['completion']},{words[n % 2]}" for n, row in enumerate(map(pair, range(12)))
    ]
    (tmp_path / "a.csv").write_text("prompt,completion,label\n" + "\n".join(rows) + "\n")
    assert load(str(tmp_path / "a.csv")).stage == "kto"


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, say("Far.")], "label": 0},
        {"instruction": "How far?", "input": "By rail.", "output": "Far.", "kto_tag": False},
        {"prompt": [USER], "completion": [say("Far.")], "label": "no"},
        {"question": "How far?", "answer": "Far.", "thumbs_down": True},
        {"messages": [USER, say("Far.")], "rejected": True},
        {"query": "How far?", "response": "Far.", "is_good": 0, "history": [["Hi", "Yes?"]]},
    ],
)
def test_thumbs_beside_every_layout(row: dict[str, Any], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    example = dataset.head(1)[0]
    assert (dataset.stage, example.label) == ("kto", "false")
    if "input" in row:
        assert example.messages[0].content == "How far?\n\nBy rail."
    if "history" in row:
        assert [message.content for message in example.messages] == ["Hi", "Yes?", "How far?", "Far."]


def test_a_column_named_thumbs_down_is_read_the_other_way_round(tmp_path: Path) -> None:
    rows = [{"question": "q?", "answer": f"a{n}", "thumbs_down": n == 0} for n in range(12)]
    labels = [example.label for example in load(jsonl(tmp_path / "a.jsonl", rows)).examples()]
    assert labels == ["false"] + ["true"] * 11


CLASSES = [
    [{"text": f"t {n}", "label": n % 2} for n in range(36)],
    [{"text": f"t {n}", "label": n % 2 == 0} for n in range(36)],
    [{"text": f"t {n}", "label": n % 5} for n in range(36)],
    [{"text": f"t {n}", "label": str(n % 2)} for n in range(36)],
    [{"title": f"T {n}", "text": f"t {n}", "label": n % 2} for n in range(36)],
    [{"review": f"r {n}", "label": n % 2} for n in range(36)],
    [{"text": f"t {n}", "stars": n % 5} for n in range(36)],
    [{"text": f"t {n}", "mood": ["glad", "sad"][n % 2]} for n in range(36)],
    [{"title": f"T {n}", "text": f"t {n}", "rating": n % 5} for n in range(36)],
    [{"prompt": f"t {n}", "label": ["no", "yes"][n % 2]} for n in range(36)],
    [{"prompt": f"t {n}", "completion": ["bad", "good"][n % 2], "label": n % 2} for n in range(36)],
    [
        {"instruction": "Judge.", "input": f"t {n}", "output": ["bad", "good"][n % 2], "label": n % 2}
        for n in range(36)
    ],
]


@pytest.mark.parametrize("rows", CLASSES)
def test_a_class_is_no_thumb(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.stage == "sft"
    assert dataset.usable.all()
    if "text" in rows[0]:
        assert dataset.format == "classification"


PREFERENCES: list[dict[str, Any]] = [
    {"messages": [USER, say("Good.")], "rejected_response": "Bad."},
    {"messages": [USER, say("Good.")], "rejected_messages": [USER, say("Bad.")]},
    {"messages": [USER, say("Good.")], "rejected_response": [say("Bad.")]},
    {"query": "How far?", "response": "Good.", "rejected_response": "Bad."},
    {"messages": [USER, say("Good.")], "rejected_response": ["Bad.", "Worse."]},
    {"instruction": "How far?", "input": "", "output": "Good.", "rejected": "Bad."},
    {"instruction": "How far?", "input": "", "output": ["Good.", "Bad."]},
    {"instruction": "How far?", "input": "", "chosen": "Good.", "rejected": "Bad."},
    {"instruction": "", "input": "How far?", "chosen": "Good.", "rejected": "Bad."},
    {"question": "How far?", "response_j": "Good.", "response_k": "Bad."},
    {"question": "How far?", "chosen": "Good.", "rejected": "Bad."},
    {"prompt": [USER], "chosen": [say("Good.")], "rejected": [say("Bad.")]},
    {"chosen": [USER, say("Good.")], "rejected": [USER, say("Bad.")]},
    {"conversation": [USER], "chosen": say("Good."), "rejected": say("Bad.")},
    {
        "input": {"messages": [USER]},
        "preferred_output": [say("Good.")], "non_preferred_output": [say("Bad.")],
    },
    {"prompt": "How far?", "response_1": "Good.", "response_2": "Bad.", "preference_strength": -2},
    {"prompt": "How far?", "output_1": "Good.", "output_2": "Bad.", "preference": 1},
    {"conversation_a": [USER, say("Good.")], "conversation_b": [USER, say("Bad.")], "winner": "model_a"},
    {"prompt": "How far?", "answers": [{"answer": "Bad.", "rank": 3}, {"answer": "Good.", "rank": 1}]},
    {"instruction": "How far?", "completions": [
        {"response": "Good.", "overall_score": 8}, {"response": "Bad.", "overall_score": 2},
    ]},
    {"prompt": "How far?", "responses": ["Bad.", "Good."], "scores": [0.1, 0.9]},
    {"prompt": "How far?", "chosen": f"[{say('Good.')}]", "rejected": f"[{say('Bad.')}]"},
]  # fmt: skip


@pytest.mark.parametrize("row", PREFERENCES)
def test_preferences_of_every_public_layout(row: dict[str, Any], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    assert (dataset.format, dataset.stage) == ("preference", "dpo")
    example = dataset.head(1)[0]
    assert [(message.role, message.content) for message in example.messages or ()] == [("user", "How far?")]
    assert (example.chosen, example.rejected) == ("Good.", "Bad.")


def test_yes_and_no_may_be_the_answers(tmp_path: Path) -> None:
    rows = [{"prompt": "Far?", "chosen": "Yes", "rejected": "No"}] * 9
    assert load(jsonl(tmp_path / "a.jsonl", rows)).stage == "dpo"


def test_answers_that_are_all_equally_good_are_said(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "answer_a": "a", "answer_b": "b", "winner": "tie"}] * 9
    with pytest.raises(UserError, match='none of its rows can be read: "answer_a" and "answer_b"'):
        load(jsonl(tmp_path / "a.jsonl", rows))


def test_a_question_keeps_its_instruction_input_system_and_history(tmp_path: Path) -> None:
    row = {
        "instruction": "How far?", "input": "By rail.", "system": "Brief.", "history": [["Hi", "Yes?"]],
        "chosen": "Good.", "rejected": "Bad.",
    }  # fmt: skip
    example = load(jsonl(tmp_path / "a.jsonl", [row] * 9)).head(1)[0]
    said = [message.content for message in example.messages or ()]
    assert said == ["Brief.", "Hi", "Yes?", "How far?\n\nBy rail."]


AGENT = [say("I look."), {"role": "tool", "content": "12"}, say("12 km.")]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [USER], "chosen": AGENT, "rejected": [say("Dunno.")]},
        {"chosen": [USER, *AGENT], "rejected": [USER, say("Dunno.")]},
        {"messages": [USER, *AGENT], "rejected_messages": [USER, say("Dunno.")]},
    ],
)
def test_an_answer_of_several_turns_keeps_them_all(row: dict[str, Any], tmp_path: Path) -> None:
    from tuiftune.data.clean.run import Settings, clean

    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    example = dataset.head(1)[0]
    assert [turn.content for turn in example.chosen_turns or ()] == ["I look.", "12", "12 km."]
    assert (example.rejected, example.rejected_turns) == ("Dunno.", None)
    clean(dataset, tmp_path / "out.jsonl", Settings())
    written = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert written["chosen"] == AGENT
    assert written["rejected"] == [say("Dunno.")]
    assert load(str(tmp_path / "out.jsonl")).head(1)[0].chosen_turns == example.chosen_turns


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"rating": "n"}, '"rating" grades the answers'),
        ({"Score": "n"}, '"Score" grades the answers'),
        ({"model_rejected_text": "Some other answer."}, "may contain worse answers"),
        ({"negative_messages": [[{"role": "user", "content": "x"}]]}, "may contain worse answers"),
        ({"loss_mask": [0, 1]}, "excludes answers from the loss"),
        ({"train": 0}, "excludes answers from the loss"),
    ],
)
@pytest.mark.parametrize("layout", ["pair", "chat", "instruction"])
def test_what_speaks_against_an_answer_is_asked_about(
    more: dict[str, Any], why: str, layout: str, tmp_path: Path
) -> None:
    row = {
        "pair": {"question": "q?", "answer": "a"},
        "chat": {"messages": [USER, say("a")]},
        "instruction": {"instruction": "q?", "output": "a"},
    }[layout]
    rows = [
        {**row, **{name: n % 4 if value == "n" else value for name, value in more.items()}} for n in range(12)
    ]
    path = jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match=why) as fault:
        load(path)
    assert fault.value.exit_code == 2
    asked = fault.value.remedy.split("--format ")[1].split()[0]
    dataset = load(path, format=asked)
    assert (dataset.stage, int(dataset.usable.sum())) == ("sft", 12)
    assert any(next(iter(more)) in sentence for sentence in dataset.lost)


@pytest.mark.parametrize(
    ("name", "down", "up"),
    [
        ("feedback", {"thumbs": "down"}, {"thumbs": "up"}),
        ("feedback", ["down"], ["up"]),
        ("feedback", '{"score": 0}', '{"score": 1}'),
        ("metadata", {"id": 7, "liked": False}, {"id": 8, "liked": True}),
        ("annotations", [{"turn": 1, "label": "bad"}], [{"turn": 1, "label": "good"}]),
        ("rating", "1 star", "5 stars"),
        ("quality", "low", "high"),
        ("status", "flagged", "approved"),
        ("review", "reject", "accept"),
        ("liked", "spam", False),
    ],
)
@pytest.mark.parametrize("row", [{"question": "q?", "answer": "a"}, {"messages": [USER, say("a")]}])
def test_a_thumb_of_no_plain_shape_is_asked_about(
    name: str, down: Any, up: Any, row: dict[str, Any], tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{**row, name: up if n % 2 else down} for n in range(12)])
    with pytest.raises(UserError, match=r"(rates|grades) the answers") as fault:
        load(path)
    assert fault.value.exit_code == 2
    asked = fault.value.remedy.split("--format ")[1].split()[0]
    assert load(path, format=asked).stage == "sft"


@pytest.mark.parametrize(
    ("name", "up", "down"),
    [
        ("meta", {"source": "web"}, {"liked": False}),
        ("status", "accepted", "rejected"),
        ("status", "pass", "fail"),
    ],
)
def test_a_thumb_down_far_below_is_seen(name: str, up: Any, down: Any, tmp_path: Path) -> None:
    rows = [{**pair(n), name: down if n == 2_900 else up} for n in range(3_000)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match="rates the answers"):
        load(path)
    assert load(path, format="prompt-completion").stage == "sft"


def test_thumbs_of_several_scales_are_asked_about(tmp_path: Path) -> None:
    rows = [{**pair(n), "label": (True, "false", 0, "1")[n % 4]} for n in range(12)]
    with pytest.raises(UserError, match="rates the answers"):
        load(jsonl(tmp_path / "a.jsonl", rows))


@pytest.mark.parametrize(
    "more",
    [
        {"metadata": {"label": 0, "source": "web"}},
        {"options": [{"text": "a", "is_correct": True}, {"text": "b", "is_correct": False}]},
        {"direction": "down"},
        {"redacted": False},
    ],
)
def test_facts_beside_an_answer_judge_nothing(more: dict[str, Any], tmp_path: Path) -> None:
    assert load(jsonl(tmp_path / "a.jsonl", [{**pair(n), **more} for n in range(12)])).stage == "sft"


@pytest.mark.parametrize(
    "more", [{"feedback": {"rating": "down"}}, {"rating": -1}, {"score": 0}, {"quality": "bad"}]
)
def test_an_answer_marked_down_in_any_shape_within_a_chat_is_not_learnt(
    more: dict[str, Any], tmp_path: Path
) -> None:
    turns = [USER, say("Bad.", **more), USER, say("Good.")]
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}] * 9))
    assert [turn.weight for turn in dataset.head(1)[0].messages or ()] == [None, 0, None, None]
    assert any("marked down by" in sentence for sentence in dataset.lost)


def test_the_user_may_take_the_chosen_answers(tmp_path: Path) -> None:
    for row in (
        {"prompt": "How far?", "chosen": "Good.", "rejected": "Bad."},
        {"prompt": [USER], "chosen": [say("Good.")], "rejected": [say("Bad.")]},
        {"conversations": [USER], "chosen": say("Good."), "rejected": say("Bad.")},
    ):
        dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9), format="prompt-completion")
        said = [message.content for message in dataset.head(1)[0].messages or ()]
        assert (dataset.stage, said) == ("sft", ["How far?", "Good."])
    row = {"messages": [USER, say("Good.")], "rejected_response": "Bad."}
    dataset = load(jsonl(tmp_path / "b.jsonl", [row] * 9), format="chat")
    assert [message.content for message in dataset.head(1)[0].messages or ()] == ["How far?", "Good."]


def test_thumbs_come_in_by_no_other_door(tmp_path: Path) -> None:
    good = load(jsonl(tmp_path / "a.jsonl", [pair(n) for n in range(1, 24, 2)]))
    judged = jsonl(tmp_path / "b.jsonl", [{**pair(n), "label": n % 2} for n in range(24)])
    with pytest.raises(UserError, match="its rows are kto"):
        held_out_file(good, judged)
    with pytest.raises(UserError, match="thumb up or down"):
        fresh_rows(judged, set(), good.format)


def test_an_answer_marked_down_within_a_chat_is_not_learnt(tmp_path: Path) -> None:
    turns = [USER, say("Bad.", feedback="down"), USER, say("Good.", feedback="up")]
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}] * 9))
    assert [turn.weight for turn in dataset.head(1)[0].messages or ()] == [None, 0, None, None]
    assert any('marked down by "feedback"' in sentence for sentence in dataset.lost)


def test_rated_answers_are_mixed_with_rated_answers_alone(tmp_path: Path) -> None:
    """An answer without a rating would be trained on as a bad one."""
    main = load(jsonl(tmp_path / "a.jsonl", [{**pair(n), "label": n % 2} for n in range(24)]))
    more = jsonl(tmp_path / "b.jsonl", [{**pair(n), "label": n % 2} for n in range(24, 48)])
    plain = jsonl(tmp_path / "c.jsonl", [pair(n) for n in range(48, 60)])
    rows = mixed(list(main.examples()), [], Mix((Source(more),)), 1, format=main.format).examples
    assert {row.label for row in rows} == {"true", "false"}
    with pytest.raises(UserError, match="its rows are answers or texts to learn, the others rated answers"):
        mixed(list(main.examples()), [], Mix((Source(plain),)), 1, format=main.format)


def test_raw_text_is_no_prompt(tmp_path: Path) -> None:
    """The model would have been asked nothing, and rewarded for the text."""
    text = list(load(jsonl(tmp_path / "a.jsonl", [{"text": f"Only text {n}."} for n in range(9)])).examples())
    check_sides(stages.every()["sft"], text)
    with pytest.raises(UserError, match="its rows are raw text, and group relative"):
        check_sides(stages.every()["grpo"], text)
    prompts = list(load(jsonl(tmp_path / "b.jsonl", [{"prompt": f"{n}?"} for n in range(9)])).examples())
    check_sides(stages.every()["grpo"], prompts)
    with pytest.raises(UserError, match="its rows are prompts alone, and supervised"):
        check_sides(stages.every()["sft"], prompts)
