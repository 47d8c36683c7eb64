"""Files that look like something weaker than they are: read as what they are, or refused with the way out."""

import json
from pathlib import Path
from typing import Any

import pytest

from tuiftune.data.dataset import Dataset
from tuiftune.data.read.cells import python_value
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

QA = [("user", "How far?"), ("assistant", "It's 3 km.")]
TURNS = [{"role": "user", "content": "How far?"}, {"role": "assistant", "content": "It's 3 km."}]
N = 12


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def said(dataset: Dataset, at: int = 0) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in dataset.head(at + 1)[at].messages or ()]


SPEAKERS = [
    ("role", "content"),
    ("role", "message"),
    ("from", "value"),
    ("speaker", "text"),
    ("sender", "message"),
]


@pytest.mark.parametrize(("role", "text"), SPEAKERS)
def test_single_messages_are_refused_by_name(role: str, text: str, tmp_path: Path) -> None:
    rows = [{role: ["user", "assistant"][n % 2], text: f"line {n}"} for n in range(N)]
    with pytest.raises(UserError, match="each row is one message") as fault:
        load(jsonl(tmp_path / "a.jsonl", rows))
    assert fault.value.exit_code == 2
    assert "conversation_id" in fault.value.remedy
    (tmp_path / "a.csv").write_text(
        f"{role},{text}\n" + "".join(f"{row[role]},{row[text]}\n" for row in rows)
    )
    with pytest.raises(UserError, match="each row is one message"):
        load(str(tmp_path / "a.csv"))
    named = load(str(tmp_path / "a.csv"), format="text", columns={"text": text})
    assert named.stage == "pretrain", "unless that is asked for"


@pytest.mark.parametrize("by", ["conversation_id", "dialog_id", "session_id", "Thread_ID"])
@pytest.mark.parametrize("at", ["turn", "timestamp", None])
def test_single_messages_are_joined_by_their_conversation(by: str, at: str | None, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for place in range(4):  # interleaved, and where a column says so, in any order
        for name in range(5):
            row = {by: f"c{name}", "role": ["user", "assistant"][place % 2], "content": f"{name}.{place}"}
            rows.append(row if at is None else {**row, at: 10 + place})
    dataset = load(jsonl(tmp_path / "a.jsonl", rows if at is None else rows[::-1]))
    assert (dataset.format, dataset.rows) == ("chat", 5)
    whole = sorted([content for _, content in said(dataset, number)] for number in range(5))
    assert whole == [[f"{name}.{place}" for place in range(4)] for name in range(5)]
    assert any("5 conversations, put together" in line for line in dataset.evidence)
    assert dataset.lost == []


CELLS = [
    str(TURNS),
    json.dumps(TURNS),
    "[{'role': 'user', 'content': 'How far?'}\n {'role': 'assistant', 'content': \"It's 3 km.\"}]",
    "array([{'role': 'user', 'content': 'How far?'},\n"
    "       {'role': 'assistant', 'content': \"It's 3 km.\"}],\n      dtype=object)",
    "[{'from': 'human', 'value': 'How far?'}, {'from': 'gpt', 'value': \"It's 3 km.\"}]",
]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("more", ["", ",7"])
def test_turns_in_cells_as_python_prints_them(cell: str, more: str, tmp_path: Path) -> None:
    quoted = cell.replace('"', '""')
    header = "messages,id" if more else "messages"
    (tmp_path / "a.csv").write_text(f"{header}\n" + f'"{quoted}"{more}\n' * N)
    dataset = load(str(tmp_path / "a.csv"))
    assert dataset.stage == "sft"
    assert said(dataset) == QA


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("['a' 'b']", ["a", "b"]), ("[1 2 -3]", [1, 2, -3]), ("['x } {'\n 'it\\'s']", ["x } {", "it's"]),
        (
            "{'text': array(['late'], dtype='<U4'), 'n': array([1, 2], dtype=int32)}",
            {"text": ["late"], "n": [1, 2]},
        ),
        ("['f(x) )' 'array(']", ["f(x) )", "array("]),
        ("[1, 2, ..., 9]", None), ("[open('x')]", None), ("plain", None), ("[" * 5000, None),
    ],
)  # fmt: skip
def test_what_numpy_prints(text: str, value: Any) -> None:
    assert python_value(text) == value


def test_answers_that_are_printed_lists_are_asked_about(tmp_path: Path) -> None:
    rows = [{"question": f"q{n}?", "answer": f"['{n} km', 'far']"} for n in range(N)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match='the cells of "answer" contain Python lists in brackets'):
        load(path)
    assert load(path, format="prompt-completion").usable.all()
    as_json = [{"question": f"q{n}?", "answer": json.dumps({"km": [n]})} for n in range(N)]
    assert load(jsonl(tmp_path / "b.jsonl", as_json)).usable.all(), "JSON may be the answer"


SPOKEN = [
    "USER: {q}\n\n\nASSISTANT: {a} <|endoftext|>\n\n\n",
    "USER: {q} ASSISTANT: {a}</s>",
    "Human: {q}\n\nAssistant: {a}",
    "### Human: {q}### Assistant: {a}",
    "<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>\n",
    "<s>[INST] {q} [/INST] {a} </s>",
    "### Instruction:\n{q}\n\n### Response:\n{a}",
    "<start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{a}<end_of_turn>\n",
]


