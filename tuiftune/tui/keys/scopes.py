"""Where keys hold: everywhere, on a screen, in a dialog or a list; and what a person calls it."""

from __future__ import annotations

APP = "app"
HOME = "home"
WIZARD = "wizard"
DASHBOARD = "dashboard"
REPLAY = "replay"
CHARTS = "charts"
COMPARE = "compare"
RESULT = "result"
WHY = "why"
ANSWERING = "answering"
TOKENS = "tokens"
CUT = "cut"
REPAIR = "repair"
CHECKS = "checks"
MIX = "mix"
MAPPING = "mapping"
ROWS = "rows"
CARDS = "cards"
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
    WIZARD: "A new run, step by step",
    "machine": "Machine",
    "goal": "Goal",
    "data": "Data",
    TOKENS: "As the trainer sees it",
    CUT: "Where rows are cut",
    REPAIR: "Repair",
    CHECKS: "Checks",
    MIX: "What is mixed in",
    MAPPING: "Which column plays which part",
    ROWS: "Flagged rows",
    "model": "Model and method",
    CARDS: "Another card",
    TOUR: "The tour",
    PROMPTING: "A prompt from your rows",
    RETRIEVAL: "What retrieval would find",
    "review": "Review",
    DASHBOARD: "Dashboard",
    REPLAY: "Replay",
    CHARTS: "Charts",
    COMPARE: "Runs side by side",
    RESULT: "Result",
    WHY: "Why a number is what it is",
    ANSWERING: "Answers from evaluation to evaluation",
    DIALOG: "Questions",
    CONFIRM: "Yes or no",
    LIST: "A list",
    FILES: "Files",
    PICK: "Runs to draw together",
    READING: "Reading",
    HELP: "Help",
    REASONS: "Why these values",
    WEIGHING: "How it was weighed",
    WAYS: "Where to go from here",
    ALTERNATIVES: "Other ways to run it",
}
