"""Files as they are published and passed on: none is read as another text, nothing is left out silently."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tuiftune.data.inspect import inspect
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

N = 16


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("encoding", "question", "answer"),
    [
        ("cp1251", "Как доехать до станции", "Поездом, три часа"),
        ("cp1253", "Πόσο μακριά είναι", "Τρεις ώρες"),
        ("gb18030", "到车站有多远", "坐火车三个小时"),
        ("shift_jis", "駅までどのくらいですか", "三時間です"),
        ("euc_kr", "역까지 얼마나 걸려요", "세 시간"),
    ],
)
def test_an_encoding_of_another_script_is_no_western_text(
    encoding: str, question: str, answer: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"{question} {n},{answer} {n}\n" for n in range(N))
    path.write_bytes(("question,answer\n" + rows).encode(encoding))
    with pytest.raises(UserError, match="neither UTF-8 nor Windows-1252") as caught:
        load(str(path))
    assert f"{path}:2" in str(caught.value)
    assert "iconv" in str(caught.value)


def test_western_text_is_read_and_its_encoding_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    row = "Où est né Noël à Orléans ?,“Là—où” l’été a été créé… På ön är ån\n"
    path.write_bytes(("question,answer\n" + row * N).encode("cp1252"))
    dataset = load(str(path))
    assert dataset.head(1)[0].reference == row.partition(",")[2].strip()
    found = next(check for check in inspect(dataset).checks if check.check == "encoding")
    assert found.count == N
    assert "Windows-1252" in found.why
    assert "iconv" in found.remedy
    assert "été" in found.examples[0] or "Où" in found.examples[0]


def test_other_splits_are_told_however_deep_they_are(tmp_path: Path) -> None:
    rows = [{"question": f"Q{n}", "answer": f"A{n}"} for n in range(N)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 1, "data": {"train": rows, "test": rows[:4]}}))
    dataset = load(str(path))
    assert dataset.rows == N
    assert any("data.test" in note for note in dataset.notes)


def test_a_header_that_comes_again_is_no_row(tmp_path: Path) -> None:
    table = "question,answer\n" + "".join(f"Q{n},A{n}\n" for n in range(N))
    (tmp_path / "a.csv").write_text(table * 2)
    dataset = load(str(tmp_path / "a.csv"))
    assert dataset.rows == 2 * N
    assert "answer" not in {example.reference for example in dataset.examples()}
    assert any("header" in sentence for sentence in dataset.lost)


def test_an_answer_that_nobody_can_see_is_none(tmp_path: Path) -> None:
    rows = [{"question": f"Q{n}", "answer": "\u200b\ufeff" if n < 4 else f"A{n}"} for n in range(N)]
    dataset = load(lines(tmp_path / "a.jsonl", rows))
    assert int(dataset.usable.sum()) == N - 4
    counts = {check.check: check.count for check in inspect(dataset).checks}
    assert counts["missing-answers"] == 4


def test_the_end_of_a_rendered_answer_is_not_learned_twice(tmp_path: Path) -> None:
    prompt = "<|im_start|>user\nHow far?<|im_end|>\n<|im_start|>assistant\n"
    rows = [{"prompt": prompt, "completion": f"{n} hours.<|im_end|>"} for n in range(N)]
    assert load(lines(tmp_path / "a.jsonl", rows)).head(1)[0].reference == "0 hours."


def message(name: str, above: str | None, **more: Any) -> dict[str, Any]:
    role = "prompter" if above is None else "assistant"
    return {"message_id": name, "parent_id": above, "text": name, "role": role, "lang": "en", **more}


@pytest.mark.parametrize(
    ("worse", "said"),
    [({"rank": 1}, "ranked"), ({"review_result": False}, "review"), ({"deleted": True}, "deleted")],
)
def test_an_answer_that_its_reviewers_put_down_is_not_learned(
    worse: dict[str, Any], said: str, tmp_path: Path
) -> None:
    good = {"rank": 0, "review_result": True, "deleted": False}
    rows = [
        row
        for n in range(N)
        for row in (
            message(f"ask {n}", None, **good, user_id="u"),
            message(f"good {n}", f"ask {n}", **good),
            message(f"bad {n}", f"ask {n}", **{**good, "rank": None, **worse}),
        )
    ]
    dataset = load(lines(tmp_path / "a.jsonl", rows))
    assert [example.reference for example in dataset.examples()] == [f"good {n}" for n in range(N)]
    assert any(said in sentence for sentence in dataset.lost)


def test_a_written_conversation_before_two_answers_is_one(tmp_path: Path) -> None:
    prompt = "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: How far?\n\nAssistant:"
    sides = [{"answer": "Three hours.", "rank": 1.0}, {"answer": "Dunno.", "rank": 3.0}]
    ranked = load(lines(tmp_path / "a.jsonl", [{"prompt": prompt, "answers": sides}] * N))
    row = {"prompt": prompt, "chosen": "Three hours.", "rejected": "Dunno."}
    named = load(lines(tmp_path / "b.jsonl", [row] * N))
    for dataset in (ranked, named):
        example = dataset.head(1)[0]
        said = [(one.role, one.content) for one in example.messages or ()]
        assert said == [("user", "Hi"), ("assistant", "Yes?"), ("user", "How far?")]
        assert (example.chosen, example.rejected) == ("Three hours.", "Dunno.")


def test_a_strength_of_preference_tells_which_is_better(tmp_path: Path) -> None:
    rows = [
        {
            "context": [{"role": "user", "content": f"How far {n}?"}],
            "response1": "one",
            "response2": "two",
            "overall_preference": strength,
        }
        for n, strength in enumerate([-3, 2, 0, 1] * 4)
    ]
    dataset = load(lines(tmp_path / "a.jsonl", rows))
    better = [one.chosen for one in dataset.head(3)]
    assert better == ["one", "two", "two"]
    assert dataset.rows == 12


@pytest.mark.parametrize(
    ("row", "better", "worse"),
    [
        ({"prompt": "How far?", "chosen": "Far.", "rejected": ["Near.", "Dunno."]}, "Far.", "Near."),
        ({"prompt": "How far?", "chosen": "How far? Far.", "rejected": "How far? Near."}, "Far.", "Near."),
        (
            {
                "prompt": "\n\nHuman: How far?\n\nAssistant:",
                "chosen": "\n\nHuman: How far?\n\nAssistant: Far.",
                "rejected": "\n\nHuman: How far?\n\nAssistant: Near.",
            },
            "Far.",
            "Near.",
        ),
        (
            {
                "prompt": "How far?",
                "chosen": "Far.",
                "rejected": [
                    {"role": "user", "content": "How far?"},
                    {"role": "assistant", "content": "Near."},
                ],
            },
            "Far.",
            "Near.",
        ),
    ],
    ids=["several rejected", "the prompt again", "the conversation again", "one whole"],
)
def test_two_answers_are_the_answers_alone(
    row: dict[str, Any], better: str, worse: str, tmp_path: Path
) -> None:
    example = load(lines(tmp_path / "a.jsonl", [row] * N)).head(1)[0]
    assert [(one.role, one.content) for one in example.messages or ()] == [("user", "How far?")]
    assert (example.chosen, example.rejected) == (better, worse)
    assert example.rejected_turns is None


@pytest.mark.parametrize("system", [False, True])
def test_two_answers_to_different_prompts_are_not_compared(system: bool, tmp_path: Path) -> None:
    def side(prompt: str, answer: str) -> list[dict[str, str]]:
        asked = {"role": "user", "content": "Q" if system else prompt}
        first = [{"role": "system", "content": prompt}] if system else []
        return [*first, asked, {"role": "assistant", "content": answer}]

    rows = [
        {"chosen": side("one", "good"), "rejected": side("other" if n < 4 else "one", "bad")}
        for n in range(N)
    ]
    dataset = load(lines(tmp_path / "a.jsonl", rows))
    assert int(dataset.usable.sum()) == N - 4
    assert any("different prompts" in sentence for sentence in dataset.lost)
    if system:  # of one side alone
        for row in rows:
            del row["rejected"][0]
        assert not load(lines(tmp_path / "b.jsonl", rows)).usable.any()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"prompt": "Q", "completions": ["one", "two"], "labels": [True, False]}] * N,
            "steps of one answer",
        ),
        (
            [{"prompt": "Q", "response_1": "a", "response_2": "b", "label": n % 2} for n in range(N)],
            "which of",
        ),
    ],
    ids=["steps", "0 and 1 of 1 and 2"],
)
def test_a_comparison_that_may_mean_something_else_is_asked_about(
    rows: list[dict[str, Any]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        load(lines(tmp_path / "a.jsonl", rows))


@pytest.mark.parametrize(
    "text",
    [
        "<|system|>\nShort.</s>\n<|user|>\nHow far?</s>\n<|assistant|>\nFar.</s>\n",
        "<｜begin▁of▁sentence｜><｜User｜>How far?<｜Assistant｜>Far.<｜end▁of▁sentence｜>",
        "<|start_of_role|>user<|end_of_role|>How far?<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>Far.<|end_of_text|>\n",
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHow far?<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nFar.<|eot|>",
        "<human>: How far?\n<bot>: Far.",
    ],
    ids=["zephyr", "deepseek", "granite", "llama 4", "openchatkit"],
)
def test_texts_that_a_template_rendered_are_conversations(text: str, tmp_path: Path) -> None:
    example = load(lines(tmp_path / "a.jsonl", [{"text": text}] * N)).head(1)[0]
    said = [(one.role, one.content) for one in example.messages or ()]
    assert said[-2:] == [("user", "How far?"), ("assistant", "Far.")]


def test_a_missing_number_of_a_table_is_no_answer(tmp_path: Path) -> None:
    table = pl.DataFrame({"question": [f"Q{n}" for n in range(N)], "answer": [1.5, float("nan")] * (N // 2)})
    table.write_parquet(tmp_path / "a.parquet")
    dataset = load(str(tmp_path / "a.parquet"))
    assert int(dataset.usable.sum()) == N // 2


def test_a_directory_that_lacks_a_numbered_part_is_refused(tmp_path: Path) -> None:
    table = pl.DataFrame({"question": ["Q"] * N, "answer": ["A"] * N})
    for number in (0, 2):
        table.write_parquet(tmp_path / f"train-{number:05}-of-00003.parquet")
    with pytest.raises(UserError, match="train-00001-of-00003"):
        load(str(tmp_path))
    assert load(str(tmp_path / "*.parquet")).rows == 2 * N, "they were named"
    table.write_parquet(tmp_path / "train-00001-of-00003.parquet")
    assert load(str(tmp_path)).rows == 3 * N


def test_reasoning_that_is_never_closed_is_told(tmp_path: Path) -> None:
    rows = [
        {"question": f"Q{n}", "answer": "<think>\nFirst" if n < 4 else f"<think>\nFirst\n</think>\n\nA{n}"}
        for n in range(N)
    ]
    checks = {check.check: check for check in inspect(load(lines(tmp_path / "a.jsonl", rows))).checks}
    assert checks["unfinished-answers"].count == 4


def test_rows_of_other_splits_are_neither_trained_nor_called_evaluated(tmp_path: Path) -> None:
    parts = ["test_sft"] * 4 + ["train_sft"] * (N - 4)
    rows = [{"question": f"Q{n}", "answer": "A", "split": part} for n, part in enumerate(parts)]
    dataset = load(lines(tmp_path / "a.jsonl", rows))
    assert dataset.rows == N - 4
    assert any("not used" in note and "test 4" in note and "data.eval" in note for note in dataset.notes)
