"""How a log's events reach the event loop: a long one shows its ends first, a flood comes in portions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from showing import SMALL, live, shown, until

from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.state.run_state import RunState
from tuiftune.tui.kit.tail import EVENTS_A_MESSAGE, Arrived, Opened, Reading, _Tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from showing import Log
    from textual.dom import DOMNode
    from textual.message import Message
    from textual.worker import Worker

    from tuiftune.tui.app import TuneApp


class Target:
    def __init__(self) -> None:
        self.got: list[Message] = []

    def post_message(self, message: Message) -> None:
        self.got.append(message)


class AtWork:
    is_cancelled = False


def tail_of(log: Log) -> tuple[_Tail, list[Message]]:
    target = Target()
    return _Tail(log.run, cast("DOMNode", target), cast("Worker[None]", AtWork())), target.got


@pytest.fixture
def long(new_run: Callable[..., Log], monkeypatch: pytest.MonkeyPatch) -> Log:
    """What counts as long is made short."""
    monkeypatch.setattr("tuiftune.runs.log.reader.THIN_BYTES", 1 << 17)
    monkeypatch.setattr("tuiftune.runs.log.reader.WHOLE_BYTES", 1 << 12)
    monkeypatch.setattr("tuiftune.runs.log.lines.TAIL_BYTES", 1 << 12)
    log = new_run("long", total=3000)
    log.start(3000)
    log.steps(1, 2500)
    return log


def middle(state: RunState) -> int:
    """Points of the curve that neither the beginning nor the end of the log holds."""
    return sum(500 < step < 1500 for step, _ in state.curves["loss"])


def test_a_long_log_shows_its_ends_and_then_all_of_it(long: Log) -> None:
    tail, got = tail_of(long)
    tail.look()
    first, last = got[0], got[-1]
    assert isinstance(first, Opened)
    assert isinstance(last, Opened)
    assert first.share < 1.0
    assert (first.state.step, first.state.total_steps) == (2500, 3000)
    assert middle(first.state) == 0
    assert isinstance(got[1], Reading)
    assert (last.share, last.state.step) == (1.0, 2500)
    assert middle(last.state) > 20
    del got[:]
    assert tail.look() == []
    assert got == []


def test_a_flood_comes_in_portions(new_run: Callable[..., Log]) -> None:
    log = new_run("flood")
    tail, got = tail_of(log)
    tail.look()
    log.start(3000)
    log.steps(1, 998)
    tail.look()
    assert isinstance(got[0], Opened)
    portions = [len(message.events) for message in got if isinstance(message, Arrived)]
    assert portions == [EVENTS_A_MESSAGE] * 4


def test_a_log_that_is_emptied_or_replaced_opens_anew(new_run: Callable[..., Log]) -> None:
    log = new_run("anew")
    log.start(10)
    log.steps(1, 5)
    tail, got = tail_of(log)
    tail.look()
    log.run.events_path.write_bytes(b"")
    tail.look()
    log.steps(1, 2)
    tail.look()
    opened = [message.state for message in got if isinstance(message, Opened)]
    assert [state.starts for state in opened] == [1, 0]
    assert isinstance(got[-1], Arrived)


async def test_the_header_says_how_much_of_a_long_log_is_read(app: Callable[..., TuneApp], long: Log) -> None:
    live(long)
    async with app(run=long.run).run_test(size=SMALL) as pilot:
        await until(
            pilot, lambda: "step 2,500/3,000" in shown(pilot.app) and "reading" not in shown(pilot.app)
        )
        state = RunState()
        state.fold({"type": "start", "total_steps": 3000, "t": 1.0})
        pilot.app.screen.post_message(Opened(state, [], vitals(long.run), 0.25))
        await until(pilot, lambda: "reading the log, 25%" in shown(pilot.app))
        pilot.app.screen.post_message(Reading(0.5))
        await until(pilot, lambda: "reading the log, 50%" in shown(pilot.app))
        pilot.app.screen.post_message(Opened(state, [], vitals(long.run)))
        await until(pilot, lambda: "reading" not in shown(pilot.app))
