"""A finished run opened for an export: its settings, base model, result, and the rows to verify with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.data.chat.local import eos_ids, read_document
from tuiftune.engine.model import base as bases
from tuiftune.engine.stages.base import stage
from tuiftune.engine.training import settings
from tuiftune.engine.training.fingerprint import TOKENIZER, WEIGHTS, of_base
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store import checkpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.example import Example
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question
    from tuiftune.runs.store.directory import RunDir

MOST_ANSWERS = 256 << 20  # bytes
DIGESTS = {"weights": WEIGHTS, "tokenizer": TOKENIZER}
AGAIN = "export needs the base model that it was trained on: name its directory with --base DIR"


@dataclass(frozen=True, slots=True)
class Rows:
    """Evaluation rows to verify with: what they ask, what the run answered, and how long an answer may be.

    Attributes:
        examples: the rows, for a tokenizer of its own.
        answers: what the fine-tuned model answered when the run ended, by row.
        room: new tokens of an answer at most.
        compares: answers are compared with a reference answer.
        scored: rows that the run was scored on; more than `answers` where the data changed.
    """

    questions: list[Question]
    examples: dict[int, Example]
    answers: Mapping[int, str]
    room: int
    compares: bool
    scored: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A run's result and what it was trained from."""

    run: RunDir
    wanted: Settings
    base: Base
    source: Path | None
    options: Mapping[str, str]

    @property
    def result(self) -> Path:
        """The result's model directory."""
        return self.run.result_path / "model"

    @property
    def adapted(self) -> bool:
        """Whether the result is an adapter of the base model."""
        return paths.is_file(self.result / "adapter_config.json")

    @property
    def whole(self) -> Path:
        """The directory of whole weights: the base model's under an adapter, else the result."""
        return self.base_files if self.adapted else self.result

    @property
    def base_files(self) -> Path:
        """The base model's directory. UserError where it is not on this disk."""
        if self.source is None:
            raise UserError("is not on this disk", place=printable(self.base.reference), remedy=AGAIN)
        return self.source

    def config(self) -> Any:
        """The configuration of the whole model, as transformers reads it."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.whole, trust_remote_code=self.base.remote_code)

    def tokenizer(self, directory: Path | None = None) -> RowTokenizer:
        """The run's tokenizer and template, or those in an exported directory."""
        from transformers import AutoTokenizer

        from tuiftune.engine.model.tokenizer import RowTokenizer
        from tuiftune.engine.training.opening import began

        data = self.wanted.preset.data
        if directory is None:
            loaded, stops, place = bases.load_tokenizer(self.base), bases.stop_ids(self.base), ""
        else:
            loaded = AutoTokenizer.from_pretrained(directory, trust_remote_code=self.base.remote_code)
            stops = eos_ids(
                read_document(directory / "generation_config.json"), read_document(directory / "config.json")
            )
            place = str(directory)
            if loaded.pad_token is None:  # answers of several rows at once are padded
                loaded.pad_token = loaded.eos_token
        return RowTokenizer(
            loaded,
            max_length=data.max_length,
            loss_on=data.loss_on,
            reasoning=data.reasoning,
            place=place or self.base.reference,
            base_stops=stops,
            now=began(self.run),
        )

    def rows(self, tokenizer: RowTokenizer) -> Rows:
        """The evaluation rows that the run was scored on. UserError where its data cannot be read."""
        from tuiftune.engine.process.report import Report
        from tuiftune.engine.training import rows
        from tuiftune.runs.log.writer import Silence

        try:
            examples = rows.load(self.wanted.preset, Report(Silence()), lambda: None).held_out
        except UserError as fault:
            raise UserError(
                f"the evaluation rows cannot be read ({fault.message})",
                place=fault.place,
                remedy="restore the data, or export without verifying: --no-verify",
            ) from None
        half, evaluation = stage(self.wanted.preset.method.stage), self.wanted.preset.evaluation
        answer, around = half.room(examples, tokenizer)
        room = answer + around if evaluation.max_new_tokens == "auto" else int(evaluation.max_new_tokens)
        compares = self.wanted.stage.answers and evaluation.score != "none"
        questions = half.questions(examples, tokenizer, evaluation.rows)
        given = documents.json_lines(self.run.result_path / "samples.jsonl", MOST_ANSWERS)
        kept = {one["row"]: one for one in given if isinstance(one, dict) and "after" in one}
        asked = {one.row: (one.text, one.reference) for one in questions}
        answers = {  # of rows that are still what they were: a changed file has others at their numbers
            row: str(one["after"])
            for row, one in kept.items()
            if asked.get(row) == (one.get("prompt"), one.get("reference"))
        }
        return Rows(
            questions,
            {example.row: example for example in examples},
            answers,
            room,
            compares,
            len(kept),
        )


def open_result(run: RunDir, base: Path | None, options: Mapping[str, str]) -> Opened:
    """The run's result with its base model. UserError where the base model is gone or was changed."""
    if run.result() is None:
        raise UserError("has no result to export yet", place=run.name)
    wanted = settings.read(run)
    adapter = paths.is_file(run.result_path / "model" / "adapter_config.json")
    try:
        found = bases.find(_moved(wanted, base))
    except UserError as fault:
        if adapter:
            raise UserError(fault.message, place=fault.place, remedy=AGAIN) from None
        found = bases.Base(wanted.preset.model.base, str(run.result_path / "model"), None, None, False)
    found = replace(found, reference=wanted.preset.model.base)
    source = bases.files_of(found)
    if source is None and adapter:
        source = _download(found)
    opened = Opened(run, wanted, found, source, options)
    if adapter:
        refuse_changed(opened)
    return opened


def refuse_changed(opened: Opened) -> None:
    """UserError where the base model's files are not those that the run was trained on."""
    refuse_another_base(opened.run, opened.base_files)


def refuse_another_base(run: RunDir, directory: Path) -> None:
    """UserError where a directory does not hold the base model that a run was trained on."""
    known = trained_on(run)
    if not known:
        return
    now = of_base(directory)
    for key, name in DIGESTS.items():
        if key in known and known[key] != now[name]:
            raise UserError(f"{name} changed since the run was trained", place=str(directory), remedy=AGAIN)


def trained_on(run: RunDir) -> dict[str, str]:
    """Digests of the base model's files that the run was trained on, as far as the run still knows them."""
    kept = (run.result() or {}).get("base_files")
    if isinstance(kept, dict) and kept:
        return {str(key): str(value) for key, value in kept.items()}
    for step, path in checkpoints.found_in(run.checkpoints_path).checkpoints:
        print_ = _fingerprint(checkpoints.Checkpoint(step, path))
        found = {key: print_[name] for key, name in DIGESTS.items() if name in print_}
        if found:
            return found
    return {}


def _fingerprint(checkpoint: checkpoints.Checkpoint) -> dict[str, str]:
    try:
        return dict(checkpoints.progress_of(checkpoint).get("fingerprint") or {})
    except (UserError, TypeError, ValueError):
        return {}


def _moved(wanted: Settings, base: Path | None) -> Settings:
    if base is None:
        return wanted
    return replace(
        wanted, preset=wanted.preset.with_values({"model.base": str(base), "model.revision": None})
    )


def _download(base: Base) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base.source, revision=base.revision))
    except (OSError, ValueError) as fault:
        first = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
        raise UserError(
            f"the base model cannot be downloaded ({printable(first)[:120]})",
            place=base.reference,
            remedy=AGAIN,
        ) from None
