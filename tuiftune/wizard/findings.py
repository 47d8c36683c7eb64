"""A cache of what was found for a draft: machine, dataset, model, token lengths, plan.

Call these from worker threads only, because reading a dataset can take seconds. All raise UserError.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from tuiftune import stages

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from tuiftune.data.checks.check import Check
    from tuiftune.data.dataset import Dataset
    from tuiftune.data.facts import DataFacts
    from tuiftune.data.mix.sources import Mix
    from tuiftune.data.tokens import Lengths
    from tuiftune.hardware.machine import Machine
    from tuiftune.models.download import Download
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.inputs import Counting
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset
    from tuiftune.wizard.draft import Draft

KEPT = 64


class Findings:
    """A cache shared by the wizard's steps. It holds derived facts only, no input of the user."""

    def __init__(self, runs_root: Path | None = None) -> None:
        self._runs_root = runs_root
        self._known: dict[tuple[str, Hashable], Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def _once(self, kind: str, key: Hashable, find: Callable[[], Any]) -> Any:
        with self._guard:
            lock = self._locks.setdefault(kind, threading.Lock())
        with lock:
            if (kind, key) not in self._known:
                self._known[(kind, key)] = find()
                same = [known for known in list(self._known) if known[0] == kind]
                for oldest in same[: max(0, len(same) - KEPT)]:
                    self._known.pop(oldest)
            return self._known[(kind, key)]

    def machine(self, *, fresh: bool = False) -> Machine:
        """Return this machine; `fresh`: detect it again."""
        from tuiftune.hardware.detect import detect

        if fresh:
            self._known.pop(("machine", None), None)
        machine: Machine = self._once("machine", None, lambda: detect(self._runs_root))
        return machine

    def machine_of(self, draft: Draft) -> Machine:
        """Return this machine, with the GPUs that the draft names instead of its own."""
        from dataclasses import replace

        from tuiftune.hardware import known_gpus
        from tuiftune.hardware.machine import Gpu
        from tuiftune.plan.device import parse_gpu

        machine = self.machine()
        if not draft.gpu:
            return machine
        name, number = parse_gpu(draft.gpu)
        gpu = known_gpus.find(name)
        gpus = [
            Gpu(
                index=index,
                name=gpu.name,
                memory_total=gpu.memory_bytes,
                memory_free=gpu.usable_bytes,
                compute_capability=gpu.compute_capability,
            )
            for index in range(number or 1)
        ]
        return replace(machine, gpus=tuple(gpus))

    def model(self, reference: str, revision: str | None = None) -> BaseModel:
        from tuiftune.models.resolve import resolve

        key = (reference, revision)
        model: BaseModel = self._once("model", key, lambda: resolve(reference, revision))
        return model

    def download_of(self, draft: Draft) -> Download | None:
        """Return what is to be downloaded for the draft's model; None if it is here. Asks the Hub, once."""
        from tuiftune.models.download import planned

        model = self.model_of(draft)
        key = (model.reference, model.revision, model.path)
        download: Download | None = self._once("download", key, lambda: planned(model))
        return download

    def bring_tokenizer(self, draft: Draft, say: Callable[[str], None]) -> bool:
        """Download the tokenizer of the draft's model if it is not here. Returns True if it was not."""
        from tuiftune.models.download import with_tokenizer

        model = self.model_of(draft)
        found = with_tokenizer(model, say)
        revision = draft.value("model.revision")
        self._known["model", (draft.model, None if revision is None else str(revision))] = found
        return found is not model

    def model_of(self, draft: Draft) -> BaseModel:
        """Return the draft's model, of the revision to train; before one is chosen, the built-in model."""
        revision = draft.value("model.revision") if draft.model else None
        return self.model(draft.model or "builtin:tiny", None if revision is None else str(revision))

    def dataset(self, draft: Draft, progress: Callable[[int], None] | None = None) -> Dataset:
        """Return the draft's dataset. `progress` gets the rows so far; its exception ends the reading."""
        from tuiftune.data.read.load import load

        dataset: Dataset = self._once(
            "dataset",
            _data_key(draft),
            lambda: load(
                list(draft.data) if len(draft.data) != 1 else draft.data[0],
                format=draft.format,
                columns=dict(draft.columns) or None,
                system=draft.system,
                progress=progress,
            ),
        )
        return dataset

    def facts(self, draft: Draft, model: BaseModel) -> DataFacts:
        """Return rows and token lengths of the draft's data, by this model's tokenizer if it is here."""
        from tuiftune.plan.inputs import EVERY_ROW

        return self._measured(draft, model, EVERY_ROW)

    def planned_facts(self, draft: Draft, preset: Preset | None = None) -> DataFacts:
        """Return what the plan counts: rows that keep no trained token within the max length are left out."""
        from tuiftune.plan.inputs import counting

        preset = draft.preset() if preset is None else preset
        model = self.model(preset.model.base, preset.model.revision)
        facts, how = self.facts(draft, model), counting(preset)
        if how["max_length"] is None or facts.longest < how["max_length"]:
            return facts
        return self._measured(draft, model, how)

    def _measured(self, draft: Draft, model: BaseModel, how: Counting) -> DataFacts:
        from pathlib import Path

        from tuiftune.data.measure import measure
        from tuiftune.data.tokens import lengths

        dataset = self.dataset(draft)
        spec = draft.value("data.eval")
        share: float | str = 0.05 if spec is None else spec
        tokenizer = str(model.path or "")
        mix = mix_of(draft)
        seed: Any = draft.value("training.seed")
        seed = 42 if seed is None else seed
        reasoning = str(draft.value("data.reasoning") or "keep")
        folder = None if model.path is None else Path(model.path)

        def counted() -> Lengths:
            found: Lengths = self._once(
                "lengths",
                (_data_key(draft), tokenizer, reasoning),
                lambda: lengths(dataset, folder, name=model.reference, strict=True, reasoning=reasoning),
            )
            return found

        facts: DataFacts = self._once(
            "facts",
            (_data_key(draft), tokenizer, share, mix, seed, reasoning, *how.values()),
            lambda: measure(
                dataset,
                model,
                share,
                mix=mix,
                seed=seed,
                reasoning=reasoning,
                kept=counted,
                **how,
            ),
        )
        return facts

    def checks(self, draft: Draft, watch: Callable[[str, float], None] | None = None) -> tuple[Check, ...]:
        """Return all checks of the draft's data, worst first. `watch` gets each check and the share done."""
        from tuiftune.data.inspect import inspect
        from tuiftune.wizard.draft import checked_with

        tokenizer = self.model_of(draft).path
        limit, evaluation, seed = checked_with(draft)
        found: tuple[Check, ...] = self._once(
            "checks",
            (_data_key(draft), str(tokenizer), limit, evaluation, seed),
            lambda: (
                inspect(
                    self.dataset(draft),
                    tokenizer=tokenizer,
                    max_length=limit,
                    eval_spec=evaluation,
                    seed=seed,
                    watch=watch,
                ).checks
            ),
        )
        return found

    def plan(self, draft: Draft, preset: Preset | None = None) -> Plan:
        """Return the plan of the draft for this machine, or for the GPU that the draft names."""
        from tuiftune.plan.inputs import Inputs

        preset = draft.preset() if preset is None else preset
        model = self.model(preset.model.base, preset.model.revision)
        facts = self.planned_facts(draft, preset)
        inputs = Inputs(preset, self.machine(), model, self.dataset(draft), facts)
        gpu = draft.gpu or None
        key = (preset.model_dump_json(), _data_key(draft), gpu)
        plan: Plan = self._once("plan", key, lambda: inputs.plan(gpu))
        return plan


def mix_of(draft: Draft) -> Mix:
    """Return the other sources that the draft mixes with its data."""
    from tuiftune.data.mix.sources import Mix, Source

    sources: Any = draft.value("data.mix") or []
    temperature: Any = draft.value("data.mix_temperature")
    return Mix(
        tuple(
            Source(str(source["path"]), float(source.get("weight", 1.0)), source.get("share"))
            for source in sources
        ),
        temperature,
        int(draft.value("data.mix_eval") or 0),
    )


def trainable(dataset: Dataset) -> None:
    """Raise UserError if no stage can train on rows of this format yet."""
    stage = stages.every().get(stages.of_format(dataset.format), stages.usual())
    stage.check_rows(dataset.format, remedy="^s reads the chosen answers alone: prompt-completion, or chat")


def _data_key(draft: Draft) -> Hashable:
    stamps = []
    for path in draft.data:
        try:
            seen = os.stat(os.path.expanduser(path))
        except OSError:
            stamps.append((path, 0, 0))
        else:
            stamps.append((path, seen.st_size, seen.st_mtime_ns))
    return (tuple(stamps), draft.format, tuple(sorted(draft.columns.items())), draft.system)
