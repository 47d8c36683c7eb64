"""The journey of the wizard, in order: the app and the plain prompts walk this same list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.wizard.draft import Draft


@dataclass(frozen=True, slots=True)
class Step:
    """`asks` is the line on the screen, `deeper` what `?` shows. `needs` are draft keys without which one
    cannot go on; `detects` is what is found out instead of asked.
    """

    key: str
    title: str
    asks: str
    deeper: str
    needs: tuple[str, ...] = ()
    detects: tuple[str, ...] = ()


STEPS: tuple[Step, ...] = (
    Step(
        "machine",
        "Machine",
        "What this machine can train.",
        "Nothing to answer here: cards, memory and disks are read from the machine. Without a card the tiny "
        "built-in model and the smallest open ones still train on the processor, and the model step plans "
        "for a card you could rent just as well.",
        detects=("cards", "memory", "disk"),
    ),
    Step(
        "goal",
        "Goal",
        "What should the model do that it does not do now?",
        "A few short questions weigh fine-tuning against retrieval and prompting. Fine-tuning is the last "
        "resort, so the answer may be that you need none. Every question can be skipped, and the weights "
        "behind the verdict are shown. You can train whatever the verdict is.",
    ),
    Step(
        "data",
        "Data",
        "What should it learn from?",
        "A file, several, a glob or a directory: JSON, JSONL, CSV, Parquet or text. Format and columns are "
        "recognised; change them where the recognition is wrong.",
        needs=("data.train",),
        detects=("format", "columns", "rows", "lengths"),
    ),
    Step(
        "model",
        "Model and method",
        "Which model to start from, and how to train it?",
        "Recommended is the most able model that fits this machine with room for your rows. What you leave "
        "at auto is resolved when the plan is made; what you set is kept.",
        needs=("model.base",),
        detects=("memory", "time"),
    ),
    Step(
        "review",
        "Review",
        "Is this what should run?",
        "The preset as it will be saved: the same file runs from the command line, here or elsewhere.",
        needs=("data.train", "model.base"),
    ),
)


def blocked(draft: Draft, step: str) -> tuple[str, ...]:
    """What is still missing before one can leave a step; nothing when one can go on."""
    needs = next(known.needs for known in STEPS if known.key == step)
    return tuple(key for key in draft.missing() if key in needs)
