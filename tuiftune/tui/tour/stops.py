"""The stops of the tour: a screen and its explanation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop. `screen` is the key of a wizard step, `home`, `dashboard` or `result`."""

    screen: str
    title: str
    says: str


STOPS: tuple[Stop, ...] = (
    Stop(
        "home",
        "Home",
        "All runs on this machine are listed here, whether started in the app or from the command line. "
        "They continue when you quit the app or your connection drops.",
    ),
    Stop(
        "machine",
        "Machine",
        "A new run takes five steps, shown in the top line. The first one shows the hardware, and which "
        "models can be trained on it.",
    ),
    Stop(
        "goal",
        "Goal",
        "Do you need fine-tuning? Each answer changes the three bars by a weight that you can see. If a "
        "prompt or retrieval (RAG) is enough, start there: press t.",
    ),
    Stop(
        "data",
        "Data",
        "The format is detected, and checks look for problems: truncated answers, duplicates, data leakage, "
        "secrets. Ctrl+Y shows the exact training tokens.",
    ),
    Stop(
        "model",
        "Model and method",
        "Every value has a reason and a source. Change one with the arrows to see its effect on memory, "
        "time and quality. g plans for GPUs that you could rent.",
    ),
    Stop(
        "review",
        "Review",
        "The preset is one commented YAML file. Save it, share it, and run it from a script with the "
        "command below.",
    ),
    Stop(
        "dashboard",
        "Dashboard",
        "A recorded run: the built-in model on the support tickets. The star marks the best evaluation, on "
        "rows that were not trained on. Warnings come with a fix.",
    ),
    Stop(
        "result",
        "Result",
        "Scores on the evaluation set before and after, and answers side by side. Here exact match rose "
        "from none to nine in ten.",
    ),
    Stop(
        "home",
        "Your turn",
        "d trains the same model on this machine in a minute or two. n creates your own run: Enter accepts "
        "what is recommended, and ? explains every screen.",
    ),
)
