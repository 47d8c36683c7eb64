"""The SkyPilot backend: a managed job on a rented machine, whose run is followed through its bucket."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.jobs import copies
from tuiftune.jobs.backends.local import note_killed
from tuiftune.jobs.cloud import program, record
from tuiftune.jobs.mirrored import Mirrored
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import control, elsewhere
from tuiftune.runs.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    from tuiftune.engine_call import Job
    from tuiftune.runs.store.directory import RunDir


class Sky(Mirrored):
    """A process of this machine follows the run; every view of it reads its directory here."""

    module = "tuiftune.jobs.cloud.mirror"

    def submit(self, job: Job, run: RunDir) -> int:
        del job  # the task's own commands continue what its bucket has
        kept = record.of(run)
        known = program.state(kept.job)
        if known is not None and not known.over:
            raise UserError(
                f"the run is job {known.job} of SkyPilot already",
                place=run.name,
                remedy=f"watch it: `tuiftune watch {run.name}`",
            )
        copies.withdraw_stop(kept.copy)
        program.launch("sky.yaml", record.task_directory(run), kept.job, kept.secrets)
        return self.take_over(run)

    def take_over(self, run: RunDir) -> int:
        """Follow a run that was submitted just now. Returns the process that does so."""
        control.clear(run)
        size = paths.size(run.events_path)
        elsewhere.keep(run, Elsewhere(record.of(run).job, "starting", time.time(), log_size=size))
        return self.follow(run)

    def attend(self, run: RunDir, *, again: bool = False, wait: bool = True) -> None:
        """Keep the run's directory up to date while its job lasts: what the bucket has, once a minute."""
        del wait
        seen = vitals(run)
        if (seen.running or (again and seen.state not in ("done", "new"))) and not self.followed(run):
            self.follow(run)

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        if not vitals(run).running:
            return False
        if not kill:
            control.request_stop(run, by)  # passed on by the process that follows the run
            self.status(run)
            return True
        known = program.state(record.of(run).job)
        if known is not None and not known.over:
            program.cancel(known.job)
        note_killed(run, by)
        return True

    def returned(self, job: int) -> int | None:
        """The process there is none of ours; the run's log has its exit code."""
        del job
        return None


BACKEND = Sky()


def offered() -> list[str]:
    """Return the values of `--on` for this machine: what the plan needs, if SkyPilot is here."""
    return ["sky"] if shutil.which(program.SKY) is not None else []
