"""Markdown report of a run: data, settings, reasons and results."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths, sources, techniques
from tuiftune.errors import UserError, with_fix
from tuiftune.figures import duration, percent, sizes
from tuiftune.outputs import is_stream, writing
from tuiftune.printable import printable
from tuiftune.runs import health, provenance, status
from tuiftune.runs.reports import answer_metrics, concluded, scores
from tuiftune.runs.reports.loss_plot import loss_svg
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.narrate import figure
from tuiftune.runs.store import samples
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.store.directory import RunDir

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")
SAMPLES = 3
LONGEST_ANSWER = 1200  # characters shown of one


def write(run: RunDir, output: Path) -> list[Path]:
    """Write the report to `output`, and its plot next to it unless that is a stream.

    UserError if it can't be done.
    """
    if is_stream(output):
        with writing(output) as file:
            file.write(markdown(run).encode())
        return [output]
    plot = output.with_name(f"{output.stem}-loss.svg")
    if plot == output:
        raise UserError(
            "is the name of the plot", place=printable(str(output)), remedy="name a file such as report.md"
        )
    follower = Follower(run)
    follower.refresh()
    with suppress(FileExistsError):
        output.parent.mkdir(parents=True, exist_ok=True)
    with writing(output) as file, writing(plot) as drawing:
        drawing.write(loss_svg(follower.state, f"{run.name}: loss by step").encode())
        file.write(markdown(run, plot=plot.name).encode())
    return [output, plot]


def markdown(run: RunDir, *, plot: str | None = None) -> str:
    """The report; `plot` is the file name of an image to show in it."""
    follower = Follower(run)
    follower.refresh()
    state, vitals = follower.state, follower.vitals()
    plan, result = run.plan(), run.result() or {}
    rows = list(_answers(run))
    parts = [
        f"# {escape(run.name)}",
        _opening(plan, state, vitals, result),
        "## What changed",
        scores.section(state, result, rows),
        *answer_metrics.section(run),
        *concluded.section(run),
        *_course(state, plot, result.get("preflight") or result.get("rehearsal")),
        *_side_by_side(rows),
        *_answers_over_time(run),
        *_standing(state, plan),
        "## Data",
        _data(plan, state),
        "## Settings, and why",
        _settings(plan),
        *_sources(plan),
        *_remarks(state, plan),
        *_provenance(result.get("provenance") or plan.document.get("provenance") or {}),
        "## Files",
        _places(run),
    ]
    return without_secrets("\n\n".join(part for part in parts if part) + "\n")


def document(run: RunDir) -> dict[str, Any]:
    """Return the same as values: `report --json`."""
    from tuiftune.runs.state.summary import summarize

    follower = Follower(run)
    follower.refresh()
    state, plan, result = follower.state, run.plan(), run.result()
    rows = plan.rows
    return {
        **summarize(run).document(),
        "model": state.model or plan.model,
        "technique": state.technique or plan.technique,
        "seconds": round(state.seconds, 3),
        "data": {
            "files": list(rows.files),
            "format": rows.format,
            "rows": state.rows_train if state.rows_train is not None else rows.train,
            "rows_eval": state.rows_eval if state.rows_eval is not None else rows.evaluation,
        },
        "settings": [asdict(reason) for reason in plan.reasons],
        "warnings": [
            {"code": one.code, "message": one.message, "remedy": one.remedy, "times": one.times}
            for one in state.warnings
        ],
        "result": result,
        "provenance": (result or {}).get("provenance") or plan.document.get("provenance"),
    }


def _opening(plan: Planned, state: RunState, vitals: Vitals, result: dict[str, Any]) -> str:
    model, technique = state.model or plan.model or "?", state.technique or plan.technique or "?"
    steps = f"{state.step:,}" + (f" of {state.total_steps:,}" if state.total_steps else "")
    known = techniques.every().get(str(technique))
    words = [f"**{escape(str(model))}**, trained with **{known.name if known else escape(str(technique))}**"]
    if state.trainable and state.parameters:
        every = techniques.all_parameters(str(technique), state.parameters, state.trainable)
        share = percent(state.trainable / every, 2)
        words.append(f"{state.trainable:,} of {every:,} parameters trainable ({share})")
    device = f" on {escape(state.device)}" if state.device else ""
    training, total = result.get("seconds"), duration(state.seconds)
    took = f"{duration(training)}{device}, {total} in total" if training else f"{total}{device}"
    noun = "step" if (state.total_steps or state.step) == 1 else "steps"
    words.append(f"{steps} {noun} in {took}")
    lines = ["; ".join(words) + "."]
    why = f": {escape(vitals.why)}" if vitals.why else ""
    lines.append(
        f"State: **{vitals.state}**{why}." + (f" Started {state.starts} times." if state.starts > 1 else "")
    )
    return "\n\n".join(lines)


def _course(state: RunState, plot: str | None, preflight: Any) -> list[str]:
    if not state.step:
        return []
    lines = [f"![loss by step]({plot})"] if plot else []
    first, last = state.curves["loss"].points()[:1], state.smooth_loss
    if first:
        lines.append(f"Training loss went from {figure(first[0][1])} to {figure(last)} (smoothed).")
    if state.best is not None:
        base = state.best is state.eval_before
        where = "for the base model" if base else f"at step {state.best.step:,}"
        if state.best_words:
            lines.append(f"The best checkpoint is that {where}: {state.best_words}.")
            lines.append(_scores_by_step(state))
        else:
            lines.append(f"Eval loss was lowest {where}: {figure(state.best.loss)}.")
    if state.values.get("tokens_per_second"):
        lines.append(f"Speed at the end: {state.values.get('tokens_per_second'):,.0f} tokens/s.")
    if isinstance(preflight, dict) and (words := _preflight(preflight)):
        lines.append(words)
    return ["## Course", "\n\n".join(lines)]


def _scores_by_step(state: RunState) -> str:
    """The metric that chose the best checkpoint, at each evaluation."""
    course = ", ".join(
        f"{seen.step:,}: {figure(seen.value)}" for seen in state.evaluations if seen.value is not None
    )
    return f"{state.best_by.replace('_', ' ').capitalize()} by step: {course}."


def _preflight(preflight: dict[str, Any]) -> str:
    """What the longest rows took before training began, against what was predicted."""
    measured, predicted = preflight.get("measured") or {}, preflight.get("predicted") or {}
    for key in ("reserved", "device"):
        if measured.get(key):
            taken, expected = sizes(measured[key], predicted.get(key))
            words = f"Preflight check on the longest rows: {taken} {key}"
            if predicted.get(key):
                words += f", {expected} predicted"
            other = preflight.get("reused")
            return words + (f" (measured by {other}, which is the same)." if other else ".")
    return ""


def _side_by_side(rows: list[dict[str, Any]]) -> list[str]:
    """Answers that changed first: those show what was learned."""
    changed = sorted(rows, key=lambda row: row.get("before") == row.get("after"))
    blocks = []
    for row in changed[:SAMPLES]:
        block = [
            f"**{title}**\n\n{_quoted(row.get(key))}" for key, title in COLUMNS if row.get(key) is not None
        ]
        blocks.append("\n\n".join(block))
    return ["## Answers side by side", "\n\n---\n\n".join(blocks)] if blocks else []


COLUMNS = (("prompt", "Prompt"), ("reference", "Reference"), ("before", "Before"), ("after", "After"))


def _data(plan: Planned, state: RunState) -> str:
    rows = plan.rows
    train = state.rows_train if state.rows_train is not None else rows.train
    held = state.rows_eval if state.rows_eval is not None else rows.evaluation
    lines = [f"- files: {', '.join(map(escape, rows.files))}"]
    if rows.format:
        lines.append(f"- format: {escape(rows.format)}")
    lines.append(f"- rows: {_count(train)} for training, {_count(held)} for evaluation")
    if rows.mean_length:
        lines.append(
            f"- tokens per row: {rows.mean_length:.0f} on average, {_count(rows.longest)} at most "
            f"({escape(rows.basis)}); truncated at {_count(plan.max_length)}"
        )
    lines += [
        f"- data source: {escape(str(one['source']))} × {one['weight']:.3g}, {one['seen']:,} rows per epoch"
        for one in rows.portions[1:]
    ]
    lines += [f"- {escape(loss)}" for loss in rows.lost]
    return "\n".join(lines)


def _settings(plan: Planned) -> str:
    if not plan.reasons:
        return "The plan does not give reasons."
    lines = ["| Setting | Value | Why | Source |", "|---|---|---|---|"]
    for reason in plan.reasons:
        cells = (escape(str(cell)) for cell in (reason.key, reason.value, reason.why, reason.source))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _sources(plan: Planned) -> list[str]:
    """The sources that the reasons name, in full."""
    found = sources.listed(reason.source for reason in plan.reasons)
    lines = [
        f"- {escape(one.short)}: {escape(one.cited)}." + (f" <{one.link}>" if one.link else "")
        for one in found
    ]
    return ["### Sources", "\n".join(lines)] if lines else []


def _standing(state: RunState, foreseen: Planned) -> list[str]:
    """Every number of time, money and room with its reason."""
    said = [fact for fact in status.facts(state, foreseen) if fact.group in TOLD]
    lines = ["| | | Why |", "|---|---|---|"]
    lines += [f"| {escape(fact.name)} | {escape(fact.value)} | {escape(fact.why)} |" for fact in said]
    return ["## Time, cost, memory, disk", "\n".join(lines)] if state.seq and said else []


def _answers_over_time(run: RunDir) -> list[str]:
    """How the answers to the sampled rows changed; equal ones in a row are one entry."""
    seen = samples.read(run)
    blocks = []
    for number, (prompt, reference) in enumerate(seen.questions):
        changes = seen.changes(number)
        if len(changes) < 2:
            continue
        lines = [f"**Prompt**\n\n{_quoted(prompt)}", f"**Reference**\n\n{_quoted(reference)}"]
        lines += [
            f"**{samples.when(change).capitalize()}**\n\n{_quoted(change.answer)}" for change in changes
        ]
        blocks.append("\n\n".join(lines))
    return ["## How the answers changed", "\n\n---\n\n".join(blocks)] if blocks else []


TOLD = ("time", "money", "memory", "disk", "machine")


def _remarks(state: RunState, foreseen: Planned) -> list[str]:
    lines = [
        f"- {escape(with_fix(warned.message, warned.remedy))}"
        + (f" ({warned.times} times)" if warned.times > 1 else "")
        for warned in state.warnings
    ]
    lines += [
        f"- {escape(with_fix(remark.words, remark.remedy))}" for remark in health.remarks(state, foreseen)
    ]
    return ["## Warnings and suggestions", "\n".join(lines)] if lines else []


def _provenance(found: dict[str, Any]) -> list[str]:
    said = provenance.lines(found)
    return ["## Provenance", "\n".join(f"- {escape(line)}" for line in said)] if said else []


def _places(run: RunDir) -> str:
    lines = [f"- run: `{printable(str(run.path))}`"]
    if paths.exists(run.result_path / "model"):
        lines.append(f"- model: `{printable(str(run.result_path / 'model'))}`")
    lines.append("- preset: `preset.yaml`; plan: `plan.json`; every event: `events.jsonl`")
    return "\n".join(lines)


def _answers(run: RunDir) -> Iterator[dict[str, Any]]:
    """The rows of samples.jsonl; damaged ones are left out."""
    rows = documents.json_lines(run.result_path / "samples.jsonl", samples.MOST_BYTES)
    return (row for row in rows if isinstance(row, dict))


def _quoted(value: Any) -> str:
    words = str(value)
    words = words if len(words) <= LONGEST_ANSWER else words[:LONGEST_ANSWER] + " …"
    return "\n".join(f"> {escape(line)}" for line in words.split("\n")) or "> (empty)"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def escape(text: str) -> str:
    """Text from elsewhere as it is, in Markdown: no markup of its own, nothing that a terminal obeys."""
    return SPECIAL.sub(r"\\\1", printable(text))
