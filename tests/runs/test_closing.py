"""What a run says at its end, on the command line."""

import json
import shutil
from pathlib import Path

from tuiftune import assets
from tuiftune.cli.follow import closing
from tuiftune.runs.store.directory import RunDir


def test_scores_of_rows_that_training_knew_are_never_said_alone(tmp_path: Path) -> None:
    shutil.copytree(assets.RECORDED, tmp_path / "r")
    run = RunDir(tmp_path / "r")
    result = run.result()
    assert result is not None
    assert not any("training rows too" in line for line in closing(run))
    result["after"] |= {
        "leakage": {"held_out": 40, "equal": 20, "near": 1, "searched": "equal and near rows"}
    }
    (run.result_path / "result.json").write_text(json.dumps(result))
    assert any(
        line.startswith("21 of 40 evaluation rows are also in the training rows") for line in closing(run)
    )


def test_a_stage_without_reference_answers_ends_with_its_perplexity(tmp_path: Path) -> None:
    shutil.copytree(assets.RECORDED, tmp_path / "r")
    run = RunDir(tmp_path / "r")
    result = run.result()
    assert result is not None
    assert not any(line.startswith("perplexity") for line in closing(run))
    log = "".join(
        line
        for line in run.events_path.read_text("utf-8").splitlines(keepends=True)
        if json.loads(line)["type"] != "score"
    )
    run.events_path.write_text(log)
    result["before"] |= {"exact_match": None, "perplexity": 20.0}
    result["after"] |= {"exact_match": None, "perplexity": 10.0, "rows": 3}
    (run.result_path / "result.json").write_text(json.dumps(result))
    assert "perplexity 20 → 10" in [line.replace("->", "→") for line in closing(run)]
