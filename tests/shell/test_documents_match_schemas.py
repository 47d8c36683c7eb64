"""Every document that `--json` prints says its schema, and is what that schema says."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from shell_kit import ROWS, preset

from tuiftune.cli.main import COMMANDS
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from shell_kit import Shell

# Those that need a run are checked in test_runs_in_scripts.py, of one that was trained.
WITHOUT_A_RUN = {
    "doctor": "tuiftune doctor --json",
    "advise": "tuiftune advise task=style examples=thousands --data rows.jsonl --json",
    "advise-prompt": "tuiftune advise --data rows.jsonl --prompt starter --json",
    "advise-documents": "tuiftune advise --documents notes.md --ask 'say 3' --json",
    "data-inspect": "tuiftune data inspect rows.jsonl --json",
    "data-split": "tuiftune data split rows.jsonl -o parts.jsonl --json",
    "data-clean": "tuiftune data clean rows.jsonl -o clean.jsonl --json",
    "data-mix": "tuiftune data mix rows.jsonl --with more.jsonl=0.5 --json",
    "cache-show": "TUIFTUNE_CACHE=kept tuiftune cache show --json",
    "cache-clear": "TUIFTUNE_CACHE=kept tuiftune cache clear --json",
    "plan": "tuiftune plan p.yaml --json",
    "import": "tuiftune import axolotl.yaml --json",
    "preset-check": "tuiftune preset check p.yaml nosuch.yaml --json",
    "preset-list": "tuiftune preset list --json",
    "preset-show": "tuiftune preset show p.yaml --resolved --json",
    "preset-export": "tuiftune preset export p.yaml --to trl --set model.base=acme/llama --json",
    "runs": "tuiftune runs --json",
    "queue": "tuiftune queue --json",
    "help": "tuiftune help --json",
}


QUICK = (
    "doctor",
    "data-inspect",
    "data-clean",
    "plan",
    "preset-check",
    "preset-list",
    "runs",
    "help",
)
MARKED = [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in WITHOUT_A_RUN]


@pytest.fixture(scope="module")
def printed(shell: Shell) -> Callable[[str], Any]:
    """What a command prints, by the name of its document: each is run once."""
    shell.write("rows.jsonl", ROWS)
    shell.write("more.jsonl", [{"prompt": f"tell {one}", "completion": f"yes {one}"} for one in range(20)])
    shell.write("p.yaml", preset("rows.jsonl"))
    shell.write("notes.md", "# Three\n\nWe say 3 when we mean three.\n")
    rows = "datasets:\n  - path: rows.jsonl\n    type: alpaca\n"
    shell.write("axolotl.yaml", f"base_model: Qwen/Qwen2.5-0.5B\nadapter: lora\n{rows}")

    @functools.cache
    def document(name: str) -> Any:
        return shell(WITHOUT_A_RUN[name]).json

    return document


@pytest.mark.parametrize("name", MARKED)
def test_a_document_is_what_its_schema_says(name: str, printed: Callable[[str], Any]) -> None:
    document = printed(name)
    assert next(iter(document)) == "schema"
    assert document["schema"] == registry.named(name)
    schema = registry.json_schema(name)
    jsonschema.validate(document, schema)
    for key in schema["required"]:
        broken = {one: value for one, value in document.items() if one != key}
        assert not jsonschema.Draft202012Validator(schema).is_valid(broken), key


def test_every_schema_is_one_and_is_printed(shell: Shell) -> None:
    for name in registry.names():
        jsonschema.Draft202012Validator.check_schema(registry.json_schema(name))
    listed = shell("tuiftune schema; tuiftune schema tuiftune/plan@1; tuiftune schema nosuch; test $? = 2")
    assert listed.code == 0
    names, _, schema = listed.out.partition("{")
    assert names.split() == registry.names()
    assert json.loads("{" + schema)["$id"] == "tuiftune/plan@1"
    assert "no such document" in listed.err


def test_help_names_every_command_and_the_schema_of_its_document(printed: Callable[[str], Any]) -> None:
    told = {one["command"]: one for one in printed("help")["commands"]}
    assert list(told) == [command for command, *_ in COMMANDS]
    assert told["plan"]["schema"] == "tuiftune/plan@1"
    named = [one["name"] for one in told["train"]["parameters"]]
    assert {"preset", "set", "detach", "json"} <= set(named)
    silent = [
        name
        for name, one in told.items()
        if one["schema"] is None and any(each["names"] == ["--json"] for each in one["parameters"])
    ]
    assert silent == []


def test_every_command_names_the_schema_of_what_it_writes() -> None:
    import ast
    from pathlib import Path

    import tuiftune.cli

    for file in Path(tuiftune.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", getattr(node.func, "id", "")) == "write_json"
            ):
                schema = file.name == "schema.py" or "json_schema" in ast.unparse(node)
                assert schema or len(node.args) == 2, f"{file.name}:{node.lineno}: name the document's schema"
                if len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
                    assert node.args[1].value in registry.DOCUMENTS, f"{file.name}:{node.lineno}"
