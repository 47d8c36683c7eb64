"""A study: what is compared, what is stopped early, and what a process that was killed leaves to the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tuiftune.errors import UserError
from tuiftune.jobs.probing import prepare_probe
from tuiftune.jobs.study import halving, record, standing
from tuiftune.jobs.study.study import Study
from tuiftune.jobs.study.trial import DIVERGED, DONE, EARLY, Trial, Watched
from tuiftune.jobs.study.variant import Variant, grid
from tuiftune.jobs.sweeping import prepare_sweep
from tuiftune.preset.file import load, save
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.find import all_runs, study_runs
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset


def trial(rate: float, seed: int = 1, **values: object) -> Trial:
    made = Trial(Variant(f"lr-{rate:g}", {"training.learning_rate": rate}), seed, f"{rate}-{seed}")
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_a_trial_far_behind_is_stopped_and_a_close_one_goes_on() -> None:
    best = trial(1, rungs={0.25: 2.0}, base_loss=4.0)
    close = trial(2, rungs={0.25: 2.15}, base_loss=4.0)
    far = trial(3, rungs={0.25: 3.5}, base_loss=4.0)
    assert halving.behind(best, [], 0.25) == ""
    assert halving.behind(close, [best], 0.25) == ""
    assert "after 25% of the steps; the best had 2" in halving.behind(far, [best, close], 0.25)
    assert halving.behind(best, [close, far], 0.25) == ""


def finished(losses: dict[float, list[float]], spread: float = 0.0) -> list[standing.Standing]:
    """Standings of rates with one loss a seed; the loss of each group of rows lies around it."""
    variants = tuple(Variant(f"{rate:g}", {"training.learning_rate": rate}) for rate in losses)
    seeds = tuple(range(len(next(iter(losses.values())))))
    study = Study("probe", None, variants, seeds, Path("nowhere"), "")  # type: ignore[arg-type]
    for one in study.trials:
        loss = losses[one.variant.values["training.learning_rate"]][one.seed]
        shifts = [spread * sign * (1 + variants.index(one.variant)) for sign in (-1, 1, -1, 1, -1, 1)]
        one.state, one.loss, one.base_loss = DONE, loss, 4.0
        one.parts = [((loss + shift) * 10, 10) for shift in shifts]
    return standing.standings(study)


def test_the_interval_is_over_rows_and_over_seeds() -> None:
    best, other = finished({1e-3: [2.0, 2.0], 1e-4: [2.5, 2.5]}, spread=0.01)
    assert (best.loss, other.difference, other.tied) == (2.0, 0.5, False)
    assert other.interval is not None
    assert other.interval[0] == pytest.approx(0.5 - 2.2 * 0.01 / 12**0.5 * (12 / 11) ** 0.5, abs=1e-3)
    best, other = finished({1e-3: [2.0, 2.2], 1e-4: [2.3, 2.3]}, spread=0.01)
    assert other.tied  # by 0.3 with one seed and 0.1 with the other: too unlike, though all rows agree
    best, other = finished({1e-3: [2.0], 1e-4: [2.005]}, spread=0.0)
    assert other.tied  # surely different, but by less than matters


def test_the_middle_rate_is_chosen_and_the_others_end_early(
    preset: Preset, root: Path, quick: list[float]
) -> None:
    quick[0] = 0.12
    probing = prepare_probe(preset, root, rates=(5e-3, 1e-6, 1.0), seeds=1, steps=8)
    told: list[int] = []
    made = probing.run(lambda study: told.append(sum(one.state == DONE for one in study.trials)))
    assert made.chosen is not None
    assert made.values == {"training.learning_rate": 5e-3}
    assert made.sure
    states = {one.variant.values["training.learning_rate"]: one.state for one in made.standings}
    assert states == {5e-3: DONE, 1e-6: EARLY, 1.0: DIVERGED}
    assert told[-1] == 1
    assert all_runs(root) == []  # not among the user's own
    assert len(study_runs(root)) == 3
    killed = next(run for run in study_runs(root) if "1e-06" in run.name)
    assert vitals(killed).state == "killed"
    assert killed.planned().document["study"]["kind"] == "probe"
    document = record.read(probing.study.directory)
    assert document["finished"]
    jsonschema.validate(document, registry.json_schema("study"))
    jsonschema.validate({"schema": "tuiftune/probe@1", **made.document()}, registry.json_schema("probe"))


@pytest.mark.long
def test_rates_that_do_not_differ_are_told_so(preset: Preset, root: Path) -> None:
    made = prepare_probe(preset, root, rates=(5e-3, 5.01e-3), seeds=2, steps=8).run()
    assert not made.sure
    assert made.says.startswith("No difference that these rows could show between")
    assert made.says.endswith("keep learning_rate 0.005.")


def test_what_a_killed_process_measured_is_not_measured_again(
    preset: Preset, root: Path, quick: list[float], tmp_path: Path
) -> None:
    rates = (5e-3, 4e-3)
    file = tmp_path / "p.yaml"
    save(preset, file)
    script = tmp_path / "study.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nimport conftest\nfrom tuiftune.jobs import backend\n"
        "from tuiftune.jobs.backends import local\nfrom tuiftune.jobs.probing import prepare_probe\n"
        "from tuiftune.preset.file import load\n"
        "backend.train = lambda run, **rest: local.launch(run, [sys.executable, str(conftest.TRIAL), "
        "str(run.path), '0.2'])\n"
        f"root, preset = Path({str(root)!r}), load(Path({str(file)!r}))\n"
        f"prepare_probe(preset, root, rates={rates}, seeds=1, steps=8).run()\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ}, start_new_session=True)
    until = time.monotonic() + 60
    directory = root / "mine-probe"
    while time.monotonic() < until:
        ended = [one for one in study_runs(root) if vitals(one).state == "done"]
        if ended and sum(one.events_path.exists() for one in study_runs(root)) > 1:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = [run for run in study_runs(root) if run.events_path.exists()]
    before = {run.name: run.events_path.stat().st_ino for run in first}
    logs = {run.name: run.events_path.read_bytes() for run in ended}
    probing = prepare_probe(load(file), root, rates=rates, seeds=1, steps=8)
    assert probing.study.directory == directory
    made = probing.run()
    assert probing.study.resumed >= 1
    assert made.study.finished
    assert {
        run.name: run.events_path.stat().st_ino for run in study_runs(root) if run.name in before
    } == before
    for name, log in logs.items():
        assert (directory / name / "events.jsonl").read_bytes() == log
    assert sorted(one.state for one in made.study.trials) == [DONE] * 2


def test_a_trial_that_ends_while_it_is_looked_at_is_measured(
    preset: Preset, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Watched.settle

    def slowly(watched: Watched) -> bool:
        ended = settle(watched)
        while not ended and vitals(watched.run).running:
            time.sleep(0.01)
        return ended

    monkeypatch.setattr(Watched, "settle", slowly)
    made = prepare_probe(preset, root, rates=(5e-3, 4e-3), seeds=1, steps=8).run()
    assert [one.state for one in made.study.trials] == [DONE] * 2


@pytest.mark.long
def test_a_budget_ends_it_and_the_next_process_goes_on(
    preset: Preset, root: Path, quick: list[float]
) -> None:
    quick[0] = 0.15
    probing = prepare_probe(preset, root, rates=(5e-3, 4e-3), seeds=1, steps=8, minutes=0.005)
    made = probing.run()
    assert made.study.out_of_time
    assert not made.study.finished
    assert any("The budget of 0.005 minutes was used up" in note for note in made.notes)
    quick[0] = 0.0
    again = prepare_probe(preset, root, rates=(5e-3, 4e-3), seeds=1, steps=8)
    assert again.study.directory == probing.study.directory
    assert again.run().study.finished


def test_two_processes_are_not_at_work_on_one_study(preset: Preset, root: Path) -> None:
    probing = prepare_probe(preset, root, rates=(5e-3, 4e-3), seeds=1, steps=8)
    with record.alone(probing.study.directory), pytest.raises(UserError, match="another process is at work"):
        probing.run()


def test_faults_are_told_in_a_line_before_anything_runs(preset: Preset, root: Path) -> None:
    for over, words in (
        (["training.learning_rat=1,2"], "Did you mean"),
        (["method.rank"], "not a key with values"),
        (["method.rank=8"], "1 combinations"),
        (["method.rank=8,8"], "named twice"),
        (["training.learning_rate=1e-4,2"], "learning_rate"),
        (["training.seed=1,2"], "a study sets training.seed itself"),
    ):
        with pytest.raises(UserError, match=words):
            grid(preset, over)
    found = grid(preset, ["method.target_modules=all-linear,[q_proj, v_proj]", "training.epochs=1,2"])
    assert [one.values["method.target_modules"] for one in found][::2] == ["all-linear", ["q_proj", "v_proj"]]
    with pytest.raises(UserError, match="no rows are held out"):
        prepare_probe(preset.with_values({"data.eval": 0.0}), root)
    with pytest.raises(UserError, match="one rate cannot be compared"):
        prepare_probe(preset, root, rates=(1e-3, 0.001), ranks=(4, 4))
    with pytest.raises(UserError, match="full fine-tuning does not have a rank"):
        prepare_probe(preset.with_values({"method.technique": "full"}), root, rates=(1e-3,), ranks=(4, 8))
    assert not root.exists()
    assert replace(found[0], key="x").label == "target_modules all-linear, epochs 1"


@pytest.mark.long
def test_a_sweep_runs_every_combination_and_writes_the_best_preset(preset: Preset, root: Path) -> None:
    over = ["training.learning_rate=5e-3,1e-3"]
    sweeping = prepare_sweep(preset, over, root, steps=8, halves=False)
    made = sweeping.run()
    assert [one.state for one in made.standings] == [DONE] * 2
    assert made.by == standing.LOSS
    assert made.best is not None
    assert made.best.variant.values["training.learning_rate"] == 5e-3
    assert made.says == "Best: learning_rate 0.005, by eval loss, beyond chance."
    assert made.path is not None
    assert load(made.path).training.learning_rate == 5e-3
    jsonschema.validate({"schema": "tuiftune/sweep@1", **made.document()}, registry.json_schema("sweep"))
    again = prepare_sweep(preset, over, root, steps=8, halves=False)
    assert again.run().study.resumed == 2


def test_what_nothing_can_be_compared_over_is_refused(preset: Preset, root: Path) -> None:
    for over, words in (
        ("method.stage=sft,dpo", "not of the same kind"),
        ("data.eval=0.1,0.2", "must stay the same"),
        ("data.train=a.jsonl,b.jsonl", "Set data.eval to a file"),
    ):
        with pytest.raises(UserError, match=words):
            prepare_sweep(preset, [over], root)
    for stage, over, words in (
        ("dpo", "method.beta=0.1,0.5", "is made of it"),
        ("kto", "method.desirable_weight=1,2", "is made of it"),
        ("grpo", "method.rewards=[{reward: exact_match}],[{reward: numeric_match}]", "is made of it"),
        ("dpo", "data.max_length=32,64", "does not compare answers"),
        ("sft", "data.reasoning=keep,mask", "no answers are scored"),
    ):
        other = preset.with_values({"method.stage": stage, "evaluation.score": "none"})
        with pytest.raises(UserError, match=words):
            prepare_sweep(other, [over], root)
    with pytest.raises(UserError, match="no answers are scored"):
        prepare_sweep(preset.with_values({"evaluation.score": "none"}), ["data.max_length=32,64"], root)


@pytest.mark.long
def test_one_bad_variant_does_not_stop_the_others(preset: Preset, root: Path) -> None:
    made = prepare_sweep(preset, ["hardware.memory_limit=600MiB,8GiB"], root, steps=8).run()
    assert made.best is not None
