"""Following a run: plain lines, a bar where there is a terminal, and what Ctrl-C does."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.stop_signal import Asked
from tuiftune.cli.terminal import say, unicode
from tuiftune.errors import ExitCode
from tuiftune.jobs import backend, supervisor
from tuiftune.jobs.backends import local
from tuiftune.runs.health.notices import Notices
from tuiftune.runs.state import postmortem
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.narrate import Narrator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.cli.progress import Bar
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25
ENDS_WITHIN = 60.0  # an engine whose directory is gone
CHECK_SECONDS = 1.0  # between two looks at the process


def train_and_follow(run: RunDir, *, detach: bool = False, force: bool = False) -> int:
    """Launch the engine and follow it to its end. Returns the exit code; 0 when detached."""
    follower = Follower(run)
    follower.refresh()  # what a predecessor wrote isn't told again
    pid = backend.train(run, force=force)
    if detach:
        say(f"running in the background (process {pid}); `tuiftune watch {run.name}` shows it")
        return int(ExitCode.DONE)
    return Following(run, follower, pid, Asked(interactive=interactive())).to_end()


def keep_alive(
    run: RunDir,
    *,
    force: bool = False,
    pauses: tuple[float, ...] = supervisor.PAUSES,
    start: Callable[[], int] | None = None,
) -> int:
    """Follow a run through as many engines as it takes (`--keep-alive`). Returns the last one's exit code."""
    asked = Asked(interactive=interactive())
    follower = Follower(run)
    follower.refresh()  # what a predecessor wrote isn't told again

    def follow(pid: int) -> supervisor.Followed:
        following = Following(run, follower, pid, asked)
        code = following.to_end()
        return supervisor.Followed(code, following.left or following.asked_to_stop)

    return supervisor.supervise(
        run,
        follow,
        say=say,
        asked_to_end=lambda: asked.to_end,
        start=start or partial(backend.train, run, force=force),
        pauses=pauses,
    )


def interactive() -> bool:
    """Whether a person can be asked what Ctrl-C means."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Following:
    """One person, or one script, waiting for a run. The run doesn't depend on it."""

    def __init__(self, run: RunDir, follower: Follower, pid: int, asked: Asked) -> None:
        self.run, self.pid = run, pid
        self._follower, self._asked = follower, asked
        self._bar: Bar | None = None
        self.asked_to_stop = False
        self.left = False  # the person went away; the run didn't end
        self._silence_told = False

    def to_end(self) -> int:
        """Tell the run until it ends or is left alone. Returns the exit code."""
        self._bar = _bar()
        self._narrator = Narrator(steps=self._bar is None)
        self._notices = Notices(self.run.planned())
        try:
            while not self._ended():
                if self._asked.to_end and not self.asked_to_stop:
                    self._stop()
        except _Detached:
            self._close_bar()
            self.left = True
            name = self.run.name
            say(f"left running; `tuiftune watch {name}` shows it, `tuiftune stop {name}` ends it")
            return int(ExitCode.DONE)
        finally:
            self._close_bar()
        return self._verdict()

    def _ended(self) -> bool:
        """Tell what is new for a while; whether the run has ended."""
        try:
            until = time.monotonic() + CHECK_SECONDS
            while True:
                ended = self._tell()
                if ended or time.monotonic() >= until:
                    break
                time.sleep(POLL_SECONDS)
            local.returned(self.pid)
            seen = self._follower.vitals()
            if seen.running:
                self._mention_silence(seen)
                return False
            self._tell()
            return True
        except KeyboardInterrupt:
            self._interrupted()
            return False

    def _tell(self) -> bool:
        """Tell what is new; whether the engine said that this is the end."""
        ended = False
        for event in self._follower.each():
            ended = event["type"] == "end"
            line = self._narrator.tell(event, self._follower.state)
            for told in ([line] if line else []) + self._notices.tell(event, self._follower.state):
                self._bar.say(told) if self._bar else say(told)
        if self._bar:
            self._bar.show(self._follower.state)
        return ended

    def _mention_silence(self, seen: Vitals) -> None:
        """A running engine always beats: one that doesn't is stuck, and that is said once."""
        if seen.silent and not self._silence_told:
            silent = f"no sign of life for {seen.silent_for or 0:.0f} s"
            say(f"{silent}; `tuiftune logs {self.run.name}` may tell why")
        self._silence_told = seen.silent

    def _interrupted(self) -> None:
        """Ctrl-C at a terminal: a question. A second one, or no answer, leaves the run alone."""
        self._close_bar()
        sys.stderr.write("\n")
        say("the run goes on whatever you do here:")
        say("  d  detach: leave it running    s  stop: save a checkpoint and end    c  continue watching")
        while True:
            try:
                sys.stderr.write("d, s or c? ")
                sys.stderr.flush()
                answer = sys.stdin.readline()
            except KeyboardInterrupt:
                raise _Detached from None
            choice = answer.strip().lower()[:1]
            if not answer or choice == "d":
                raise _Detached
            if choice == "s":
                self._stop()
                break
            if choice == "c":
                break
        self._bar = _bar()

    def _stop(self) -> None:
        self.asked_to_stop = True
        backend.stop(self.run, "the command that follows it")
        say("asked to stop: it saves a checkpoint at the end of this step")

    def _close_bar(self) -> None:
        if self._bar:
            self._bar.close()
            self._bar = None

    def _verdict(self) -> int:
        vitals = self._follower.vitals()
        if vitals.state == "died":
            say(f"tuiftune: {self.run.name}: the engine died: {died_of(self.run, self.pid)}")
            say(f"its log: {self.run.log_path}; `tuiftune resume {self.run.name}` goes on from a checkpoint")
            return int(ExitCode.FAILED)
        if vitals.state == "gone":
            say(f"tuiftune: {self.run.name}: {vitals.why}")
            return self._last_code()
        return int(ExitCode.FAILED) if vitals.exit_code is None else vitals.exit_code

    def _last_code(self) -> int:
        """What the engine ends with whose directory is gone; 1 where it isn't ours, or doesn't end."""
        until = time.monotonic() + ENDS_WITHIN
        while (code := local.returned(self.pid)) is None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return code if code is not None and code > 0 else int(ExitCode.FAILED)


