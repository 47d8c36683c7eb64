"""The line to a machine: commands by the system's `ssh`, files by the system's `rsync`.

Both read the user's configuration, agent and known hosts. BatchMode lets neither wait at a prompt. One
connection is shared (ControlMaster), so that a look at the run does not log in again. TUIFTUNE_SSH replaces
the command, as GIT_SSH_COMMAND does for git.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeVar

from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.rented import faults
from tuiftune.jobs.rented.faults import LineLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.jobs.rented.address import Address

    Watch = Callable[[str, float | None], None]

Answer = TypeVar("Answer")
VARIABLE = "TUIFTUNE_SSH"
SSH_FAILED = 255
MARK = b"--tuiftune--\n"  # what a login shell prints by itself comes before it
SILENT_SECONDS = 10  # after so long ssh asks whether the machine is there, three times
CONNECT_SECONDS = 15
KEPT_SECONDS = 60  # an idle shared connection is closed
ASK_SECONDS = 120.0
DROPPED = (10, 12, 30, 35)  # rsync's exit codes for a connection that broke or fell silent
VANISHED = 24  # a file was gone before it was copied: rotated meanwhile
LONGEST_SOCKET = 60  # characters of its directory: a socket's path has at most 104
PROGRESS = re.compile(rb"\s(\d{1,3})%\s+(\S+/s)")


def check() -> None:
    """Raise UserError if this machine has no ssh or rsync."""
    for program in (_words()[0], "rsync"):
        if shutil.which(program) is None:
            package = "rsync" if program == "rsync" else "openssh-client"
            raise UserError(
                f"{program} is not installed on this machine",
                place="--on ssh",
                remedy=f"install it: apt-get install {package}",
            )


@dataclass(frozen=True, slots=True)
class Line:
    """Commands and copies to and from one machine. Holds no state: ssh keeps the connection."""

    address: Address

    def ask(self, script: str, *, doing: str = "a command there", within: float = ASK_SECONDS) -> bytes:
        """Return what a shell script there writes to its output.

        Raises:
            LineLostError: if the machine cannot be reached or takes longer than `within` seconds.
            UserError: if it refuses the login, or the script fails.
        """
        with tempfile.TemporaryFile() as told:  # a pipe would be held open by the shared connection
            try:
                done = subprocess.run(
                    self.command(script),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=told,
                    timeout=within,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise self._silent(within) from None
            said = _text(told)
        if done.returncode == SSH_FAILED:
            raise faults.of_ssh(said, self.address)
        if done.returncode != 0:
            raise faults.of_command(said, done.returncode, self.address, doing)
        return done.stdout.partition(MARK)[2]

    def open(self, script: str, told: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a script there whose output is read as it comes, after a `MARK` line."""
        return subprocess.Popen(
            self.command(script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=told,
            start_new_session=True,
        )

    def push(
        self, sources: Sequence[str], to: str, *, doing: str, watch: Watch, relative: bool = True
    ) -> None:
        """Copy files and directories into the directory `to` there; with `relative` under their whole paths.

        What is there already is told by its checksum; an interrupted file continues. See `_copy` for errors.
        """
        if sources:
            ways = ("-L", "-R", "--no-implied-dirs") if relative else ("-L",)
            self._copy([*ways, "--", *sources, f"{self.address.target}:{to}/"], doing, watch, checksum=True)

    def pull(self, source: str, to: str, *options: str, doing: str, watch: Watch | None = None) -> None:
        """Copy the content of the directory `source` there into the directory `to` here. Errors: `_copy`."""
        self._copy(
            ["-l", *options, "--", f"{self.address.target}:{source}/", f"{to}/"], doing, watch or _silent
        )

    def command(self, script: str) -> list[str]:
        """Return the command line that runs a shell script there, its output after a `MARK` line."""
        marked = f"printf '%s\\n' {MARK.decode().strip()}\n{script}"
        return [*_ssh(self.address), self.address.target, f"exec sh -c {shlex.quote(marked)}"]

    def _copy(self, words: Sequence[str], doing: str, watch: Watch, *, checksum: bool = False) -> None:
        """Run rsync.

        Raises:
            LineLostError: if the connection fails or breaks.
            UserError: for a full disk (exit code 7), a refused login, or what else rsync could not copy.
        """
        options = ["-rt", "--partial-dir=.rsync-partial", f"--timeout={6 * SILENT_SECONDS}"]
        options += ["--checksum"] if checksum else []
        options += ["--info=progress2"] if _shows_progress() else []
        with tempfile.TemporaryFile() as told:
            process = subprocess.Popen(
                ["rsync", *options, "-e", shlex.join(_ssh(self.address)), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
            )
            assert process.stdout is not None
            try:
                while piece := os.read(process.stdout.fileno(), 4096):
                    if seen := PROGRESS.findall(piece):
                        watch(f"{doing} ({seen[-1][1].decode()})", int(seen[-1][0]) / 100)
                code = process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                process.stdout.close()
            said = _text(told)
        if code in (0, VANISHED):
            return
        if code == SSH_FAILED:
            raise faults.of_ssh(said, self.address)
        if "is your shell clean" in said:
            raise UserError(
                "its login shell prints text where rsync expects none",
                place=str(self.address),
                remedy="let its .bashrc print only in interactive shells",
            )
        if "No space left" not in said and code in DROPPED:
            why = faults.last_line(said)
            raise LineLostError(
                f"the connection broke while {doing}" + (f" ({why})" if why else ""),
                place=str(self.address),
                exit_code=ExitCode.FAILED,
            )
        raise faults.of_command(said, code, self.address, doing, to_here=not checksum)

    def _silent(self, seconds: float) -> LineLostError:
        return LineLostError(
            f"has not answered for {seconds:g} s", place=str(self.address), exit_code=ExitCode.FAILED
        )


def patiently(
    work: Callable[[], Answer], patience: float, tell: Callable[[str], None], first: float = 1.0
) -> Answer:
    """Do `work`, again with growing waits while the line is lost: for `patience` seconds, then it raises."""
    since: float | None = None
    wait = first
    while True:
        try:
            return work()
        except LineLostError as fault:
            now = time.monotonic()
            since = now if since is None else since
            if now - since >= patience:
                raise
            tell(f"{fault}. Next attempt in {wait:g} s")
            time.sleep(wait)
            wait = min(30.0, 2 * wait)


def _words() -> list[str]:
    try:
        return shlex.split(os.environ.get(VARIABLE) or "ssh") or ["ssh"]
    except ValueError as fault:
        raise UserError(
            f"is not a command ({fault})", place=VARIABLE, remedy='write it like "ssh -i KEY"'
        ) from None


def _ssh(address: Address) -> list[str]:
    words = _words()
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": CONNECT_SECONDS,
        "ServerAliveInterval": SILENT_SECONDS,
        "ServerAliveCountMax": 3,
        "LogLevel": "ERROR",
    }
    if (sockets := _sockets()) is not None:
        digest = hashlib.sha256(shlex.join(words).encode()).hexdigest()[:8]
        options |= {
            "ControlMaster": "auto",
            "ControlPath": f"{sockets}/{digest}-%C",
            "ControlPersist": KEPT_SECONDS,
        }
    port = [] if address.port is None else ["-p", str(address.port)]
    return [*words, "-T", *(f"-o{name}={value}" for name, value in options.items()), *port]


def _sockets() -> str | None:
    """Return the directory of shared connections, which only this user may enter; None if there is none."""
    place = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", f"tuiftune-ssh-{os.getuid()}")
    if len(place) > LONGEST_SOCKET:
        return None
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        seen = os.lstat(place)
    except OSError:
        return None
    own = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not stat.S_IMODE(seen.st_mode) & 0o077
    return place if own else None


def _shows_progress() -> bool:
    """Whether this machine's rsync knows --info; the one of macOS does not."""
    try:
        told = subprocess.run(["rsync", "--version"], capture_output=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(rb"rsync\s+version\s+(\d+)\.(\d+)", told)
    return version is not None and (int(version[1]), int(version[2])) >= (3, 1)


def _text(told: IO[bytes]) -> str:
    told.seek(0)
    return told.read().decode("utf-8", "replace")


def _silent(what: str, done: float | None) -> None:
    del what, done
