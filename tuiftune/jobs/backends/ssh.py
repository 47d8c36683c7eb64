"""The ssh backend: the engine on a rented machine, whose run is copied here as it grows (`jobs/rented`)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.mirrored import POLL_SECONDS, Mirrored
from tuiftune.jobs.rented import pulling, record, rent
from tuiftune.jobs.rented.line import Line
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import control, elsewhere
from tuiftune.runs.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    from tuiftune.engine_call import Job
    from tuiftune.runs.store.directory import RunDir

CONFIGURATION = "~/.ssh/config"
MOST_HOSTS = 8  # that are offered
HEARS_WITHIN = 20.0  # seconds that a command waits for news


class Ssh(Mirrored):
    """A process of this machine follows the run; every view of it reads its directory here."""

    module = "tuiftune.jobs.rented.mirror"

    def submit(self, job: Job, run: RunDir) -> int:
        rent.resume(run, ("--force",) if "--force" in job.arguments else ())
        return self.take_over(run)

    def take_over(self, run: RunDir) -> int:
        """Follow a run that was started there just now. Returns the process that does so."""
        host, size = str(record.of(run).address), paths.size(run.events_path)
        try:
            control.clear(run)
            elsewhere.keep(run, Elsewhere(host, "starting", time.time(), log_size=size))
            return self.follow(run)
        except OSError as fault:
            raise paths.cannot(fault, run.control_path, "write") from None

    def attend(self, run: RunDir, *, again: bool = False, wait: bool = True) -> None:
        """Bring the run's directory up to date, and keep it so while the run lasts.

        `again`: ask the machine even if the run has ended or the machine was taken for gone. `wait`: return
        only when it has answered, or could not be reached.
        """
        seen = vitals(run)
        if not (seen.running or (again and seen.state != "done")):
            return
        known, before = elsewhere.known(run), time.time()
        if self.followed(run):
            return
        try:
            if known is not None and known.trouble:
                elsewhere.keep(run, replace(known, trouble=""))
            follower = self.follow(run)
        except OSError:  # a directory that only another user may write
            return
        until = time.monotonic() + (HEARS_WITHIN if wait else 0.0)
        while time.monotonic() < until and self.returned(follower) is None:
            known = elsewhere.known(run)
            if known is not None and (known.heard > before or known.trouble):
                break
            time.sleep(POLL_SECONDS / 5)

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        if not vitals(run).running:
            return False
        if kill:
            kept = record.of(run)
            code, said = pulling.call(Line(kept.address), kept, "stop", kept.run, "--kill")
            if code:
                raise UserError(said.removeprefix("error: "), place=run.name, exit_code=ExitCode.FAILED)
        else:
            control.request_stop(run, by)  # passed on by the process that follows the run
        self.status(run)
        return True


BACKEND = Ssh()


def offered() -> list[str]:
    """Return the values of `--on` for this machine: the hosts that the user's ssh configuration names."""
    try:
        lines = documents.read_text(paths.given(CONFIGURATION)).splitlines()
    except UserError:
        return []
    words = [line.split() for line in lines]
    hosts = [host for each in words if each[:1] and each[0].lower() == "host" for host in each[1:]]
    return [f"ssh:{host}" for host in hosts if not set(host) & set("*?!")][:MOST_HOSTS]
