"""From a preset to a managed job of SkyPilot, and the run's directory here that follows it."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.hardware import known_gpus, prices
from tuiftune.jobs import copies, copy_places
from tuiftune.jobs.cloud import program, record
from tuiftune.jobs.cloud.record import Record
from tuiftune.jobs.prepare import check_limit, check_memory
from tuiftune.jobs.task_files import base, directory, making
from tuiftune.plan.device import parse_gpu
from tuiftune.plan.document import of_run
from tuiftune.plan.gpus import COUNTS, choices
from tuiftune.plan.inputs import to_train
from tuiftune.preset.file import dump
from tuiftune.preset.naming import run_name
from tuiftune.preset.places import absolute
from tuiftune.printable import printable
from tuiftune.runs.store.directory import (
    check_place,
    create,
    default_root,
    free_name,
)
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.jobs.task_files.task import Options
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

    Say = Callable[[str], None]

HERE: dict[str, object] = {"run.sync_to": None, "run.report_to": []}  # what the rented machine does itself


def parse(on: str) -> str | None:
    """The GPU of `sky[:GPU[:COUNT]]` as `NAME:COUNT`; None where none is named. UserError if unknown."""
    _, _, asked = on.partition(":")
    if not asked:
        return None
    name, count = parse_gpu(asked)
    return f"{known_gpus.find(name).name}:{count or 1}"


def prepare(
    preset: Preset,
    gpu: str | None,
    options: Options,
    root: Path | None,
    name: str | None,
    *,
    say: Say,
    watch: Say,
) -> RunDir:
    """Plan a run, write its task, and make its directory here. `backend.train` then submits it.

    Raises:
        UserError: if SkyPilot is not here, or for what is wrong with the preset, the bucket or the price.
    """
    program.check()
    root = root or default_root()
    making.check_bucket(preset.run.sync_to or "")
    check_place(root, name)
    name = name or free_name(root, run_name(preset))
    table = own_prices()
    inputs = replace(to_train(preset.with_values(HERE), root, say), preset=preset)
    if gpu is None:
        say("planning for every known GPU")
        found = next((one for one in choices(inputs.plan, table or prices.known(), COUNTS) if one.fits), None)
        if found is None:
            raise UserError("the run fits on no known GPU", place="--on sky", remedy="use a smaller model")
        gpu = f"{found.gpu}:{found.count}"
        say(f"The cheapest GPU that it fits on: {found.count} × {found.gpu}")
    if table is not None:
        hourly = own_hourly(table, gpu, spot=options.spot)
        if hourly is not None and preset.budget.usd_per_hour is None:
            preset = preset.with_values({"budget.usd_per_hour": hourly})
            inputs = replace(inputs, preset=preset)
    kind = base.every()["sky"]
    task = making.of(inputs, plan := inputs.plan(gpu), kind, options, name)
    kind.text(task)
    check_memory(plan, inputs)
    check_limit(plan)
    copy_places.check(preset.run.sync_to)
    copies.refuse_taken(preset.run.sync_to, name)
    shown = replace(inputs, preset=preset.with_values(HERE))
    document = {"schema": "tuiftune/run-plan@1", **of_run(shown.plan(gpu), shown, None)}
    run = create(root, name, dump(absolute(preset)), document)
    register(run)
    directory.write(record.task_directory(run), kind, task, watch)
    given = tuple(one for one in task.secrets if one in os.environ)
    job = f"tuiftune-{task.slug}-{secrets.token_hex(3)}"
    record.keep(run, Record(job, f"{task.bucket.rstrip('/')}/{name}", given))
    return run


def own_prices() -> prices.Prices | None:
    """The user's own table of prices; None where there is none."""
    file = os.environ.get(prices.VARIABLE)
    return prices.read(Path(file)) if file else None


def own_hourly(table: prices.Prices, gpu: str, *, spot: bool) -> float | None:
    """Dollars an hour by one's own table. UserError where its price is too old to hold a budget by."""
    name, count = parse_gpu(gpu)
    known = [one for one in table.of(known_gpus.find(name).name) if one.spot == spot]
    if not known:
        return None
    price = min(known, key=lambda one: one.low)
    if price.days is not None and price.days > prices.OLD_DAYS:
        raise UserError(
            f"the price of {price.gpu} is {plural(price.days, 'day')} old, of {price.date}",
            place=printable(os.environ.get(prices.VARIABLE, "")),
            remedy="write today's price and date",
        )
    return price.low * (count or 1)
