"""A run directory in which anything stands under any key is listed, reported and compared all the same."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tuiftune import assets
from tuiftune.errors import UserError
from tuiftune.runs import health, status
from tuiftune.runs.health import notices
from tuiftune.runs.reports import metrics_table
from tuiftune.runs.reports.compare import compare
from tuiftune.runs.reports.compare_table import rows, sentences
from tuiftune.runs.reports.report import markdown
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.state.narrate import Narrator
from tuiftune.runs.state.summary import summarize
from tuiftune.runs.store import control, samples
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.process import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEED = 7
FEW = 8  # places of a document that are tried in the check
SHARES = ("some", pytest.param("all", marks=pytest.mark.long))
VALUES: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "x",
    -1,
    0,
    True,
    1.5,
    1e300,
    10**299,
    float("inf"),
    float("nan"),
    [[1]],
    {"a": {"b": None}},
    "\ud800\0",
    [None, "x", 5],
)
RAW = (
    b"",
    b"null",
    b"[]",
    b"5",
    b"{",
    b'{"a":' * 100_000,
    b"[" * 900,
    b'{"step": ' + b"9" * 5000 + b"}",
    b"\xff\xfe",
    b"\0" * 99,
    b'"x"',
)


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, but for the further items of long lists."""
    yield path
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield from paths_in(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def look_everywhere(run: RunDir, other: RunDir) -> None:
    """What the commands and the app do with a run. UserErrors are answers."""
    from tuiftune.cli.result import show

    follower = Follower(run)
    narrator = Narrator()
    told: list[Any] = []

    def follow() -> None:
        noticed = notices.Notices(run.planned())
        for event in follower.each():
            told.append(narrator.tell(event, follower.state))
            told.append(noticed.tell(event, follower.state))
        told.extend(notices.closing(follower.state, noticed.planned))

    looks: tuple[Callable[[], Any], ...] = (
        lambda: json.dumps(summarize(run).document(), allow_nan=True),
        lambda: vitals(run),
        follow,
        lambda: health.judge(follower.state, run.planned()),
        lambda: status.facts(follower.state, run.planned()),
        lambda: markdown(run),
        lambda: show(run, Console(file=io.StringIO(), width=120)),
        lambda: (lambda found: (rows(found), sentences(found)))(compare([run, other])),
        lambda: metrics_table.export(run, run.path / "metrics.csv"),
        lambda: samples.read(run),
        lambda: control.stop_requested(run),
        lambda: Identity.load(run.pid_path),
    )
    for look in looks:
        try:
            look()
        except UserError as fault:
            told.append(str(fault))
    assert not any("\n" in line for line in told if isinstance(line, str))


def some(places: list[tuple[Any, ...]], made: random.Random, share: str) -> list[tuple[Any, ...]]:
    return places if share == "all" else made.sample(places, min(FEW, len(places)))


@pytest.fixture
def other(tmp_path: Path) -> RunDir:
    shutil.copytree(assets.RECORDED, tmp_path / "other")
    return RunDir(tmp_path / "other")


def copied(tmp_path: Path) -> RunDir:
    target = tmp_path / "run"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(assets.RECORDED, target)
    log = (target / "events.jsonl").read_bytes().splitlines(keepends=True)
    kinds: dict[bytes, list[bytes]] = {}
    for line in log:
        kinds.setdefault(json.loads(line)["type"].encode(), []).append(line)
    few = {line for lines in kinds.values() for line in (*lines[:3], *lines[-3:])}
    (target / "events.jsonl").write_bytes(b"".join(line for line in log if line in few))
    return RunDir(target)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", ["plan.json", "result/result.json"])
def test_any_value_under_any_key_of_a_document(name: str, share: str, tmp_path: Path, other: RunDir) -> None:
    made = random.Random(SEED)
    run = copied(tmp_path)
    document = json.loads((run.path / name).read_text("utf-8"))
    for path in some(list(paths_in(document)), made, share):
        for value in made.sample(VALUES, 2):
            (run.path / name).write_text(json.dumps(changed(document, path, value)), "utf-8")
            try:
                look_everywhere(run, other)
            except Exception as fault:
                fault.add_note(f"{name}: {path} = {value!r}")
                raise


@pytest.mark.parametrize("share", SHARES)
def test_any_value_under_any_key_of_an_event(share: str, tmp_path: Path, other: RunDir) -> None:
    made = random.Random(SEED)
    run = copied(tmp_path)
    events = [json.loads(line) for line in run.events_path.read_bytes().splitlines()]
    kinds = {event["type"]: number for number, event in enumerate(events)}
    places = [(number, *path) for number in kinds.values() for path in paths_in(events[number])]
    for number, *path in some(places, made, share):
        for value in made.sample(VALUES, 2):
            spoilt = [*events[:number], changed(events[number], tuple(path), value), *events[number + 1 :]]
            run.events_path.write_text("".join(json.dumps(event) + "\n" for event in spoilt), "utf-8")
            try:
                look_everywhere(run, other)
            except Exception as fault:
                fault.add_note(f"event {events[number]['type']}: {path} = {value!r}")
                raise


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(
    "name",
    [
        "plan.json",
        "preset.yaml",
        "events.jsonl",
        "engine.pid",
        "engine.log",
        "samples.jsonl",
        "control/stop",
        "control/memory_kills",
        "result/result.json",
        "result/samples.jsonl",
    ],
)
def test_any_bytes_and_what_is_no_file(name: str, share: str, tmp_path: Path, other: RunDir) -> None:
    makes: tuple[Callable[[Path], Any], ...] = (
        *((lambda path, data=data: path.write_bytes(data)) for data in RAW),
        os.mkfifo,
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/dev/zero"),
    )
    chosen = makes if share == "all" else random.Random(name).sample(makes, 3)
    for make in chosen:
        run = copied(tmp_path)
        path = run.path / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
        look_everywhere(run, other)
