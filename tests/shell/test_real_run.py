"""One tiny run as a script makes it, made again to the bit: documents, provenance, gates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from shell_kit import ROWS, preset

from tuiftune.schemas import registry

if TYPE_CHECKING:
    from shell_kit import Shell

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
TRAINING = "{max_steps: 3, effective_batch: 4, micro_batch: 2, learning_rate: 0.003}"


@pytest.fixture(scope="module")
def trained(shell: Shell) -> dict[str, Any]:
    """What `train --json` printed of a run from a piped preset."""
    shell.write("conf/rows.jsonl", ROWS)
    text = preset("conf/rows.jsonl", training=TRAINING, evaluation="{rows: 2, max_new_tokens: 4, samples: 1}")
    shell.write("t.yaml", text)
    answer = shell("cat t.yaml | tuiftune train - --json", seconds=200, HF_TOKEN="hf_" + "x" * 34)
    assert answer.code == 0, answer.err
    document: dict[str, Any] = answer.json
    return document


def test_its_documents_match_their_schemas(shell: Shell, trained: dict[str, Any]) -> None:
    jsonschema.validate(trained, registry.json_schema("train"))
    assert (trained["name"], trained["state"], trained["exit_code"]) == ("mine", "done", 0)
    run = shell.work / "runs" / "mine"
    for file, name in (("plan.json", "run-plan"), ("result/result.json", "result")):
        jsonschema.validate(json.loads((run / file).read_text()), registry.json_schema(name))
    for line in (run / "events.jsonl").read_text().splitlines():
        jsonschema.validate(json.loads(line), registry.json_schema("event"))
    told = shell("tuiftune report mine --json").json
    jsonschema.validate(told, registry.json_schema("report"))
    assert told["result"]["after"]["loss"] == told["after"]["loss"]
    assert shell("tuiftune status mine").code == 0
    assert shell("tuiftune logs mine").out == ""  # what libraries write for themselves is left out


def test_the_tokens_of_a_row_match_their_schema(shell: Shell) -> None:
    shell.write("rows.jsonl", ROWS)
    told = shell(
        "tuiftune data tokens rows.jsonl --model builtin:tiny --json && "
        "tuiftune data tokens - --model builtin:tiny --json < rows.jsonl > piped.json"
    )
    jsonschema.validate(told.json, registry.json_schema("data-tokens"))
    assert json.loads((shell.work / "piped.json").read_text())["tokens"] == told.json["tokens"]


def test_its_provenance_is_whole_and_holds_no_secret(shell: Shell, trained: dict[str, Any]) -> None:
    run = shell.work / "runs" / "mine"
    planned = json.loads((run / "plan.json").read_text())["provenance"]
    came = json.loads((run / "result" / "result.json").read_text())["provenance"]
    assert came["data"] == planned["data"]
    assert [one["path"] for one in came["data"]] == [str(shell.work / "conf/rows.jsonl")]
    assert came["data"][0]["sha256"] == shell("sha256sum conf/rows.jsonl").out.split()[0]
    assert came["model"] == planned["model"]
    assert None not in (came["model"]["weights"], came["model"]["tokenizer"], came["model"]["template"])
    assert {"torch", "transformers", "trl", "peft"} <= came["software"]["libraries"].keys()
    assert came["software"]["commit"]
    assert planned["command"] == ["tuiftune", "train", "-", "--json"]
    assert planned["environment"]["OMP_NUM_THREADS"] == "1"
    assert came["seed"] == 42
    told = (run / "result" / "model" / "README.md").read_text() + shell("tuiftune report mine").out
    assert told.count(came["data"][0]["sha256"]) == 2
    assert "hf_xxx" not in told + json.dumps(came) + json.dumps(planned)


def test_it_is_made_again_equal_to_the_bit(shell: Shell, trained: dict[str, Any]) -> None:
    checked = shell("cd / && tuiftune reproduce $OLDPWD/runs/mine --check --json", HF_TOKEN="hf_" + "x" * 34)
    moved = ["software.commit"]  # where somebody commits while this test runs
    assert [one["what"] for one in checked.json["differences"]] in ([], moved), checked.err
    assert checked.code == len(checked.json["differences"])
    again = shell("tuiftune reproduce mine --json", seconds=200)
    assert again.code == 0, again.err
    document = again.json
    jsonschema.validate(document, registry.json_schema("reproduce"))
    assert document["identical"] is True
    assert document["steps"] == 3
    assert document["files"]
    assert all(one["same"] for one in document["files"])
    differs = shell("OMP_NUM_THREADS=2 tuiftune reproduce mine --check")
    assert differs.code == 1
    assert "environment.OMP_NUM_THREADS: was 1, is 2" in differs.err


def test_its_preset_trains_again_from_anywhere(shell: Shell, trained: dict[str, Any]) -> None:
    run = shell.work / "runs" / "mine"
    again = shell(
        f"cd $HOME && tuiftune train {run}/preset.yaml --name copy --runs {shell.work}/runs",
        seconds=200,
    )
    assert again.code == 0, again.err
    files = [
        next((shell.work / "runs" / name / "result" / "model").glob("*.safetensors"))
        for name in ("mine", "copy")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_changed_is_told_and_refused(shell: Shell, trained: dict[str, Any]) -> None:
    rows = shell.work / "conf" / "rows.jsonl"
    kept = rows.read_text()
    rows.write_text(kept.replace("it is 3", "it is three"))
    refused = shell("tuiftune reproduce mine")
    assert refused.code == 2
    assert "data." in refused.err
    assert not (shell.work / "runs" / "mine-again-2").exists()
    rows.unlink()
    half = shell(
        "cp -r runs/mine runs/half && cd runs/half && rm -r result/* && "
        "head -n 20 ../mine/events.jsonl > events.jsonl"
    )
    assert half.code == 0, half.err
    gone = shell("tuiftune resume half --detach")
    assert gone.code == 2
    assert "rows.jsonl: no such file" in gone.err
    assert "Running in the background" not in gone.err
    rows.write_text(kept)