@pytest.mark.parametrize("form", SPOKEN)
@pytest.mark.parametrize("column", ["text", "chat"])
def test_conversations_in_one_text(form: str, column: str, tmp_path: Path) -> None:
    text = form.format(q=QA[0][1], a=QA[1][1])
    rows: list[dict[str, Any]] = [{"system": "SYSTEM: Be brief.", column: text}, {column: text}]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows * N))
    assert (dataset.format, dataset.stage) == ("chat", "sft")
    assert said(dataset) == [("system", "Be brief."), *QA]
    assert said(dataset, 1) == QA
    if column == "text":
        assert load(str(tmp_path / "a.jsonl"), format="text").stage == "pretrain"


def test_function_responses_are_turns_of_their_own(tmp_path: Path) -> None:
    said_so = (
        "USER: q",
        "ASSISTANT: <functioncall> {} <|endoftext|>",
        "FUNCTION RESPONSE: 12",
        "ASSISTANT: a",
    )
    text = "\n\n\n".join(said_so)
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"system": "SYSTEM: Tools.", "chat": text}] * N))
    assert [role for role, _ in said(dataset)] == ["system", "user", "assistant", "tool", "assistant"]


PROSE = [
    "A user: someone who asks. An assistant: who answers.",
    "# Response\n\nUser: none.",
    "Human: be kind.",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_that_speaks_of_users_stays_text(text: str, tmp_path: Path) -> None:
    assert load(jsonl(tmp_path / "a.jsonl", [{"text": text}] * N)).format == "text"


TABLE = [{"question": f"q{n}?", "answer": f"a{n}"} for n in range(N)]
SPLIT = {
    "index": list(range(N)),
    "columns": ["answer", "question"],
    "data": [[f"a{n}", f"q{n}?"] for n in range(N)],
}
ORIENTS: dict[str, Any] = {
    "split": SPLIT,
    "tight": {**SPLIT, "index_names": [None], "column_names": [None]},
    "index": {str(n): row for n, row in enumerate(TABLE)},
    "columns": {name: {str(n): row[name] for n, row in enumerate(TABLE)} for name in ("answer", "question")},
    "named index": {
        name: {f"r{n}": row[name] for n, row in enumerate(TABLE)} for name in ("answer", "question")
    },
    "table": {
        "schema": {"fields": [{"name": "index"}, {"name": "question"}], "primaryKey": ["index"]},
        "data": [{"index": n, **row} for n, row in enumerate(TABLE)],
    },
    "records": TABLE,
    "list": {name: [row[name] for row in TABLE] for name in ("answer", "question")},
    "server": {
        "features": [],
        "rows": [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in enumerate(TABLE)],
    },
}  # fmt: skip


@pytest.mark.parametrize("orient", ORIENTS)
def test_tables_as_pandas_writes_them(orient: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ORIENTS[orient]))
    dataset = load(str(tmp_path / "a.json"))
    assert dataset.columns == {"prompt": "question", "completion": "answer"}
    assert said(dataset, 3) == [("user", "q3?"), ("assistant", "a3")]
    assert (dataset.rows, dataset.lost, dataset.notes) == (N, [], [])


BODY = "".join(f"q{n}?;a{n}, about\n" for n in range(N))
SHEETS = {
    "sep": "sep=;\nprompt;completion\n" + BODY,
    "quoted sep": '"sep=;"\nprompt;completion\n' + BODY,
    "bom and sep": "\ufeffsep=;\r\nprompt;completion\r\n" + BODY.replace("\n", "\r\n"),
    "trailing columns": "prompt;completion;;\n" + BODY.replace("\n", ";;\n") + ";;;\n;;;\n",
    "trailing cells": "prompt;completion\n" + BODY.replace("\n", ";;\n"),
    "row numbers": ";prompt;completion\n"
    + "".join(f"{n};{line}\n" for n, line in enumerate(BODY.splitlines())),
}


@pytest.mark.parametrize("sheet", SHEETS)
def test_sheets_as_excel_writes_them(sheet: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SHEETS[sheet], "utf-8")
    dataset = load(str(tmp_path / "a.csv"))
    assert (dataset.format, dataset.rows) == ("prompt-completion", N)
    assert said(dataset, N - 1) == [("user", "q11?"), ("assistant", "a11, about")]
    lost = {"trailing columns": "empty rows are dropped (2 times)", "row numbers": "column_1 (12 rows)"}
    assert lost.get(sheet, "") in " ".join(dataset.lost)


def test_a_cell_without_a_column_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,completion,\n" + "q,a,\n" * 9 + "q,a,see above\n")
    assert load(str(tmp_path / "a.csv")).lost == ["columns not used: column_3 (1 row)"]


ASKED: list[dict[str, Any]] = [
    {"text": "A long text about the town of Oslo.", "reply": "It is far away from here, indeed."},
    {"message": "How far is it?", "user_id": 3},
    {"system": "Be brief.", "chat": "no conversation"},
]


