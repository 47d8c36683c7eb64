"""The stops of the tour: which screen is shown, and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stop:
    """`screen` is the step's key, `home`, `dashboard` or `result`."""

    screen: str
    title: str
    says: str


STOPS: tuple[Stop, ...] = (
    Stop(
        "home",
        "Home",
        "Every training on this machine is listed here, whoever started it and wherever. They go on without "
        "this app: close it, lose the line, come back.",
    ),
    Stop(
        "machine",
        "Machine",
        "A new run takes five steps, named on the top line. The first asks nothing: it shows what is here, "
        "and what that can train.",
    ),
    Stop(
        "goal",
        "Goal",
        "Is tuning needed at all? Each answer moves the three bars by a weight you can see. If a prompt or "
        "retrieval does it, begin there: t offers both.",
    ),
    Stop(
        "data",
        "Data",
        "The layout is recognised, and what quietly ruins a run is looked for: cut answers, doubles, "
        "leakage, secrets. ^y shows the very tokens that are learnt.",
    ),
    Stop(
        "model",
        "Model and method",
        "Every value has a reason and a source. Change one with the arrows, and memory, time and quality "
        "follow at once. g tries cards you could rent.",
    ),
    Stop(
        "review",
        "Review",
        "All of it is one commented file. Save it, share it, and run it from a script with the command "
        "below: the same path, with or without this app.",
    ),
    Stop(
        "dashboard",
        "Dashboard",
        "A run that was recorded: the small model on the tickets. The star is the best point on rows it "
        "never trained on; warnings say what to do about them.",
    ),
    Stop(
        "result",
        "Result",
        "What it was all for: held-out rows before and after, and answers side by side. Here the tuned "
        "model went from no exact match to nine in ten.",
    ),
    Stop(
        "home",
        "Yours",
        "d trains that very model here, for real, in a minute or two. n begins a run of your own; Enter is "
        "always a sensible answer, and ? explains every screen.",
    ),
)
