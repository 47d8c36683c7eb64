"""Tasks of lm-evaluation-harness (lm-eval), before and after, each row compared with itself.

It is called as a program: the installed `lm-eval` (`pip install 'tuiftune[harness]'`), or the one that
TUIFTUNE_LM_EVAL names, which may stand in an environment of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, interpreter, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import measured
from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.jobs.contenders import source_of
from tuiftune.models import download
from tuiftune.models.resolve import resolve
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.evaluate.measured import Measured
    from tuiftune.jobs.contenders import Target

PROGRAM = "TUIFTUNE_LM_EVAL"
INSTALL = "pip install 'tuiftune[harness]', or name another environment's program in " + PROGRAM
ADAPTER = "adapter_config.json"
SEED = 42
BATCH = 16
MOST_BYTES = 1 << 30
LOWER = ("perplexity", "bits_per_byte", "loss", "brier", "wer", "ter")  # parts of names: lower is better


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks by name, and the directory of those that are files of the user's own."""

    names: tuple[str, ...]
    include: tuple[Path, ...] = ()


def tasks_of(given: Sequence[str]) -> Tasks:
    """Return what `--tasks` names: a name that lm-eval knows, or a YAML file with a `task:` of its own.

    Raises:
        UserError: for a file that is none.
    """
    names, include = [], []
    for one in given:
        if not one.endswith((".yaml", ".yml")):
            names.append(one)
            continue
        path = paths.absolute(paths.given(one))
        found = _yaml(path).get("task")
        if not isinstance(found, str):
            raise UserError("has no `task:` name", place=printable(one), remedy="add one, as lm-eval wants")
        names.append(found)
        include.append(path.parent)
    return Tasks(tuple(names), tuple(dict.fromkeys(include)))


def measure(
    wanted: Target, tasks: Tasks, *, limit: int | None, progress: Callable[[str, float | None], None]
) -> dict[str, Any]:
    """Return every task and metric of the base model and of the fine-tuned one, with what differs.

    Raises:
        UserError: if lm-eval is not there or ends with an error, such as for a dataset that cannot be had.
    """
    source = source_of(wanted)
    adapter = source.files is not None and paths.exists(source.files / ADAPTER)
    model = source.model
    if adapter and source.run is None and source.files is not None:
        model = str(documents.read_json(source.files / ADAPTER).get("base_model_name_or_path"))
    download.bring(model, source.revision)
    base = resolve(model, source.revision)
    where = str(base.path) if base.path is not None else base.reference
    dtype = source.precision.partition(" ")[0] or "auto"
    common = {"pretrained": where, "dtype": "auto" if dtype == "auto" else dtype}
    if source.revision is not None and base.path is None:
        common["revision"] = source.revision
    sides: dict[str, dict[str, str]] = {}
    if source.files is None:
        sides["after"] = common
    else:
        tokenizer = {"tokenizer": str(source.files)}
        sides["before"] = common | tokenizer
        changed = {"peft": str(source.files)} if adapter else {"pretrained": str(source.files)}
        sides["after"] = common | tokenizer | changed
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    versions: dict[str, Any] = {}
    for side, options in sides.items():
        progress(f"lm-eval, {side}: {', '.join(tasks.names)}", None)
        with tempfile.TemporaryDirectory(prefix="tuiftune-harness-") as room:
            _run(_words(options, tasks, limit, Path(room)), wanted.text)
            found[side] = dict(_samples(Path(room)))
            versions = next(_results(Path(room)), {})
    return {
        "harness": versions.get("lm_eval_version"),
        "limit": limit,
        "seed": SEED,
        "shots": versions.get("n-shot", {}),
        "tasks": _compared(found),
    }


def _words(model: dict[str, str], tasks: Tasks, limit: int | None, room: Path) -> list[str]:
    words = [
        *("--model", "hf"),
        *("--model_args", ",".join(f"{key}={value}" for key, value in model.items())),
        *("--tasks", ",".join(tasks.names)),
        *("--batch_size", str(BATCH)),
        *("--seed", str(SEED)),
        *("--output_path", str(room)),
        "--log_samples",
        "--apply_chat_template",
    ]
    if limit is not None:
        words += ["--limit", str(limit)]
    for directory in tasks.include:
        words += ["--include_path", str(directory)]
    return [*_program(), *words]


