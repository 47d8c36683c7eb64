"""The server for coding agents, spoken to by the protocol's own client over a real pipe."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from shell_kit import ROOT, ROWS, preset

if TYPE_CHECKING:
    from shell_kit import Shell


def ask(shell: Shell, calls: list[tuple[str, dict[str, Any]]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of the tools, and the answers to some calls."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    environment = {**shell.environment, "PYTHONPATH": str(ROOT)}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "tuiftune", "mcp"], env=environment, cwd=str(shell.work)
    )

    async def talk() -> tuple[list[str], list[dict[str, Any]]]:
        async with Client(stdio_client(server)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            return tools, [(await client.call_tool(*call)).structured_content or {} for call in calls]

    return asyncio.run(talk())


@pytest.mark.long
def test_an_agent_inspects_and_plans_and_nothing_costs_before_it_confirms(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    shell.write("p.yaml", preset("rows.jsonl"))
    tools, answers = ask(
        shell,
        [
            ("inspect", {"files": ["rows.jsonl"]}),
            ("train", {"preset": "p.yaml"}),
            ("evaluate", {"target": "mine", "data": "rows.jsonl"}),
            ("status", {"run": "--help"}),
        ],
    )
    assert sorted(tools) == ["evaluate", "inspect", "plan", "report", "status", "train"]
    seen, dry, unscored, odd = answers
    assert (seen["exit_code"], seen["document"]["rows"]) == (0, 40)
    assert dry["started"] is False
    assert dry["document"]["time"]["steps"] > 0
    assert "confirm=true" in dry["confirm"]
    assert not (shell.work / "runs").exists()
    assert (unscored["started"], unscored["rows"]) == (False, 40)
    assert odd["exit_code"] == 2  # a run of that name, never an option
    assert "run not found" in odd["said"][-1]


def test_without_the_library_one_line_says_what_to_install(shell: Shell) -> None:
    shell.write("hidden/mcp.py", "raise ImportError('not here')\n")
    answer = shell(f'PYTHONPATH=hidden:"{ROOT}" "{sys.executable}" -m tuiftune mcp')
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "pip install 'tuiftune[mcp]'" in answer.err
