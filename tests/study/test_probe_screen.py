"""The probe of the wizard: offered where there is time, its bars as it goes, and the rate that it sets."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[1] / "tui"))

from showing import shown, until

from tuiftune.jobs.study.trial import ENDED
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.find import study_runs
from tuiftune.tui.app import TuneApp
from tuiftune.wizard import probing
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.findings import Findings

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset


@pytest.fixture
def draft(preset: Preset) -> Draft:
    """A run that takes long: as if the plan said an hour."""
    made = Draft.of(preset).with_(name="mine")
    return made.with_(overrides={k: v for k, v in made.overrides.items() if k != "training.learning_rate"})


def test_a_probe_is_offered_where_there_is_time(draft: Draft) -> None:
    findings = Findings()
    plan, facts = findings.plan(draft), findings.facts(draft, findings.model_of(draft))
    assert probing.offer(replace(plan, seconds=100.0, steps=60), facts) is None
    offered = probing.offer(replace(plan, seconds=7200.0, steps=3000), facts)
    assert offered is not None
    assert 20 <= offered.steps <= 300
    assert offered.minutes <= 15
    assert probing.offer(replace(plan, seconds=7200.0, steps=3000), replace(facts, rows_eval=0)) is None
    assert probing.offer(replace(plan, seconds=None), facts) is None


@pytest.mark.long
async def test_bars_then_the_rate_in_the_preset(
    draft: Draft, root: Path, quick: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick[0] = 0.02
    usual = Findings.plan
    monkeypatch.setattr(
        Findings, "plan", lambda self, one: replace(usual(self, one), seconds=7200.0, steps=3000)
    )
    monkeypatch.setattr("tuiftune.jobs.probing.FACTORS", (1.0, 0.1))
    app = TuneApp(draft=draft, runs_root=root)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open("review")
        await until(pilot, lambda: "measure the learning rate on your rows first: press p" in shown(app))
        await pilot.press("p")
        await until(pilot, lambda: "of 2 runs" in shown(app))
        await until(pilot, lambda: "Take learning_rate" in shown(app) or "No difference" in shown(app))
        assert "no rate" not in shown(app).lower()
        await pilot.press("enter")
        await until(pilot, lambda: "measured on your rows" in shown(app))
        document = json.loads(next(root.glob("mine-probe/study.json")).read_text())
        assert app.draft.overrides["training.learning_rate"] in [
            one["values"]["training.learning_rate"] for one in document["variants"]
        ]


@pytest.mark.long
async def test_leaving_it_stops_what_runs(
    draft: Draft, root: Path, quick: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.tui.wizard.probe import ProbeScreen

    quick[0] = 1.0
    app = TuneApp(draft=draft, runs_root=root)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ProbeScreen(draft.preset(), probing.Offer(8, 1.0)))
        await until(pilot, lambda: any(vitals(run).running for run in study_runs(root)))
        await pilot.press("escape")
        await until(pilot, lambda: not any(vitals(run).running for run in study_runs(root)))
    document = json.loads(next(root.glob("mine-probe/study.json")).read_text())
    assert all(one["state"] not in ENDED for one in document["trials"])
