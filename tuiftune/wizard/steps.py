"""The journey of the wizard, in order: the app and the plain prompts walk this same list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """`asks` is the line on the screen, `deeper` what `?` shows."""

    key: str
    title: str
    asks: str
    deeper: str


STEPS: tuple[Step, ...] = (
    Step(
        "machine",
        "Machine",
        "What this machine can train.",
        "Nothing to answer here: cards, memory and disks are read from the machine. Without a card the tiny "
        "built-in model and the smallest open ones still train on the processor, and the model step plans "
        "for a card you could rent just as well.",
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
    ),
    Step(
        "model",
        "Model and method",
        "Which model to start from, and how to train it?",
        "Recommended is the most able model that fits this machine with room for your rows. What you leave "
        "at auto is resolved when the plan is made; what you set is kept.",
    ),
    Step(
        "review",
        "Review",
        "Is this what should run?",
        "The preset as it will be saved: the same file runs from the command line, here or elsewhere.",
    ),
)
