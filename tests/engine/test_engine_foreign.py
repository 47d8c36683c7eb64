"""Tokenizers and chat templates of strangers in the engine, at the first row and at any other."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest
import tiny

from tuiftune import assets
from tuiftune.engine.model.base import Base
from tuiftune.engine.model.foreign import behind_fence
from tuiftune.engine.model.tokenizer import RowTokenizer
from tuiftune.engine.training import rows
from tuiftune.fence.process import Open

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
CASES = {
    "at one row only": (
        {"template": "{% if 'bird is amber' in messages[0].content %}" + LOOP + "{% endif %}"},
        "the chat template takes more than 5 s at row ",
    ),
    "before an answer only": (
        {
            "template": "{% if add_generation_prompt and 'The' in messages[0].content %}"
            + LOOP
            + "{% endif %}"
        },
        "the chat template takes more than 5 s",
    ),
    "memory": ({"template": "{{ 'a' * 3000000000 }}"}, "of memory"),
    "zero": ({"template": "{{ 1/0 }}"}, "division by zero"),
    "tokenizer": (
        {
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": r"((a|a)*)*!|(.+)+$\b\B"},
                "behavior": "Isolated",
                "invert": False,
            }
        },
        "the tokenizer fails",
    ),
    "decoder": (
        {
            "decoder": {
                "type": "Sequence",
                "decoders": [{"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 40}] * 6,
            }
        },
        "of memory",
    ),
}


def stranger(model: Path, place: Path, *, template: str = "", **core: object) -> Path:
    shutil.copytree(model, place)
    if template:
        (place / "chat_template.jinja").write_text(template + tiny.TEMPLATE)
    file = place / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | core))
    return place


LONG = ("before an answer only",)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.long) if case in LONG else case for case in CASES]
)
def test_training_ends_in_one_line(
    engine: Engine, model: Path, make_run: Callable[..., Path], tmp_path: Path, case: str
) -> None:
    changes, said = CASES[case]
    run = make_run(base=stranger(model, tmp_path / "stranger", **changes))
    began = time.monotonic()
    assert engine.train(run) == 2
    assert time.monotonic() - began < 40
    (end,) = tiny.events(run, "end")
    assert (end["state"], end["exit_code"]) == ("failed", 2)
    assert said in end["why"]
    assert str(tmp_path / "stranger") in end["why"]
    assert "\n" not in end["why"]
    assert not tiny.events(run, "step")


@pytest.mark.long
def test_rows_asked_about_end_in_one_line(engine: Engine, model: Path, data: Path, tmp_path: Path) -> None:
    place = stranger(model, tmp_path / "stranger", template=LOOP)
    code, said = engine.run("tokens", "--model", place, data)
    assert code == 2
    assert said.strip().splitlines()[-1].startswith(f"{place}: the chat template takes more than 5 s")


def test_the_fence_changes_no_token(tmp_path: Path) -> None:
    """The demo's own model without a fence, and the same files as a stranger's: equal rows and digest."""

    class Quiet:
        def phase(self, *_: object, **__: object) -> None: ...
        def warning(self, *_: object, **__: object) -> None: ...

    from tuiftune.data.read.load import load
    from tuiftune.engine.model.base import load_tokenizer

    place = tmp_path / "same"
    shutil.copytree(assets.BASE, place)
    examples = load("builtin:tickets").head(300)
    made = []
    for source in (assets.BASE, place):
        base = Base(str(source), str(source), None, None, remote_code=False)

        def make(base: Base = base) -> RowTokenizer:
            return RowTokenizer(load_tokenizer(base), max_length=60, loss_on="assistant")

        asked = behind_fence(base, RowTokenizer.rows, make, {"training": examples})
        assert isinstance(asked, Open) is (source == assets.BASE)
        made.append(
            rows.prepare(  # type: ignore[arg-type]
                examples,
                asked,
                Quiet(),
                lambda: None,
                which="training",
                columns=("input_ids", "labels"),
                max_length=60,
            )
        )
        asked.close()
    assert made[0].digest == made[1].digest
    assert made[0].dataset[:] == made[1].dataset[:]
