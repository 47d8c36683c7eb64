"""What the shell completes on Tab: presets, runs, keys of `--set`, GPUs. Nothing is imported before that."""

from __future__ import annotations


def presets(incomplete: str) -> list[tuple[str, str]]:
    """Return the built-in presets with what each is for, and preset files."""
    from pathlib import Path

    from tuiftune import paths
    from tuiftune.preset import shipped

    found = [(file.stem, shipped.about(file)) for file in shipped.files() if file.stem.startswith(incomplete)]
    here, _, start = incomplete.rpartition("/")
    for entry in paths.entries(Path(here or ".")):
        name = f"{here}/{entry.name}" if here else entry.name
        if entry.name.startswith(start) and (paths.is_dir(entry) or entry.suffix in (".yaml", ".yml")):
            found.append((name + "/" if paths.is_dir(entry) else name, ""))
    return found


def runs(incomplete: str) -> list[tuple[str, str]]:
    """Return the runs of this machine with their state, most lately active first."""
    from tuiftune.runs.state.liveness import status
    from tuiftune.runs.store.find import all_runs

    return [(run.name, status(run)) for run in all_runs() if run.name.startswith(incomplete)]


def settings(incomplete: str) -> list[tuple[str, str]]:
    """Return the keys of a preset with `=`, and after it the values that a key takes."""
    from tuiftune.preset.words import keys

    key, equals, value = incomplete.partition("=")
    if not equals:
        return [(f"{name}=", one.does) for name, one in keys().items() if name.startswith(key)]
    choices = keys()[key].choices if key in keys() else ()
    return [(f"{key}={choice}", "") for choice in choices if choice.startswith(value)]


def gpus(incomplete: str) -> list[tuple[str, str]]:
    """Return the known GPUs with their memory."""
    from tuiftune.hardware.known_gpus import GPUS
    from tuiftune.preset.sizes import format_size

    wanted = incomplete.lower()
    named = [gpu for gpu in GPUS if gpu.name.lower().startswith(wanted)]
    return [(gpu.name, format_size(gpu.memory_bytes)) for gpu in named]
