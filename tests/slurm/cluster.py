"""A real Slurm of two nodes on this machine, for a test: its own munge, controller and daemons."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={place}/munge.sock
SlurmctldPort={port}
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool/%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/log/controller.log
SlurmdLogFile={place}/log/node-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=1
JobRequeue=1
MinJobAge=300
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
OverTimeLimit=0
KillWait=30
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=2 RealMemory=2000 {gres}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4 GraceTime=60
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why a cluster can't be set up here; "" where it can."""
    lacking = [
        name for name in PROGRAMS if shutil.which(name) is None and not shutil.which(f"/usr/sbin/{name}")
    ]
    if lacking:
        return f"{', '.join(lacking)} not installed: apt install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "needs root"


class Cluster:
    """Daemons under `place`; `environment` makes Slurm's commands ask them.

    With `gpus`, each node has so many that are plain files, and submissions go through `cli_filter.lua`.
    """

    def __init__(self, place: Path, gpus: int = 0) -> None:
        self.place = place
        for name in ("state", "spool/n1", "spool/n2", "log"):
            (place / name).mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = {"host": socket.gethostname().split(".")[0], "place": place, "port": port}
        gres = f"Gres=gpu:{gpus}" if gpus else ""
        configuration = CONFIGURATION.format(**words, first=port + 1, last=port + 2, gres=gres)
        if gpus:
            configuration += "GresTypes=gpu\nCliFilterPlugins=cli_filter/lua\n"
            devices = [place / f"gpu{number}" for number in range(gpus)]
            for device in devices:
                device.touch()
            lines = [f"NodeName=n[1-2] Name=gpu File={device}\n" for device in devices]
            (place / "gres.conf").write_text("".join(lines))
        (place / "slurm.conf").write_text(configuration)
        key = place / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        place.chmod(0o755)
        self.environment = {"SLURM_CONF": str(place / "slurm.conf")}
        self._daemons = [
            self._start(
                "munged", "--foreground", f"--key-file={key}", f"--socket={place}/munge.sock",
                f"--pid-file={place}/munged.pid", f"--log-file={place}/log/munged.log",
                f"--seed-file={place}/munged.seed", "--force",
            )
        ]  # fmt: skip
        self._wait(lambda: (place / "munge.sock").exists(), "munged")
        self._daemons.append(self._start("slurmctld", "-D"))
        self._daemons += [self._start("slurmd", "-D", "-N", name) for name in ("n1", "n2")]
        self._wait(lambda: self.ask("sinfo", "-h", "-o", "%t").split().count("idle") > 0, "two idle nodes")

    def ask(self, *words: str) -> str:
        environment = os.environ | self.environment
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False).stdout

    def close(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def _start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        path = shutil.which(name) or f"/usr/sbin/{name}"
        with (self.place / f"log/{name}.out").open("ab") as log:
            return subprocess.Popen(
                [path, *options],
                env=os.environ | self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, condition: object, what: str) -> None:
        assert callable(condition)
        until = time.monotonic() + 60
        while not condition():
            logs = "\n".join(file.read_text()[-2000:] for file in sorted((self.place / "log").glob("*")))
            assert time.monotonic() < until, f"no {what} within 60 s:\n{logs}"
            time.sleep(0.2)
