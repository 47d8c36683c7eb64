"""Datasets of the Hub: which files a configuration and split mean, and parts that are streamed."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.read import hub as datasets
from tuiftune.data.read.hub_part import write_part
from tuiftune.data.read.load import load
from tuiftune.errors import ExitCode, UserError
from tuiftune.hub import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from stand_in import StandIn

NAME = "acme/rows"
CONFIGS = [
    {
        "config_name": "main",
        "data_files": [
            {"split": "train", "path": "main/train-*"},
            {"split": "test", "path": ["main/test-*.jsonl"]},
        ],
    },
    {"config_name": "hard", "data_files": {"train": "hard/**.jsonl"}},
]


def rows(word: str, many: int) -> bytes:
    return "".join(
        json.dumps({"prompt": f"{word} {n}", "completion": f"it is {n}"}) + "\n" for n in range(many)
    ).encode()


def declared(hub: StandIn, **more: Any) -> None:
    hub.dataset(
        NAME,
        {
            "main/train-0.jsonl": rows("a", 3),
            "main/train-1.jsonl": rows("b", 4),
            "main/test-0.jsonl": rows("c", 2),
            "hard/deep/x.jsonl": rows("d", 5),
            "README.md": b"---\nlicense: mit\n---\n",
        },
        card={"license": "mit", "configs": CONFIGS, **more},
    )


@pytest.mark.parametrize(
    ("text", "many", "first"),
    [
        (f"hf:{NAME}:main", 7, "a 0"),
        (f"hf:{NAME}:main:test", 2, "c 0"),
        (f"hf:{NAME}:hard", 5, "d 0"),
        (f"hf:{NAME}@{'a' * 40}:hard:train", 5, "d 0"),
    ],
)
def test_configuration_split_and_revision(hub: StandIn, text: str, many: int, first: str) -> None:
    declared(hub)
    dataset = load(text)
    assert dataset.rows == many
    assert dataset.head(1)[0].messages[0].content == first
    fetched = {path.rpartition("/")[2] for verb, path, _ in hub.log if verb == "GET" and "/resolve/" in path}
    assert fetched == {path.name for path in dataset.files}  # nothing of another split
    hub.log.clear()
    assert load(text).rows == many
    assert not hub.log  # as it was downloaded, without the network


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"hf:{NAME}", r"has 2 configurations: main, hard\. Name one, such as hf:acme/rows:main"),
        (f"hf:{NAME}:easy", r"has no configuration 'easy': main, hard"),
        (
            f"hf:{NAME}:main:dev",
            r"has no split 'dev': train, test\. Name one, such as hf:acme/rows:main:train",
        ),
        (f"hf:{NAME}@v7:main", "has no revision 'v7'"),
        ("hf:acme/none", "dataset 'acme/none' was not found"),
        ("hf:acme/rows:a:b:c", "is not a valid dataset ID"),
    ],
)
def test_what_is_not_there_is_listed(hub: StandIn, text: str, says: str) -> None:
    declared(hub)
    with pytest.raises(UserError, match=says) as failed:
        load(text)
    assert failed.value.exit_code is ExitCode.USAGE


def test_names_decide_where_the_card_says_nothing(hub: StandIn) -> None:
    hub.dataset(
        NAME,
        {"data/train.jsonl": rows("a", 3), "data/validation.jsonl": rows("b", 2), "notes.md": b"# no rows\n"},
        card={},
    )
    assert load(f"hf:{NAME}").rows == 3
    assert load(f"hf:{NAME}::validation").rows == 2
    assert load(f"hf:{NAME}:data:train").rows == 3
    with pytest.raises(UserError, match="has no configuration 'main': it has data"):
        load(f"hf:{NAME}:main")


def test_gated_rows(hub: StandIn) -> None:
    hub.dataset(NAME, {"train.jsonl": rows("a", 3)}, gated=True, token="hf_yes")
    with pytest.raises(UserError, match=r"is gated, and no token is set.*/datasets/acme/rows, then log in"):
        load(f"hf:{NAME}")


def test_a_dataset_that_does_not_fit_is_streamed_in_part(
    hub: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    many = 60_000
    hub.dataset(NAME, {"train.jsonl": rows("a", many), "train-1.jsonl.gz": gzip.compress(rows("b", 10))})
    monkeypatch.setattr(fetch, "free_bytes", lambda: 1_000_000)
    with pytest.raises(
        UserError, match=r"stream a part of the rows: tuiftune download hf:acme/rows --rows"
    ) as no:
        load(f"hf:{NAME}")
    assert no.value.exit_code is ExitCode.DOES_NOT_FIT
    remote, files, _ = datasets.look(f"hf:{NAME}")
    out = tmp_path / "part.jsonl"
    hub.log.clear()
    big = [one for one in files if one.name == "train.jsonl"]
    assert write_part(remote, big, 100, out, lambda _: None) == 100
    assert out.read_bytes() == rows("a", 100)
    spans = hub.asked("/train.jsonl")
    assert spans
    assert all(int(span.partition("-")[2]) < big[0].size - 1 for span in spans)  # never all of it
    packed = [one for one in files if one.name.endswith(".gz")]
    assert write_part(remote, packed, 100, out, lambda _: None) == 10
    assert out.read_bytes() == rows("b", 10)


def test_csv_and_parquet_in_part(hub: StandIn, tmp_path: Path) -> None:
    import polars as pl

    text = b'prompt,completion\n"say ""a""\nnow",one\nb,two\nc,three\n'
    table = tmp_path / "t.parquet"
    noise = random.Random(2)
    pl.DataFrame(
        {"prompt": [noise.randbytes(64).hex() for _ in range(40_000)], "n": range(40_000)}
    ).write_parquet(table, row_group_size=1_000)
    hub.dataset(NAME, {"train.csv": text})
    remote, files, _ = datasets.look(f"hf:{NAME}")
    out = tmp_path / "part.csv"
    assert write_part(remote, files, 2, out, lambda _: None) == 2
    assert out.read_bytes() == text[: -len(b"c,three\n")]
    with pytest.raises(UserError, match=r"its rows come as \.csv\. Name a \.csv file"):
        write_part(remote, files, 2, tmp_path / "part.jsonl", lambda _: None)
    hub.dataset("acme/table", {"train.parquet": table.read_bytes()})
    remote, files, _ = datasets.look("hf:acme/table")
    hub.log.clear()
    out = tmp_path / "part.jsonl"
    assert write_part(remote, files, 1_500, out, lambda _: None) == 1_500
    assert json.loads(out.read_text().splitlines()[-1])["n"] == 1_499
    came = 0
    for span in hub.asked("/train.parquet"):
        first, _, last = span.removeprefix("bytes=").partition("-")
        came += int(last) - int(first) + 1
    assert came < table.stat().st_size  # the row groups that were asked for
