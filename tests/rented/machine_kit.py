"""A real sshd on this machine for a test: its own host key, authorized key, port and directory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {place}/host_key
PidFile {place}/sshd.pid
AuthorizedKeysFile {place}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
SetEnv HOME={home} XDG_STATE_HOME={home}/state OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 {environment}
"""
CLIENT = """\
Host *
    IdentityFile {place}/key
    IdentitiesOnly yes
    UserKnownHostsFile {place}/known
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking {checking}
"""


def missing() -> str:
    """Why there can be no sshd here; "" where there can."""
    lacking = [name for name in (SSHD, "ssh", "rsync", "ssh-keygen") if shutil.which(name) is None]
    return f"{', '.join(lacking)} not installed: apt install openssh-server rsync" if lacking else ""


class RentedMachine:
    """An sshd whose home is `place`/home; `environment` makes tuiftune's ssh use its key."""

    def __init__(self, place: Path, environment: str = "") -> None:
        self.place, self.home = place, place / "home"
        self.home.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host_key", "key", "other_key"):
            self._key(name)
        (place / "authorized").write_text((place / "key.pub").read_text())
        (place / "sshd.conf").write_text(
            CONFIGURATION.format(port=self.port, place=place, home=self.home, environment=environment)
        )
        self.trust("accept-new")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self._daemon: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def on(self) -> str:
        return f"ssh:127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"TUIFTUNE_SSH": f"ssh -F {self.place}/client.conf", "XDG_RUNTIME_DIR": str(self.place)}

    def trust(self, checking: str) -> None:
        (self.place / "client.conf").write_text(CLIENT.format(place=self.place, checking=checking))

    def start(self) -> None:
        if self._daemon is not None:
            return
        with (self.place / "sshd.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.place / "sshd.conf")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 20
        while True:
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert time.monotonic() < until, (self.place / "sshd.log").read_text()
            time.sleep(0.05)

    def drop(self) -> None:
        """Take the network away: the daemon and every connection end, what was started there does not."""
        if self._daemon is None:
            return
        sessions = subprocess.run(
            ["pgrep", "-P", str(self._daemon.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        self._daemon.kill()
        self._daemon.wait()
        self._daemon = None
        for session in sessions:
            below = subprocess.run(
                ["pgrep", "-P", session], capture_output=True, text=True, check=False
            ).stdout.split()
            for one in (session, *below):
                subprocess.run(["kill", "-9", one], capture_output=True, check=False)

    def end(self, place: str) -> None:
        """End what still trains here, and what follows it from `place`."""
        for words in (f"tuiftune.engine train {self.home}/", f"tuiftune.jobs.rented.mirror {place}/"):
            told = subprocess.run(["pgrep", "-f", words], capture_output=True, text=True, check=False)
            for pid in told.stdout.split():
                subprocess.run(["kill", "-9", pid], capture_output=True, check=False)

    def close(self) -> None:
        self.end(str(self.place))
        self.drop()

    def _key(self, name: str) -> None:
        path = self.place / name
        path.unlink(missing_ok=True)
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    def change_host_key(self) -> None:
        self.drop()
        (self.place / "host_key.pub").unlink()
        self._key("host_key")
        self.start()