@pytest.mark.parametrize("row", ASKED)
def test_what_is_not_sure_is_asked(row: dict[str, Any], tmp_path: Path) -> None:
    def numbered(value: Any, number: int) -> Any:
        return f"{value} {number}" if isinstance(value, str) else number % 3

    rows = [{name: numbered(value, n) for name, value in row.items()} for n in range(36)]
    with pytest.raises(UserError, match="not detected") as fault:
        load(jsonl(tmp_path / "a.jsonl", rows))
    assert fault.value.exit_code == 2
    assert ("add a column completion" in fault.value.remedy) == ("prompt" in row), "prompts alone"


def test_texts_without_roles_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"dialog": [QA[0][1], QA[1][1]]}] * N)
    with pytest.raises(UserError, match="not detected"):
        load(path)
    dataset = load(path, format="chat", columns={"messages": "dialog"})
    assert said(dataset) == QA
    assert dataset.lost == ["texts without roles are used as alternating questions and answers (12 times)"]


def test_columns_that_are_facts_about_a_text_leave_it_one(tmp_path: Path) -> None:
    row = {
        "text": "A long text about the town of Oslo and its trams.", "title": "Oslo, a town in the far north",
        "url": "http://a", "meta": {"a": 1}, "license": "MIT", "tags": ["a"], "pages": 3,
    }  # fmt: skip
    assert load(jsonl(tmp_path / "a.jsonl", [row] * N)).format == "text"


def test_examples_within_a_row_are_no_conversation(tmp_path: Path) -> None:
    shots = [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}]
    row = {"instruction": "Translate.", "examples": shots, "output": "x"}
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * N))
    assert dataset.format == "instruction"
    assert dataset.lost == ["columns not used: examples (12 rows)"]


def tickets(**more: Any) -> list[dict[str, Any]]:
    """A help desk's export: a column of sentences and one of few values, next to an id and a date."""
    topics = {"Refund": "I want my money back", "Delivery": "Where is my parcel", "Other": "Do you sell"}
    return [
        {
            "Ticket ID": 1000 + n,
            "Date": f"{n % 28 + 1:02}.{n % 12 + 1:02}.2025",
            "Customer message": f"{topic} for kettle number {n}?",
            "E-mail": f"customer{n}@example.com" if n % 3 else "",
            "Department": name,
            **{key: value[n % len(value)] for key, value in more.items()},
        }
        for n in range(36)
        for name, topic in [list(topics.items())[n % 3]]
    ]


def test_an_export_names_its_text_and_label_where_each_can_be_one_column_only(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", tickets())
    with pytest.raises(UserError, match="not detected") as fault:
        load(path)
    assert "such as {text: Customer message, label: Department}" in fault.value.remedy
    assert "--column 'text=Customer message' --column label=Department" in fault.value.remedy
    dataset = load(path, format="classification")
    assert dataset.columns == {"text": "Customer message", "label": "Department"}


@pytest.mark.parametrize(
    "more",
    [
        {"Priority": ["high", "low"]},
        {"Reply": ["We are sorry for that", "It is on its way", "Yes, we do that"]},
    ],
    ids=["two-labels", "two-texts"],
)
def test_an_export_of_two_labels_or_two_texts_is_asked_about(more: dict[str, Any], tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", tickets(**more))
    with pytest.raises(UserError, match="not detected") as fault:
        load(path)
    such_as = "Customer message, completion: Reply" if "Reply" in more else "question, completion: answer"
    assert f"{{prompt: {such_as}}}" in fault.value.remedy
    with pytest.raises(UserError, match="column not found for text and label"):
        load(path, format="classification")


@pytest.mark.parametrize(
    ("header", "asks", "says"),
    [
        ("问题,回答", "请问第{}号商品现在多少钱", "第{}号商品现在卖九元"),
        ("Вопрос,Ответ", "Сколько стоит товар номер {}?", "Товар номер {} стоит девять рублей"),
        ("प्रश्न,उत्तर", "वस्तु {} की कीमत अभी क्या है?", "वस्तु {} की कीमत नौ है"),
        ("Übersicht,Lösung", "Wie viel kostet Artikel {}?", "Artikel {} kostet neun Euro"),
    ],
    ids=["zh", "ru", "hi", "de-cp1252"],
)
def test_a_header_of_any_script_is_no_row(header: str, asks: str, says: str, tmp_path: Path) -> None:
    path, names = tmp_path / "a.csv", header.split(",")
    encoding = "cp1252" if header.startswith("Ü") else "utf-8"
    rows = [f"{asks.format(n)},{says.format(n)}" for n in range(20)]
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    with pytest.raises(UserError, match="not detected") as fault:
        load(str(path))
    assert f"{{prompt: {names[0]}, completion: {names[1]}}}" in fault.value.remedy
    read = load(str(path), format="prompt-completion", columns={"prompt": names[0], "completion": names[1]})
    assert [(row.row, row.reference) for row in read.examples()][:1] == [(1, says.format(0))]
    assert read.rows == 20
    path.write_text("\n".join(rows) + "\n", encoding=encoding)
    assert load(str(path)).rows == 20, "rows without a header are rows"
