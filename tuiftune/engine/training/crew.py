"""Several fenced processes that tokenize at once; their answers come in the order of the questions."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from tuiftune.control_group import memory_available
from tuiftune.hardware.host import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tuiftune.fence.process import Asked

T = TypeVar("T")

PROCESS_BYTES = 512 << 20  # of memory that each may come to
LOOK_EVERY = 0.1  # seconds between two looks whether the run is to stop
AHEAD = 2  # questions a process that are asked before their answers are read


@dataclass(frozen=True, slots=True)
class Request:
    """One question: what is sent with it, its number of rows, and the bytes of their text."""

    given: tuple[Any, ...]
    rows: int
    size: int


class Crew:
    """Processes that answer the same questions. To be closed."""

    def __init__(self, members: list[Asked]) -> None:
        self._members = members
        self._idle: SimpleQueue[Asked] = SimpleQueue()
        for one in members:
            self._idle.put(one)

    @property
    def first(self) -> Asked:
        """One of them, while nothing else is asked."""
        return self._members[0]

    def join(self, members: list[Asked]) -> None:
        """Add processes."""
        for one in members:
            self._members.append(one)
            self._idle.put(one)

    def each(
        self, function: Callable[..., T], requests: Iterable[Request], check: Callable[[], None]
    ) -> Iterator[T]:
        """The answer to each request, in order. `check` may raise to stop.

        UserError for the first rows, in their order, that the program is beyond its limits at.
        """
        count = len(self._members)
        pool = ThreadPoolExecutor(count)
        pending: deque[Future[T]] = deque()
        try:
            for request in requests:
                pending.append(pool.submit(self._ask, function, request))
                if len(pending) > AHEAD * count:
                    yield _answer(pending.popleft(), check)
            while pending:
                yield _answer(pending.popleft(), check)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """End the processes."""
        for one in self._members:
            one.close()

    def _ask(self, function: Callable[..., T], request: Request) -> T:
        member = self._idle.get()
        try:
            return member.ask(function, *request.given, rows=request.rows, size=request.size)
        finally:
            self._idle.put(member)


def _answer(future: Future[T], check: Callable[[], None]) -> T:
    while not future.done():
        check()
        wait([future], LOOK_EVERY)
    check()
    return future.result()


def processes() -> int:
    """How many processes tokenize: one a core that may be used, as far as the free memory allows."""
    return max(1, min(cores(), memory_available() // 2 // PROCESS_BYTES))
