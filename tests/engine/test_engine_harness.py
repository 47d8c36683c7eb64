"""lm-eval itself on a trained run: a task file of the user's own, before and after."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
import tiny

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
def test_a_task_of_ones_own_before_and_after(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval")
    from typer.testing import CliRunner

    from tuiftune.cli.main import build

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    pairs = list(itertools.product(tiny.THINGS, tiny.COLOURS))
    rows = [
        {"question": f"The {thing} is {color}. What colour is the {thing}?", "answer": at % len(tiny.COLOURS)}
        for at, (thing, color) in enumerate(pairs)
    ]
    data = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    choices = json.dumps([f"It is {color}." for color in tiny.COLOURS])
    (tmp_path / "colors.yaml").write_text(
        f"task: colors\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\n"
        'test_split: test\noutput_type: multiple_choice\ntarget_delimiter: ""\n'
        f'doc_to_text: "{{{{question}}}}"\ndoc_to_choice: {choices}\ndoc_to_target: answer\n'
        "metric_list: [{metric: acc}]\n"
    )
    task = str(tmp_path / "colors.yaml")
    words = ["benchmark", str(trained), "--tasks", task, "--task-rows", "80", "--json"]
    found = CliRunner().invoke(build(), words)
    assert found.exit_code == 0, found.output
    (row,) = json.loads(found.stdout)["tasks"]["tasks"]
    assert (row["task"], row["metric"]) == ("colors", "acc")
    assert row["after"]["rows"] == 80
    assert row["after"]["value"] > row["before"]["value"] + 0.2
    assert row["difference"]["p"] < 0.05
    assert json.loads((trained / "result" / "benchmark.json").read_text())["tasks"]["harness"]
