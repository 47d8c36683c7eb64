"""`tuiftune doctor`: checks of this machine, with fixes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.hardware.diagnosis import Finding
    from tuiftune.hardware.machine import Machine

TITLES = {
    "machine": "Machine",
    "cards": "GPUs",
    "libraries": "Libraries",
    "disks": "Disks",
    "terminal": "Terminal",
    "proof": "Training step",
}


def doctor(
    as_json: Json = False,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", envvar="TUIFTUNE_RUNS", help="Directory that runs are written to.")
    ] = Path("runs"),
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Also train one step on this machine (about 20 s, more with a GPU)."),
    ] = False,
) -> None:
    """Check GPUs, drivers, libraries and disk space, and suggest fixes.

    Exits with 1 if something is missing that training needs, or if the step of --prove fails.
    """
    from tuiftune.cli.terminal import write_json
    from tuiftune.hardware.detect import detect
    from tuiftune.hardware.diagnosis import diagnose, stands
    from tuiftune.hardware.libraries import read_libraries, torch_build

    machine, libraries = detect(runs), read_libraries()
    findings = (*diagnose(machine, libraries, torch_build(), runs), *_terminal(machine))
    if prove and stands(findings):
        findings = (*findings, *_proofs(machine))
    if as_json:
        write_json(_document(machine, findings), "doctor")
    else:
        _show(machine, findings)
    if not stands(findings):
        raise typer.Exit(1)


def _proofs(machine: Machine) -> Iterator[Finding]:
    """One training step by each of the techniques that can be tried here."""
    from tuiftune import techniques
    from tuiftune.cli.terminal import say
    from tuiftune.hardware.diagnosis import Finding
    from tuiftune.jobs.prove import prove

    where = machine.gpus[0].name if machine.gpus else "the CPU"
    say(f"training one step of the built-in model on {where}")
    for proof in prove(gpu=bool(machine.gpus)):
        name = techniques.find(proof.technique).name
        if proof.passed:
            yield Finding("proof", "ok", f"{name}: trained one step on {where} in {proof.seconds:.0f} s")
        else:
            what, _, remedy = proof.why.partition("; ")
            yield Finding("proof", "bad", f"{name}: {what}", remedy, essential=True)


def _document(machine: Machine, findings: tuple[Finding, ...]) -> dict[str, Any]:
    from dataclasses import asdict

    from tuiftune import __version__
    from tuiftune.hardware.diagnosis import stands
    from tuiftune.hardware.libraries import read_libraries

    return {
        "tuiftune": __version__,
        "ok": stands(findings),
        "machine": asdict(machine),
        "libraries": [asdict(library) | {"ok": library.sound} for library in read_libraries()],
        "findings": [asdict(finding) for finding in findings],
    }


def _terminal(machine: Machine) -> tuple[Finding, ...]:
    """Return what the terminal can show, as findings like those of the machine."""
    import shutil

    from tuiftune.cli.terminal import clipboard, err, unicode
    from tuiftune.hardware.diagnosis import Finding

    session = machine.session
    columns, lines = shutil.get_terminal_size()
    small = columns < 80 or lines < 24
    depth = {"standard": "16 colors", "256": "256 colors", "truecolor": "true color"}
    color = depth.get(err().color_system or "", "no color")
    how = [
        session.term or "unknown terminal",
        *(["over SSH"] if session.ssh else []),
        *([f"in {session.multiplexer}"] if session.multiplexer else []),
        *([f"in a container ({session.container})"] if session.container else []),
    ]
    works, remedy = clipboard()
    return (
        Finding("terminal", "info", ", ".join(how)),
        Finding("terminal", "info", f"{color}, {'Unicode' if unicode() else 'ASCII only'}"),
        Finding(
            "terminal",
            "warn" if small else "ok",
            f"{columns} × {lines} characters",
            "Enlarge the window to at least 80 × 24." if small else "",
        ),
        Finding("terminal", "ok" if not remedy else "warn", works, remedy),
    )


def _show(machine: Machine, findings: tuple[Finding, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    from tuiftune.cli.terminal import COLORS, out, sign, unwrapped
    from tuiftune.hardware.diagnosis import stands

    console = out()
    for topic, title in TITLES.items():
        if topic == "proof" and not any(found.topic == topic for found in findings):
            continue
        console.print(Text(title, style="bold"))
        grid = Table.grid(padding=(0, 1, 0, 0))
        for finding in _condensed([found for found in findings if found.topic == topic]):
            grid.add_row(Text(f" {sign(finding.state)}", style=COLORS[finding.state]), finding.what)
            if finding.remedy:
                grid.add_row("", Text(f"{sign('to do')} {finding.remedy}", style=COLORS["to do"]))
        for label, used, total in _amounts(machine, topic):
            grid.add_row("", Text(_bar(label, used, total)))
        if unwrapped():  # a finding a line
            for mark, said in zip(*(column.cells for column in grid.columns), strict=True):
                console.print(Text.assemble(mark or "  ", " ", said))
        else:
            console.print(grid)
    missing = [found for found in findings if found.state == "bad" and found.essential]
    if stands(findings):
        console.print(Text.assemble((sign("ok"), "green"), " Ready. Try it: `tuiftune demo`"))
    else:
        console.print(Text.assemble((sign("bad"), "red"), f" Not ready: {missing[0].what}"))


def _condensed(findings: list[Finding]) -> list[Finding]:
    """Return the findings with the libraries that passed on one line, so that problems stand out."""
    from dataclasses import replace

    sound = [found for found in findings if found.topic == "libraries" and found.state == "ok"]
    if len(sound) < 2:
        return findings
    together = replace(sound[0], what=", ".join(found.what for found in sound))
    return [together, *(found for found in findings if found not in sound)]


def _amounts(machine: Machine, topic: str) -> list[tuple[str, int, int]]:
    if topic == "machine":
        return [("RAM", max(machine.memory - machine.host.memory_available, 0), machine.memory)]
    if topic == "disks":
        return [(disk.mount, disk.total - disk.free, disk.total) for disk in machine.disks]
    if topic != "cards":
        return []
    return [
        (f"GPU {gpu.index}", gpu.memory_used, gpu.memory_total)
        for gpu in machine.gpus
        if gpu.memory_used is not None and gpu.memory_total
    ]


def _bar(label: str, used: int, total: int) -> str:
    from tuiftune.cli.terminal import bar
    from tuiftune.preset.sizes import format_size

    share = used / total if total else 1.0  # /proc and similar file systems have no capacity
    return f"{label:10.10} {bar(share, 24)} {format_size(used)} of {format_size(total)} used"
