"""Every format and file kind is recognised without being told, and becomes the same turns."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import seeded
import zstandard

from tuiftune.data.example import Example
from tuiftune.data.read.load import load
from tuiftune.errors import UserError


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


def turns(example: Example) -> list[tuple[str, str]]:
    assert example.messages is not None
    return [(message.role, message.content) for message in example.messages]


QA = [("user", "What is tea?"), ("assistant", "A drink.")]

ONE_TURN = [
    ({"prompt": "What is tea?", "completion": "A drink."}, "prompt-completion"),
    ({"question": "What is tea?", "answer": "A drink."}, "prompt-completion"),
    ({"input": "What is tea?", "output": "A drink."}, "prompt-completion"),
    ({"document": "What is tea?", "summary": "A drink."}, "prompt-completion"),
    ({"prompt": "What is tea?", "response": "A drink."}, "prompt-completion"),
    ({"Question": "What is tea?", "Answer": "A drink.", "id": 4}, "prompt-completion"),
    ({"instruction": "What is tea?", "input": "", "output": "A drink."}, "instruction"),
    ({"instruction": "What is tea?", "response": "A drink."}, "instruction"),
    (
        {
            "messages": [
                {"role": "user", "content": "What is tea?"},
                {"role": "assistant", "content": "A drink."},
            ]
        },
        "chat",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "tea?"}],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "A drink."}]},
            ]
        },
        "chat",
    ),
    (
        {"conversations": [{"from": "human", "value": "What is tea?"}, {"from": "gpt", "value": "A drink."}]},
        "sharegpt",
    ),
    ([{"role": "user", "content": "What is tea?"}, {"role": "assistant", "content": "A drink."}], "chat"),
]


@pytest.mark.parametrize(("row", "expected"), ONE_TURN)
def test_one_turn_under_many_names(row: Any, expected: str, tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "rows.jsonl", [row] * 12))
    assert dataset.format == expected
    assert dataset.stage == "sft"
    assert dataset.confidence >= 0.9
    assert dataset.evidence
    assert turns(next(dataset.examples())) == QA


def test_instruction_joins_its_input_and_keeps_history_and_system(tmp_path: Path) -> None:
    row = {
        "instruction": "Translate",
        "input": "tea",
        "output": "Tee",
        "system": "Be brief",
        "history": [["Hi", "Hello"]],
    }
    example = next(load(jsonl(tmp_path / "a.jsonl", [row] * 9)).examples())
    assert turns(example) == [
        ("system", "Be brief"),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Translate\n\ntea"),
        ("assistant", "Tee"),
    ]


def test_classification_by_few_short_answers(tmp_path: Path) -> None:
    rows = [{"text": f"message {n}", "category": ["refund", "card"][n % 2]} for n in range(40)]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.format == "classification"
    example = next(dataset.examples())
    assert (turns(example), example.label) == ([("user", "message 0"), ("assistant", "refund")], "refund")


def test_numbers_are_labels_too(tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [{"sentence": f"s {n}", "label": n % 3} for n in range(40)]))
    assert dataset.format == "classification"
    assert [example.label for example in dataset.head(3)] == ["0", "1", "2"]


def test_nested_lists_of_text_and_label(tmp_path: Path) -> None:
    document = {
        "oos_val": [["what?", "oos"]] * 5,
        "val": [["hm", "greet"]] * 5,
        "train": [[f"set alarm {n}", ["alarm", "weather", "greet"][n % 3]] for n in range(60)],
    }
    path = tmp_path / "intents.json"
    path.write_text(json.dumps(document))
    dataset = load(str(path))
    assert (dataset.format, dataset.rows) == ("classification", 60)
    assert next(dataset.examples()).label == "alarm"
    assert any("not used for training" in note and "oos_val" in note for note in dataset.evidence)


@pytest.mark.parametrize("key", ["data", "rows", "examples", "anything"])
def test_rows_under_a_key(key: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps({"version": 1, key: [{"question": "What is tea?", "answer": "A drink."}] * 9}, indent=1)
    )
    assert load(str(path)).rows == 9


def test_columns_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"prompt": ["a b", "c d"], "completion": ["e", "f"]}))
    assert [turns(example)[1][1] for example in load(str(path)).examples()] == ["e", "f"]


def test_sharegpt_tool_calls_become_text_and_it_is_said(tmp_path: Path) -> None:
    row = {
        "conversations": [
            {"from": "human", "value": "Weather in Oslo?"},
            {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
            {"from": "observation", "value": '{"temperature": 3}'},
            {"from": "gpt", "value": "3 degrees."},
        ],
        "tools": '[{"name": "weather"}]',
    }
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    assert dataset.format == "sharegpt"
    said = turns(next(dataset.examples()))
    assert [role for role, _ in said] == ["system", "user", "assistant", "tool", "assistant"]
    assert '"weather"' in said[0][1]
    assert said[2][1].startswith("<tool_call>")
    assert any("tool call" in sentence for sentence in dataset.lost)


def test_openai_tool_calls_without_content(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    row = {
        "messages": [
            {"role": "developer", "content": "Be brief"},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "3"},
            {"role": "assistant", "content": "3 degrees.", "weight": 0},
        ]
    }
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    example = next(dataset.examples())
    said = turns(example)
    assert said[0] == ("system", "Be brief")
    assert json.loads(said[2][1].removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")) == {
        "name": "weather",
        "arguments": {"city": "Oslo"},
    }
    assert example.messages is not None
    assert example.messages[-1].weight == 0


def test_pictures_in_content_are_dropped_and_it_is_said(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    row = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat."}]}
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 3))
    assert any("image_url" in sentence and "3 times" in sentence for sentence in dataset.lost)


def test_content_parts_with_values_and_loss_weights(tmp_path: Path) -> None:
    def turn(role: str, text: str, weight: float) -> dict[str, Any]:
        return {"role": role, "content": [{"type": "text", "value": text}], "loss_weight": weight}

    row = {
        "messages": [
            turn("user", "Hi", 0.0),
            turn("assistant", "No", 0.0),
            turn("user", "?", 0.0),
            turn("assistant", "Yes", 1.0),
        ]
    }
    example = next(load(jsonl(tmp_path / "a.jsonl", [row] * 5)).examples())
    assert example.messages is not None
    assert [(message.content, message.weight) for message in example.messages] == [
        ("Hi", 0),
        ("No", 0),
        ("?", 0),
        ("Yes", 1),
    ]


def test_the_file_beside_the_fold_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps({"train": [{"prompt": "a", "completion": "b"}] * 3, "oos_train": [["x", "y"]]})
    )
    assert any("oos_train" in note for note in load(str(path)).evidence)


def hub_cache(home: Path) -> None:
    """A dataset as the hub's client keeps it."""
    base = home / "datasets--someone--tea"
    commit = "a" * 40
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(commit)
    data = base / "snapshots" / commit / "data"
    data.mkdir(parents=True)
    for split in ("train", "test"):
        pl.DataFrame(ROWS).write_parquet(data / f"{split}-00000-of-00001.parquet")


