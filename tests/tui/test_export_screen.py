"""Exporting in the app: what a run can leave in, the precision, what came of it. The engine is scripted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until
from typer.testing import CliRunner

from tuiftune import engine_call
from tuiftune.cli.main import build
from tuiftune.deploy import needs_gpu
from tuiftune.errors import UserError
from tuiftune.tui.export.export import Export, Targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log

    from tuiftune.tui.app import TuneApp

FOUND: dict[str, Any] = {
    "engine": "transformers 5.24.0, float32 on cpu",
    "rows": 16,
    "same_prompts": {"same": 16, "rows": 16},
    "same_answers": {"same": 15, "rows": 16},
    "kl": {"mean": 0.00002, "limit": 0.01, "rows": 6, "tokens": 40},
    "unended": 0,
    "faults": [],
}


@pytest.fixture
def run(finished: Log) -> Path:
    """A finished run of the built-in model with an adapter."""
    path = finished.run.path
    model = path / "result" / "model"
    model.mkdir()
    (model / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8, "use_dora": True}))
    plan = json.loads((path / "plan.json").read_text())
    plan["resolved"]["model"]["base"] = "builtin:tiny"
    (path / "plan.json").write_text(json.dumps(plan))
    return path


def test_the_list_names_what_this_machine_can_write(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the run, by the packages and programs that are here, and by the GPU."""
    config = run / "result" / "model" / "adapter_config.json"
    config.write_text(json.dumps({"peft_type": "LORA", "r": 8}))
    monkeypatch.setattr(needs_gpu, "visible", lambda *_: ())
    llama_cpp = tmp_path / "convert_hf_to_gguf.py"
    llama_cpp.write_text('@ModelBase.register("LlamaForCausalLM")\n')
    told = CliRunner().invoke(build(), ["export", str(run), "--llama-cpp", str(tmp_path), "--json"])
    targets = {one["target"]: one for one in json.loads(told.stdout)["targets"]}
    assert {"merged", "adapter", "int8", "gguf"} <= {key for key, one in targets.items() if one["possible"]}
    assert targets["gguf"]["quantize"] == ["q8_0", "f16", "bf16"], "nothing here quantizes below 8 bits"
    assert "llama-quantize" in targets["gguf"]["why"]
    for name in ("fp8", "int4", "gptq"):
        assert (targets[name]["possible"], "computed on a GPU" in targets[name]["why"]) == (False, True)
        assert targets[name]["not_run"]
    llama_cpp.write_text('@ModelBase.register("OtherForCausalLM")\n')
    shown_ = CliRunner().invoke(build(), ["export", str(run), "--llama-cpp", str(tmp_path)]).stdout
    assert "does not know LlamaForCausalLM" in shown_
    monkeypatch.setattr(needs_gpu, "visible", lambda *_: ("a GPU",))
    told = CliRunner().invoke(build(), ["export", str(run), "--json"])
    why = {one["target"]: one["why"] for one in json.loads(told.stdout)["targets"]}
    assert why["gptq"] == (
        "GPTQ needs the package gptqmodel. Install what it needs: pip install gptqmodel optimum."
    )


async def test_a_target_is_chosen_written_and_told_of(
    run: Path, finished: Log, app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def follow(job: engine_call.Job, tell: Callable[..., None], *, place: str = "") -> dict[str, Any]:
        asked.append(json.loads(Path(job.arguments[1]).read_text()))
        tell({"phase": "merging", "done": 1, "total": 2})
        if len(asked) == 2:
            raise UserError("the disk is full", place=place)
        return {"dtype": "float16", "peak_bytes": 1 << 30, "base_files": {}, "verified": FOUND}

    monkeypatch.setattr(engine_call, "follow", follow)
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("r")
        await until(pilot, lambda: ": result" in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "merged" in shown(pilot.app))
        assert isinstance(pilot.app.screen, Export)
        await until(pilot, lambda: "into the original base model" in " ".join(shown(pilot.app).split()))
        await pilot.press("down")
        await until(pilot, lambda: "servers refuse DoRA adapters" in shown(pilot.app))
        await pilot.press("enter")  # it cannot be: nothing is asked of the engine
        await pilot.press("up", "right", "right")
        await until(pilot, lambda: "float16" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "Verified" in shown(pilot.app))
        assert [(one["target"], one["form"]) for one in asked] == [("merged", "float16")]
        assert (run / "exports" / "merged-float16" / "tuiftune-export.json").is_file()
        assert "same answers as the run: 15 of 16" in shown(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "the disk is full" in shown(pilot.app))
        assert pilot.app.screen.query_one(Targets).current is not None
        await pilot.press("escape")
        await until(pilot, lambda: ": result" in shown(pilot.app))


async def test_what_lacks_a_program_is_not_ticked(
    run: Path, finished: Log, app: Callable[..., TuneApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("TUIFTUNE_LLAMA_CPP", raising=False)
    async with app(run=finished.run).run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "done" in shown(pilot.app))
        await pilot.press("r")
        await until(pilot, lambda: ": result" in shown(pilot.app))
        await pilot.press("x")
        await until(pilot, lambda: "merged" in shown(pilot.app))
        listed = pilot.app.screen.query_one(Targets)
        rows = {row.target.key: row for row in listed.rows}
        assert all(rows["gguf"].lacking)
        assert not any(rows["merged"].lacking)
        while listed.current is not None and listed.current.target.key != "gguf":
            await pilot.press("down")
        await until(pilot, lambda: "GGUF files are written by" in shown(pilot.app))
        here = next(line for line in shown(pilot.app).splitlines() if "gguf " in line)
        assert pilot.app.glyphs.ok not in here
        assert pilot.app.glyphs.warning in here
