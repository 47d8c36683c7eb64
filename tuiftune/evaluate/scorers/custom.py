"""A metric of the user's own: a Python file or a command, run as a process that may fail or hang."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import tempfile
from typing import TYPE_CHECKING

from tuiftune import documents, interpreter, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part

FIRST_SECONDS = 60.0  # for its imports
ROW_SECONDS = 5.0
LONGEST = 200  # characters of what it said last
REMEDY = "test it with one row: it reads a JSON line with answer, reference and prompt, and prints a number"


def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return the number that the metric gives each row, None for a row it answers `null`.

    Raises:
        UserError: if the metric cannot be started, fails, hangs, or prints something else than numbers.
    """
    place = f"--metric custom={printable(argument)}"
    asked = "".join(
        json.dumps({"answer": one.answer, "reference": one.reference, "prompt": one.prompt, "row": one.row})
        + "\n"
        for one in pairs
    )
    within = FIRST_SECONDS + ROW_SECONDS * len(pairs)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(asked.encode())
        given.seek(0)
        try:
            done = subprocess.run(
                _command(argument),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=said,
                timeout=within,
                check=False,
                env=interpreter.environment(),
            )
        except subprocess.TimeoutExpired:
            message = f"took more than {within:.0f} s for {len(pairs)} rows and was stopped"
            raise UserError(message, place=place, remedy="make it faster, or use fewer --rows") from None
        except OSError as fault:
            raise UserError(
                f"cannot be started ({fault.strerror})", place=place, remedy="name a .py file or a command"
            ) from None
        said.seek(0)
        last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:] or [
            f"exit code {done.returncode}, without a message"
        ]
    if done.returncode != 0:
        why = printable(without_secrets(last[0]))[:LONGEST]
        raise UserError(f"failed: {why}", place=place, remedy=REMEDY, exit_code=ExitCode.FAILED)
    lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    if len(lines) != len(pairs):
        raise UserError(f"printed {len(lines)} numbers for {len(pairs)} rows", place=place, remedy=REMEDY)
    return [_number(line, pair.row, place) for line, pair in zip(lines, pairs, strict=True)]


def _command(argument: str) -> list[str]:
    """Return the command line: our worker for a Python file, else the words as a shell would split them."""
    if argument.endswith(".py") and paths.exists(paths.given(argument)):
        return interpreter.command("tuiftune.evaluate.custom_worker", str(paths.absolute(argument)))
    try:
        words = shlex.split(argument)
    except ValueError as fault:
        raise UserError(f"not a command: {fault}", place="--metric custom", remedy=REMEDY) from None
    return words


def _number(line: str, row: int, place: str) -> Part | None:
    try:
        value = documents.loads(line)
    except ValueError:
        value = line
    if value is None:
        return None
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return (float(value),)
    raise UserError(
        f"printed {printable(line)[:40]!r} for row {row} instead of a number", place=place, remedy=REMEDY
    )


CUSTOM = Scorer(
    key="custom",
    order=100,
    name="your metric",
    does="what your Python file or command says of each row",
    kind="mean",
    parts=parts,
    unit="",
    takes="file.py",
    packages=("scipy",),
)
