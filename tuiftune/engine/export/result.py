"""The result: the adapter or model, its tokenizer, its model card, the answers and the numbers."""

from __future__ import annotations

import copy
import importlib.metadata
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.engine.model.base import class_of, config_of
from tuiftune.printable import printable
from tuiftune.runs import provenance
from tuiftune.runs.reports import asking
from tuiftune.runs.reports.scores import how_compared, measured
from tuiftune.runs.state.narrate import BASES
from tuiftune.runs.store.directory import write_text
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.settings import Settings

PARTIAL = ".model.partial"
TEXTS = frozenset({"text"})  # formats of a stage that trains to continue texts
LIBRARIES = ("tuiftune", "torch", "transformers", "trl", "peft", "datasets")


def round_to(model: Any, dtype: str | None) -> None:
    """Round the weights to what they are written in; they stay in the type they are held in."""
    import torch

    with torch.no_grad():
        for one in model.parameters() if dtype else ():
            one.copy_(one.to(getattr(torch, str(dtype))))


def save_model(
    model: Any,
    tokenizer: Any,
    result: Path,
    card: str,
    *,
    stops: list[int],
    dtype: str | None = None,
    config: Any = None,
    write: Callable[[Path], None] | None = None,
) -> Path:
    """Write the model directory next to its place, sync it, and rename it. Only safetensors.

    Its generation_config stops at `stops` (token ids), that of an adapter too. `dtype`: what a whole model is
    written in, by torch's name; None: as it is held. `config`: the base's own, which a whole model keeps:
    what trainers set in it for themselves isn't saved. `write`: how the weights are written, where not by
    the model itself.
    """
    partial, final = result / PARTIAL, result / "model"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()  # not its parents: a run whose directory was deleted must not leave another
    try:
        if dtype:
            import torch

            model.to(getattr(torch, dtype))
        writes = getattr(model, "generation_config", None) is not None  # a reward model does not
        if writes:
            model.generation_config = _stopping_at(model.generation_config, stops)
        (write or model.save_pretrained)(partial)
        if config is not None:
            _keep_config(model, config, partial)
        if writes:
            model.generation_config.save_pretrained(partial)  # an adapter's saving leaves it out
        tokenizer.save_pretrained(partial)
        (partial / "README.md").write_text(without_secrets(card), encoding="utf-8")
        _sync(path for path in paths.below(partial, ()))
        if paths.exists(final):
            shutil.rmtree(final)
        os.rename(partial, final)
        _sync([result])
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return final


def _keep_config(model: Any, config: Any, directory: Path) -> None:
    """The base's config with the dtype and class of what was saved."""
    if type(config) is not type(model.config):  # the text part of a wrapper, which is all that was loaded
        config = config.get_text_config()
    config.architectures = [type(model).__name__]
    config.dtype = model.dtype
    if model.config.num_labels == 1:  # of a reward model
        config.num_labels, config.pad_token_id = 1, model.config.pad_token_id
    config.save_pretrained(directory)


def _stopping_at(base: Any, stops: list[int]) -> Any:
    """The base model's settings of generation, with all tokens at which an answer ends.

    Some bases come with settings that the library refuses to save: a temperature without sampling.
    """
    settings = copy.deepcopy(base)
    settings.eos_token_id = stops[0] if len(stops) == 1 else stops
    settings._from_model_config = False
    try:
        settings.validate(strict=True)
    except ValueError:
        settings.do_sample = True
    return settings


