"""What a program behind the fence may do, what ends it, and what is said then."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import foreign
import psutil
import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.fence import limits, process
from tuiftune.fence.forked import ForkedFence
from tuiftune.fence.limits import Allowance
from tuiftune.fence.process import Fence

KINDS = {"spawned": Fence, "forked": ForkedFence}
Make = Callable[..., Fence]


@pytest.fixture(params=list(KINDS))
def fenced(request: pytest.FixtureRequest) -> Iterator[Make]:
    made = []

    def make(*given: object) -> Fence:
        made.append(KINDS[request.param](foreign.thing, *given, place="someone/model"))
        return made[-1]

    yield make
    for fence in made:
        fence.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second a row."""
    monkeypatch.setattr(limits, "ROW_SECONDS", 0.5)


def fault_of(fence: Fence, how: str) -> UserError:
    with pytest.raises(UserError) as caught:
        fence.ask(foreign.misbehave, how)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.place
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("loop", "takes more than"),
        ("template", "the chat template takes more than"),
        ("backtracking", "takes more than"),
        ("at once", "more than 1.0 GiB of memory"),
        ("growing", "more than 1.0 GiB of memory"),
        ("answer", "of memory"),
        ("recursion", "too deeply"),
        ("stack", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit", "SystemExit"),
        ("zero", "division by zero"),
        ("escape", r"\x1b]0;owned\x07 and"),
    ],
)
def test_it_ends_in_one_line(fenced: Make, request: pytest.FixtureRequest, how: str, said: str) -> None:
    if "takes more than" in said:
        request.getfixturevalue("short")
    fence = fenced()
    pid = fence.ask(foreign.who)
    began = time.monotonic()
    fault = fault_of(fence, how)
    assert said in fault.message
    assert time.monotonic() - began < 30
    assert not psutil.pid_exists(pid)
    assert fault_of(fence, "nothing").message == fault.message  # and says so from then on, at once


def test_a_sleeper_is_ended_by_the_clock(fenced: Make, short: None) -> None:
    assert "takes more than" in fault_of(fenced(), "sleep").message


@pytest.mark.parametrize("how", ["loop", "at once", "zero", "abort"])
def test_so_does_what_is_made_at_first(fenced: Make, short: None, how: str) -> None:
    with pytest.raises(UserError, match="reading the tokenizer"):
        fenced(how)


def test_what_the_kernel_takes_is_not_its_own(
    fenced: Make, monkeypatch: pytest.MonkeyPatch, short: None
) -> None:
    """Such as to free memory in a container that is full: a minute of ten million rows' tokenizing."""
    monkeypatch.setattr(limits, "STARVED", 100)
    assert fenced().ask(foreign.misbehave, "kernel") == "kernel"


def test_a_refusal_is_not_the_end(fenced: Make) -> None:
    fence = fenced()
    fault = fault_of(fence, "refusal")
    assert (fault.message, fault.place, fault.remedy) == ("row 3 is refused", "rows.jsonl:3", "fix it")
    assert fence.ask(foreign.misbehave, "well") == "well"


def test_one_process_answers_all_and_goes_with_its_fence(fenced: Make) -> None:
    fence = fenced()
    pids = {fence.ask(foreign.who) for _ in range(20)}
    assert len(pids) == 1
    assert os.getpid() not in pids
    fence.close()
    assert not psutil.pid_exists(pids.pop())


def test_rows_have_their_time_each(fenced: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROW_SECONDS", 1.0)
    monkeypatch.setattr(limits, "MORE_ROW_SECONDS", 2.0)
    assert fenced().ask(foreign.misbehave, "rows", rows=8) == "rows"  # 3.2 s, none of them above one


def test_no_long_file_is_written(fenced: Make, tmp_path: Path) -> None:
    assert fenced().ask(foreign.written, str(tmp_path / "long")) == "OSError"


def test_a_starved_process_is_not_taken_for_a_slow_one() -> None:
    assert not limits.late(7.0, 0.5, 5.0)
    assert not limits.late(20.0, 3.0, 5.0), "it computed for less than it may"
    assert limits.late(7.0, 4.8, 5.0)
    assert limits.late(41.0, 0.5, 5.0)


def test_more_text_may_take_more() -> None:
    small, large = Allowance.of(1024, limits.MIB), Allowance.of(1, 64 * limits.MIB)
    assert small.seconds == pytest.approx(11.1, abs=0.1)
    assert small.memory == limits.GIB < large.memory


def test_threads_ask_one_after_the_other() -> None:
    fence = Fence(foreign.thing, place="x")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(fence.ask(foreign.who))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    fence.close()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_what_a_copy_inherits_is_not_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at before it has said a word, as on a busy machine; rows in memory make the original large."""
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(limits, "GIB", 20 << 20)
    fence = ForkedFence(foreign.thing, place="someone/model")
    assert fence.ask(foreign.who) != os.getpid()
    fence.close()