def test_a_hub_id_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    hub_cache(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("someone/tea", "hf:someone/tea"):
        dataset = load(name)
        assert dataset.rows == len(ROWS)
        assert any("as it is in the cache" in note and "train" in note for note in dataset.evidence), (
            dataset.evidence
        )
    with pytest.raises(UserError, match="someone/coffee: HF_HUB_OFFLINE forbids downloads"):
        load("someone/coffee")


PREFERENCES = [
    {"prompt": "Q?", "chosen": "good", "rejected": "bad"},
    {
        "prompt": "Q?",
        "chosen": [{"role": "assistant", "content": "good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
    },
    {
        "chosen": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "good"}],
        "rejected": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "bad"}],
    },
    {
        "conversations": [{"from": "human", "value": "Q?"}],
        "chosen": {"from": "gpt", "value": "good"},
        "rejected": {"from": "gpt", "value": "bad"},
    },
    {"instruction": "Q?", "chosen": "good", "rejected": "bad"},
    {"chosen": "\n\nHuman: Q?\n\nAssistant: good", "rejected": "\n\nHuman: Q?\n\nAssistant: bad"},
]


@pytest.mark.parametrize("row", PREFERENCES)
def test_preferences_of_every_make(row: dict[str, Any], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 9))
    assert (dataset.format, dataset.stage) == ("preference", "dpo")
    example = next(dataset.examples())
    assert (turns(example), example.chosen, example.rejected) == ([("user", "Q?")], "good", "bad")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q?", "completion": "A", "label": True},
        {
            "messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A"}],
            "label": True,
        },
    ],
)
def test_kto(row: dict[str, Any], tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [row, {**row, "label": False}] * 9))
    assert (dataset.format, dataset.stage) == ("kto", "kto")
    assert [example.label for example in dataset.head(2)] == ["true", "false"]
    assert turns(next(dataset.examples())) == [("user", "Q?"), ("assistant", "A")]


