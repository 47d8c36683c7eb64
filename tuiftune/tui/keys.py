"""Every key of the app, once: bindings, the key bar, the help screen and the command palette are made from
this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.binding import BindingType


@dataclass(frozen=True, slots=True)
class Action:
    """A thing one can do. `name` is the action method on the screen (or the app); `keys` are Textual key
    names.

    `bar` orders the key bar, lowest first; 0 keeps the action out of it. `shown` is how the keys are written.
    """

    scope: str
    name: str
    keys: str
    shown: str
    label: str
    says: str
    bar: int = 0
    priority: bool = False


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

ACTIONS: tuple[Action, ...] = (
    Action(APP, "help", "question_mark,f1", "?", "Help", "What this screen is for, and every key", 90),
    Action(APP, "command_palette", "ctrl+p", "^p", "Commands", "Find any command by name", 95),
    Action(
        APP,
        "leave",
        "ctrl+c,ctrl+q",
        "^c",
        "Leave",
        "Leave the app at once; running trainings go on",
        0,
        True,
    ),
    Action(
        APP, "next_theme", "f3", "F3", "Theme", "Next colour theme: dark, light, colour-blind, terminal's own"
    ),
    Action(APP, "save_picture", "f4", "F4", "Picture", "Save this screen as an SVG picture"),
    Action(APP, "suspend_process", "ctrl+z", "^z", "Suspend", "Back to the shell for a while; fg comes back"),
    Action(HOME, "new", "n", "n", "New", "Set up a new run, step by step", 10),
    Action(HOME, "open", "enter", "Enter", "Open", "Open the dashboard, or the result, of the run", 20),
    Action(
        HOME, "demo", "d", "d", "Demo", "Fine-tune the built-in model on built-in data, on any machine", 30
    ),
    Action(HOME, "stop", "s", "s", "Stop", "Stop the run at its next checkpoint", 40),
    Action(HOME, "resume", "r", "r", "Resume", "Go on from the newest good checkpoint", 50),
    Action(HOME, "delete", "x,delete", "x", "Delete", "Delete the run's directory, after a question", 60),
    Action(HOME, "preset", "p", "p", "Presets", "Start from a shipped preset", 35),
    Action(HOME, "clone", "c", "c", "Clone", "Its preset in the wizard, under a new name", 45),
    Action(HOME, "mark", "space", "Spc", "Mark", "Mark the run, to look at several together", 55),
    Action(HOME, "compare", "m", "m", "Compare", "Marked runs side by side: settings, scores, cost", 56),
    Action(HOME, "charts", "v", "v", "Charts", "Marked runs in one chart, or the one under the cursor", 57),
    Action(HOME, "filter", "slash", "/", "Filter", "Only the runs with these words", 65),
    Action(HOME, "unfilter", "escape", "Esc", "All", "All runs again", 66),
    Action(HOME, "order", "o", "o", "Order", "By time, name, state, score or loss", 67),
    Action(HOME, "tour", "t", "t", "Tour", "A walk through every screen, over a recorded run", 75),
    Action(HOME, "quit", "q", "q", "Quit", "Leave; running trainings go on", 80),
    Action(HOME, "down", "down,j", "j k", "Move", "Move through the list (arrows too)"),
    Action(HOME, "up", "up,k", "", "", ""),
    Action(HOME, "move(8)", "pagedown", "PgDn", "Page", "Further down the list; PgUp: up"),
    Action(HOME, "move(-8)", "pageup", "", "", ""),
    Action(TOUR, "move(1)", "enter,space,right,l,n", "Enter", "Next", "The next stop", 10),
    Action(TOUR, "move(-1)", "left,h,b,backspace", "←", "Back", "The stop before", 20),
    Action(TOUR, "skip", "escape,q", "Esc", "Skip", "Leave the tour; t at home shows it again", 30),
    Action(
        WIZARD, "forward", "enter,ctrl+n", "Enter", "Next", "Take what is marked and go on (ctrl+n too)", 15
    ),
    Action(WIZARD, "back", "escape", "Esc", "Back", "Back one step; nothing is lost", 20),
    Action("goal", "down", "down,j", "j k", "Move", "Move through the answers (arrows too)"),
    Action("goal", "up", "up,k", "", "", ""),
    Action("goal", "answer(1)", "1", "1-7", "Answer", "The answer with this number; 0: not sure"),
    *(Action("goal", f"answer({number})", str(number), "", "", "") for number in (0, *range(2, 8))),
    Action(
        "goal",
        "previous_question",
        "left,h",
        "← →",
        "Question",
        "Previous or next question, answers are kept",
        30,
    ),
    Action("goal", "next_question", "right,l", "", "", ""),
    Action(
        "goal",
        "weighing",
        "v",
        "v",
        "Weighing",
        "Every weight, which answers decide, where the guides disagree",
        40,
    ),
    Action("goal", "ways", "t", "t", "Begin", "Begin what the verdict says: prompt, retrieval, training", 35),
    Action("goal", "skip_all", "s", "s", "Skip", "Leave the rest unanswered and go on to the data", 50),
    Action(PROMPTING, "write", "ctrl+s", "^s", "Write", "Write the prompt and its examples there", 10),
    Action(PROMPTING, "read", "ctrl+r", "^r", "Read", "Read the rows again, or other ones", 20),
    Action(PROMPTING, "scroll(3)", "down,pagedown", "↓ ↑", "Scroll", "Further down, or up again", 30),
    Action(PROMPTING, "scroll(-3)", "up,pageup", "", "", ""),
    Action(PROMPTING, "close", "escape", "Esc", "Back", "Back to the goal", 40),
    Action(RETRIEVAL, "sample(1)", "down", "↓ ↑", "Sample", "The next question from your rows", 20),
    Action(RETRIEVAL, "sample(-1)", "up", "", "", ""),
    Action(RETRIEVAL, "write", "ctrl+s", "^s", "Write", "Write the index and a prompt with sources", 30),
    Action(RETRIEVAL, "scroll(6)", "pagedown", "PgDn", "Scroll", "Further down, or up again", 35),
    Action(RETRIEVAL, "scroll(-6)", "pageup", "", "", ""),
    Action(RETRIEVAL, "close", "escape", "Esc", "Back", "Back to the goal", 40),
    Action("data", "tree", "ctrl+t", "^t", "Files", "Pick a file from the folders", 30),
    Action("data", "checks", "ctrl+g", "^g", "Checks", "Every check with its reason, rows and remedy", 40),
    Action("data", "repair", "ctrl+r", "^r", "Mend", "What a repair would change, then write a new file", 42),
    Action("data", "tokens", "ctrl+y", "^y", "Tokens", "A row's tokens and what is learnt, as trained", 43),
    Action("data", "mapping", "ctrl+s", "^s", "Map", "The format, and which column plays which part", 44),
    Action("data", "cut", "ctrl+l", "^l", "Cut", "max_length: rows cut, answers lost, memory, time", 46),
    Action("data", "mix", "ctrl+o", "^o", "Mix", "Mix other data in, and count what is seen of each", 48),
    Action("data", "rows(1)", "down", "↓ ↑", "Rows", "Further rows of the data", 50),
    Action("data", "rows(-1)", "up", "", "", ""),
    Action(TOKENS, "move(1)", "right,l,n", "← →", "Row", "The next or the previous row", 10),
    Action(TOKENS, "move(-1)", "left,h,p", "", "", ""),
    Action(TOKENS, "go_to", "g,slash", "g", "Go to", "A row by its number", 20),
    Action(TOKENS, "scroll(2)", "down,j", "↓ ↑", "Scroll", "Further down, or up again", 30),
    Action(TOKENS, "scroll(-2)", "up,k", "", "", ""),
    Action(TOKENS, "close", "escape,q", "Esc", "Back", "Back to the data", 40),
    Action(CUT, "move(1)", "right,l", "← →", "Length", "Cut rows later, or earlier", 10),
    Action(CUT, "move(-1)", "left,h", "", "", ""),
    Action(CUT, "end(-1)", "home", "Home", "Ends", "To the shortest length; End to the longest", 0),
    Action(CUT, "end(1)", "end", "", "", ""),
    Action(CUT, "take", "enter", "Enter", "Take", "Put this length into the preset", 20),
    Action(CUT, "close", "escape,q", "Esc", "Back", "Back to the data, as it was", 30),
    Action(MIX, "move(1)", "down,j", "↓ ↑", "Source", "The next or the previous source", 30),
    Action(MIX, "move(-1)", "up,k", "", "", ""),
    Action(MIX, "change(1)", "right,l", "← →", "Change", "More or less of the source, or temperature", 20),
    Action(MIX, "change(-1)", "left,h", "", "", ""),
    Action(MIX, "add", "a,plus", "a", "Add", "Another file to mix in", 12),
    Action(MIX, "type_value", "e", "e", "Type", "Type a weight (0.5, 2), a share (10%) or a temperature", 22),
    Action(MIX, "remove", "x,delete", "x", "Remove", "Take the source out again", 25),
    Action(MIX, "take", "enter", "Enter", "Take", "Put this into the preset", 10),
    Action(MIX, "close", "escape,q", "Esc", "Back", "Back to the data, as it was", 27),
    Action(MAPPING, "move(1)", "down,j", "↓ ↑", "Part", "The next or the previous part", 30),
    Action(MAPPING, "move(-1)", "up,k", "", "", ""),
    Action(MAPPING, "change(1)", "right,l", "← →", "Change", "Another column, or another format", 20),
    Action(MAPPING, "change(-1)", "left,h", "", "", ""),
    Action(MAPPING, "choose(1)", "1", "0-9", "Column", "The column with this number; 0: none", 25),
    *(Action(MAPPING, f"choose({place})", str(place), "", "", "") for place in (0, *range(2, 10))),
    Action(MAPPING, "guess", "g,backspace", "g", "Guess", "Back to what was recognised", 35),
    Action(MAPPING, "rows(1)", "pagedown,d", "d u", "Rows", "Further rows of the preview, or back", 40),
    Action(MAPPING, "rows(-1)", "pageup,u", "", "", ""),
    Action(MAPPING, "take", "enter", "Enter", "Take", "Read the data like this", 10),
    Action(MAPPING, "close", "escape,q", "Esc", "Back", "Back to the data, as it was", 27),
    Action(CHECKS, "move(1)", "down,j", "↓ ↑", "Check", "The next or the previous check", 30),
    Action(CHECKS, "move(-1)", "up,k", "", "", ""),
    Action(CHECKS, "rows", "enter", "Enter", "Rows", "The rows it flags, from the first one on", 10),
    Action(CHECKS, "mend", "f", "f", "Mend", "What helps against it: a repair, or another max_length", 20),
    Action(CHECKS, "scroll(6)", "pagedown,d", "d u", "Scroll", "Further down in what is said, or up", 50),
    Action(CHECKS, "scroll(-6)", "pageup,u", "", "", ""),
    Action(CHECKS, "close", "escape,q", "Esc", "Back", "Back to the data", 40),
    Action(ROWS, "next(1)", "n", "n p", "Flagged", "The next or the previous flagged row", 10),
    Action(ROWS, "next(-1)", "p", "", "", ""),
    Action(ROWS, "move(1)", "right,l", "← →", "Any row", "The row after or before, flagged or not", 20),
    Action(ROWS, "move(-1)", "left,h", "", "", ""),
    Action(ROWS, "tokens", "t", "t", "Tokens", "This row as the trainer sees it", 40),
    Action(ROWS, "mend", "f", "f", "Mend", "What helps against the check", 30),
    Action(ROWS, "scroll(2)", "down,j", "↓ ↑", "Scroll", "Further down, or up again", 50),
    Action(ROWS, "scroll(-2)", "up,k", "", "", ""),
    Action(ROWS, "close", "escape,q", "Esc", "Back", "Back to the checks", 45),
    Action(REPAIR, "move(1)", "down,j", "↓ ↑", "Choice", "The next or the previous choice", 30),
    Action(REPAIR, "move(-1)", "up,k", "", "", ""),
    Action(REPAIR, "change(1)", "right,l", "← →", "Change", "Another value of the choice", 20),
    Action(REPAIR, "change(-1)", "left,h", "", "", ""),
    *(Action(REPAIR, f"choose({place})", str(place + 1), "", "", "") for place in range(1, 8)),
    Action(REPAIR, "choose(0)", "1", "1-8", "Pick", "The choice with this number, and its next value", 25),
    Action(REPAIR, "type_value", "e", "e", "Type", "Type a split, an evaluation set or the file's name", 28),
    Action(REPAIR, "write", "enter,w", "Enter", "Write", "Write the repaired rows to a new file", 10),
    Action(REPAIR, "scroll(8)", "pagedown,d", "d u", "Scroll", "Further down among the changes, or up", 40),
    Action(REPAIR, "scroll(-8)", "pageup,u", "", "", ""),
    Action(REPAIR, "close", "escape,q", "Esc", "Back", "Back to the data; nothing is written", 27),
    Action(
        "model",
        "switch_list",
        "tab,shift+tab",
        "Tab",
        "Method",
        "From the models to the method's settings and back",
        25,
    ),
    Action("model", "more", "right,l", "← →", "Change", "The next or previous value of a setting", 30),
    Action("model", "less", "left,h", "", "", ""),
    Action("model", "why", "w,ctrl+y", "w", "Why", "Every resolved value with its reason and source", 35),
    Action(
        "model", "alternatives", "a,ctrl+l", "a", "Options", "Other ways to run it, and what each costs", 40
    ),
    Action("model", "card", "g", "g", "Card", "What if: fit, time and money on another card", 42),
    Action("model", "filter", "slash", "/", "Filter", "Find a model by its name", 45),
    Action("model", "type_model", "m", "m", "Other", "Any hub id or a directory on this machine", 50),
    Action("model", "type_value", "e", "e", "Type", "Type a value for the setting", 0),
    Action(
        "model",
        "give_back",
        "backspace,delete",
        "⌫",
        "Give back",
        "Back to the recommended value of the setting",
        0,
    ),
    Action("model", "down", "down,j", "j k", "Move", "Move through the list (arrows too)"),
    Action("model", "up", "up,k", "", "", ""),
    Action("model", "page(1)", "pagedown", "PgDn", "Page", "Further down the list; PgUp: up"),
    Action("model", "page(-1)", "pageup", "", "", ""),
    Action(CARDS, "move(1)", "down,j", "↓ ↑", "Card", "The next or the previous card", 30),
    Action(CARDS, "move(-1)", "up,k", "", "", ""),
    Action(CARDS, "move(8)", "pagedown", "PgDn", "Page", "Further down the list; PgUp: up"),
    Action(CARDS, "move(-8)", "pageup", "", "", ""),
    Action(CARDS, "number(1)", "right,l", "← →", "Number", "More or fewer cards of a kind", 20),
    Action(CARDS, "number(-1)", "left,h", "", "", ""),
    Action(CARDS, "take", "enter", "Enter", "Take", "Plan for this card; the machine stays as it is", 10),
    Action(CARDS, "close", "escape,q,g", "Esc", "Back", "Back to the plan, as it was", 40),
    Action("review", "start", "s,ctrl+s", "s", "Start", "Start training; the run keeps the preset", 10),
    Action("review", "export", "e,ctrl+o", "e", "Export", "Save the preset to the path given", 30),
    Action(
        "review",
        "copy",
        "c,ctrl+y",
        "c",
        "Copy",
        "Save the preset, and copy the command that runs it from anywhere",
        35,
    ),
    Action("review", "scroll(1)", "down,j", "j k", "Scroll", "Further down the preset (arrows too)"),
    Action("review", "scroll(-1)", "up,k", "", "", ""),
    Action("review", "scroll(10)", "pagedown", "PgDn", "Page", "A page down the preset; PgUp: up"),
    Action("review", "scroll(-10)", "pageup", "", "", ""),
    Action(DASHBOARD, "stop", "s", "s", "Stop", "Write a checkpoint, then end the run", 10),
    Action(DASHBOARD, "detach", "d,escape", "d", "Detach", "Back to the list; training goes on", 20),
    Action(DASHBOARD, "next_panel", "tab", "Tab", "Panel", "Next panel", 30),
    Action(DASHBOARD, "previous_panel", "shift+tab", "", "", ""),
    Action(DASHBOARD, "zoom", "z", "z", "Zoom", "The panel in full, or all panels again", 62),
    Action(DASHBOARD, "curve", "c", "c", "Curve", "Next curve: loss, learning rate, …, memory, cards", 50),
    Action(DASHBOARD, "why", "w", "w", "Why", "Every number and remark with its reason", 45),
    Action(
        DASHBOARD, "answers", "a", "a", "Answers", "A few held-out rows, and how their answers change", 48
    ),
    Action(DASHBOARD, "panel('chart')", "1", "1", "Chart", "The large chart"),
    Action(DASHBOARD, "panel('numbers')", "2", "2", "Numbers", "The numbers of the moment"),
    Action(DASHBOARD, "panel('machine')", "3", "3", "Machine", "Cards, processor, host memory"),
    Action(DASHBOARD, "panel('scores')", "4", "4", "Scores", "Before and after"),
    Action(DASHBOARD, "panel('log')", "5", "5", "Log", "What happened, with remedies"),
    Action(DASHBOARD, "panel('health')", "6", "6", "Health", "What is the matter, and what to do"),
    Action(DASHBOARD, "panel('time')", "7", "7", "Cost", "Time and money: spent, left, cap"),
    Action(DASHBOARD, "panel('room')", "8", "8", "Room", "Memory and disk: predicted, used, needed"),
    Action(DASHBOARD, "panel('saves')", "9", "9", "Saves", "The checkpoints on the disk"),
    Action(DASHBOARD, "result", "r", "r", "Result", "What the training changed", 22),
    Action(DASHBOARD, "quit", "q", "q", "Quit", "Leave the app; training goes on", 70),
    Action(DASHBOARD, "charts", "v", "v", "Charts", "Charts in full: magnify, move, read at a cursor", 45),
    Action(DASHBOARD, "replay", "p", "p", "Replay", "The run played again, in fast forward", 75),
    Action(DASHBOARD, "overlay", "o", "o", "Overlay", "Other runs drawn into this one's charts"),
    Action(DASHBOARD, "scroll_log(1)", "up,k", "j k", "Scroll", "Earlier in the log, or later (arrows too)"),
    Action(DASHBOARD, "scroll_log(-1)", "down,j", "", "", ""),
    Action(DASHBOARD, "export", "e", "e", "Export", "Every measurement into a file: CSV, JSONL, Parquet"),
    Action(ANSWERING, "row(1)", "right,l,n,tab", "← →", "Row", "The next or the previous row", 10),
    Action(ANSWERING, "row(-1)", "left,h,p,shift+tab", "", "", ""),
    Action(ANSWERING, "scroll(2)", "down,j", "↓ ↑", "Scroll", "Further down, or up again", 20),
    Action(ANSWERING, "scroll(-2)", "up,k", "", "", ""),
    Action(ANSWERING, "close", "escape,a,q", "Esc", "Back", "Back to the dashboard", 30),
    Action(WHY, "move(1)", "down,j", "↓ ↑", "Move", "The next or the previous number", 10),
    Action(WHY, "move(-1)", "up,k", "", "", ""),
    Action(WHY, "group(1)", "right,l,tab", "← →", "Group", "The next or the previous group of numbers", 15),
    Action(WHY, "group(-1)", "left,h,shift+tab", "", "", ""),
    Action(WHY, "cancel", "escape,w,q", "Esc", "Close", "Back to the dashboard", 20),
    Action(REPLAY, "pause", "space", "Spc", "Pause", "Pause, or go on; from the beginning at the end", 1),
    Action(REPLAY, "faster(1)", "plus,equals_sign", "+ -", "Speed", "Faster, or slower", 2),
    Action(REPLAY, "faster(-1)", "minus", "", "", ""),
    Action(REPLAY, "jump(1)", "right,l", "← →", "Seek", "A twentieth of the run on, or back", 3),
    Action(REPLAY, "jump(-1)", "left,h", "", "", ""),
    Action(REPLAY, "jump_to('first')", "home", "Home", "Ends", "To the beginning; End: as it stands now"),
    Action(REPLAY, "jump_to('last')", "end", "", "", ""),
    Action(CHARTS, "cursor(1)", "right", "← →", "Cursor", "Read the values at a step; Shift goes faster", 10),
    Action(CHARTS, "cursor(-1)", "left", "", "", ""),
    Action(CHARTS, "cursor(10)", "shift+right", "", "", ""),
    Action(CHARTS, "cursor(-10)", "shift+left", "", "", ""),
    Action(CHARTS, "cursor_to('first')", "home", "Home", "Ends", "The cursor to the first point; End: last"),
    Action(CHARTS, "cursor_to('last')", "end", "", "", ""),
    Action(CHARTS, "cursor_to('best')", "b", "b", "Best", "The cursor to the best evaluation", 60),
    Action(CHARTS, "zoom(1)", "plus,equals_sign,up,k", "+ -", "Zoom", "Magnify, or less (↑ ↓, j k)", 20),
    Action(CHARTS, "zoom(-1)", "minus,down,j", "", "", ""),
    Action(CHARTS, "pan(1)", "l", "h l", "Pan", "Move what is magnified to the left or right", 22),
    Action(CHARTS, "pan(-1)", "h", "", "", ""),
    Action(CHARTS, "reset", "0", "0", "All", "The whole run again, without a cursor", 24),
    Action(CHARTS, "follow", "f", "f", "Follow", "Keep to the latest steps", 55),
    Action(CHARTS, "next_chart(1)", "tab,n", "Tab", "Chart", "The next chart; 1 to 9 go to one", 15),
    Action(CHARTS, "next_chart(-1)", "shift+tab,p", "", "", ""),
    *(Action(CHARTS, f"chart({place})", str(place + 1), "", "", "") for place in range(9)),
    Action(CHARTS, "grid", "g", "g", "Grid", "One chart in full, or several side by side", 30),
    Action(CHARTS, "axis", "x", "x", "Axis", "Along steps, time or tokens", 35),
    Action(CHARTS, "log", "y", "y", "Log", "Logarithmic scale, or linear", 40),
    Action(
        CHARTS, "smooth(1)", "right_square_bracket,s", "[ ]", "Smooth", "Smooth the curves less, or more", 45
    ),
    Action(CHARTS, "smooth(-1)", "left_square_bracket,S", "", "", ""),
    Action(CHARTS, "overlay", "o", "o", "Overlay", "Other runs drawn with this one", 50),
    Action(CHARTS, "compare", "c", "c", "Compare", "The runs side by side: settings, scores, cost", 65),
    Action(CHARTS, "export", "e", "e", "Export", "Every measurement into a file: CSV, JSONL, Parquet", 70),
    Action(CHARTS, "pause", "space", "Spc", "Pause", "Pause the replay that is drawn, or go on", 12),
    Action(CHARTS, "close", "escape", "Esc", "Back", "The whole run again; then back", 80),
    Action(CHARTS, "back", "q,v", "", "Close", "Back at once (q or v)"),
    Action(COMPARE, "scroll(2)", "down,j", "↓ ↑", "Scroll", "Further down, or up again", 20),
    Action(COMPARE, "scroll(-2)", "up,k", "", "", ""),
    Action(COMPARE, "scroll(12)", "pagedown,space", "PgDn", "Page", "A page down; PgUp: up"),
    Action(COMPARE, "scroll(-12)", "pageup", "", "", ""),
    Action(COMPARE, "charts", "v", "v", "Charts", "Their curves in one chart", 10),
    Action(COMPARE, "close", "escape,q", "Esc", "Back", "Back to where you were", 40),
    Action(RESULT, "close", "escape,r", "Esc", "Back", "Back to the dashboard", 10),
    Action(RESULT, "scroll(2)", "down,j", "j k", "Scroll", "Further down, or up again (arrows too)"),
    Action(RESULT, "scroll(-2)", "up,k", "", "", ""),
    Action(RESULT, "quit", "q", "q", "Quit", "Leave the app", 70),
    Action(DIALOG, "cancel", "escape", "Esc", "Cancel", "Close without doing anything", 20),
    Action(CONFIRM, "yes", "y", "y", "Yes", "Do it", 10),
    Action(CONFIRM, "cancel", "escape,n", "n", "No", "Leave things as they are", 20),
    Action(CONFIRM, "other", "right,l,left,h", "h l", "Other", "The other answer (arrows too)", 30),
    Action(LIST, "down", "down,j", "j k", "Move", "Move through the list (arrows too)", 10),
    Action(LIST, "up", "up,k", "", "", ""),
    Action(FILES, "inner", "right,l", "h l", "Folder", "Open the folder, or one folder up (arrows too)", 20),
    Action(FILES, "outer", "left,h,backspace", "", "", ""),
    Action(PICK, "mark", "space", "Spc", "Mark", "Mark the run, to draw several", 20),
    Action(READING, "scroll(2)", "down,j", "j k", "Scroll", "Further down, or up again (arrows too)", 10),
    Action(READING, "scroll(-2)", "up,k", "", "", ""),
    Action(HELP, "cancel", "escape,question_mark,f1,q", "Esc", "Close", "Close the help", 20),
    Action(REASONS, "cancel", "escape,w,q", "Esc", "Close", "Back to the values", 20),
    Action(WEIGHING, "begin", "t", "t", "Begin", "Begin what the verdict says", 20),
    Action(WEIGHING, "cancel", "escape,v,q", "Esc", "Close", "Back to the questions", 30),
    Action(WAYS, "cancel", "escape,t,q", "Esc", "Close", "Back to the questions", 20),
    Action(ALTERNATIVES, "cancel", "escape,a,q", "Esc", "Close", "Back to the plan, as it was", 20),
)


def actions(*scopes: str) -> tuple[Action, ...]:
    """The actions of these scopes in the order of the table."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def bindings(*scopes: str) -> list[BindingType]:
    """Textual bindings of these scopes; ids are `scope.name`, for a user's own key map."""
    from textual.binding import Binding

    return [
        Binding(
            action.keys,
            action.name,
            action.label,
            key_display=action.shown or None,
            show=bool(action.bar),
            priority=action.priority,
            id=f"{action.scope}.{action.name}",
            tooltip=action.says,
        )
        for action in actions(*scopes)
    ]
