"""A run told in plain lines, for scripts, logs and screen readers: each line whole, none ever redrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.errors import with_fix
from tuiftune.figures import percent, plural, roughly, short, sizes
from tuiftune.printable import printable
from tuiftune.runs.log.events import is_preflight
from tuiftune.runs.state.readings import number, part, text, whole

if TYPE_CHECKING:
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.readings import LinksReading
    from tuiftune.runs.state.run_state import RunState

EVERY_SECONDS = 10.0  # of the run between two step lines, unless
EVERY_SHARE = 0.05  # of the steps has passed
AT_LEAST = 1.0  # seconds between two step lines whatever passes

PHASES = {
    "loading": "loading the model",
    "tokenising": "tokenizing the data",
    "preflight": "preflight check on the longest rows",
    "scoring_before": "evaluating the base model",
    "training": "training",
    "evaluating": "evaluating on the evaluation set",
    "saving": "saving a checkpoint",
    "scoring_after": "evaluating the fine-tuned model",
    "exporting": "writing the result",
}
# What a base model is held in, and multiplied in where that is another.
BASES = {"none": "16 bits", "fp8": "FP8", "nf4": "NF4", "nf4_fp8": "NF4 with FP8 products"}
BACKENDS = {"nccl": "NCCL", "gloo": "gloo"}
CALLS = 8  # of a stack, in one line
OFTEN = ("evaluating", "saving", "training")  # come again and again: what they lead to is told instead
ENDS = {
    "done": "done",
    "stopped": "stopped; continue with `tuiftune resume`",
    "preempted": "preempted; continue with `tuiftune resume`",
    "killed": "killed; continue from the last checkpoint with `tuiftune resume`",
    "failed": "failed",
    "nan": "failed: NaN loss or gradient",
    "diverged": "stopped",
    "oom": "failed: out of GPU memory",
    "disk": "failed: the disk is full",
}


class Narrator:
    """Turns events into lines. Give each event once, after it was folded into `state`."""

    def __init__(self, *, steps: bool = True) -> None:
        self._steps = steps
        self._phase = ""
        self._told_at = -EVERY_SECONDS
        self._told_step = 0
        self._first = True

    def tell(self, event: Event, state: RunState) -> str | None:
        """The line for an event, or None where there is nothing to say."""
        teller = _TELLERS.get(str(event.get("type")))
        line = teller(self, event, state) if teller else None
        return f"{clock(state.seconds)}  {line}" if line else None

    def _start(self, event: Event, state: RunState) -> str:
        resumed = f", resumed from {state.resumed_from}" if state.resumed_from is not None else ""
        steps = f", {plural(state.total_steps, 'step')}" if state.total_steps else ""
        planned = state.predicted_seconds
        steps += f", about {roughly(planned)} predicted" if planned and not resumed else ""
        self._told_step = 0
        return f"started: {state.model}, {state.technique} on {state.device}{steps}{resumed}"

    def _phase_line(self, event: Event, state: RunState) -> str | None:
        name = state.phase.name
        if name == self._phase or (name in OFTEN and state.step):
            return None
        self._phase = name
        detail = f" ({state.phase.detail})" if state.phase.detail else ""
        return f"{PHASES.get(name, name)}{detail}"

    def _step(self, event: Event, state: RunState) -> str | None:
        since = state.seconds - self._told_at
        share = (state.step - self._told_step) / state.total_steps if state.total_steps else 0.0
        last = state.step == state.total_steps
        due = since >= EVERY_SECONDS or (share >= EVERY_SHARE and since >= AT_LEAST)
        if not self._steps or not (due or last or self._first):
            return None
        self._told_at, self._told_step, self._first = state.seconds, state.step, False
        return step_line(state)

    def _eval(self, event: Event, state: RunState) -> str:
        when = {"before": "before training", "after": "after training"}.get(text(event, "when"))
        loss, best = number(event, "loss"), state.best
        words = f"eval loss {when or f'at step {state.step:,}'}: {figure(loss)}"
        perplexity = number(event, "perplexity")
        if perplexity is not None:
            words += f", perplexity {figure(perplexity)}"
        value = number(event, state.best_by) if state.best_by else None
        if value is not None:
            words += f", {state.best_by.replace('_', ' ')} {figure(value)}"
        ahead = best is not None and (best.value, best.loss) == (value, loss)
        return words + (", the best so far" if not when and ahead else "")

    def _score(self, event: Event, state: RunState) -> str:
        when = "before" if text(event, "when") == "before" else "after"
        matched, rows = whole(event, "matched"), whole(event, "rows")
        of = f" ({matched} of {rows})" if matched is not None and rows else ""
        return f"exact match {when} training: {percent(number(event, 'exact_match'))}{of}"

    def _samples(self, event: Event, state: RunState) -> str | None:
        if text(event, "when") != "during":
            return None
        took = number(event, "seconds")
        rows = whole(event, "count") or 0
        words = f"generated {plural(rows, 'sample answer')}" + (f" ({took:.1f} s)" if took else "")
        return f"{words}: {text(event, 'file')} in the run's directory"

    def _checkpoint(self, event: Event, state: RunState) -> str:
        return f"checkpoint at step {whole(event, 'step') or 0:,}"

    def _memory(self, event: Event, state: RunState) -> str | None:
        if not is_preflight(event):
            return None
        measured, predicted = number(event, "reserved"), number(event, "predicted_reserved")
        if measured is None:
            measured, predicted = number(event, "device"), number(event, "predicted")
        taken, expected = sizes(measured, predicted)
        return f"preflight check: {taken} measured" + (f", {expected} predicted" if predicted else "")

    def _links(self, event: Event, state: RunState) -> str | None:
        if state.links is None or state.links.rate is None:
            return None
        return f"between {state.links.processes} processes: {links_line(state.links)}"

    def _hung(self, event: Event, state: RunState) -> str | None:
        stuck, every = event.get("stuck"), event.get("processes")
        for one in every if isinstance(every, list) else ():
            if isinstance(one, dict) and one.get("rank") == stuck and isinstance(one.get("stack"), list):
                calls = " ← ".join(printable(str(call)) for call in one["stack"][:CALLS])
                return f"stack of process {(whole(one, 'rank') or 0) + 1}: {calls}"
        return None

    def _base(self, event: Event, state: RunState) -> str:
        losses = part(event, "losses")
        parts = [
            f"{figure(loss)} in {name}"
            for key, name in BASES.items()
            if (loss := number(losses, key)) is not None
        ]
        rows = whole(event, "rows") or 0
        kind = "evaluation" if event.get("held_out") else "training"
        return f"base model's loss on {rows} {kind} rows: {', '.join(parts)}"

    def _warning(self, event: Event, state: RunState) -> str:
        remedy = text(event, "remedy")
        return f"warning: {with_fix(text(event, 'message'), remedy)}"

    def _control(self, event: Event, state: RunState) -> str:
        return f"{text(event, 'what')} requested by {text(event, 'by')}"

    def _end(self, event: Event, state: RunState) -> str:
        ended = text(event, "state")
        why = text(event, "why")
        return ENDS.get(ended, ended) + (f" ({why})" if why and ended != "done" else "")


def step_line(state: RunState) -> str:
    """Where training is: step, loss, speed, and how long it will still take."""
    words = f"step {state.step:,}"
    if state.total_steps:
        words += f" of {state.total_steps:,} ({percent(state.progress)})"
    words += f", loss {'NaN' if state.not_a_number_at == state.step else figure(state.loss)}"
    if state.values.get("tokens_per_second"):
        words += f", {state.values.get('tokens_per_second'):,.0f} tokens/s"
    eta = state.eta
    if not eta.seconds:
        return words
    basis = " (predicted)" if eta.predicted else " (measured)"
    return f"{words}, about {roughly(eta.seconds)} left{basis}"


def links_line(links: LinksReading) -> str:
    """ "172 GB/s measured, 340 GB/s expected, direct between GPUs (NCCL)"."""
    words = f"{rate(links.rate)} measured"
    if links.expected:
        words += f", {rate(links.expected)} expected"
    if links.direct is not None:
        words += ", direct between GPUs" if links.direct else ", without peer access between GPUs"
    where = "" if links.hosts == 1 else f", over {links.hosts} machines"
    return f"{words}{where} ({BACKENDS.get(links.backend, links.backend)})"


def rate(value: float | None) -> str:
    """Bytes a second, in powers of ten as data sheets have them."""
    if value is None:
        return "—"
    return f"{value / 1e9:.0f} GB/s" if value >= 1e10 else f"{value / 1e9:.2g} GB/s"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole_seconds = int(seconds)
    return f"{whole_seconds // 3600}:{whole_seconds // 60 % 60:02d}:{whole_seconds % 60:02d}"


def figure(value: float | None) -> str:
    """Four significant digits, or a dash where there is no value: 1.234, 1.25e-5, 19,120."""
    if value is None:
        return "—"
    return f"{float(f'{value:.4g}'):,.0f}" if 10_000 <= abs(value) < 1e15 else short(value, 4)


_TELLERS = {
    "start": Narrator._start,
    "phase": Narrator._phase_line,
    "step": Narrator._step,
    "eval": Narrator._eval,
    "score": Narrator._score,
    "samples": Narrator._samples,
    "checkpoint": Narrator._checkpoint,
    "memory": Narrator._memory,
    "links": Narrator._links,
    "hung": Narrator._hung,
    "base": Narrator._base,
    "warning": Narrator._warning,
    "control": Narrator._control,
    "end": Narrator._end,
}
