"""A fence around what is made in a copy of this process: no library is imported again, and no row is sent."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from tuiftune.fence import limits, worker
from tuiftune.fence.process import Fence

if TYPE_CHECKING:
    from typing import NoReturn

    from tuiftune.fence.marks import Marks

PR_SET_PDEATHSIG = 1
PIPE_BYTES = 1 << 20  # what Linux lets any user ask for
OURS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ENDED_WRONG = 70


class ForkedFence(Fence):
    """To be made by the main thread, before this process has used its tokenizer or a GPU: a copy has neither
    the threads of the former nor the context of the latter. `make` may be a closure.
    """

    def _start(self, first: Any) -> _Forked:
        return _Forked(self._marks, self._said, first)

    def _inherited(self) -> int:
        """A copy has all that this process has: rows in memory, and libraries."""
        now = limits.usage(os.getpid())
        return now.resident if now else 0


class _Forked:
    def __init__(self, marks: Marks, said: IO[bytes], first: Any) -> None:
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        for pipe in (requests, answers):
            _widen(pipe)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(requests, answers, marks, said.fileno(), first)
        os.close(requests)
        os.close(answers)

    def ended(self) -> int:
        """The exit code of a process whose last word has been read."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def kill(self) -> None:
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)  # not reaped: the process id is still its own
            self.ended()
        os.close(self.requests)
        os.close(self.answers)


def _widen(pipe: int) -> None:
    """Let a pipe hold what is usually written at once: else each 64 KiB wait until they are read."""
    with suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _become(requests: int, answers: int, marks: Marks, said: int, first: Any) -> NoReturn:
    """The copy: it keeps none of the files of the original, and leaves stopping to it."""
    code = ENDED_WRONG
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in OURS:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream, target in ((0, nothing), (1, nothing), (2, said)):
            os.dup2(target, stream)
        _close_all_but({requests, answers, marks.descriptor})
        worker.serve(requests, answers, marks, first)
        code = 0
    except (EOFError, BrokenPipeError):  # nobody asks any more
        code = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    """Every file from 3 on; one call of the kernel for each gap."""
    begin = 3
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        if begin < descriptor:  # of an empty range Python 3.11 would close everything
            os.closerange(begin, descriptor)
        begin = descriptor + 1
