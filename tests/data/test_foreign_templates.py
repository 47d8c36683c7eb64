"""Chat templates and tokenizers of strangers where rows are planned and inspected."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tuiftune import assets
from tuiftune.data.chat import fenced
from tuiftune.data.inspect import inspect
from tuiftune.data.measure import measure
from tuiftune.data.mix.sources import Mix, Source
from tuiftune.data.read.load import load
from tuiftune.data.tokens import Counter, lengths
from tuiftune.errors import ExitCode, UserError
from tuiftune.fence import limits
from tuiftune.models.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.dataset import Dataset

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
EACH = "{% for m in messages %}{{ m.content }}{% endfor %}"
TEMPLATES = {
    "loop": (LOOP, "takes more than"),
    "loop at one row": ("{% if '#7#' in messages[0].content %}" + LOOP + "{% endif %}", "at row 8"),
    "memory": ("{{ 'a' * 3000000000 }}", "of memory"),
    "grows": (
        "{% set ns = namespace(x='a') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "takes more than",
    ),
    "pad": ("{{ '%2000000000d' % 1 }}", "of memory"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "too deeply"),
    "nested": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "too deeply"),
    "zero": ("{{ 1/0 }}", "division by zero"),
    "overflow": ("{{ 10.0**400 }}", "OverflowError"),
    "refuses all": ("{{ raise_exception('\x1b]0;owned\x07 never') }}", r"every row is rejected"),
    "reaches out": ("{% include '/etc/passwd' %}", "every row is rejected"),
}
TOKENIZERS = {
    "panic": {
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"((a|a)*)*!|(.+)+$\b\B"},
            "behavior": "Isolated",
            "invert": False,
        }
    },
    "grow": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 40}] * 6,
        }
    },
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second a row; and no process is left warm."""
    monkeypatch.setattr(limits, "ROW_SECONDS", 1.0)
    yield
    fenced.forget()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rows = [
        {"prompt": f"What is the colour of #{n}#?", "completion": f"The {n}th is green."} for n in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load(str(tmp_path / "rows.jsonl"))


def model(place: Path, template: str = "", **core: Any) -> Path:
    place.mkdir()
    for part in assets.BASE.iterdir():
        (place / part.name).write_bytes(part.read_bytes())
    file = place / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | core))
    if template:
        (place / "chat_template.jinja").write_text(template + "{{ messages[0].content }}")
    return place


def refused(dataset: Dataset, place: Path) -> UserError:
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        measure(dataset, resolve(str(place)))
    assert time.monotonic() - began < 30
    assert caught.value.exit_code == ExitCode.USAGE
    assert str(place) in caught.value.place
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_template_ends_in_one_line(dataset: Dataset, tmp_path: Path, case: str) -> None:
    template, said = TEMPLATES[case]
    assert said in refused(dataset, model(tmp_path / "stranger", template)).message
    began = time.monotonic()
    refused(dataset, tmp_path / "stranger")  # the wizard asks again and again
    assert time.monotonic() - began < 1 or said == "every row is rejected"


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_tokenizer_ends_in_one_line(dataset: Dataset, tmp_path: Path, case: str) -> None:
    fault = refused(dataset, model(tmp_path / "stranger", **TOKENIZERS[case]))
    assert fault.message.startswith("the tokenizer ")


@pytest.mark.parametrize("case", ["loop", "zero"])
def test_so_does_an_inspection(dataset: Dataset, tmp_path: Path, case: str) -> None:
    place = model(tmp_path / "stranger", TEMPLATES[case][0])
    with pytest.raises(UserError, match="the chat template"):
        inspect(dataset, tokenizer=place)


def test_mended_files_are_read_anew(dataset: Dataset, tmp_path: Path) -> None:
    place = model(tmp_path / "stranger", "{{ 1/0 }}")
    refused(dataset, place)
    (place / "chat_template.jinja").write_text(EACH)
    assert measure(dataset, resolve(str(place))).rows == 38


UNSTEADY = {
    "random": "{{ ['a', 'b'] | random }}",
    "random words": "{{ lipsum(1) }}",
    "time": "{{ strftime_now('%Y-%m-%d %H:%M') }}",
    "half a day": "{{ strftime_now('%p') }}",
    "address": "{{ messages[0].items }}",
    "generator": "{{ messages | map(attribute='role') }}",
}


@pytest.mark.parametrize("case", UNSTEADY)
def test_a_template_that_writes_a_row_anew_each_time_is_refused(
    dataset: Dataset, tmp_path: Path, case: str
) -> None:
    fault = refused(dataset, model(tmp_path / "stranger", UNSTEADY[case]))
    assert "each time" in fault.message


def test_the_date_and_addresses_in_the_data_are_no_such_thing(tmp_path: Path) -> None:
    row = {"prompt": "What is <x at 0x7f>?", "completion": "An object at 0x7f."}
    (tmp_path / "rows.jsonl").write_text((json.dumps(row) + "\n") * 40)
    place = model(tmp_path / "stranger", "{{ strftime_now('%d %b %Y') }}" + EACH)
    (place / "chat_template.jinja").write_text("{{ strftime_now('%d %b %Y') }}" + EACH)
    assert measure(load(str(tmp_path / "rows.jsonl")), resolve(str(place))).rows == 40


@pytest.mark.parametrize("written", ["", "<|assistant|><|end|>"])
def test_a_template_that_leaves_out_every_answer_is_refused(
    dataset: Dataset, tmp_path: Path, written: str
) -> None:
    shown = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% else %}" + written + "{% endif %}"
        "{% endfor %}{% if add_generation_prompt and WRITTEN %}<|assistant|>{% endif %}"
    )
    place = model(tmp_path / "stranger", "x")
    (place / "chat_template.jinja").write_text(shown.replace("WRITTEN", str(bool(written)).lower()))
    assert "omits every answer" in refused(dataset, place).message


def test_one_refused_row_is_told_before_training_stops_there(dataset: Dataset, tmp_path: Path) -> None:
    once = "{% if '#7#' in messages[0].content %}{{ raise_exception('no sevens') }}{% endif %}"
    place = model(tmp_path / "stranger", "x")
    (place / "chat_template.jinja").write_text(once + EACH)
    fault = refused(dataset, place)
    assert fault.message == "row 8 is rejected: the chat template rejects a conversation: no sevens"
    others = tmp_path / "others.jsonl"
    others.write_text('{"prompt": "Where?", "completion": "There."}\n' * 40)
    mix = Mix((Source(dataset.files[0].as_posix(), 1.0),))
    with pytest.raises(UserError, match="row 8 is rejected"):
        measure(load(str(others)), resolve(str(place)), mix=mix)


def test_one_warm_process_answers_for_a_model(dataset: Dataset, tmp_path: Path) -> None:
    def children() -> set[int]:
        return {child.pid for child in psutil.Process().children()}

    before = children()
    place = model(tmp_path / "same")
    strange, own = lengths(dataset, place), lengths(dataset, assets.BASE)
    first = children() - before
    for _ in range(5):
        Counter(place).completion_lengths(dataset.examples())
    assert len(first) == 1
    assert children() - before == first
    assert strange.total.tolist() == own.total.tolist()
    assert strange.learnt.tolist() == own.learnt.tolist()