def _program() -> list[str]:
    """Return how lm-eval is started. UserError if it isn't there."""
    if named := os.environ.get(PROGRAM):
        return shlex.split(named)
    if importlib.util.find_spec("lm_eval") is not None:
        return interpreter.command("lm_eval")
    if found := shutil.which("lm-eval") or shutil.which("lm_eval"):
        return [found]
    raise UserError("lm-eval is not installed", place="--tasks", remedy=f"install it: {INSTALL}")


def _run(words: list[str], place: str) -> None:
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={**interpreter.environment(), "TOKENIZERS_PARALLELISM": "false"},
            )
        except OSError as fault:
            raise UserError(f"cannot be started ({fault.strerror})", place=printable(words[0])) from None
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
            why = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {code}")
            raise UserError(
                f"lm-eval failed: {printable(why)}",
                place=printable(place),
                remedy="check the names and data of --tasks",
                exit_code=ExitCode.FAILED,
            )


def _samples(room: Path) -> Iterator[tuple[tuple[str, str], list[float]]]:
    """Yield what each row of a task scored by a metric, in the order of the rows."""
    for path in (one for one in paths.below(room) if one.match("samples_*.jsonl")):
        task = path.name.removeprefix("samples_").rpartition("_")[0]
        rows = [row for row in documents.json_lines(path, MOST_BYTES) if isinstance(row, dict)]
        rows.sort(key=lambda row: int(row.get("doc_id", 0)))
        filters = list(dict.fromkeys(str(row.get("filter", "none")) for row in rows))
        for name in filters:
            mine = [row for row in rows if str(row.get("filter", "none")) == name]
            for metric in mine[0].get("metrics", []):
                values = [row.get(metric) for row in mine]
                known = [float(value) for value in values if isinstance(value, int | float)]
                if len(known) == len(values):
                    yield (task, metric if len(filters) == 1 else f"{metric}, {name}"), known


def _results(room: Path) -> Iterator[dict[str, Any]]:
    for path in (one for one in paths.below(room) if one.match("results_*.json")):
        with suppress(UserError):
            yield documents.read_json(path, MOST_BYTES)


def _compared(found: dict[str, dict[tuple[str, str], list[float]]]) -> list[dict[str, Any]]:
    """Return a row a task and metric: both scores with intervals, and the paired difference."""
    told = []
    for (task, metric), values in found["after"].items():
        after = _measured(metric, values)
        row: dict[str, Any] = {"task": task, "metric": metric, "after": after.document()}
        first = found.get("before", {}).get((task, metric))
        if first is not None and len(first) == len(values):
            before = _measured(metric, first)
            difference = measured.compare(before, after)
            row["before"] = before.document()
            row["difference"] = None if difference is None else difference.document()
        told.append(row)
    return told


def _measured(metric: str, values: Sequence[float]) -> Measured:
    share = all(value in (0.0, 1.0) for value in values)
    better = "lower" if any(part in metric for part in LOWER) else "higher"
    scorer = Scorer(
        key=metric,
        order=0,
        name=metric,
        does="as lm-eval computes it",
        kind="rate" if share else "mean",
        parts=lambda pairs, argument: [(value,) for value in values],
        better=better,  # type: ignore[arg-type]
    )
    return measured.measure(scorer, "", [])


def _yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = documents.read_text(path)
    yaml = YAML(typ="rt")  # `!function` and other tags of lm-eval are kept as they are
    try:
        found = yaml.load(text)  # raw: ruamel, which keeps the tags
    except YAMLError as fault:
        line = str(fault).splitlines()[0]
        raise UserError(f"is not YAML: {printable(line)}", place=printable(str(path))) from None
    return dict(found) if isinstance(found, dict) else {}


def sentences(told: dict[str, Any]) -> list[str]:
    """Return one line a task and metric."""
    lines = []
    for row in told["tasks"]:
        after = row["after"]
        words = f"{row['task']}, {row['metric']}: "
        if "before" in row:
            words += f"{row['before']['value']:.4g} to {after['value']:.4g}"
            if row["difference"] is not None:
                interval = row["difference"]["interval"]
                if interval is not None:
                    words += f" (95% CI of the difference {interval[0]:+.3g} to {interval[1]:+.3g})"
                words += f", p = {row['difference']['p']:.2g}"
        else:
            words += f"{after['value']:.4g}"
        lines.append(f"{words}; {after['rows']} rows")
    return lines
