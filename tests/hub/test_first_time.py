"""A model that is not on this machine, from the review to a run: said, settled, fetched and pinned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import shown

from tuiftune import assets
from tuiftune.errors import ExitCode, UserError
from tuiftune.hub import fetch
from tuiftune.jobs.prepare import prepare, ready
from tuiftune.preset.schema import Preset
from tuiftune.tui.app import TuneApp
from tuiftune.tui.wizard import review
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.findings import Findings
from tuiftune.wizard.planning import planned, settled

if TYPE_CHECKING:
    from stand_in import StandIn

MODEL = "acme/tiny"


@pytest.fixture
def draft(hub: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draft:
    """A draft on a model of the Hub: the built-in one's files, under another name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    hub.model(MODEL, {one.name: one.read_bytes() for one in Path(assets.BASE).iterdir()})
    rows = [{"prompt": f"how much is {n} + 1? " * 20, "completion": str(n + 1)} for n in range(60)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Draft(data=("sums.jsonl",), model=MODEL, name="sums")


def preset(draft: Draft, **more: Any) -> Preset:
    return Preset.model_validate({"model": {"base": MODEL}, "data": {"train": "sums.jsonl"}, **more})


def test_a_run_is_prepared_with_the_model_it_fetched(hub: StandIn, draft: Draft, tmp_path: Path) -> None:
    said: list[str] = []
    run = prepare(preset(draft), tmp_path / "runs", "sums", say=said.append)
    plan = json.loads(run.plan_path.read_text())
    assert plan["model"]["source"] == "cache"
    assert plan["resolved"]["model"]["revision"] == "a" * 40
    assert plan["provenance"]["model"]["weights"] is not None  # hashed, as it is here before the run is
    assert "estimated" not in plan["data"]["basis"]
    told = "\n".join(said)
    assert "acme/tiny is not on this machine: 2.0 MiB to download in 1 file (license apache-2.0)" in told
    assert said.index("downloading the tokenizer of acme/tiny") < said.index("downloading acme/tiny")


def test_nothing_is_fetched_for_a_dry_run_or_a_run_that_can_not_start(
    hub: StandIn, draft: Draft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, _ = ready(preset(draft), tmp_path / "runs")
    assert inputs.model.weights is False
    assert not hub.asked("/model.safetensors")
    hub.repositories["models", MODEL].gated, hub.repositories["models", MODEL].token = True, "hf_yes"
    with pytest.raises(UserError, match="is gated, and no token is set"):
        prepare(preset(draft), tmp_path / "runs")
    hub.repositories["models", MODEL].token = ""
    monkeypatch.setattr(fetch, "free_bytes", lambda: 65 * 2**20)
    with pytest.raises(UserError, match=r"2\.0 MiB to download, and .* for the run, 65\.0 MiB free") as full:
        prepare(preset(draft), tmp_path / "runs")
    assert full.value.exit_code is ExitCode.DOES_NOT_FIT
    assert not (tmp_path / "runs").exists()


def test_an_estimated_length_is_settled_once_the_tokenizer_is_here(hub: StandIn, draft: Draft) -> None:
    findings = Findings()
    outcome = planned(findings, draft)
    assert outcome.advice is not None
    estimated = outcome.advice.apply(draft)
    said: list[str] = []
    counted = settled(findings, estimated, said.append)
    facts = findings.facts(counted, findings.model_of(counted))
    assert "estimated" not in facts.basis
    assert facts.longest <= counted.value("data.max_length") != estimated.value("data.max_length")
    assert said == [f"downloading the tokenizer of {MODEL}"]
    assert settled(findings, counted, said.append) is counted
    own = estimated.override("data.max_length", 777)
    assert settled(Findings(), own, said.append) is own  # what the user set stays


async def test_the_review_says_what_is_downloaded_and_settles_the_length(hub: StandIn, draft: Draft) -> None:
    outcome = planned(Findings(), draft)
    assert outcome.advice is not None
    app = TuneApp(draft=outcome.advice.apply(draft))
    async with app.run_test(size=(120, 40)) as pilot:
        app.open("review")
        for _ in range(400):
            await pilot.pause(0.02)
            lines = shown(app)
            if "no longer estimated" in lines and " free" in lines:
                break
        assert "no longer estimated" in lines
        lines = " ".join(lines.split())
        assert "not on this machine: 2.0 MiB to download at the start" in lines
        assert "(estimated)" not in lines
        hub.faults["model.safetensors"].append(("slow", 0.01))
        seen: list[str] = []
        screen = app.screen
        assert isinstance(screen, review.ReviewStep)
        screen.in_thread("start", lambda: seen.append(prepared(screen)), exclusive=True)
        for _ in range(400):
            await pilot.pause(0.02)
            if "Downloading acme/tiny" in shown(app):
                break
        else:
            pytest.fail("its progress is not shown")
        await pilot.press("escape")  # the step is left: the download ends, and keeps what is here
        for _ in range(200):
            await pilot.pause(0.02)
            if seen:
                break
        assert "the download was stopped" in seen[0]
    assert not Path("runs").exists()


def prepared(screen: review.ReviewStep) -> str:
    try:
        prepare(screen.draft.preset())
    except UserError as error:
        return str(error)
    return ""
