"""Many rows: tokenized by several fenced processes, kept in mapped files, the same to the bit as few."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_foreign import stranger
from tokenizers import normalizers

from tuiftune.cache import clearing
from tuiftune.data.example import Example, Message
from tuiftune.engine.model.base import Base, load_tokenizer
from tuiftune.engine.model.foreign import behind_fence
from tuiftune.engine.model.tokenizer import RowTokenizer
from tuiftune.engine.stages.base import stage
from tuiftune.engine.training import kept, rows, shards
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

MANY: dict[str, Any] = {"module": "hindered", "many_from": 1}
WARNED = {"sft": "rows_cut", "kto": "rows_cut", "pretrain": "rows_dropped", "dpo": "sides_equal"}
WARNED["grpo"] = "prompt_long"
LENGTH = 24  # of which some rows are truncated


class Said:
    """A report that remembers."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.warnings: list[tuple[str, ...]] = []

    def phase(
        self, name: str, detail: str = "", *, done: int | None = None, total: int | None = None
    ) -> None:
        self.phases.append((detail, done))

    def warning(self, *said: str) -> None:
        self.warnings.append(said)


def examples_for(key: str, count: int = 90) -> list[Example]:
    made = []
    for number in range(count):
        more = "and red " * (number % 7) if key == "grpo" else ""
        asked = Message("user", f"What colour is {more}{tiny.THINGS[number % 10]} {number}?")
        answer = f"It is {tiny.COLOURS[number % 8]}, " + "and red " * (number % 7)
        if key == "pretrain":
            made.append(Example(text=answer * (number % 5), row=number))
        elif key == "dpo":
            made.append(
                Example((asked,), chosen=answer, rejected="No." if number % 9 else answer, row=number)
            )
        else:
            label = "true" if number % 2 else "false"
            made.append(Example((asked, Message("assistant", answer)), label=label, row=number))
    return made


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIFTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "BATCH", 16)
    monkeypatch.setattr(kept, "processes", lambda: 2)
    monkeypatch.setattr(shards, "SHARD_NUMBERS", 1000)


class Rows:
    """Rows of a stage, to be tokenized in either way."""

    def __init__(self, model: Path, key: str, *, lossy: bool = False) -> None:
        self.lossy = lossy
        self.base = Base(str(model), str(model), None, None, remote_code=False)
        self.half, made = stage(key), examples_for(key)
        self.examples = rows.Examples(made[:70], made[60:], "chat", [], content=("jsonl some digest",))
        values = {"model": {"base": str(model)}, "data": {"train": "rows.jsonl", "max_length": LENGTH}}
        self.wanted = SimpleNamespace(preset=Preset.model_validate({**values, "method": {"stage": key}}))
        self.said = Said()

    def make(self) -> RowTokenizer:
        tokenizer = load_tokenizer(self.base)
        if self.lossy:
            tokenizer.backend_tokenizer.normalizer = normalizers.Replace("I", "l")
        return RowTokenizer(tokenizer, max_length=LENGTH, loss_on="assistant")

    def in_memory(self) -> list[rows.Prepared]:
        named = {"training": self.examples.train, "evaluation": self.examples.held_out}
        with closing(behind_fence(self.base, self.half.rows, self.make, named)) as asked:
            return [
                rows.prepare(  # type: ignore[arg-type]
                    given,
                    asked,
                    self.said,
                    lambda: None,
                    which=which,
                    columns=self.half.columns,
                    max_length=LENGTH,
                )
                for which, given in named.items()
            ]

    def kept(self, check: Callable[[], None] = lambda: None) -> list[rows.Prepared]:
        self.said = Said()
        made = kept.prepared(
            self.base,
            self.half,
            self.make,
            self.examples,
            self.wanted,
            self.said,
            check,  # type: ignore[arg-type]
        )
        training, held_out, _ = made
        assert held_out is not None
        return [training, held_out]  # type: ignore[arg-type]


def alike(some: list[rows.Prepared], others: list[rows.Prepared]) -> None:
    for one, other in zip(some, others, strict=True):
        assert (one.rows, one.digest) == (other.rows, other.digest)
        assert one.dataset[:] == other.dataset[:]
    assert rows.leaked(*some) == rows.leaked(*others) > 0


@pytest.mark.parametrize(("key", "count"), [("sft", 70), ("pretrain", 56), ("dpo", 70), ("grpo", 0)])
def test_rows_that_the_tokenizer_cannot_write_are_told(model: Path, key: str, count: int) -> None:
    given = Rows(model, key, lossy=True)
    given.in_memory()
    expected = given.said.warnings
    said = [message for code, message, *_ in expected if code == "text_changed" and "training" in message]
    begins = f"{count} of 70 training rows have characters that the tokenizer cannot write ('I')"
    assert [one.startswith(begins) for one in said] == [True] * bool(count)  # prompts alone are not trained
    given.kept()
    assert given.said.warnings == expected