def save_numbers(result: Path, document: dict[str, Any], rows: list[dict[str, Any]], card: str) -> None:
    """The answers, the model card, and at last result.json: once it is there, the run has its result."""
    write_text(result / "samples.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    write_text(result / "README.md", card)
    write_text(result / "result.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def card(settings: Settings, base: Base, document: dict[str, Any], facts: dict[str, Any]) -> str:
    """The model card: what it was made from, how, and how it does against the base model."""
    preset, stage = settings.preset, settings.stage
    library = "peft" if settings.adapted else "transformers"
    head = [
        "---",
        f"library_name: {library}",
        f"pipeline_tag: text-{'classification' if stage.scores else 'generation'}",
        f"tags: [tuiftune, {stage.key}]",
    ]
    if not base.local:
        head.append(f"base_model: {json.dumps(base.reference)}")
    if base.licence:
        head.append(f"license: {json.dumps(base.licence)}")
    lines = [
        *head,
        "---",
        "",
        f"# {preset.name}",
        "",
        f"{_shown(_name(base.reference))} fine-tuned with {settings.technique} ({stage.does}), by tuiftune.",
        "",
        "## Scores on the evaluation set",
        "",
        *_scores(document),
        "",
        "## Data",
        "",
        f"- files: {', '.join(_shown(_name(name)) for name in facts['files'])}",
        f"- format: {facts['format']}; {facts['rows_train']} rows for training, {facts['rows_eval']} for "
        "evaluation",
        f"- at most {preset.data.max_length} tokens per row; loss on: {preset.data.loss_on}; "
        f"packing: {'yes' if preset.data.packing else 'no'}",
        "",
        "## Settings",
        "",
        "| Setting | Value |",
        "|---|---|",
        *[f"| {key} | {_shown(_name(str(value)))} |" for key, value in _settings(settings)],
        f"| steps | {_steps(document)} |",
        f"| tokens | {document['tokens']} |",
        f"| trainable parameters | {document['trainable']} of {document['parameters']} |",
        "",
        "## Made with",
        "",
        ", ".join(f"{name} {version}" for name, version in _versions()) + f"; on {facts['device']}.",
        "",
        *_use(settings, base),
        "",
        "## Provenance",
        "",
        *(f"- {_shown(line)}" for line in provenance.lines(_published(document["provenance"]))),
    ]
    return "\n".join(lines) + "\n"


def _name(text: str) -> str:
    """The last part of a path on this machine: a card is read elsewhere, and directories tell of people."""
    return Path(text).name if os.path.isabs(text) else text


def _published(known: Mapping[str, Any]) -> Mapping[str, Any]:
    """A provenance without the directories of this machine."""
    if not known:
        return known
    return {
        **known,
        "data": [{**one, "path": _name(one["path"])} for one in known["data"]],
        "model": {**known["model"], "reference": _name(known["model"]["reference"])},
        "command": [_name(word) for word in known["command"]],
        "environment": {name: _name(value) for name, value in known["environment"].items()},
    }


def _scores(document: dict[str, Any]) -> list[str]:
    before, after = document["before"], document["after"]
    if after["loss"] is None:
        return ["There were no evaluation rows, so nothing was measured."]
    lines = [
        "| | base model | fine-tuned model |",
        "|---|---|---|",
        f"| {'loss' if after['perplexity'] is None else 'loss a token'} "
        f"| {before['loss']:.4f} | {after['loss']:.4f} |",
    ]
    if before["perplexity"] is not None and after["perplexity"] is not None:
        lines.append(f"| perplexity | {before['perplexity']:.3f} | {after['perplexity']:.3f} |")
    lines += [f"| {name} | {first:.1%} | {second:.1%} |" for name, first, second in measured(before, after)]
    if after["exact_match"] is not None:
        lines.append(f"| exact match | {_rate(before)} | {_rate(after)} |")
    if after["final_number"] is not None:
        lines.append(f"| same final number | {before['final_number']:.1%} | {after['final_number']:.1%} |")
    verdict = document.get("verdict") or {}
    if verdict.get("says"):
        lines += ["", f"**{_shown(verdict['says'])}** {_shown(verdict['fix'])}".rstrip()]
    for name, scores in (after.get("sources") or {}).items():
        first = (before.get("sources") or {}).get(name, {})
        parts = [f"{key.replace('_', ' ')} {first.get(key, 0):.4g} → {scores[key]:.4g}" for key in scores]
        lines += ["", f"{_shown(name)}, evaluated by itself: {', '.join(parts)}."]
    if losses := document.get("base_losses"):
        shown = ", ".join(f"{losses[key]:.4f} in {name}" for key, name in BASES.items() if key in losses)
        held = "NF4, with products in FP8" if "nf4_fp8" in losses else "FP8"
        lines += ["", f"Trained on the base model in {held}. Loss of the base model alone: {shown}."]
    lines += [
        "",
        f"Loss over {after['rows_held_out']} rows; answers generated greedily for {after['rows']} of them.",
        *how_compared(before, after),
    ]
    return lines


def _steps(document: dict[str, Any]) -> str:
    """All steps, and the one whose weights these are."""
    result, best = document.get("result_step"), document["best_step"]
    made, total = document["steps"], document.get("total_steps") or 0
    steps = f"{made} of {total}, stopped early" if made < total else str(made)
    if best is None:
        return steps
    if best == 0:
        return f"{steps} (these weights: step {result}; the base model's eval loss was lower)"
    return f"{steps} (best: {best})"


def _rate(score: dict[str, Any]) -> str:
    low, high = score["interval"]
    return f"{score['exact_match']:.1%} (95% CI: {low:.1%}–{high:.1%})"


def _settings(settings: Settings) -> list[tuple[str, Any]]:
    preset = settings.preset
    rows: list[tuple[str, Any]] = [("base", preset.model.base), ("dtype", preset.model.dtype)]
    if settings.traits.quantized:
        rows.append(("quantization", settings.traits.base))
    if settings.adapted:
        rows += [
            (key, value)
            for key, value in preset.method.model_dump().items()
            if key not in {"stage", *(option.key for option in settings.traits.unused)} and value != []
        ]
    else:
        rows.append(("technique", settings.technique))
    rows += [(key, value) for key, value in preset.training.model_dump().items() if value is not None]
    return rows


def _use(settings: Settings, base: Base) -> list[str]:
    auto = class_of(config_of(base)).__name__
    if settings.stage.scores:
        auto = "AutoModelForSequenceClassification"
    here = '"path/to/this/directory"'
    source = '"path/to/its/base"' if base.local else json.dumps(base.reference)
    whole = ["from transformers import " + auto, f"model = {auto}.from_pretrained({here})"]
    if settings.adapted and settings.stage.scores:
        lines = [
            "from peft import AutoPeftModelForSequenceClassification as Auto",
            f"model = Auto.from_pretrained({here}, num_labels=1)",
        ]
    elif settings.adapted and auto == "AutoModelForCausalLM":
        lines = [
            "from peft import AutoPeftModelForCausalLM",
            f"model = AutoPeftModelForCausalLM.from_pretrained({here})",
        ]
    elif settings.adapted:
        lines = [
            "from peft import PeftModel",
            whole[0],
            f"model = PeftModel.from_pretrained({auto}.from_pretrained({source}), {here})",
        ]
    else:
        lines = whole
    told = base.reference if not base.local else "the base model's directory"
    needs = ["", f"The adapter needs its base model: {_shown(told)}."] if settings.adapted else []
    texts = settings.stage.formats == TEXTS
    asks = asking.in_python(
        here,
        system=settings.preset.data.system is not None,
        texts=texts,
        comment="" if texts else "  # with the chat template of the training",
    )
    shell = [
        "tuiftune chat path/to/this/directory",
        "tuiftune serve path/to/this/directory",
        "tuiftune export RUN --to merged  # or gguf, ollama, vllm: for servers, verified",
    ]
    if settings.stage.scores:  # it answers with a number, by its own class
        asks, shell = [], []
    commands = ["", "```bash", *shell, "```"] if shell else []
    return ["## Use", "", "```python", *lines, *asks, "```", *commands, *needs]


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _shown(text: str) -> str:
    return printable(text).replace("|", "\\|")


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
