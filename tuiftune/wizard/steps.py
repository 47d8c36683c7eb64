"""The steps of the wizard in order, for the app and the plain prompts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `asks` is the line on the screen, `deeper` the help behind `?`."""

    key: str
    title: str
    asks: str
    deeper: str


STEPS: tuple[Step, ...] = (
    Step(
        "machine",
        "Machine",
        "What can be trained on this machine?",
        "Nothing to enter: GPUs, memory and disks are detected. Without a GPU you can still train the "
        "built-in model and the smallest open models, or plan for a GPU you could rent (g in the model "
        "step).",
    ),
    Step(
        "goal",
        "Goal",
        "What should the model do that it does not do now?",
        "A few questions decide whether fine-tuning, retrieval (RAG) or a prompt fits your task. Prompting "
        "and retrieval are cheaper, so the recommendation may be not to fine-tune. You can skip every "
        "question, see how much each answer counts, and train whatever is recommended.",
    ),
    Step(
        "data",
        "Data",
        "Which data should the model be trained on?",
        "One file, several files, a glob or a directory: JSON, JSONL, CSV, Parquet or text. Format and "
        "columns are detected; you can change them.",
    ),
    Step(
        "model",
        "Model and method",
        "Which base model, and how to train it?",
        "The recommended model is the best one for this task that fits this machine with rows of your "
        "length. Values left at auto are resolved by the plan; values that you set are kept.",
    ),
    Step(
        "review",
        "Review",
        "Start this run?",
        "The summary, then the preset as it will be saved. The same file runs from the command line, on this "
        "or another machine.",
    ),
)
