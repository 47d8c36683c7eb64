"""A run opened: its settings, data, tokenizer and device, up to the weights; what its steps are handed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from tuiftune.data.chat.words import remarks
from tuiftune.engine.model import base as bases
from tuiftune.engine.model import foreign
from tuiftune.engine.process import libraries
from tuiftune.engine.stages.base import stage
from tuiftune.engine.training import rows, settings
from tuiftune.engine.training.resume import Resume, resume_point, say_changes
from tuiftune.evaluate import best_by
from tuiftune.runs.store.checkpoint_store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.process.ground import Ground
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.stages.base import EngineStage
    from tuiftune.engine.training.rows import Examples, Prepared
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.best_by import BestBy
    from tuiftune.runs.store.directory import RunDir


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run as one of its processes sees it, with its rows tokenized and the device chosen.

    `start` is where it goes on from; `force`: although the settings were changed.
    """

    run: RunDir
    wanted: Settings
    base: Base
    stage: EngineStage
    report: Report
    stopping: Stopping
    group: Group
    store: Store
    start: Resume
    force: bool
    device: str
    best_by: BestBy
    tokenizer: RowTokenizer
    examples: Examples
    training: Prepared
    held_out: Prepared | None
    sources: Mapping[str, Prepared]  # held-out rows of what is mixed in, by source

    @property
    def rows_held_out(self) -> int:
        """Held-out rows that the eval loss is measured on."""
        return self.held_out.rows if self.held_out else 0


def open_run(
    run: RunDir,
    report: Report,
    stopping: Stopping,
    group: Group,
    *,
    resume: bool,
    force: bool,
    ground: Ground | None,
) -> RunContext:
    """Read, check and tokenize what a run needs. UserError for what is wrong with it."""
    report.phase("loading", "settings")
    wanted = settings.read(run)
    base, half = bases.find(wanted), stage(wanted.preset.method.stage)
    keep = int(wanted.preset.run.checkpoints)
    store = Store(run.checkpoints_path, keep, wanted.processes, ground.place if ground else None)
    start = resume_point(run, store, report, resume, force) if group.leads else Resume(None, {})
    if group.leads:
        say_changes(run, start, report)
    stopping.limit(wanted.preset.budget, wanted.usd_per_hour, float(start.saved.get("spent", 0.0)))
    examples = rows.load(wanted.preset, report, stopping.check)

    report.phase("loading", "libraries")
    libraries.leave_out(wanted, base)
    with libraries.quickly():
        from tuiftune.engine.distributed import links
        from tuiftune.engine.distributed.ranks import MEETING_PLACE
        from tuiftune.engine.model.tokenizer import RowTokenizer
        from tuiftune.engine.process import gpu
        from tuiftune.engine.training import kept, optimizations

        gpu.show_only(wanted.preset.hardware.gpus, wanted.processes)
        libraries.quieten(base)
    data = wanted.preset.data

    def make() -> RowTokenizer:
        return RowTokenizer(
            bases.load_tokenizer(base),
            max_length=data.max_length,
            loss_on=data.loss_on,
            reasoning=data.reasoning,
            place=base.reference,
            base_stops=bases.stop_ids(base),
            now=began(run),
        )

    if examples.content:
        made = kept.prepared(base, half, make, examples, wanted, report, stopping.check)
    else:
        made = _prepared(base, half, make, examples, data.max_length, report, stopping)
    training, held_out, sources = made
    device = bases.choose_device(wanted)
    group.join(device, run.control_path / MEETING_PLACE, offloaded=wanted.offloaded)
    start = group.first(start)
    links.check(group, device, report)
    if device == "cuda":
        gpu.keep_within(wanted.preset.hardware.memory_limit_bytes)
    optimizations.check(wanted, device)
    tokenizer = make()
    _say_template(tokenizer, report)
    stopping.check()
    return RunContext(
        run,
        wanted,
        base,
        half,
        report,
        stopping,
        group,
        store,
        start,
        force,
        device,
        best_by.resolve(wanted.preset, wanted.stage),
        tokenizer,
        examples,
        training,
        held_out,
        sources,
    )


def _prepared(
    base: Base,
    half: EngineStage,
    make: Callable[[], RowTokenizer],
    examples: Examples,
    max_length: int,
    report: Report,
    stopping: Stopping,
) -> tuple[Prepared, Prepared | None, dict[str, Prepared]]:
    """The rows for training, the evaluation ones, and those of sources, tokenized behind the fence."""
    report.phase("loading", "tokenizer")
    named = {"training": examples.train, "evaluation": examples.held_out}
    named |= {f"evaluation {name}": rows for name, rows in examples.sources.items()}
    with closing(foreign.behind_fence(base, half.rows, make, named)) as asked:

        def prepare(which: str) -> Prepared | None:
            given = named[which]
            made = partial(rows.prepare, given, asked, report, stopping.check)
            return made(which=which, columns=half.columns, max_length=max_length) if given else None

        training, held_out = prepare("training"), prepare("evaluation")
        sources = {name: prepare(f"evaluation {name}") for name in examples.sources}
        for which, given in named.items():
            for start in range(0, len(given) if which != "training" else 0, rows.BATCH):
                stopping.check()
                foreign.tried(asked, which, given, start, start + rows.BATCH)
    assert training is not None  # `rows.load` refuses data without
    return training, held_out, {name: one for name, one in sources.items() if one is not None}


def _say_template(tokenizer: RowTokenizer, report: Report) -> None:
    if not tokenizer.own_template:
        report.warning(
            "no_chat_template",
            "the base model does not have a chat template; a plain one is used and saved with the result",
            "use an instruct model if you need its own format",
        )
    for remark in remarks(tokenizer):
        report.warning(remark.code, remark.message, remark.remedy)


def began(run: RunDir) -> datetime | None:
    """When the run was first started: the date that a template writes into its rows, on whatever day it is
    resumed.
    """
    from tuiftune.runs.log.lines import first_and_last
    from tuiftune.runs.state.readings import number

    dated = number(run.planned().document.get("reproduces") or {}, "began")  # of the run that is made again
    if dated is not None:
        return datetime.fromtimestamp(dated)
    first = next((number(event, "t") for event in first_and_last(run.events_path)), None)
    return None if first is None else datetime.fromtimestamp(first)
