"""Nothing of a conversation is dropped: tools, reasoning, histories, systems and weights in every dialect."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tuiftune.data.checks.check import Subject
from tuiftune.data.checks.structure import structure
from tuiftune.data.clean.run import Settings, clean
from tuiftune.data.dataset import Dataset
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

Said = list[tuple[str, str]]
CALL = {"name": "fare", "arguments": {"to": "Oslo"}}
CALLED = '<tool_call>\n{"name": "fare", "arguments": {"to": "Oslo"}}\n</tool_call>'
ASK, REPLY = ("user", "Fare to Oslo?"), ("assistant", "12 kr.")


def turn(role: str, content: Any = None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def said(dataset: Dataset) -> Said:
    return [(message.role, message.content) for message in dataset.head(1)[0].messages or ()]


USED: list[tuple[str, Any, Said]] = [
    (
        "openai",
        [
            turn("user", ASK[1]),
            turn("assistant", None, tool_calls=[
                {"id": "1", "type": "function", "function": {"name": "fare", "arguments": '{"to": "Oslo"}'}}
            ]),
            turn("tool", [{"type": "text", "text": "12"}], tool_call_id="1"),
            turn("assistant", "12 kr."),
        ],
        [ASK, ("assistant", CALLED), ("tool", "12"), REPLY],
    ),
    (
        "anthropic",
        [
            turn("user", ASK[1]),
            turn("assistant", [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "1", "name": "fare", "input": {"to": "Oslo"}},
            ]),
            turn("user", [
                {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "12"}]},
                {"type": "text", "text": "So?"},
            ]),
            turn("assistant", "12 kr."),
        ],
        [ASK, ("assistant", f"Looking.\n{CALLED}"), ("tool", "12"), ("user", "So?"), REPLY],
    ),
    (
        "swift",
        [
            turn("user", ASK[1]), turn("tool_call", json.dumps(CALL)), turn("tool_call", json.dumps(CALL)),
            turn("tool_response", "12"), turn("assistant", "12 kr."),
        ],
        [ASK, ("assistant", f"{CALLED}\n{CALLED}"), ("tool", "12"), REPLY],
    ),
    (
        "llamafactory",
        [
            {"from": "human", "value": ASK[1]}, {"from": "function_call", "value": json.dumps(CALL)},
            {"from": "observation", "value": "12"}, {"from": "gpt", "value": "12 kr."},
        ],
        [ASK, ("assistant", CALLED), ("tool", "12"), REPLY],
    ),
    (
        "hermes",
        [
            {"from": "human", "value": ASK[1]}, {"from": "gpt", "value": CALLED},
            {"from": "tool", "value": "<tool_response>12</tool_response>"},
            {"from": "gpt", "value": "12 kr."},
        ],
        [ASK, ("assistant", CALLED), ("tool", "<tool_response>12</tool_response>"), REPLY],
    ),
    (
        "parts",
        [
            turn("user", [{"type": "text", "value": ASK[1]}]),
            turn("assistant", [
                {"type": "reasoning", "value": "Hm."}, {"type": "tool_call", "value": json.dumps(CALL)},
            ]),
            turn("tool", [{"type": "text", "value": "12"}]),
            turn("assistant", [{"type": "thinking", "thinking": "So."}, {"type": "text", "text": "12 kr."}]),
        ],
        [ASK, ("assistant", f"<think>\nHm.\n</think>\n\n{CALLED}"), ("tool", "12"),
         ("assistant", "<think>\nSo.\n</think>\n\n12 kr.")],
    ),
    (
        "gemini",
        [
            {"role": "user", "parts": [{"text": ASK[1]}]},
            {"role": "model", "parts": [
                {"text": "Hm.", "thought": True}, {"functionCall": {"name": "fare", "args": {"to": "Oslo"}}},
            ]},
            {"role": "user", "parts": [{"functionResponse": {"name": "fare", "response": {"kr": 12}}}]},
            {"role": "model", "parts": [{"text": "12 kr."}]},
        ],
        [ASK, ("assistant", f"<think>\nHm.\n</think>\n\n{CALLED}"), ("tool", '{"kr": 12}'), REPLY],
    ),
    (
        "bedrock",
        [
            turn("user", [{"text": ASK[1]}]),
            turn("assistant", [{"toolUse": {"toolUseId": "1", "name": "fare", "input": {"to": "Oslo"}}}]),
            turn("user", [{"toolResult": {"toolUseId": "1", "content": [{"json": {"kr": 12}}]}}]),
            turn("assistant", [{"text": "12 kr."}]),
        ],
        [ASK, ("assistant", CALLED), ("tool", '{"kr": 12}'), REPLY],
    ),
    (
        "responses",
        [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASK[1]}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "function_call", "name": "fare", "arguments": '{"to": "Oslo"}', "call_id": "1"},
            {"type": "function_call_output", "output": "12", "call_id": "1"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "12 kr."}]},
        ],
        [ASK, ("assistant", f"<think>\nHm.\n</think>\n\n{CALLED}"), ("tool", "12"), REPLY],
    ),
    (
        "cohere",
        [{"role": "User", "message": ASK[1]}, {"role": "Chatbot", "message": "12 kr."}],
        [ASK, REPLY],
    ),
    (
        "null role",
        [{"role": None, "from": "human", "value": ASK[1]}, {"role": None, "from": "gpt", "value": "12 kr."}],
        [ASK, REPLY],
    ),
    (
        "beside a pair",
        [{"system": "Rhyme.", "human": ASK[1], "assistant": "12 kr."}],
        [("system", "Rhyme."), ASK, REPLY],
    ),
    (
        "input and output",
        [{"system": "Rhyme.", "input": ASK[1], "output": "12 kr."}],
        [("system", "Rhyme."), ASK, REPLY],
    ),
    (
        "reasoning beside",
        [turn("user", ASK[1]), turn("assistant", "12 kr.", reasoning_content="Hm.")],
        [ASK, ("assistant", "<think>\nHm.\n</think>\n\n12 kr.")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "turns", "expected"), USED, ids=[name for name, _, _ in USED])
@pytest.mark.parametrize("column", ["messages", "conversations", "contents"])
def test_what_is_said_in_every_dialect(
    name: str, turns: Any, expected: Said, column: str, tmp_path: Path
) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [{column: turns}] * 9))
    assert dataset.usable.all()
    assert said(dataset) == expected
    assert dataset.frame["fault"].null_count() == 9
    whole = load(jsonl(tmp_path / "b.jsonl", [{column: json.dumps(turns)}] * 9))
    assert said(whole) == expected, "as JSON in a cell"


SYSTEMS = [
    ("system", "Brief."), ("systemInstruction", {"role": "system", "parts": [{"text": "Brief."}]}),
    ("system_instruction", {"parts": [{"text": "Brief."}]}), ("system", [{"text": "Brief."}]),
    ("system_prompt", {"role": "system", "content": "Brief."}),
    ("system", [{"type": "text", "text": "Brief."}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SYSTEMS)
@pytest.mark.parametrize(
    "row", [{"messages": [turn(*ASK), turn(*REPLY)]}, {"question": ASK[1], "answer": REPLY[1]}]
)
def test_system_columns_of_every_shape(name: str, value: Any, row: dict[str, Any], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [{**row, name: value}] * 9))
    assert said(dataset) == [("system", "Brief."), ASK, REPLY]


def test_two_system_messages_are_joined_and_it_is_said(tmp_path: Path) -> None:
    row = {"system": "Brief.", "messages": [turn("system", "Rhyme."), turn(*ASK), turn(*REPLY)]}
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    assert said(dataset)[0] == ("system", "Brief.\n\nRhyme.")
    assert dataset.lost == ["two system messages of a row are joined (9 times)"]


BEFORE = [("user", "Open?"), ("assistant", "It's open.")]
HISTORIES = [
    [["Open?", "It's open."]],
    ["Open?", "It's open."],
    [{"role": "user", "content": "Open?"}, {"role": "assistant", "content": "It's open."}],
    [{"from": "human", "value": "Open?"}, {"from": "gpt", "value": "It's open."}],
    [{"user": "Open?", "assistant": "It's open."}],
    json.dumps([["Open?", "It's open."]]),
    "[['Open?', \"It's open.\"]]",
    "User: Open?\nAssistant: It's open.",
]
LAYOUTS = [
    {"instruction": "Fare to Oslo?", "input": "", "output": "12 kr."},
    {"query": "Fare to Oslo?", "response": "12 kr."},
    {"prompt": [turn(*ASK)], "completion": [turn(*REPLY)]},
]


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("row", LAYOUTS)
def test_histories_of_every_form(history: Any, row: dict[str, Any], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [{**row, "history": history}] * 9))
    assert said(dataset) == [*BEFORE, ASK, REPLY]
    assert dataset.lost == []


@pytest.mark.parametrize("empty", [None, "", [], "[]", "null", "nan"])
def test_a_history_that_is_empty(empty: Any, tmp_path: Path) -> None:
    rows = [{**LAYOUTS[1], "history": empty}] * 9 + [{**LAYOUTS[1], "history": [["a", "b"]]}]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert said(dataset) == [ASK, REPLY]
    assert dataset.usable.all()


@pytest.mark.parametrize("odd", ["something was said before", [[1, 2]], [["only one"]], 7, ["a", "b", "c"]])
def test_a_history_that_cannot_be_read_is_a_fault(odd: Any, tmp_path: Path) -> None:
    rows = [{**LAYOUTS[1], "history": [["a", "b"]]}] * 9 + [{**LAYOUTS[1], "history": odd}]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert int(dataset.usable.sum()) == 9
    assert unread(dataset) == (10,)


def unread(dataset: Dataset) -> tuple[int, ...]:
    return next(check.rows for check in structure(Subject(dataset)) if check.check == "unread-values")


def test_a_conversation_whose_answer_stands_in_another_column(tmp_path: Path) -> None:
    for name in ("messages", "history", "prompt"):
        dataset = load(jsonl(tmp_path / "a.jsonl", [{name: [turn(*ASK)], "response": REPLY[1]}] * 9))
        assert said(dataset) == [ASK, REPLY]


OFF = [
    {"weight": 0}, {"weight": "0"}, {"weight": 0.0}, {"weight": False}, {"weight": "false"}, {"train": "no"},
    {"train": False}, {"loss": "False"}, {"masked": True}, {"masked": "true"}, {"mask": 1}, {"loss_scale": 0},
    {"loss_scale": "0.0"}, {"trainable": False}, {"train_on_turn": 0}, {"weight": 1, "masked": True},
]  # fmt: skip
ON = [{"weight": 1}, {"weight": "1"}, {"train": "true"}, {"masked": False}, {"masked": "0"}, {"weight": None}]


@pytest.mark.parametrize(("mark", "kept"), [*((mark, False) for mark in OFF), *((mark, True) for mark in ON)])
@pytest.mark.parametrize("style", ["chat", "sharegpt", "pairs"])
def test_what_a_turn_counts(mark: dict[str, Any], kept: bool, style: str, tmp_path: Path) -> None:
    turns: list[Any] = {
        "chat": [
            turn("user", "q"), turn("assistant", "W", **mark), turn("user", "q"), turn("assistant", "a"),
        ],
        "sharegpt": [
            {"from": "human", "value": "q"}, {"from": "gpt", "value": "W", **mark},
            {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"},
        ],
        "pairs": [{"human": "q", "assistant": "W", **mark}, {"human": "q", "assistant": "a"}],
    }[style]  # fmt: skip
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"conversations": turns}] * 9))
    answers = [message for message in dataset.head(1)[0].messages or () if message.role == "assistant"]
    assert (answers[0].weight != 0) is kept
    assert answers[1].weight != 0
    assert dataset.lost == []


@pytest.mark.parametrize("mark", [{"weight": "low"}, {"masked": [1]}, {"train": {"a": 1}}, {"weight": -1}])
def test_a_weight_that_cannot_be_read_keeps_the_row_out(mark: dict[str, Any], tmp_path: Path) -> None:
    turns = [turn("user", "q"), turn("assistant", "a", **mark)]
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}] * 9))
    assert not dataset.usable.any()
    assert "must be numeric, true or false" in dataset.lost[0]
    assert len(unread(dataset)) == 9


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:"}}, {"type": "image", "image": "a.png"},
        {"image": "a.png"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "base64", "data": "x"}},
        {"type": "input_audio", "input_audio": {}},
    ],
)  # fmt: skip
def test_rows_with_pictures_are_not_trained_and_said(part: dict[str, Any], tmp_path: Path) -> None:
    asked = {"type": "text", "text": "Who?"}
    rows = [{"messages": [turn("user", [part, asked]), turn("assistant", "Me.")]}] * 3
    rows += [{"messages": [turn("user", [asked]), turn("assistant", "You.")]}] * 9
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert int(dataset.usable.sum()) == 9
    assert "not trained on: only text is supported (3 times)" in dataset.lost[0]
    assert unread(dataset) == (1, 2, 3)


def test_an_unknown_part_is_said_with_its_rows(tmp_path: Path) -> None:
    odd = {"type": "hologram", "data": "x"}
    turns = [turn("user", [odd, {"type": "text", "text": "q"}]), turn("assistant", "a")]
    only = [turn("user", "q"), turn("assistant", "a"), turn("user", [odd]), turn("assistant", "b")]
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}, {"messages": only}]))
    assert dataset.lost == ["content parts of type hologram are dropped (2 times)"]
    assert unread(dataset) == (1, 2)
    assert dataset.usable.to_list() == [True, False], "nothing of the question is left"


def test_an_empty_question_is_never_glued_over(tmp_path: Path) -> None:
    turns = [turn("user", "q"), turn("assistant", "a"), turn("user", " "), turn("assistant", "b")]
    whole = [turn("user", "q"), turn("assistant", "a")]
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}, {"messages": whole}]))
    assert dataset.usable.to_list() == [False, True]
    missing = next(check for check in structure(Subject(dataset)) if check.check == "missing-prompts")
    assert missing.rows == (1,)
    clean(dataset, tmp_path / "out.jsonl", Settings())
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1


def test_a_tool_may_return_nothing(tmp_path: Path) -> None:
    turns = [
        turn("user", "q"),
        turn("tool_call", "{}"),
        turn("tool", ""),
        turn("assistant", "b "),
    ]
    clean(load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}] * 2)), tmp_path / "out.jsonl", Settings())
    written = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["messages"]
    assert [message["role"] for message in written] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"instruction": "", "input": "q", "output": "a"}, "q"),
        ({"instruction": " \n", "input": "q", "output": "a"}, "q"),
        ({"instruction": None, "input": "q", "output": "a"}, "q"),
        ({"instruction": "q", "input": " ", "output": "a"}, "q"),
        ({"instruction": "i", "input": "q", "output": "a"}, "i\n\nq"),
        ({"context": "", "question": "q", "answer": "a"}, "q"),
        ({"context": "c", "question": "q", "answer": "a"}, "c\n\nq"),
    ],
)
def test_a_blank_part_of_a_question_leaves_no_gap(row: dict[str, Any], prompt: str, tmp_path: Path) -> None:
    sound = dict.fromkeys(row, "x")
    dataset = load(jsonl(tmp_path / "a.jsonl", [row, sound]))
    assert dataset.usable.all()
    assert said(dataset)[0] == ("user", prompt)


def test_scalars_in_the_place_of_text_are_written_plainly(tmp_path: Path) -> None:
    from datetime import date

    frame = pl.DataFrame({"question": ["q"] * 9, "answer": [date(2024, 5, 1)] * 9})
    frame.write_parquet(tmp_path / "a.parquet")
    dataset = load(str(tmp_path / "a.parquet"))
    assert said(dataset) == [("user", "q"), ("assistant", "2024-05-01")]
    wrong = next(check for check in structure(Subject(dataset)) if check.check == "wrong-types")
    assert wrong.count == 9


def test_several_labels_a_row_are_asked_about(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "t", "labels": ["a", "b"]}] * 20)
    with pytest.raises(UserError, match='"labels" contains lists'):
        load(path)
    assert load(path, format="text").stage == "pretrain"


@pytest.mark.parametrize("result", [{"price": 12}, [{"price": 12}, {"price": 14}], 12])
def test_a_tool_that_answers_with_data_is_read_as_json(result: Any, tmp_path: Path) -> None:
    turns = [
        turn("user", "Fare?"),
        turn("assistant", "I look."),
        turn("tool", result),
        turn("assistant", "12."),
    ]
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"messages": turns}] * 9))
    assert int(dataset.usable.sum()) == 9
    assert [json.loads(m.content) for m in dataset.head(1)[0].messages or () if m.role == "tool"] == [result]
    assert not dataset.lost
