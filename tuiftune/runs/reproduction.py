"""Whether a run that was made again came out the same: every loss, and every byte of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.runs.data_files import digest_of_file
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.readings import whole

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

MEASURED = ("loss", "grad_norm", "tokens")


@dataclass(frozen=True, slots=True)
class Reproduced:
    """`steps` were compared; `first` is the first that differs: (step, loss then, loss now).

    `files` are the weights written, by name: (SHA-256 then, now), None where one is missing.
    """

    steps: int
    first: tuple[int, float | None, float | None] | None
    files: dict[str, tuple[str | None, str | None]]

    @property
    def identical(self) -> bool:
        """Whether all of it is equal to the bit; never where nothing was there to be compared."""
        return (
            self.steps > 0
            and self.first is None
            and bool(self.files)
            and all(then == now is not None for then, now in self.files.values())
        )

    def document(self) -> dict[str, Any]:
        """Return its part of `reproduce --json`."""
        first = self.first
        return {
            "identical": self.identical,
            "steps": self.steps,
            "first_difference": None
            if first is None
            else {"step": first[0], "then": first[1], "now": first[2]},
            "files": [
                {"name": name, "then": then, "now": now, "same": then == now}
                for name, (then, now) in self.files.items()
            ],
        }


def compare(first: RunDir, second: RunDir) -> Reproduced:
    """Read both logs and both results. UserError where a file can't be read."""
    then, now = _steps(first), _steps(second)
    steps = sorted({*then, *now})
    differs = next((step for step in steps if then.get(step) != now.get(step)), None)
    found = None
    if differs is not None:
        found = (differs, then.get(differs, {}).get("loss"), now.get(differs, {}).get("loss"))
    before, after = _weights(first), _weights(second)
    return Reproduced(
        len(steps), found, {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})}
    )


def _steps(run: RunDir) -> dict[int, dict[str, Any]]:
    """What was measured at each step: of one that was repeated after a resume, the last time."""
    reader, found = EventReader(run.events_path), dict[int, dict[str, Any]]()
    while events := reader.poll():
        for event in events:
            if event["type"] == "step" and (step := whole(event, "step")) is not None:
                found[step] = {key: event.get(key) for key in MEASURED}
    return found


def _weights(run: RunDir) -> dict[str, str]:
    files = paths.matching(run.result_path / "model", "*.safetensors")
    return {path.name: digest_of_file(path) for path in files}
