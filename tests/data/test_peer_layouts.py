"""Small copies of the layouts that other trainers' example files and well-known sets come in."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import polars as pl
import pytest

from tuiftune.data.read.load import load
from tuiftune.errors import UserError

Said = list[tuple[str, str]]
N = 24
TOOL = {"name": "get_fare", "description": "What a ride costs", "parameters": {"type": "object"}}
CALL = {"name": "get_fare", "arguments": {"to": "Oslo"}}
CALLED = '<tool_call>\n{"name": "get_fare", "arguments": {"to": "Oslo"}}\n</tool_call>'


class Case(NamedTuple):
    """A file, what it has to be taken for, its first row, and what has to be said about losses."""

    name: str
    content: Any
    format: str
    stage: str
    rows: int
    first: Said
    lost: tuple[str, ...] = ()
    chosen: str | None = None
    label: str | None = None


def turn(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def said(speaker: str, value: str, **more: Any) -> dict[str, Any]:
    return {"from": speaker, "value": value, **more}


def many(row: Any, count: int = N) -> list[Any]:
    return [row] * count


ASK: Said = [("user", "How far is Oslo?")]
QA: Said = [*ASK, ("assistant", "Three hours.")]
ASKED = [turn("user", "How far is Oslo?")]
ANSWERED = [turn("assistant", "Three hours.")]

CASES = [
    Case(
        "instruction.json",
        many({"instruction": "How far is Oslo?", "input": "", "output": "Three hours."}),
        "instruction", "sft", N, QA,
    ),
    Case(
        "another-language.json",
        many({"instruction": "奥斯陆有多远？", "input": "从卑尔根", "output": "七个小时。"}),
        "instruction", "sft", N, [("user", "奥斯陆有多远？\n\n从卑尔根"), ("assistant", "七个小时。")],
    ),
    Case(
        "placeholders.json",
        many({"instruction": "Who are you?", "input": "", "output": "I am {{name}} by {{author}}."}),
        "instruction", "sft", N, [("user", "Who are you?"), ("assistant", "I am {{name}} by {{author}}.")],
    ),
    Case(
        "tools-sharegpt.json",
        many({
            "conversations": [
                said("human", "Fare?"), said("function_call", json.dumps(CALL)),
                said("observation", '{"fare": 3}'), said("gpt", "Three."),
            ],
            "tools": json.dumps([TOOL]),
        }),
        "sharegpt", "sft", N,
        [("system", "# Tools\n" + json.dumps([TOOL])), ("user", "Fare?"), ("assistant", CALLED),
         ("tool", '{"fare": 3}'), ("assistant", "Three.")],
        ("tool calls are kept as text", "list of tools"),
    ),
    Case(
        "no-tools-sharegpt.json",
        many({"conversations": [said("human", "Hi"), said("gpt", "Hello")], "tools": "[]"}),
        "sharegpt", "sft", N, [("user", "Hi"), ("assistant", "Hello")],
    ),
    Case(
        "kto.json",
        [{"messages": [*ASKED, *ANSWERED], "label": n % 2 == 0} for n in range(N)],
        "kto", "kto", N, QA, label="true",
    ),
    Case(
        "dpo.json",
        many({
            "conversations": [said("system", "Be brief"), said("human", "How far is Oslo?")],
            "chosen": said("gpt", "Three hours."), "rejected": said("gpt", "Far."),
        }),
        "preference", "dpo", N, [("system", "Be brief"), *ASK], chosen="Three hours.",
    ),
    Case(
        "pictures.json",
        many({"messages": [turn("user", "<image>Who?"), turn("assistant", "Me.")], "images": ["a.jpg"]}),
        "chat", "sft", N, [("user", "<image>Who?"), ("assistant", "Me.")], ("images are dropped", "<image>"),
    ),
    Case(
        "crawl.jsonl",
        [{"text": f"Page {n}. " * 9, "timestamp": "2019-04-25", "url": "http://a"} for n in range(N)],
        "text", "pretrain", N, [], (f"timestamp ({N} rows), url ({N} rows)",),
    ),
    Case(
        "intents.json",
        {
            "oos_val": [["x", "oos"]] * 4, "val": [["v", "pay"]] * 4,
            "train": [[f"wake me at {n}", ["alarm", "pay"][n % 2]] for n in range(N)],
            "oos_train": [["w", "oos"]] * 4, "test": [["t", "pay"]] * 4,
        },
        "classification", "sft", N, [("user", "wake me at 0"), ("assistant", "alarm")], label="alarm",
    ),
    Case(
        "by-label.json",
        {"card_arrival": ["Where is my card?"] * 9, "top_up": ["It failed."] * 8, "refund": ["Pay back"] * 7},
        "classification", "sft", N, [("user", "Where is my card?"), ("assistant", "card_arrival")],
    ),
    Case(
        "patterns.json",
        {"intents": [{"tag": f"t{n}", "patterns": ["Hi", "Hello"], "responses": ["Hey"]} for n in range(9)]},
        "classification", "sft", 18, [("user", "Hi"), ("assistant", "t0")], ('"responses" of an intent',),
    ),
    Case(
        "nested-under-names.json",
        {"nlu_data": {"common_examples": [
            {"text": f"hi {n}", "intent": ["greet", "bye"][n % 2], "entities": ["hi"]} for n in range(N)
        ], "synonyms": []}},
        "classification", "sft", N, [("user", "hi 0"), ("assistant", "greet")], ("entities",),
    ),
    Case(
        "by-id.json",
        {str(n): {"question": "How far is Oslo?", "answer": "Three hours."} for n in range(N)},
        "prompt-completion", "sft", N, QA,
    ),
    Case(
        "partitions.jsonl",
        [{"utt": f"wake me {n}", "intent": ["set", "play"][n % 2], "partition": ["train", "dev"][n > 20]}
         for n in range(N)],
        "classification", "sft", 21, [("user", "wake me 0"), ("assistant", "set")], ("partition",),
    ),
    Case(
        "parts.jsonl",
        many({"messages": [
            turn("system", [{"type": "text", "text": "Be brief"}]),
            turn("user", [{"type": "text", "text": "How far "}, {"type": "text", "text": "is Oslo?"}]),
            turn("assistant", [{"type": "text", "text": "Three hours."}]),
        ]}),
        "chat", "sft", N, [("system", "Be brief"), *QA],
    ),
    Case(
        "tool-calls.jsonl",
        many({
            "messages": [
                turn("user", "Fare?"),
                {"role": "assistant", "tool_calls": [{
                    "id": "c1", "type": "function",
                    "function": {"name": "get_fare", "arguments": '{"to": "Oslo"}'},
                }]},
                turn("tool", "3", tool_call_id="c1"),
                turn("assistant", "Three."),
            ],
            "parallel_tool_calls": False,
            "tools": [{"type": "function", "function": TOOL}],
        }),
        "chat", "sft", N,
        [("system", "# Tools\n" + json.dumps([{"type": "function", "function": TOOL}])), ("user", "Fare?"),
         ("assistant", CALLED), ("tool", "3"), ("assistant", "Three.")],
        ("parallel_tool_calls", '"tool_call_id" of a message'),
    ),
    Case(
        "preferred-output.jsonl",
        many({
            "input": {"messages": ASKED, "tools": [], "parallel_tool_calls": True},
            "preferred_output": ANSWERED, "non_preferred_output": [turn("assistant", "Far.")],
        }),
        "preference", "dpo", N, ASK, ("parallel_tool_calls",), chosen="Three hours.",
    ),
    Case(
        "turns-in-two.jsonl",
        many({"prompt": ASKED, "completion": ANSWERED}),
        "prompt-completion", "sft", N, QA,
    ),
    Case(
        "turns-in-two-kto.jsonl",
        [{"prompt": ASKED, "completion": ANSWERED, "label": n % 2 == 0} for n in range(N)],
        "kto", "kto", N, QA, label="true",
    ),
    Case(
        "turns-in-three.jsonl",
        many({"prompt": ASKED, "chosen": ANSWERED, "rejected": [turn("assistant", "Far.")]}),
        "preference", "dpo", N, ASK, chosen="Three hours.",
    ),
    Case(
        "scored-pairs.jsonl",
        many({
            "prompt": "How far is Oslo?", "messages": ASKED + ANSWERED, "chosen": ASKED + ANSWERED,
            "rejected": [*ASKED, turn("assistant", "Far.")], "score_chosen": 8.0, "score_rejected": 3.0,
        }),
        "preference", "dpo", N, ASK, ("not used: prompt",), chosen="Three hours.",
    ),
    Case(
        "compared.jsonl",
        [{
            "question": {"full_text": "How far is Oslo?", "dataset": "x"}, "quotes_0": {"title": []},
            "answer_0": "Far.", "score_0": -0.5, "answer_1": "Three hours.", "score_1": 0.5 if n else -0.5,
        } for n in range(N + 1)],
        "preference", "dpo", N, ASK, ("equally good", "quotes_0"), chosen="Three hours.",
    ),
    Case(
        "dialogue-strings.jsonl",
        many({
            "chosen": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: How far?\n\nAssistant: Three hours.",
            "rejected": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: How far?\n\nAssistant: Far.",
        }),
        "preference", "dpo", N, [("user", "Hi"), ("assistant", "Yes?"), ("user", "How far?")],
        chosen="Three hours.",
    ),
    Case(
        "spoken.jsonl",
        many({"text": "### Human: How far is Oslo?### Assistant: Three hours."}),
        "chat", "sft", N, QA,
    ),
    Case(
        "threads.jsonl",
        [row for n in range(N) for row in (
            {"message_id": f"a{n}", "parent_id": None, "text": "How far is Oslo?", "role": "prompter"},
            {"message_id": f"b{n}", "parent_id": f"a{n}", "text": "Three hours.", "role": "assistant"},
        )],
        "chat", "sft", N, QA,
    ),
    Case(
        "question-answer-turns.jsonl",
        many({"conversation": [{"human": "How far is Oslo?", "assistant": "Three hours."}], "category": "B"}),
        "chat", "sft", N, QA, ("category",),
    ),
    Case(
        "reading.jsonl",
        many({"context": "It is late.", "question": "How is it?", "answers": {"text": ["late", "at six"]}}),
        "prompt-completion", "sft", N, [("user", "It is late.\n\nHow is it?"), ("assistant", "late")],
        ("except the first",),
    ),
    Case(
        "articles.json",
        {"version": "2.0", "data": many({"title": "T", "paragraphs": [{"context": "It is late.", "qas": [
            {"question": "How is it?", "id": "1", "answers": [{"text": "late", "answer_start": 6}]}
        ]}]})},
        "prompt-completion", "sft", N, [("user", "It is late.\n\nHow is it?"), ("assistant", "late")],
    ),
    Case(
        "turns-in-a-cell.csv",
        "messages,id\n" + ('"' + json.dumps(ASKED + ANSWERED).replace('"', '""') + '",4\n') * N,
        "chat", "sft", N, QA, ("id",),
    ),
    Case(
        "reasons.jsonl",
        many({"messages": [*ASKED, turn("assistant", "Three hours.", reasoning_content="Hm.")]}),
        "chat", "sft", N, [*ASK, ("assistant", "<think>\nHm.\n</think>\n\nThree hours.")],
        ("reasoning from a separate column",),
    ),
]  # fmt: skip


def write(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content, "utf-8")
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), "utf-8")
    else:
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2), "utf-8")
    return str(path)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_layout_is_recognised_and_nothing_is_lost_in_silence(case: Case, tmp_path: Path) -> None:
    dataset = load(write(tmp_path, case.name, case.content))
    assert (dataset.format, dataset.stage, dataset.rows) == (case.format, case.stage, case.rows)
    assert dataset.usable.all()
    assert dataset.confidence >= 0.75
    assert dataset.evidence
    first = dataset.head(1)[0]
    assert [(message.role, message.content) for message in first.messages or ()] == case.first
    assert first.chosen == case.chosen
    if case.label:
        assert first.label == case.label
    for words in case.lost:
        assert any(words in sentence for sentence in dataset.lost), dataset.lost
    if not case.lost:
        assert dataset.lost == []


def test_what_is_left_aside_is_said(tmp_path: Path) -> None:
    named = {case.name: case for case in CASES}
    intents = load(write(tmp_path, "intents.json", named["intents.json"].content))
    assert any("oos_train" in line and "oos_val" in line and "test" in line for line in intents.evidence)
    parts = load(write(tmp_path, "partitions.jsonl", named["partitions.jsonl"].content))
    assert any('because of their column "partition": dev 3' in note for note in parts.evidence)


@pytest.mark.parametrize(
    ("answers", "weights", "lost"),
    [
        ([{"weight": 0}, {"weight": 1}], [0, 1], ""),
        ([{"train": False}, {"train": True}], [0, 1], ""),
        ([{"loss_weight": 0.0}, {}], [0, None], ""),
        ([{"train_detail": [{"begin_offset": 0, "end_offset": 2, "train": False}]}, {}], [0, None], ""),
        (
            [{"train_detail": [{"train": False}, {"train": True}]}, {"weight": 0.5}],
            [None, 0.5],
            "train_detail",
        ),
    ],
)
@pytest.mark.parametrize("style", ["chat", "sharegpt"])
def test_what_a_turn_counts_in_the_loss(
    answers: list[dict[str, Any]], weights: list[float | None], lost: str, style: str, tmp_path: Path
) -> None:
    one = (lambda role, text, **more: turn({"human": "user", "gpt": "assistant"}[role], text, **more)) if (
        style == "chat"
    ) else said  # fmt: skip
    turns = [
        one("human", "a"),
        one("gpt", "b", **answers[0]),
        one("human", "c"),
        one("gpt", "d", **answers[1]),
    ]
    dataset = load(write(tmp_path, "a.jsonl", many({"conversations": turns})))
    assert dataset.format == style
    messages = dataset.head(1)[0].messages or ()
    assert [message.weight for message in messages if message.role == "assistant"] == weights
    assert any(lost in sentence for sentence in dataset.lost) if lost else dataset.lost == []


def test_answers_within_a_prompt_are_read_and_not_learnt(tmp_path: Path) -> None:
    before = [turn("user", "Hi"), turn("assistant", "Yes?"), *ASKED]
    dataset = load(write(tmp_path, "a.jsonl", many({"prompt": before, "completion": ANSWERED})))
    messages = dataset.head(1)[0].messages or ()
    assert [message.weight for message in messages if message.role == "assistant"] == [0, None]


def test_a_thread_goes_every_way_from_its_first_message(tmp_path: Path) -> None:
    def message(name: str, above: str | None, role: str) -> dict[str, Any]:
        return {"message_id": name, "parent_id": above, "text": name, "role": role, "lang": "en"}

    rows = [
        message("ask", None, "prompter"),
        message("one", "ask", "assistant"),
        message("two", "ask", "assistant"),
        message("more", "two", "prompter"),
        message("lost", "nowhere", "assistant"),
    ]
    dataset = load(write(tmp_path, "a.jsonl", rows))
    found = [[message.content for message in example.messages or ()] for example in dataset.examples()]
    assert found == [["ask", "one"], ["ask", "two"]]
    assert [example.row for example in dataset.examples()] == [2, 4]
    assert any("beginning is not in the file" in sentence for sentence in dataset.lost)
    assert any("without an answer" in sentence for sentence in dataset.lost)


def test_folders_that_datasets_saved(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list([{"messages": ASKED + ANSWERED, "n": n} for n in range(50)])
    datasets.DatasetDict(train=rows, test=rows.select(range(5))).save_to_disk(tmp_path / "both")
    datasets.load_from_disk(str(tmp_path / "both"))["train"].map(lambda row: {"n": row["n"] + 1})
    assert list((tmp_path / "both" / "train").glob("cache-*")), "the cache that must not be read is there"
    both = load(str(tmp_path / "both"))
    assert (both.format, both.rows) == ("chat", 50)
    assert any("test/data-00000-of-00001.arrow" in line for line in both.evidence)
    assert load(str(tmp_path / "both" / "test")).rows == 5


def test_tables_keep_tool_calls_as_they_were_and_say_what_bytes_are_left_out(tmp_path: Path) -> None:
    def row(name: str, arguments: dict[str, int]) -> dict[str, Any]:
        call = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
        return {"messages": [turn("user", "q"), turn("assistant", None, tool_calls=[call])]}

    rows = [{**row("f", {"a": 1}), "picture": b"\xff\xd8"}, {**row("g", {"b": 2}), "picture": b"\xff\xd8"}]
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    dataset = load(str(tmp_path / "a.parquet"))
    calls = [(example.messages or ())[1].content for example in dataset.examples()]
    assert '"arguments": {"a": 1}' in calls[0]
    assert '"arguments": {"b": 2}' in calls[1]
    assert any('"picture" contains bytes' in sentence for sentence in dataset.lost)
    pl.DataFrame({"prompt": [b"a"] * 9, "completion": [b"b c"] * 9}).write_parquet(tmp_path / "b.parquet")
    assert load(str(tmp_path / "b.parquet")).head(1)[0].reference == "b c"


def test_front_matter_of_markdown_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: Tea\ntags: [x]\n---\n# Tea\n\nA drink.\n")
    (tmp_path / "b.md").write_text("---\n\nA rule above, no front matter.\n")
    dataset = load(str(tmp_path))
    assert [example.text for example in dataset.examples()] == [
        "# Tea\n\nA drink.",
        "---\n\nA rule above, no front matter.",
    ]
    assert dataset.head(1)[0].row == 5
    assert dataset.lost == ["front matter of a Markdown file is dropped (1 times)"]


def test_files_of_different_layouts_are_each_read_as_what_they_are(tmp_path: Path) -> None:
    one = write(tmp_path, "a.jsonl", many({"instruction": "How far is Oslo?", "output": "Three hours."}))
    two = write(tmp_path, "b.jsonl", many({"messages": ASKED + ANSWERED, "id": 3}))
    dataset = load([one, two])
    assert dataset.usable.all()
    assert {tuple((m.role, m.content) for m in e.messages or ()) for e in dataset.examples()} == {tuple(QA)}
    assert any("b.jsonl is chat" in line for line in dataset.evidence)
    assert f"columns not used: id ({N} rows)" in dataset.lost
    three = write(tmp_path, "c.jsonl", many({"prompt": "q", "chosen": "a", "rejected": "b"}))
    with pytest.raises(
        UserError, match=r"c\.jsonl: its rows are preference, the rows before it are instruction"
    ):
        load([one, three])