def test_raw_text_and_markdown_folders(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# One\n\nFirst part.\n\n# Two\n\n```\n# not a heading\n```\n")
    (tmp_path / "docs" / "b.md").write_text("Only text.\n")
    dataset = load(str(tmp_path / "docs"))
    assert (dataset.format, dataset.stage) == ("text", "pretrain")
    found = [(Path(example.file).name, example.row, example.text) for example in dataset.examples()]
    assert found == [
        ("a.md", 1, "# One\n\nFirst part."),
        ("a.md", 5, "# Two\n\n```\n# not a heading\n```"),
        ("b.md", 1, "Only text."),
    ]


def test_plain_text_by_paragraph_or_by_long_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n\nthree\n")
    assert [example.text for example in load(str(tmp_path / "a.txt")).examples()] == ["one\ntwo", "three"]
    lines = ["wiki " * 40 + str(number) for number in range(5)]
    (tmp_path / "wiki.txt").write_text("\n".join(lines))
    assert [example.text for example in load(str(tmp_path / "wiki.txt")).examples()] == lines


def test_one_text_column(tmp_path: Path) -> None:
    assert load(jsonl(tmp_path / "a.jsonl", [{"text": "some words"}] * 3)).format == "text"


ROWS = [{"question": f"What is {n}? ä", "answer": f"A number,\n{n}"} for n in range(50)]


def as_jsonl(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def written(kind: str, folder: Path) -> Path:
    """The same rows in another kind of file."""
    text = as_jsonl(ROWS)
    frame = pl.DataFrame(ROWS)
    path = folder / f"rows.{kind}"
    match kind:
        case "jsonl":
            path.write_text(text)
        case "json":
            path.write_text(json.dumps(ROWS, indent=2))
        case "json.gz":
            path.write_bytes(gzip.compress(json.dumps(ROWS).encode()))
        case "jsonl.gz":
            path.write_bytes(gzip.compress(text.encode()))
        case "jsonl.zst":
            half = len(text.encode()) // 2
            pack = zstandard.ZstdCompressor().compress
            path.write_bytes(pack(text.encode()[:half]) + pack(text.encode()[half:]))
        case "csv":
            frame.write_csv(path)
        case "csv.gz":
            path.write_bytes(gzip.compress(frame.write_csv().encode()))
        case "semicolon.csv":
            frame.write_csv(path, separator=";")
        case "tsv":
            frame.write_csv(path, separator="\t")
        case "parquet":
            frame.write_parquet(path)
        case "arrow":
            frame.write_ipc(path)
        case "stream.arrow":
            frame.write_ipc_stream(path)
        case "feather":
            frame.write_ipc(path, compression="lz4")
        case "bom.jsonl":
            path.write_text(text, "utf-8-sig")
        case "utf16.jsonl":
            path.write_text(text, "utf-16")
        case "utf16.csv":
            path.write_text(frame.write_csv(), "utf-16")
        case "utf16le.jsonl":
            path.write_text(text, "utf-16-le")
        case "dos.jsonl":
            path.write_bytes(text.replace("\n", "\r\n").encode())
        case "mixed.jsonl":
            lines = text.splitlines()
            path.write_bytes(
                "".join(line + ["\n", "\r\n", "\r"][n % 3] for n, line in enumerate(lines)).encode()
            )
        case "gaps.jsonl":
            path.write_bytes(text.replace("\n", "\n\n").encode())
        case "lines.json":
            path.write_text(text)
        case "dat":
            path.write_text(text)
        case "array.jsonl":
            path.write_text(json.dumps(ROWS))
    return path


KINDS = (
    "jsonl", "json", "json.gz", "jsonl.gz", "jsonl.zst", "csv", "csv.gz", "semicolon.csv", "tsv", "parquet",
    "arrow", "stream.arrow", "feather", "bom.jsonl", "utf16.jsonl", "utf16.csv", "utf16le.jsonl", "dos.jsonl",
    "mixed.jsonl", "gaps.jsonl", "lines.json", "dat", "array.jsonl",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    dataset = load(str(written(kind, tmp_path)))
    found = [{"question": turns(e)[0][1], "answer": turns(e)[1][1]} for e in dataset.examples()]
    assert dataset.format == "prompt-completion"
    assert found == ROWS


def test_several_files_globs_and_directories(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"train-{name}.jsonl").write_text(as_jsonl(ROWS))
    (tmp_path / "test.jsonl").write_text(as_jsonl(ROWS[:5]))
    assert load([str(tmp_path / "train-a.jsonl"), str(tmp_path / "test.jsonl")]).rows == 55
    assert load(str(tmp_path / "train-*.jsonl")).rows == 100
    directory = load(str(tmp_path))
    assert directory.rows == 100
    assert any("test.jsonl" in note for note in directory.evidence)
    assert directory.place(50) == f"{tmp_path / 'train-b.jsonl'}:1"


def test_mapping_overrules_the_guess(tmp_path: Path) -> None:
    rows = [{"title": f"t{n}", "body": f"b{n}", "verdict": "x y z " * 30} for n in range(20)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    dataset = load(path, columns={"prompt": "body", "completion": "verdict"})
    assert dataset.format == "prompt-completion"
    assert turns(next(dataset.examples()))[0] == ("user", "b0")
    assert any("title" in sentence for sentence in dataset.lost)
    assert load(path, format="text", columns={"text": "body"}).format == "text"
    assert (
        load(path, format="classification", columns={"text": "body", "label": "title"}).head(1)[0].label
        == "t0"
    )


def test_system_message_for_rows_without_one(tmp_path: Path) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", ROWS), system="Be kind")
    assert turns(next(dataset.examples()))[0] == ("system", "Be kind")


def test_unknown_columns_are_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(UserError) as fault:
        load(path, columns={"prompt": "quetsion"})
    assert "quetsion" in str(fault.value)
    assert "question" in str(fault.value)
    with pytest.raises(UserError, match="not detected"):
        load(jsonl(tmp_path / "b.jsonl", [{"alpha": 1, "beta": 2}] * 9))


def test_files_as_well_known_sets_lay_them_out(tmp_path: Path) -> None:
    """Hundreds of rows in the columns of Banking77, GSM8K and LLaMA-Factory's ShareGPT preferences."""
    rng = random.Random(3)
    messages = "".join(f'"{row["text"]}",{row["label"]}\n' for row in seeded.labelled(900, rng))
    (tmp_path / "intents.csv").write_text("text,category\n" + messages)
    sums = [
        {
            "question": seeded.question(rng),
            "answer": f"{seeded.sentence(rng)} 2+{n}=<<2+{n}={2 + n}>>{2 + n}\n#### {2 + n}",
        }
        for n in range(400)
    ]
    said = [
        {
            "conversations": [{"from": "human", "value": seeded.question(rng)}],
            "chosen": {"from": "gpt", "value": seeded.sentence(rng)},
            "rejected": {"from": "gpt", "value": seeded.sentence(rng)},
        }
        for _ in range(300)
    ]
    (tmp_path / "pairs.json").write_text(json.dumps(said))
    for path, expected, rows in (
        (str(tmp_path / "intents.csv"), "classification", 900),
        (jsonl(tmp_path / "sums.jsonl", sums), "prompt-completion", 400),
        (str(tmp_path / "pairs.json"), "preference", 300),
    ):
        dataset = load(path)
        assert (dataset.format, dataset.rows, int(dataset.usable.sum())) == (expected, rows, rows)
