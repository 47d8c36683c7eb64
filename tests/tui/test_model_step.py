"""The model step: every model marked, every setting judged, and another card tried."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from showing import SMALL, shown, until

from tuiftune import techniques
from tuiftune.advice.quality import Circumstances, quality
from tuiftune.hardware.known_gpus import GPUS
from tuiftune.preset import method
from tuiftune.tui.wizard.model import model as step
from tuiftune.tui.wizard.model.gpu_list import GpuList
from tuiftune.tui.wizard.model.gpus import Gpus
from tuiftune.tui.wizard.model.model import ModelStep
from tuiftune.tui.wizard.model.model_list import ModelList
from tuiftune.tui.wizard.review import ReviewStep
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.effect import against
from tuiftune.wizard.findings import Findings
from tuiftune.wizard.planning import planned
from tuiftune.wizard.recommend import recommend
from tuiftune.wizard.settings import settings_of, stepped

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.tui.app import TuneApp

TICKETS = Draft(data=("builtin:tickets",), model="builtin:tiny", name="tone")


# Without an effect on quality to speak of, or told from the rows.
SILENT = ("data.max_length", "evaluation.rows", "run.save_every", "budget.max_usd", "budget.max_hours")


async def model_step(pilot: Any) -> ModelStep:
    pilot.app.open("model")
    await until(pilot, lambda: isinstance(pilot.app.screen, ModelStep) and pilot.app.screen.plan is not None)
    screen = pilot.app.screen
    assert isinstance(screen, ModelStep)
    return screen


@pytest.mark.parametrize("size", [SMALL, (120, 40)], ids=["80x24", "120x40"])
async def test_every_model_of_the_list_gets_its_mark(
    app: Callable[..., TuneApp], size: tuple[int, int]
) -> None:
    async with app(draft=TICKETS).run_test(size=size) as pilot:
        screen = await model_step(pilot)
        models = screen.query_one(ModelList)
        await until(pilot, lambda: all(models.fit_of(row.reference) for row in screen._rows))
        assert len(screen._rows) >= 100
        huge = models.fit_of("meta-llama/Llama-3.1-70B-Instruct")
        assert huge is not None
        assert not huge.fits
        lines = [line for line in shown(pilot.app).splitlines() if "Llama-3.1-8B" in line]
        assert lines
        assert all("✗" in line or "✓" in line for line in lines)


async def test_a_change_is_set_against_what_was_recommended(app: Callable[..., TuneApp]) -> None:
    async with app(draft=TICKETS).run_test(size=SMALL) as pilot:
        await model_step(pilot)
        assert "compared with recommended" not in shown(pilot.app)
        await pilot.press("tab", *["down"] * 6, "right", "right")
        await until(pilot, lambda: "compared with recommended: same memory" in shown(pilot.app))
        assert "slower" in shown(pilot.app)
        assert "quality ▼ above 3 the model may memorize the rows" in shown(pilot.app)
        assert "Your value. Recommended: 3" in shown(pilot.app)
        await pilot.press("down", "right")
        await until(pilot, lambda: "Your value. Recommended: 0.0005" in shown(pilot.app))
        await pilot.press("backspace", "up", "question_mark")
        await until(pilot, lambda: "Effect on quality" in shown(pilot.app))
        await pilot.press("escape", "backspace")
        await until(pilot, lambda: "compared with recommended" not in shown(pilot.app))
        await pilot.press(*["pagedown"] * 5)
        last = settings_of(TICKETS)[-1].name
        at_the_end = re.compile(r"method (\d+)/\1\b")
        await until(pilot, lambda: last in shown(pilot.app) and at_the_end.search(shown(pilot.app)))


async def test_a_value_is_compared_with_what_is_recommended_for_the_technique_in_use(
    app: Callable[..., TuneApp],
) -> None:
    draft = TICKETS.override("method.technique", "lora")
    async with app(draft=draft).run_test(size=(120, 40)) as pilot:
        await model_step(pilot)
        await pilot.press("tab", "down", "right", "right")
        await until(pilot, lambda: "rank: Your value. Recommended: 16, " in shown(pilot.app))
        assert "full fine-tuning does not have adapters" not in shown(pilot.app), "what rank has without LoRA"
        await pilot.press("w")  # begins with the setting under the cursor
        await until(pilot, lambda: "Reasons for these values" in shown(pilot.app))
        await until(pilot, lambda: "method.rank" in "".join(shown(pilot.app).splitlines()[:6]))


@pytest.mark.parametrize(
    ("key", "opened"), [("w", "Reasons"), ("a", "Alternatives"), ("g", "Gpus"), ("enter", "ReviewStep")]
)
async def test_what_is_asked_while_a_plan_is_made_comes_with_it(
    app: Callable[..., TuneApp], key: str, opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*given: Any) -> Any:
        time.sleep(0.7)
        return planned(*given)

    async with app(draft=TICKETS).run_test(size=SMALL) as pilot:
        screen = await model_step(pilot)
        monkeypatch.setattr(step, "planned", slowly)
        await pilot.press("tab", "down", "right", key)
        await until(pilot, lambda: type(pilot.app.screen).__name__ == opened)
        await pilot.pause()  # it is there, with all in it
        assert screen.plan is not None


async def test_another_gpu_is_tried_and_given_back(app: Callable[..., TuneApp]) -> None:
    async with app(draft=TICKETS.with_(model="Qwen/Qwen3-8B")).run_test(size=SMALL) as pilot:
        screen = await model_step(pilot)
        assert screen.plan is not None
        assert screen.plan.gpu["kind"] == "cpu"
        await pilot.press("g")
        await until(pilot, lambda: "RTX 3070" in shown(pilot.app))
        assert isinstance(pilot.app.screen, Gpus)
        table = pilot.app.screen.query_one(GpuList)
        await until(pilot, lambda: len(table.rows) == len(GPUS) + 1)
        mine = table.rows[0]
        assert mine.plan is not None
        for seconds, usd, ending in (
            (86_390.0, 234.0, "GiB 23 h 59 min  $234.00"),
            (400_000.0, 1234.0, "GiB    4 d 15 h   $1,234"),
        ):
            dear = replace(mine, plan=replace(mine.plan, seconds=seconds, usd=usd, fits=True))
            line = "".join(text for text, _ in table.line(dear, True, 80).spans)
            assert line.endswith(ending), line
            assert len(line) <= table.size.width
        await pilot.press("right")
        await until(pilot, lambda: pilot.app.screen._number == 2 and len(table.rows) == len(GPUS) + 1)
        await pilot.press(*["pagedown"] * 6)
        await until(pilot, lambda: "B200: 2 GPUs (data parallel: one full copy per GPU)" in shown(pilot.app))
        gpu = next(line for line in shown(pilot.app).splitlines() if "▸" in line and "B200" in line)
        assert "$" in gpu
        assert "lora" in gpu
        await pilot.press("enter")
        await until(pilot, lambda: "not in this machine" in shown(pilot.app))
        await until(pilot, lambda: screen.plan is not None and screen.plan.gpu["source"] == "--gpu")
        assert screen.plan.gpu["count"] == 2
        assert pilot.app.draft.gpu.endswith(":2")  # type: ignore[attr-defined]
        assert pilot.app.draft.preset().hardware.gpus == "auto", "The preset stays portable"  # type: ignore[attr-defined]
        await pilot.press("g")
        await until(pilot, lambda: isinstance(pilot.app.screen, Gpus))
        again = pilot.app.screen.query_one(GpuList)
        await until(pilot, lambda: again.current is not None and again.current.name == "B200")
        await pilot.press(*["pageup"] * 6, "enter")
        await until(pilot, lambda: screen.plan is not None and screen.plan.gpu["kind"] == "cpu")


async def test_where_nothing_fits_a_bigger_gpu_is_one_of_the_ways(app: Callable[..., TuneApp]) -> None:
    draft = TICKETS.with_(model="meta-llama/Llama-3.1-70B", gpu="L4")
    async with app(draft=draft).run_test(size=SMALL) as pilot:
        screen = await model_step(pilot)
        assert screen.plan is not None
        assert not screen.plan.fits
        assert "✗ does not fit" in shown(pilot.app)
        places = [at for at, other in enumerate(screen.plan.alternatives) if "--gpu" in other.changes]
        assert places, "a card that would hold it is named"
        await pilot.press("a")
        await until(pilot, lambda: "Alternatives" in shown(pilot.app))
        await pilot.press(*["j"] * places[0], "enter")
        await until(pilot, lambda: screen.plan is not None and screen.plan.fits)
        assert pilot.app.draft.gpu not in ("", "L4")  # type: ignore[attr-defined]


async def test_a_plan_for_another_gpu_asks_before_it_starts_here(app: Callable[..., TuneApp]) -> None:
    async with app(draft=TICKETS.with_(gpu="H100:2")).run_test(size=SMALL) as pilot:
        pilot.app.open("review")  # type: ignore[attr-defined]
        await until(pilot, lambda: "on 2 × H100, not on this machine" in " ".join(shown(pilot.app).split()))
        await pilot.press("s")
        await until(pilot, lambda: "Start on this machine?" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewStep))
        assert not Path("runs").exists()


def test_quality_says_what_the_evidence_says() -> None:
    lora = Circumstances(techniques.find("lora"), 8 * 10**9)

    def leans(key: str, value: object, around: Circumstances = lora) -> str:
        found = quality(key, value, around)
        assert found is not None
        return found.leans

    assert leans("method.technique", "qlora") == "worse"
    assert leans("method.rank", 4) == "worse"
    assert leans("method.rank", 16) == "same"
    assert leans("training.epochs", 5) == "worse"
    assert leans("training.learning_rate", 1e-3) == "worse"
    assert leans("training.learning_rate", 2e-5, Circumstances(techniques.find("full"), 8 * 10**9)) == "same"
    assert leans("training.micro_batch", 8) == "same"
    assert quality("training.learning_rate", "auto", lora) is None
    spoken = [
        quality(setting.key, choice, lora)
        for setting in settings_of(TICKETS)
        for choice in setting.choices
        if setting.key not in SILENT and choice != "auto"
    ]
    assert all(found is not None and found.source for found in spoken), (
        "every choice is judged, with a source"
    )


def test_rows_that_are_cut_are_counted_from_the_data() -> None:
    findings = Findings()
    facts = findings.facts(TICKETS, findings.model("builtin:tiny"))
    around = Circumstances(techniques.find("lora"), 10**9, facts)
    cut, whole = quality("data.max_length", 50, around), quality("data.max_length", 128, around)
    assert cut is not None
    assert cut.leans == "worse"
    assert "% of rows are truncated" in cut.says
    assert whole is not None
    assert "no row is truncated" in whole.says


def test_the_difference_names_memory_time_and_money() -> None:
    findings = Findings()
    first = findings.plan(TICKETS.with_(gpu="H100", model="Qwen/Qwen3-8B"))
    other = findings.plan(
        TICKETS.with_(gpu="H100", model="Qwen/Qwen3-8B")
        .override("training.epochs", 30)
        .override("method.rank", 64)
    )
    assert against(first, first) == ""
    said = against(other, first)
    assert "GiB" in said or "MiB" in said
    assert "slower" in said
    assert "+$" in said


def test_every_value_that_is_recommended_or_resolved_can_be_changed_in_the_app() -> None:
    findings = Findings()
    base, facts = findings.model("builtin:tiny"), findings.facts(TICKETS, findings.model("builtin:tiny"))
    advice = recommend({}, findings.machine(), base, facts)
    plan = findings.plan(advice.apply(TICKETS))
    keys = {reason.key for reason in (*advice.reasons, *plan.reasons)}
    told = {"data.format", "evaluation.max_new_tokens"}  # by the data step, and by the longest answer
    assert keys - told <= {setting.key for setting in settings_of(TICKETS)}
    for setting in settings_of(TICKETS):
        changed = TICKETS
        for _ in setting.choices:
            changed = stepped(changed, setting, 1)
            changed.preset()
        assert changed.value(setting.key) == setting.choices[-1]
        for _ in setting.choices:
            changed = stepped(changed, setting, -1)


def test_the_options_of_the_chosen_technique_alone_are_offered() -> None:
    def offered(technique: str) -> dict[str, Any]:
        draft = TICKETS.override("method.technique", technique)
        return {setting.key: setting for setting in settings_of(draft)}

    every = {f"method.{key}": option for key, option in method.options().items() if option.label}
    for technique in (techniques.AUTO, *techniques.every()):
        chosen = techniques.every().get(technique)
        taken = techniques.options_of(technique) if chosen is None else chosen.options
        own = {f"method.{option.key}" for option in taken}
        assert every.keys() & offered(technique).keys() == every.keys() & own, technique
    assert "method.rank" in offered("auto")
    assert "method.rank" not in offered("full")
    of_techniques = {f"method.{option.key}" for one in techniques.every().values() for option in one.options}
    for key in every.keys() & of_techniques:  # a stage names the source of its own values itself
        option = every[key]
        around = Circumstances(techniques.find("lora"), 8 * 10**9)
        judged = [quality(key, choice, around) for choice in option.choices if choice not in ("auto", None)]
        assert all(found is not None and found.source for found in judged), key


def test_a_technique_tried_on_the_way_leaves_nothing_in_the_preset() -> None:
    draft = TICKETS.override("method.technique", "pissa").override("method.pissa_iterations", 4)
    assert draft.preset().method.pissa_iterations == 4
    other = draft.override("method.technique", "lora")
    assert "pissa_iterations" not in other.preset().model_dump()["method"]
    assert other.override("method.technique", "pissa").preset().method.pissa_iterations == 4