def died_of(run: RunDir, pid: int) -> str:
    """Why the engine ended without a word, as far as can be told."""
    return postmortem.cause(run, local.returned(pid))


def closing(run: RunDir) -> list[str]:
    """Return what the run came to: scores, where the result is, at last whether it beats its base."""
    from tuiftune.data.similar.twins import leakage_told
    from tuiftune.figures import percent
    from tuiftune.runs.reports.verdict import of
    from tuiftune.runs.state.narrate import figure
    from tuiftune.runs.state.readings import number, part
    from tuiftune.runs.state.summary import summarise

    result = run.result() or {}
    seen, after = summarise(run), part(result, "after")
    to = "→" if unicode(sys.stderr) else "->"
    lines = []
    if seen.loss_after is not None:
        lines.append(f"held-out loss {figure(seen.loss_before)} {to} {figure(seen.loss_after)}")
    if seen.match_after is not None:
        lines.append(f"answers exactly right {percent(seen.match_before)} {to} {percent(seen.match_after)}")
    elif number(after, "rows"):  # a stage without reference answers: what was written is not compared
        was, now = (figure(number(score, "perplexity")) for score in (part(result, "before"), after))
        lines.append(f"perplexity {was} {to} {now}")
    if lines and (known := leakage_told(part(after, "leakage"))):
        lines.append(known)
    if paths.exists(run.result_path / "model"):
        lines.append(f"the tuned model is in {run.result_path / 'model'}")
        lines.append(f"`tuiftune report {run.name}` tells the whole story")
    verdict = of(result)
    if verdict is not None and verdict.says:
        lines.append(f"{verdict.says} {verdict.fix}".strip())
    return lines


def _bar() -> Bar | None:
    """A bar where standard error is a terminal that can redraw a line."""
    import os

    if not sys.stderr.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        return None

    from tuiftune.cli.progress import Bar

    return Bar()


class _Detached(Exception):  # noqa: N818 - not an error
    """The person left; the run goes on."""
