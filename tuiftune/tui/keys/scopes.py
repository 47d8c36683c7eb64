"""Scopes of keys: everywhere, a screen, a dialog or a list; each with its title."""

from __future__ import annotations

APP = "app"
HOME = "home"
WIZARD = "wizard"
DASHBOARD = "dashboard"
REPLAY = "replay"
CHARTS = "charts"
COMPARE = "compare"
RESULT = "result"
WRONG = "wrong"
LABELS = "labels"
CHAT = "chat"
EXPORT = "export"
DECIDE = "decide"
BLIND = "blind"
WHY = "why"
ANSWERING = "answering"
TOKENS = "tokens"
CUT = "cut"
REPAIR = "repair"
CHECKS = "checks"
MIX = "mix"
MAPPING = "mapping"
ROWS = "rows"
GPUS = "cards"
PROBE = "probe"
PROMPTING = "prompting"
RETRIEVAL = "retrieval"
TOUR = "tour"
DIALOG = "dialog"
CONFIRM = "confirm"
LIST = "list"
FILES = "files"
PICK = "pick"
READING = "reading"
HELP = "help"
REASONS = "reasons"
WEIGHING = "weighing"
WAYS = "ways"
ALTERNATIVES = "alternatives"
TITLES = {
    APP: "Everywhere",
    HOME: "Home: the runs on this machine",
    WIZARD: "New run",
    "machine": "Machine",
    "goal": "Goal",
    "data": "Data",
    TOKENS: "Training tokens",
    CUT: "Max length",
    REPAIR: "Clean dataset",
    CHECKS: "Checks",
    MIX: "Mix data sources",
    MAPPING: "Format and columns",
    ROWS: "Flagged rows",
    "model": "Model and method",
    GPUS: "Plan for another GPU",
    TOUR: "Tour",
    PROMPTING: "Prompt from your rows",
    RETRIEVAL: "Retrieval (RAG) test",
    "review": "Review",
    PROBE: "Learning rate",
    DASHBOARD: "Dashboard",
    REPLAY: "Replay",
    CHARTS: "Charts",
    COMPARE: "Compare runs",
    RESULT: "Result",
    WRONG: "Evaluated rows",
    LABELS: "Labels",
    CHAT: "Chat",
    EXPORT: "Export the model",
    DECIDE: "Decide by measuring",
    BLIND: "Blind review",
    WHY: "Reasons",
    ANSWERING: "Sample answers",
    DIALOG: "Dialog",
    CONFIRM: "Yes or no",
    LIST: "List",
    FILES: "Files",
    PICK: "Runs to show in one chart",
    READING: "Text",
    HELP: "Help",
    REASONS: "Reasons for these values",
    WEIGHING: "Reasons for the recommendation",
    WAYS: "Next step",
    ALTERNATIVES: "Alternatives",
}
