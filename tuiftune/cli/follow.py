"""Following a run from the command line: plain lines or a progress bar, and the Ctrl-C menu."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.stop_signal import Asked
from tuiftune.cli.terminal import quiet, say, unicode
from tuiftune.errors import ExitCode
from tuiftune.jobs import backend, supervisor
from tuiftune.runs.health.notices import Notices
from tuiftune.runs.state import postmortem
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import status
from tuiftune.runs.state.narrate import Narrator
from tuiftune.runs.store.companions import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.cli.progress import Bar
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25
ENDS_WITHIN = 60.0  # seconds to wait for an engine whose directory was deleted
CHECK_SECONDS = 1.0  # between two checks of the process


def train_and_follow(run: RunDir, *, detach: bool = False, force: bool = False, on: str | None = None) -> int:
    """Start the engine and follow it to its end. Returns the exit code; 0 if detached.

    `on`: the backend that a new run is submitted to.
    """
    follower = Follower(run)
    follower.refresh()  # events of an earlier process are not printed again
    if on is None:
        pid = backend.train(run, force=force)
    else:
        from tuiftune.jobs.starting import submit

        pid = submit(run, on)
    if detach:
        what = f"Submitted to {on} (job {pid})" if on else f"Running in the background (process {pid})"
        say(f"{what}. Watch it: `tuiftune watch {run.name}`")
        return int(ExitCode.DONE)
    return Following(run, follower, pid, Asked(interactive=interactive())).to_end()


def keep_alive(
    run: RunDir,
    *,
    force: bool = False,
    pauses: tuple[float, ...] = supervisor.PAUSES,
    start: Callable[[], int] | None = None,
) -> int:
    """Follow a run and restart its engine as often as needed (`--keep-alive`). Returns the last exit code."""
    asked = Asked(interactive=interactive())
    follower = Follower(run)
    follower.refresh()  # events of an earlier process are not printed again

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


def follow_elsewhere(run: RunDir, follower: Follower, pid: int, *, detached: str, json: bool) -> int:
    """Follow a run that another machine trains to its end, and return the exit code.

    With words for one who is `detached`, only say them. `json`: its state as a document after that.
    """
    code = 0
    if detached:
        say(detached)
    else:
        code = Following(run, follower, pid, Asked(interactive=interactive())).to_end()
        if status(run) == "done":
            for line in closing(run):
                say(line)
    if json:
        from tuiftune.cli.status import standing
        from tuiftune.cli.terminal import write_json

        write_json(standing(run), "train")
    return code


def interactive() -> bool:
    """Return True if a person can be asked what Ctrl-C should do."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Following:
    """A command that follows a run. The run continues without it."""

    def __init__(self, run: RunDir, follower: Follower, pid: int, asked: Asked) -> None:
        self.run, self.pid = run, pid
        self._follower, self._asked = follower, asked
        self._bar: Bar | None = None
        self.asked_to_stop = False
        self.left = False  # detached: the run continues
        self._silence_told = False
        self._companions = Watched(run)
        self._waits = ""
        self._lost = False

    def to_end(self) -> int:
        """Print the run's progress until it ends or is detached. Returns the exit code."""
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
            say(f"Detached; the run continues. Watch: `tuiftune watch {name}`  Stop: `tuiftune stop {name}`")
            return int(ExitCode.DONE)
        finally:
            self._close_bar()
        return self._outcome()

    def _ended(self) -> bool:
        """Print what is new for `CHECK_SECONDS`. Returns True if the run has ended."""
        try:
            until = time.monotonic() + CHECK_SECONDS
            while True:
                ended = self._tell()
                if ended or time.monotonic() >= until:
                    break
                time.sleep(POLL_SECONDS)
            chosen = backend.of(self.run)
            chosen.returned(self.pid)
            seen = chosen.status(self.run)
            if seen.running or seen.state == "queued":
                self._mention_silence(seen)
                for line in self._companions.look():
                    self._bar.say(line) if self._bar else say(line)
                return False
            self._tell()
            return True
        except KeyboardInterrupt:
            self._interrupted()
            return False

    def _tell(self) -> bool:
        """Print what is new. Returns True if the engine logged its end."""
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
        """Report once that the heartbeat of a running engine has stopped."""
        if seen.state == "queued" and seen.why != self._waits:
            say(f"Waiting: {seen.why}")
        if seen.line_lost and seen.why != self._waits:
            say(seen.why)
        elif self._lost and not seen.line_lost:
            say("Connected again")
        self._waits, self._lost = seen.why, seen.line_lost
        if seen.silent and not self._silence_told:
            silent = f"No heartbeat for {seen.silent_for or 0:.0f} s; training may be stuck."
            say(f"{silent} See `tuiftune logs {self.run.name}`.")
        self._silence_told = seen.silent

    def _interrupted(self) -> None:
        """Ask what Ctrl-C should do. A second Ctrl-C, or no answer, detaches."""
        self._close_bar()
        sys.stderr.write("\n")
        say("The run continues until you stop it:")
        say(
            "  d  detach, keep training    s  stop after this step, save a checkpoint    c  continue watching"
        )
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
        say(backend.effect_of_stop(self._follower.state.step))

    def _close_bar(self) -> None:
        if self._bar:
            self._bar.close()
            self._bar = None

    def _outcome(self) -> int:
        vitals = backend.of(self.run).status(self.run)
        if vitals.state == "died":
            say(f"error: {self.run.name}: the training process crashed: {died_of(self.run, self.pid)}")
            say(f"Log: {self.run.log_path}. Continue from a checkpoint: `tuiftune resume {self.run.name}`")
            return int(ExitCode.FAILED)
        if vitals.state == "gone":
            say(f"error: {self.run.name}: {vitals.why}")
            return self._last_code()
        return int(ExitCode.FAILED) if vitals.exit_code is None else vitals.exit_code

    def _last_code(self) -> int:
        """Return the exit code of an engine whose directory was deleted; 1 if it is unknown."""
        until = time.monotonic() + ENDS_WITHIN
        while (code := backend.of(self.run).returned(self.pid)) is None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return code if code is not None and code > 0 else int(ExitCode.FAILED)


