"""What a machine gets before it can train: an environment of ours, unless one is named, and our own code."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.rented import line as lines
from tuiftune.jobs.rented import record, step, wheel
from tuiftune.jobs.rented.faults import LineLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.jobs.rented.line import Line, Watch
    from tuiftune.jobs.rented.machine import Machine

NEEDED = ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "polars", "typer")
UNPACK = r"""
cd PLACE/app || exit 1
[ -d CODE ] || { rm -rf CODE.$$ && PYTHON -m zipfile -e WHEEL CODE.$$ && mv CODE.$$ CODE || [ -d CODE ]; }
"""


@dataclass(frozen=True, slots=True)
class Equipped:
    """How tuiftune is called there: an interpreter, and the directory with its code."""

    python: str
    code: str

    def command(self, *words: str) -> str:
        """Return the shell command that calls it."""
        return record.command(self.python, self.code, *words)


def equip(
    line: Line,
    machine: Machine,
    python: str | None,
    say: Callable[[str], None],
    watch: Watch,
    *,
    patience: float,
) -> Equipped:
    """Send this installation's wheel, and install what it needs.

    Code of other versions there stays, so that runs of theirs go on. The environment is made by
    `docs/install.sh`, for the machine's driver; `python` is an interpreter that has all packages already.

    Raises:
        UserError: if the machine's disk is full, a package cannot be installed, or `python` lacks one.
    """
    with tempfile.TemporaryDirectory(prefix="tuiftune-wheel-") as made:
        built = wheel.build(Path(made))
        app = f"{machine.place}/app"
        there = f"{app}/{built.digest}-wheel"
        line.ask(f"mkdir -p {shlex.quote(there)}", doing="making its directory")
        send = [str(built.path), str(wheel.install_script())]

        def push() -> None:
            line.push(send, there, doing="sending tuiftune", watch=watch, relative=False)

        lines.patiently(push, patience, say)
    file = f"{there}/{built.path.name}"
    if python is None:
        python = f"{machine.place}/env/bin/python"
        _install(line, machine, there, file, built.needs, say, patience)
    script = UNPACK.replace("PLACE", shlex.quote(machine.place)).replace("CODE", built.digest)
    script = script.replace("PYTHON", shlex.quote(python)).replace("WHEEL", shlex.quote(file))
    line.ask(script, doing="unpacking tuiftune")
    equipped = Equipped(python, f"{app}/{built.digest}")
    _try(line, equipped)
    return equipped


def _install(
    line: Line,
    machine: Machine,
    there: str,
    file: str,
    needs: str,
    say: Callable[[str], None],
    patience: float,
) -> None:
    """Make the environment, unless it was made for the same requirements."""
    env = f"{machine.place}/env"
    done = shlex.quote(f"{env}/.tuiftune-{needs}")
    if line.ask(f"[ -e {done} ] && echo made || true").strip() == b"made":
        return
    say(f"{machine.host}: installing PyTorch and the other packages in {env}")
    words = ["sh", f"{there}/{wheel.INSTALL}", "--into", env, "--from", file, "--no-prove"]
    last = [""]

    def tell(text: str) -> None:
        last[0] = text
        say(f"{machine.host}: {text}")

    code = step.carry_out(
        line,
        machine.place,
        f"{shlex.join(words)} >&2 && : >{done}",
        tell,
        patience=patience,
        doing="installing",
    )
    if code:
        known = code in {int(one) for one in ExitCode}
        raise UserError(
            f"installing failed: {last[0].removeprefix('error: ')}",
            place=str(line.address),
            exit_code=ExitCode(code) if known else ExitCode.FAILED,
        )


def _try(line: Line, equipped: Equipped) -> None:
    """Raise UserError with the name of a package that is missing, before anything is copied."""
    find = (
        "import importlib.util as u, sys; lacks = [n for n in sys.argv[1:] if not u.find_spec(n)]; "
        "sys.exit(f'it lacks {chr(44).join(lacks)}' if lacks else 0)"
    )
    try:
        line.ask(shlex.join([equipped.python, "-c", find, *NEEDED]), doing="looking for packages")
        line.ask(equipped.command("--version"), doing="starting tuiftune there")
    except LineLostError:
        raise
    except UserError as fault:
        raise UserError(
            f"{equipped.python} cannot run tuiftune: {fault.message}",
            place=str(line.address),
            remedy="name an interpreter with its packages (--remote-python), or leave it out to install them",
        ) from None
