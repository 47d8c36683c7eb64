"""Every curve keeps its extremes, whoever read the log: cold, from its digest, live, zoomed, resumed."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import metrics
from tuiftune.runs.log import scan, stretch, thin
from tuiftune.runs.log.columns import parsed
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import serialize
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.state.series import Series
from tuiftune.tui.kit.chart.curves import CURVES, Source, drawing
from tuiftune.tui.kit.chart.lens import Lens
from tuiftune.tui.kit.glyphs import UNICODE, sparkline

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.tui.kit.chart.plot import Layer

STEPS = 6_000
GPUS = 2
OF_STEP = (
    "loss",
    "lr",
    "grad_norm",
    "tokens_per_second",
    "entropy",
    "mean_token_accuracy",
    "nobody/registers",
)
OF_GPU = ("utilisation", "memory_used", "power_w", "temperature_c")
OF_HOST = ("cpu", "host_memory_used")
OF_MEMORY = ("allocated", "reserved", "device")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(scan, "PART_BYTES", 1 << 19)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr("tuiftune.runs.log.reader.DIGEST_BYTES", 1 << 19)
    monkeypatch.setattr("tuiftune.runs.log.reader.THIN_BYTES", 1 << 18)
    monkeypatch.setattr("tuiftune.runs.log.reader.WHOLE_BYTES", 1 << 14)


Log = list[dict[str, Any]]


SEALED_AFTER = 60  # steps that are made while a checkpoint is written, at most


def log_of(chance: random.Random, *, checkpoint: int = 0, crash: int = 0) -> Log:
    """A run with a spike and a dip in every metric; with `crash` it goes back to its last checkpoint."""
    events: Log = [{"type": "start", "run": "long", "total_steps": STEPS}]
    events.append({"type": "phase", "name": "training"})
    planted = {name: (chance.randrange(1, STEPS), chance.randrange(1, STEPS)) for name in OF_STEP}
    readings = STEPS // 3
    names = [f"{gpu}{name}" for gpu in range(GPUS) for name in OF_GPU] + [*OF_HOST, *OF_MEMORY]
    slow = {name: (chance.randrange(1, readings), chance.randrange(1, readings)) for name in names}
    throttled = chance.randrange(1, readings)

    def at(name: str, now: int, where: dict[str, tuple[int, int]]) -> float:
        spike, dip = where[name]
        return 500.25 if now == spike else 1e-7 if now == dip else 50 + chance.random()

    step = back = saving = sealed = 0
    while step < STEPS:
        step += 1
        values = {name: at(name, step, planted) for name in OF_STEP}
        events.append({"type": "step", "step": step, **values, "epoch": step / STEPS, "data_wait": 0.1})
        if checkpoint and step % checkpoint == 0:
            events.append({"type": "phase", "name": "saving"})
            events.append({"type": "phase", "name": "training"})
            saving, sealed = step, step + chance.randrange(SEALED_AFTER)
        if saving and step == sealed:
            events.append({"type": "checkpoint", "step": saving, "path": f"checkpoint-{saving}"})
            back, saving = saving, 0
        if step % 3 == 0:
            now = step // 3
            gpus = [
                {
                    "index": gpu,
                    "name": 'a "card"',
                    "utilisation": at(f"{gpu}utilisation", now, slow),
                    "memory_used": at(f"{gpu}memory_used", now, slow),
                    "memory_total": 80,
                    "power_w": at(f"{gpu}power_w", now, slow),
                    "temperature_c": at(f"{gpu}temperature_c", now, slow),
                    "throttle": ["thermal"] if now == throttled else [],
                }
                for gpu in range(GPUS)
            ]
            host = {name: at(name, now, slow) for name in OF_HOST}
            events.append({"type": "gpu", "gpus": gpus, **host, "host_memory_total": 99, "disk_free": 5})
            events.append({"type": "memory", **{name: at(name, now, slow) for name in OF_MEMORY}})
        if step % 100 == 0:
            events.append({"type": "eval", "step": step, "loss": 1 + chance.random(), "when": "during"})
        if step == crash:
            crash, step, saving = 0, back, 0
            events.append({"type": "start", "run": "long", "total_steps": STEPS, "resumed_from": back})
    return events


def written(path: Path, events: Log, form: str = "ours") -> Path:
    lines = []
    for seq, event in enumerate(events, 1):
        whole = {"v": 1, "seq": seq, "t": 1.7e9 + seq / 4, **event}
        lines.append(serialize(whole) if form == "ours" else json.dumps(whole).encode() + b"\n")
    path.write_bytes(b"".join(lines))
    return path


def opened(path: Path) -> RunState:
    state = RunState()
    for event in EventReader(path).poll(thin=True):
        state.fold(event)
    return state


def live(path: Path) -> RunState:
    state, reader = RunState(), EventReader(path)
    while events := reader.poll():
        for event in events:
            state.fold(event)
    return state


def curves(state: RunState) -> dict[str, Series]:
    found = {
        "loss": state.curves["loss"],
        "lr": state.curves["lr"],
        "grad": state.curves["grad_norm"],
        "speed": state.curves["tokens_per_second"],
        "entropy": state.curves["entropy"],
        "accuracy": state.curves["mean_token_accuracy"],
        "margins": state.curves["nobody/registers"],
        "eval": state.curves["eval_loss"],
        "cpu": state.time_curves["cpu"],
        "host": state.time_curves["host_memory_used"],
        "allocated": state.time_curves["allocated"],
        "reserved": state.time_curves["reserved"],
        "device": state.time_curves["device"],
    }
    for index, gpu in state.gpu_curves.items():
        of_gpu = {
            "load": gpu.curves["utilisation"],
            "memory": gpu.curves["memory_used"],
            "power": gpu.curves["power_w"],
        }
        of_gpu |= {"heat": gpu.curves["temperature_c"], "throttled": gpu.curves["throttle"]}
        found |= {f"{name} of {index}": curve for name, curve in of_gpu.items()}
    return found


def ends(curve: Series) -> set[tuple[float, float]]:
    """The lowest and the highest point, each with its place."""
    points = curve.points()
    by_value = [min(points, key=lambda point: point[1]), max(points, key=lambda point: point[1])]
    return {(round(x, 3), y) for x, y in by_value}


def told(state: RunState) -> dict[str, object]:
    by_curve = {name: ends(curve) for name, curve in curves(state).items() if "throttled" not in name}
    slowed = {name: max(curve.values()) for name, curve in curves(state).items() if "throttled" in name}
    return {**by_curve, **slowed, "causes": [gpu.causes for gpu in state.gpu_curves.values()]}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("form", ["ours", "another writer's"])
def test_a_log_opened_cold_has_every_extreme_that_it_has_live(tmp_path: Path, seed: int, form: str) -> None:
    path = written(tmp_path / "events.jsonl", log_of(random.Random(seed)), form)
    followed = told(live(path))
    assert told(opened(path)) == followed, "by scanning it"
    assert told(opened(path)) == followed, "from its digest"
    assert all(any(y == 500.25 for _, y in followed[name]) for name in ("loss", "lr", "grad", "speed"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(4))
def test_a_resume_drops_no_extreme_before_its_checkpoint(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    crash = chance.randrange(1500, STEPS)
    events = log_of(chance, checkpoint=chance.choice([170, 1300]), crash=crash)
    path = written(tmp_path / "events.jsonl", events)
    start = next(at for at in range(len(events) - 1, 0, -1) if events[at]["type"] == "start")
    back = events[start]["resumed_from"]
    steps = {e["step"]: e for e in events[:start] if e["type"] == "step" and e["step"] <= back}
    steps |= {e["step"]: e for e in events[start:] if e["type"] == "step"}
    for state in (live(path), opened(path)):
        for name, curve in zip(OF_STEP, list(curves(state).values())[: len(OF_STEP)], strict=True):
            values = [event[name] for event in steps.values()]
            assert {y for _, y in ends(curve)} == {min(values), max(values)}, name


@pytest.mark.parametrize("back", [1200, 1201, 1806, 1807, 2600, 2601])
def test_steps_made_while_a_checkpoint_is_written_are_behind_it(tmp_path: Path, back: int) -> None:
    """Their spike goes when the run resumes there; that of its last step stays."""
    sealed, crash = back + 40, back + 300
    events: Log = [{"type": "start", "run": "long", "total_steps": STEPS}]
    for step in [*range(1, crash), *range(back + 1, STEPS)]:
        again = len(events) > crash
        if step == back + 1 and events[-1].get("step") == crash - 1:
            events.append({"type": "start", "run": "long", "total_steps": STEPS, "resumed_from": back})
            again = True
        loss = 70.0 if step == back else 900.0 if step == back + 1 and not again else 1.0
        events.append({"type": "step", "step": step, "loss": loss})
        if step == back and not again:
            events += [{"type": "phase", "name": name} for name in ("saving", "training")]
        if step == sealed and not again:
            events.append({"type": "checkpoint", "step": back, "path": f"checkpoint-{back}"})
    path = written(tmp_path / "events.jsonl", events)
    for state in (live(path), opened(path)):
        assert {y for _, y in ends(curves(state)["loss"])} == {1.0, 70.0}


@pytest.mark.parametrize("buckets", [4, 16, 50])
@pytest.mark.parametrize("back", [200, 403, 798])
def test_a_curve_that_goes_back_to_a_checkpoint_keeps_all_before_it(buckets: int, back: int) -> None:
    """A greater spike and a deeper dip, close behind the checkpoint, go; those just before it stay."""
    planted = {back - 2: 70.0, back - 1: -7.0, back + 2: 900.0, back + 3: -90.0}
    series = Series(buckets)
    for x in range(1, 1000):
        series.add(x, planted.get(x, 1.0))
        if x % 199 == 0 or x == back:
            series.fence(x)
    series.add(back + 1, 1.0)
    assert (series.lowest, series.highest) == (-7.0, 70.0)
    assert {(back - 2, 70.0), (back - 1, -7.0), (back + 1, 1.0)} <= set(series.points())
    assert len(series.points()) <= 2 * (buckets + 6)


def test_a_part_that_is_read_again_has_them_too(tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", log_of(random.Random(7)))
    state = opened(path)
    expected = told(state)
    for first in range(0, STEPS, 2000):
        part = stretch.part(state, float(first), first + 2000.0)
        near = stretch.read(path, part)
        assert near is not None
        inside = near.within(state)
        for name in ("loss", "lr", "grad", "speed", "eval"):
            assert ends(curves(inside)[name]) == expected[name], name


def layers_of(key: str, *states: RunState) -> tuple[Layer, ...]:
    curve = next(curve for curve in CURVES if curve.chart == key)
    sources = [Source(str(place), state) for place, state in enumerate(states)]
    return drawing(curve, sources, Lens(), UNICODE).layers


@pytest.fixture(scope="module")
def state() -> RunState:
    """Every registered metric stands out once, those too that one run never has together."""
    state = RunState()
    for seq, event in enumerate(log_of(random.Random(3))):
        kind = event["type"]
        if kind in ("step", "eval"):
            value = 500.25 if event["step"] == STEPS // 2 else 50.0
            event = {**{metric.key: value for metric in metrics.of(kind)}, **event}
        state.fold({"seq": seq, "t": 1.7e9 + seq / 4, **event})
    return state


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("key", [curve.chart for curve in CURVES if curve.chart != "throttle"])
def test_whatever_is_drawn_reaches_them(state: RunState, key: str, runs: int) -> None:
    highest = max(
        max(layer.ys) for layer in layers_of(key, *[state] * runs) if layer.kind not in ("level", "course")
    )
    scale = 2**30 if key in ("memory", "card-memory", "host") else 1
    assert highest == pytest.approx(500.25 / scale)


def test_a_sparkline_shows_the_one_value_that_stands_out() -> None:
    noisy = [10.2 if place % 40 < 20 else 9.8 for place in range(400)]
    for at, value in ((123, 12.0), (321, 8.0)):
        drawn = sparkline(UNICODE, [*noisy[:at], value, *noisy[at + 1 :]], 20)
        assert drawn[at * 20 // 400] == ("█" if value > 10 else "▁")
        assert drawn.count(drawn[at * 20 // 400]) == 1


@pytest.mark.parametrize(("beyond", "counted"), [(b"1e300", []), (b"9" * 400, [2])])
def test_a_value_beyond_all_numbers_hides_no_other(beyond: bytes, counted: list[int]) -> None:
    """A number that is too long for any makes a damaged line, which is kept to be counted."""
    lines = [
        b'{"v":1,"seq":%d,"t":1.0,"type":"step","step":%d,"loss":%s,"lr":0.1,"grad_norm":%s,"tokens":1}\n'
        % (step, step, loss, grad)
        for step, (loss, grad) in enumerate([(b"1", b"1"), (beyond, b"null"), (b"7", b"5"), (b"2", b"1")], 1)
    ]
    kept = [json.loads(line)["step"] for line in thin.thinned(b"".join(lines))]
    assert kept == sorted([1, *counted, 3, 4])


def step_line(step: int, loss: str = "1.0", more: str = "") -> bytes:
    line = f'{{"v":1,"seq":{step},"t":{step}.0,"type":"step","step":{step},"loss":{loss},"lr":0.1{more}}}\n'
    return line.encode()


@pytest.mark.parametrize(
    "damage",
    [
        step_line(50, "9.0", f',"tokens":{"7" * 400}'),
        step_line(50, "9.0", f',"more":{"[" * 120}{"]" * 120}'),
        step_line(50, "9.0")[:-3] + b"\n",
        b'{"type":"step","step":50,"loss":9.0},{"type":"step","step":51}\n',
        b'{"v":1,"type":"step","step":[50\n51],"loss":9.0}\n',
        b'{"type":"step","step":50,"loss":9.0,"a":"\xff"}\n',
        b"\0" * 4096 + b"\n",
        b'{"type":"step","step":"x","loss":true,"lr":null}\n',
    ],
)
def test_a_damaged_line_hides_no_extreme_and_takes_no_mean_along(damage: bytes) -> None:
    """Neither of what is read at once with it, nor where it stands at the end."""
    sound = [step_line(step, "5.0" if step == 30 else "1.0") for step in range(1, 100)]
    for place in (49, 99):
        block = b"".join([*sound[:place], damage, *sound[place:]])
        kept = [event for line in thin.thinned(block) if type((event := parsed(line)).get("step")) is int]
        assert 5.0 in [event["loss"] for event in kept]
        assert kept[-1]["step"] == 99
        assert kept[-1][thin.STANDS_FOR] == 99
        assert kept[-1][thin.MEANS]["loss"] == pytest.approx((98 + 5) / 99)


@pytest.mark.parametrize("field", ["loss", "grad_norm"])
def test_the_first_step_that_was_not_a_number_is_known(tmp_path: Path, field: str) -> None:
    events = log_of(random.Random(5))
    steps = [event for event in events if event["type"] == "step"]
    for event in steps[2_000:4_000]:
        event[field] = float("nan")
    path = written(tmp_path / "events.jsonl", events)
    assert opened(path).not_a_number_at == live(path).not_a_number_at == 2_001


def test_a_gpu_of_another_writer_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    events = log_of(random.Random(6))
    odd = [{"index": "x", "throttle": 5}, {"index": None, "power_w": True}, 7, {"index": [], "power_w": "9"}]
    for event in events[100:]:
        if event["type"] == "gpu":
            event["gpus"] = odd
    path = written(tmp_path / "events.jsonl", events, "another writer's")
    assert told(opened(path)) == told(live(path))