def died_of(run: RunDir, pid: int) -> str:
    """Return the likely cause of a crash that left no message."""
    return postmortem.cause(run, backend.of(run).returned(pid))


def closing(run: RunDir) -> list[str]:
    """Return lines on the result of a run: scores, its directory, and the comparison with the base model."""
    from tuiftune.data.similar.twins import leakage_told
    from tuiftune.figures import percent
    from tuiftune.runs.reports.scores import measured
    from tuiftune.runs.reports.verdict import of
    from tuiftune.runs.state.narrate import figure
    from tuiftune.runs.state.readings import number, part
    from tuiftune.runs.state.summary import summarize

    result = run.result() or {}
    seen, after = summarize(run), part(result, "after")
    to = "→" if unicode(sys.stderr) else "->"
    lines = []
    if seen.loss_after is not None:
        lines.append(f"eval loss {figure(seen.loss_before)} {to} {figure(seen.loss_after)}")
    if seen.match_after is not None:
        lines.append(f"exact match {percent(seen.match_before)} {to} {percent(seen.match_after)}")
    elif found := measured(part(result, "before"), after):
        lines += [f"{name} {percent(first)} {to} {percent(second)}" for name, first, second in found]
    elif number(after, "rows") and number(after, "perplexity") is not None:  # no reference answers
        was, now = (figure(number(score, "perplexity")) for score in (part(result, "before"), after))
        lines.append(f"perplexity {was} {to} {now}")
    if lines and (known := leakage_told(part(after, "leakage"))):
        lines.append(known)
    if paths.exists(run.result_path / "model"):
        lines.append(f"fine-tuned model: {run.result_path / 'model'}")
        lines.append(f"full report: `tuiftune report {run.name}`")
    verdict = of(result)
    if verdict is not None and verdict.says:
        lines.append(f"{verdict.says} {verdict.fix}".strip())
    return lines


def _bar() -> Bar | None:
    """Return a progress bar if standard error is a terminal that can redraw a line."""
    import os

    if quiet() or not sys.stderr.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        return None

    from tuiftune.cli.progress import Bar

    return Bar()


class _Detached(Exception):  # noqa: N818 - not an error
    """The user detached; the run continues."""
