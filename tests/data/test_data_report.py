"""What people and programs are given: the terminal at 80 columns, JSON, a page, and the tokens of a row."""

import io
import json
import random
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import seeded
from rich.console import Console

from tuiftune import assets
from tuiftune.data.checks.check import Subject
from tuiftune.data.inspect import QualityReport, checks_of, inspect
from tuiftune.data.read.load import load
from tuiftune.data.report.page import page
from tuiftune.data.report.terminal import bar, columns, render

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


@pytest.fixture
def report(tmp_path: Path) -> QualityReport:
    rows = seeded.labelled(120, random.Random(1))
    rows[3]["text"] = "<script>alert(1)</script> & \x1b[31m <b>bold</b> <|im_end|>"
    rows[4]["label"] = "<img src=x>"
    rows.append(dict(rows[7]))
    return inspect(load(write(tmp_path / "a.jsonl", rows)))


def text_of(report: QualityReport, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    render(report, Console(file=stream, width=80, highlight=False, emoji=False))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_terminal_fits_80_columns_and_is_plain_text(report: QualityReport) -> None:
    shown = text_of(report)
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert "classification" in shown
    assert "Exact duplicates 1" in shown
    assert "█" in shown


def test_terminal_in_ascii(report: QualityReport) -> None:
    shown = text_of(report, "ascii")
    assert "####" in shown
    assert "X Special tokens" in shown


def test_document_has_the_settled_keys(report: QualityReport) -> None:
    document = json.loads(json.dumps(report.document()))
    assert {"files", "format", "stage", "rows", "columns", "lengths", "checks", "advice"} <= set(document)
    for check in document["checks"]:
        assert {"check", "severity", "count", "rows", "why", "remedy"} <= set(check)
        assert check["severity"] in ("error", "warning", "info", "ok")
        assert len(check["rows"]) <= 50
    assert document["rows"] == 121
    assert sum(document["lengths"]["histogram"]["counts"]) == 121
    assert document["labels"]["refund"] == 15


class Tags(HTMLParser):
    """Tags seen, and whether they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_self_contained_and_escapes_the_data(report: QualityReport) -> None:
    document = page(report)
    tags = Tags()
    tags.feed(document)
    assert not tags.open
    assert not tags.links
    assert not {"script", "img", "b2"} & set(tags.seen)
    assert tags.seen.count("svg") == 2
    assert "\x1b" not in document
    assert "&lt;img src=x&gt;" in document
    assert not re.search(r"https?://", document)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_page_in_chromium(report: QualityReport, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(report), "utf-8")
    assert CHROMIUM
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}/c",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Exact duplicates" in done.stdout
    assert done.stdout.count("<rect") >= 10


def test_bars_and_columns() -> None:
    assert bar(1, 4) == "████"
    assert bar(0, 4) == ""
    assert bar(0.001, 4) == "▏"
    assert bar(0.5, 4, unicode=False) == "##"
    assert columns([0, 1, 8, 4]) == " ▁█▄"
    assert columns([0, 1, 2], unicode=False) == "049"


def test_checks_come_one_by_one_and_can_be_cancelled(tmp_path: Path) -> None:
    dataset = load(write(tmp_path / "a.jsonl", seeded.pairs(50, random.Random(1))))
    stream = checks_of(Subject(dataset))
    assert next(stream).check == "missing-answers"

    class Cancelled(Exception):  # noqa: N818 - a signal, not an error
        pass

    def stop(what: str, done: float) -> None:
        assert 0 <= done <= 1
        if what == "near duplicates":
            raise Cancelled

    with pytest.raises(Cancelled):
        list(checks_of(Subject(dataset, watch=stop)))


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", "data", *arguments],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_inspect_from_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", seeded.pairs(30, random.Random(1)))
    done = cli("inspect", path, "--json", "--html", str(tmp_path / "a.html"))
    assert done.returncode == 0
    assert json.loads(done.stdout)["format"] == "prompt-completion"
    assert (tmp_path / "a.html").read_text("utf-8").startswith("<!doctype html>")
    assert cli("inspect", path, "--column", "prompt=nothing").returncode == 2


def test_clean_from_the_command_line(tmp_path: Path) -> None:
    rows = seeded.pairs(30, random.Random(1))
    done = cli("clean", write(tmp_path / "a.jsonl", [*rows, rows[0]]), "-o", str(tmp_path / "b.jsonl"))
    assert done.returncode == 0
    assert "31 rows read, 1 dropped, 30 written" in done.stderr
    assert done.stdout == ""
    assert cli("clean", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "a.jsonl")).returncode == 2
    assert cli("clean", str(tmp_path / "a.jsonl"), "-o", "x", "--mask", "some").returncode == 2


def test_a_mixture_is_counted_from_the_command_line(tmp_path: Path) -> None:
    rng = random.Random(1)
    main = write(tmp_path / "main.jsonl", seeded.pairs(90, rng))
    general = write(tmp_path / "general.jsonl", seeded.pairs(300, rng))
    done = cli("mix", main, "--eval", "0", "--with", f"{general}=10%", "--json")
    found = json.loads(done.stdout)
    assert [portion["seen"] for portion in found["portions"]] == [90, 10]
    assert found["preset"] == {"mix": [{"path": general, "share": 0.1}]}
    done = cli("mix", main, "--eval", "0", "--with", general, "--temperature", "2")
    assert "One epoch has 254 rows" in done.stdout  # 90 + 90 · √(300/90)
    assert "mix_temperature: 2" in done.stdout
    for wrong in (f"{general}=much", f"{general}=100%", f"{general}=-1", "nowhere=1"):
        done = cli("mix", main, "--with", wrong)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert cli("mix", main, "--with", f"{general}=2", "--temperature", "2").returncode == 2


@pytest.mark.skipif(not (assets.BASE / "tokenizer.json").is_file(), reason="the base model isn't built yet")
def test_tokens_from_the_command_line() -> None:
    done = cli("tokens", "builtin:tickets", "--model", "builtin:tiny", "--row", "2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ tokens, \d+ trained \(\d+%\)", done.stdout)
    assert "⟦" in done.stdout or "[[" in done.stdout
    assert "the inference prompt matches" in done.stdout
