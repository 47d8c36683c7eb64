"""Full collections of garbage wait until nobody types, and Python's own ways come back afterwards."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tuiftune.tui.kit.idle_collector import BREATH_SECONDS, DUE, LATE, QUIET_SECONDS, Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.tui.app import TuneApp


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collector(clock: Clock) -> Iterator[Collector]:
    with Collector(clock) as collector:
        yield collector


def litter() -> None:
    """So much that Python would make a full collection by itself; no more, whatever ran before."""
    gc.collect()
    for _ in range(DUE + 2):
        gc.collect(1)


def test_nothing_is_collected_while_keys_come(collector: Collector, clock: Clock) -> None:
    litter()
    collector.touched()
    clock.now += QUIET_SECONDS / 2
    collector.look()
    assert collector.collected == 0
    clock.now += QUIET_SECONDS
    collector.look()
    assert collector.collected == 1
    assert gc.get_count()[2] == 0
    collector.look()
    assert collector.collected == 1, "there is nothing to do"


def test_after_long_typing_a_breath_will_do(collector: Collector, clock: Clock) -> None:
    while gc.get_count()[2] < LATE:
        gc.collect(1)
    collector.touched()
    clock.now += BREATH_SECONDS / 2
    collector.look()
    assert collector.collected == 0
    clock.now += BREATH_SECONDS
    collector.look()
    assert collector.collected == 1


def test_garbage_goes_even_if_it_was_there_when_all_settled(collector: Collector, clock: Clock) -> None:
    import weakref

    class Screen:
        pass

    screen = Screen()
    screen.itself = screen  # type: ignore[attr-defined]
    gone = weakref.ref(screen)
    collector.settled()
    del screen
    for _ in range(20):
        litter()
        clock.now += 10 * QUIET_SECONDS
        collector.look()
    assert gone() is None


def test_python_s_own_ways_come_back() -> None:
    before = gc.get_threshold()
    with Collector() as collector:
        assert gc.get_threshold() != before
        collector.settled()
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


async def test_the_app_tells_of_keys(collector: Collector, clock: Clock, app: Callable[..., TuneApp]) -> None:
    async with app(collector=collector).run_test() as pilot:
        await pilot.pause()
        assert gc.get_freeze_count() > 0
        clock.now += 10 * QUIET_SECONDS
        await pilot.press("j")
        litter()
        collector.look()
        assert collector.collected == 0
