"""Every recommendation names a source that can be opened, or says that there is none."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

import tuiftune
from tuiftune import paths, sources, stages, techniques
from tuiftune.advice.quality import Circumstances, quality
from tuiftune.advice.signals import SIGNALS
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = paths.followed(paths.given(tuiftune.__file__)).parent
GUIDE = re.compile(r"\bguides? [A-E]\b", re.IGNORECASE)
# What no one published is said in these words.
PLAIN = re.compile(
    r"technique|preset|data|hardware|prediction|arithmetic|size|task|model|tuiftune default|tuiftune advice|"
    r"your rows \(.*\)|data \(.*\)|measured on an H200.*|measured: benchmarks/\S+|PEFT's default|"
    r"counted as PEFT 0.21 adapts"
)


def sound(said: str) -> bool:
    """Return True if each part of a source is published or says in plain words that it is not."""
    return all(sources.named(part) or PLAIN.fullmatch(part) for part in said.split("; "))


def test_each_source_can_be_opened_and_is_there_once() -> None:
    every = sources.every()
    assert len(every) > 40
    assert len({one.short for one in every}) == len(every)
    assert len({one.title for one in every}) == len(every)
    links = [one.link for one in every if one is not sources.PRACTITIONERS]
    assert len({*links}) == len(links)
    assert all(re.fullmatch(r"https://\S+", link) for link in links)
    for one in every:
        assert str(one.year) in one.short
        assert sources.named(f"({one.short})") == (one,), "no other's short form is part of it"
        assert one.authors in one.full
        assert one.link in one.full


def test_a_text_names_its_sources_in_order() -> None:
    said = sources.together(sources.QLORA, sources.LORA, sources.DEFAULT)
    assert sources.named(said) == (sources.QLORA, sources.LORA)
    assert sources.link(said) == "https://arxiv.org/abs/2305.14314"
    assert sources.link("tuiftune default") is None
    assert sources.listed([said, said, sources.DORA.short]) == (sources.DORA, sources.LORA, sources.QLORA)


def constants() -> Iterator[tuple[str, str]]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.name}:{node.lineno}", node.value


def test_no_guide_is_named_by_a_letter() -> None:
    assert [place for place, text in constants() if GUIDE.search(text)] == []
    assert GUIDE.search("as guides A–C say")


def test_techniques_stages_and_signals_name_sound_sources() -> None:
    said = [source for signal in SIGNALS for view in signal.views for source in view.sources]
    for one in techniques.every().values():
        said += [one.quality.source, one.rates.source, one.alpha.source]
        facts = (one.rates.tiny, one.rates.usual, one.rates.large, one.rates.over_lora)
        said += [fact.source for fact in facts if fact is not None]
    said += [one.adapter_rate.source for one in stages.every().values() if one.adapter_rate is not None]
    entries = [*techniques.every().values(), *stages.every().values()]
    said += [option.source for one in entries for option in one.options]
    assert [one for one in said if not sound(one)] == []


@pytest.mark.parametrize("technique", ["lora", "full"])
def test_what_a_value_does_to_quality_names_a_sound_source(technique: str) -> None:
    around = Circumstances(techniques.find(technique), 8 * 10**9)
    draft = Draft(model="Qwen/Qwen3-8B", data=("x.jsonl",))
    found = [quality(one.key, choice, around) for one in settings_of(draft) for choice in one.choices]
    assert [one.source for one in found if one is not None and not sound(one.source)] == []
