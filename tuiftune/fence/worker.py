"""The fenced process: makes one thing (a tokenizer with its template), and answers questions about it.

`python -m tuiftune.fence.worker MARKS` reads requests from standard input and answers on standard output.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.fence import limits, marks, wire
from tuiftune.fence.marks import Marks, Stage
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 200  # characters of what a program complains of


def serve(requests: int, answers: int, shared: Marks, first: Any = None) -> None:
    """Answer until nobody asks any more: first how the thing was made, then each question. `first` says how
    to make it, where it isn't the first request.
    """
    marks.own(shared)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits.hold_files()
    make, arguments, allowed = first or wire.receive(requests)  # imports what it needs
    gc.freeze()
    wire.send(answers, ("imported", None))
    limits.hold_memory(allowed.memory)
    made: list[Any] = []

    def making() -> None:
        made.append(make(*arguments))

    marks.at(Stage.READING, 0)
    _answer(answers, making, (), allowed)
    while made:
        try:
            function, given, allowed = wire.receive(requests)
        except EOFError:
            return
        marks.at(Stage.TOKENIZER, 0)
        _answer(answers, function, (made[0], *given), allowed)


def _answer(answers: int, function: Callable[..., Any], given: tuple[Any, ...], allowed: Any) -> None:
    limits.hold_time(allowed.seconds)
    try:
        answer = ("done", function(*given))
    except UserError as fault:
        answer = ("refused", (fault.message, fault.place, fault.remedy, fault.exit_code))
    except MemoryError:
        answer = ("memory", None)
    except RecursionError:
        answer = ("failed", "it calls itself, or is nested, too deeply")
    except BaseException as fault:  # a panic in Rust is no Exception
        answer = ("failed", _first_line(fault))
    wire.send(answers, answer)


def _first_line(fault: BaseException) -> str:
    lines = str(fault).strip().splitlines()
    said = printable(lines[0])[:LONGEST] if lines else ""
    return f"{said} ({type(fault).__name__})" if said else type(fault).__name__


def main() -> None:
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    try:
        serve(requests, answers, Marks(int(sys.argv[1])))
    except (EOFError, BrokenPipeError):  # nobody asks any more
        return


if __name__ == "__main__":
    main()
