"""`tuiftune mcp`: the commands as tools for coding agents, by the Model Context Protocol's own library.

A tool runs the command line as a process of its own, with `--json`: what an agent gets is what a script gets,
and nothing that a library prints can end up in the protocol's stream.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from tuiftune import interpreter
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp.server import MCPServer

INSTRUCTIONS = """\
Fine-tune language models on this machine. Usual order: inspect the data, plan a preset, train, then ask for
the status until it has ended, and report. Train and evaluate cost time and money: without confirm they only
tell what they would do; show that to the user, and call again with confirm=true when the user agrees.
Relative paths start at the directory in which the server was started.
"""
UNCONFIRMED = "Nothing was started. Show this to the user; after they agree, call again with confirm=true."
LAST_LINES = 20  # of what a command said


def mcp() -> None:
    """Serve inspect, plan, train, status, evaluate and report to coding agents (Model Context Protocol).

    Speaks over standard input and output; needs `pip install 'tuiftune[mcp]'`. Training and evaluation ask
    for a confirmation first.
    """
    server().run()


def server() -> MCPServer:
    """Return the server with its tools. UserError where the library is missing."""
    try:
        from mcp.server import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError:
        raise UserError(
            "the library that serves coding agents is not installed",
            place="tuiftune mcp",
            remedy="install it: `pip install 'tuiftune[mcp]'`",
        ) from None
    from tuiftune import __version__

    made = MCPServer("tuiftune", instructions=INSTRUCTIONS, version=__version__)
    for tool in (inspect, plan, status, report):
        made.tool(annotations=ToolAnnotations(read_only_hint=True))(tool)
    for costly in (train, evaluate):
        made.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False))(costly)
    return made


def inspect(files: list[str], model: str | None = None, max_length: int = 2048) -> dict[str, Any]:
    """Inspect a dataset: format, columns, token lengths, and checks with the rows they found. `ok` is
    false where a check found an error. `model`: count tokens with the tokenizer of this base model, which
    must be on this machine.
    """
    options = ["--max-length", str(max_length), *(["--model", model] if model else [])]
    return _ran("data", "inspect", "--json", *options, "--", *files)


def plan(preset: str, settings: list[str] | None = None, gpu: str | None = None) -> dict[str, Any]:
    """Predict whether a preset fits into GPU memory, how long it takes and what it costs. Trains nothing.
    `preset`: a file or a built-in name; `settings`: overrides such as training.epochs=1; `gpu`: plan for
    this GPU, such as H100.
    """
    options = [*_settings(settings), *(["--gpu", gpu] if gpu else [])]
    return _ran("plan", "--json", *options, "--", preset)


def train(
    preset: str, settings: list[str] | None = None, name: str | None = None, confirm: bool = False
) -> dict[str, Any]:
    """Fine-tune a model from a preset, in the background. Without `confirm` nothing is started: the plan
    says what it takes and costs. With it, the answer names the run; ask for its status until it has ended.
    """
    if not confirm:
        return {"started": False, "confirm": UNCONFIRMED, **plan(preset, settings)}
    options = [*_settings(settings), *(["--name", name] if name else [])]
    answer = _ran("train", "--detach", "--json", *options, "--", preset)
    return {"started": answer["exit_code"] == 0, **answer}


def status(run: str) -> dict[str, Any]:
    """Return the state of a run: running, done, failed and so on, its step, and eval loss before and
    after.
    """
    return _ran("status", "--json", "--", run)


def report(run: str) -> dict[str, Any]:
    """Return what a run was, with its settings and their reasons, its result and its provenance."""
    return _ran("report", "--json", "--", run)


def evaluate(target: str, data: str, against: str | None = None, confirm: bool = False) -> dict[str, Any]:
    """Evaluate a run or a model on a data file, with confidence intervals. Without `confirm` nothing is
    started: the answer says how many rows would be answered.
    """
    if not confirm:
        found = inspect([data])
        rows = (found.pop("document") or {}).get("usable_rows")
        says = "" if rows is None else f"{target} would answer each of the {rows:,} rows of {data}."
        return {"started": False, "confirm": UNCONFIRMED, "rows": rows, "says": says, **found}
    options = ["--data", data, *(["--against", against] if against else [])]
    return {"started": True, **_ran("evaluate", "--json", *options, "--", target)}


def _settings(given: Sequence[str] | None) -> list[str]:
    return [word for setting in given or () for word in ("--set", setting)]


def _ran(*words: str) -> dict[str, Any]:
    """Run a command. Returns its exit code, its JSON document (null where it has none), and what it said."""
    from tuiftune import documents

    done = subprocess.run(
        interpreter.command("tuiftune", *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=interpreter.environment(),
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
    try:
        document = documents.loads(done.stdout) if done.stdout.strip() else None
    except ValueError:
        document = None
    return {"exit_code": done.returncode, "document": document, "said": said}