@pytest.mark.parametrize("key", ["sft", "pretrain", "dpo", "kto", "grpo"])
def test_kept_rows_are_those_in_memory(model: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Rows(model, key)
    expected = given.in_memory()
    warned = given.said.warnings
    first = given.kept()
    alike(first, expected)
    assert given.said.warnings == warned
    codes = {code for code, *_ in warned}
    assert WARNED[key] in codes
    assert ("rows_dropped" in codes) == (key == "pretrain"), "the others have reasons of their own"
    assert first[1].room == given.half.room(given.examples.held_out, given.make())
    monkeypatch.setattr(kept, "portions", lambda *_: pytest.fail("tokenized again"))
    alike(given.kept(), expected)
    assert given.said.warnings == warned


def test_an_interrupted_process_is_gone_on_from(model: Path) -> None:
    given = Rows(model, "sft")
    expected = given.in_memory()

    def stop() -> None:
        done = [done or 0 for detail, done in given.said.phases if detail.startswith("training rows")]
        if max(done, default=0) >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given.kept(stop)
    (entry,) = clearing.held()
    written = sorted(entry.path.glob("*.arrow"))
    assert len(written) > 1
    assert not entry.complete
    with written[1].open("r+b") as file:  # what comes after a damaged file is not believed
        file.seek(200)
        file.write(b"damaged")
    alike(given.kept(), expected)
    begun = [done for detail, done in given.said.phases if detail == "training rows"]
    assert begun
    assert begun[0]
    assert begun[0] < 70


def test_a_damaged_file_is_made_again(model: Path) -> None:
    given = Rows(model, "sft")
    first = given.kept()
    for entry in clearing.held():
        for file in entry.path.glob("*.arrow"):
            data = bytearray(file.read_bytes())
            data[-100] ^= 255
            file.unlink()  # what is mapped stays as it is
            file.write_bytes(data)
    again = given.kept()
    alike(again, first)
    assert any(detail == "training rows" for detail, _ in given.said.phases)


def test_nothing_is_kept_where_nothing_may_be(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = Rows(model, "sft")
    expected = given.in_memory()
    monkeypatch.setenv("TUIFTUNE_CACHE_LIMIT", "0")
    alike(given.kept(), expected)
    assert clearing.held() == []
    monkeypatch.delenv("TUIFTUNE_CACHE_LIMIT")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUIFTUNE_CACHE", str(tmp_path / "file"))
    alike(given.kept(), expected)
    assert "rows_not_kept" in {code for code, *_ in given.said.warnings}


def test_too_little_disk_is_told_before(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuiftune.errors import ExitCode, UserError

    monkeypatch.setattr("tuiftune.cache.place.free", lambda _: 1 << 20)
    with pytest.raises(UserError, match="needed for tokenized rows") as fault:
        Rows(model, "sft").kept()
    assert fault.value.exit_code == ExitCode.DOES_NOT_FIT


@pytest.mark.slow
def test_two_runs_at_once_train_as_one_with_its_rows_in_memory(
    engine: Engine, make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"data__packing": True, "training__max_steps": 3, "evaluation__rows": 2}
    plain, *both = (make_run(**settings) for _ in range(3))
    fault = {**MANY, "environment": {"TUIFTUNE_CACHE": str(plain.parent.parent / "cache")}}
    jobs = [engine.start("train", run, fault=fault) for run in both]
    assert engine.train(plain) == 0
    assert [job.wait() for job in jobs] == [0, 0]
    told = [
        [
            (one["type"], one["step"], one["loss"])
            for one in tiny.events(run)
            if one["type"] in ("step", "eval")
        ]
        for run in (plain, *both)
    ]
    assert told[0] == told[1] == told[2]
    weights = [(run / "result/model/adapter_model.safetensors").read_bytes() for run in (plain, *both)]
    assert weights[0] == weights[1] == weights[2]
    kinds = [one.name for one in (plain.parent.parent / "cache").glob("tokens/*.lock")]
    assert len(kinds) == 2  # training and evaluation rows, once for both runs


def test_a_strangers_template_is_fenced_in_every_process(
    engine: Engine, model: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    bad = "{% if 'ring is pink' in messages[0].content %}{{ 'a' * 3000000000 }}{% endif %}"
    run = make_run(base=stranger(model, tmp_path / "stranger", template=bad))
    fault = {**MANY, "environment": {"TUIFTUNE_CACHE": str(tmp_path / "cache")}}
    assert engine.start("train", run, fault=fault).wait() == 2
    (end,) = tiny.events(run, "end")
    assert (end["state"], end["exit_code"]) == ("failed", 2)
    assert "the chat template takes more than 1.0 GiB of memory at row 80" in end["why"]


def test_an_answer_that_comes_while_it_is_given_up_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an answer may come between the end of the waiting and the look at it."""
    from concurrent.futures import Future

    from tuiftune.engine.training import crew

    late: Future[int] = Future()

    def waited(futures: list[Future[int]], seconds: float) -> None:
        assert futures == [late]
        late.set_result(7)

    monkeypatch.setattr(crew, "wait", waited)
    assert crew._answer(late, lambda: None) == 7


def test_what_is_made_of_mapped_rows_goes_with_its_process_or_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    def entries() -> list[str]:
        return [one.key for one in clearing.held() if one.kind == kept.SCRATCH]

    monkeypatch.setattr(datasets.fingerprint, "_TEMP_DIR_FOR_TEMP_CACHE_FILES", None)
    pid = os.fork()
    if pid == 0:
        kept.scratch()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (left,) = entries()
    kept.scratch()
    (own,) = entries()
    assert own != left
    datasets.Dataset.from_dict({"a": [1]}).to_parquet(tmp_path / "rows.parquet")
    mapped = datasets.Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path / "cached"))
    monkeypatch.setattr(datasets.fingerprint, "_CACHING_ENABLED", False)
    made = mapped.map(lambda row: {"a": row["a"] + 1})
    assert made["a"] == [2]
    assert kept.SCRATCH in made.cache_files[0]["filename"]
