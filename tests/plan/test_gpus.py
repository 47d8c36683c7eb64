"""Which GPU to rent: the same preset on every known one, by dollars of known age."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tuiftune.errors import UserError
from tuiftune.hardware import prices
from tuiftune.hardware.known_gpus import GPUS
from tuiftune.plan import gpus
from tuiftune.plan.inputs import Inputs, of_named
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "gpu,usd_per_hour,provider,date,source,spot\n"
TODAY = datetime.date(2026, 11, 29)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("GeForce RTX 3060", "L4", "A10G", "A100-SXM4-80GB", "H100 80GB HBM3", "H200")
    monkeypatch.setattr(gpus, "GPUS", [gpu for gpu in GPUS if gpu.name in few])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    file = tmp_path_factory.mktemp("preset") / "p.yaml"
    file.write_text("model: {base: Qwen/Qwen2.5-7B}\ndata: {train: 'builtin:tickets'}\n")
    return of_named(str(file), ["method.technique=full"], without=("weights",), say=lambda text: None)


def table(tmp_path: Path, *lines: str) -> prices.Prices:
    (tmp_path / "prices.csv").write_text(HEAD + "\n".join(lines) + "\n")
    return prices.read(tmp_path / "prices.csv", TODAY)


def test_what_fits_comes_first_and_the_cheapest_of_it(inputs: Inputs) -> None:
    found = gpus.choices(inputs.plan, prices.known(), counts=(1, 8))
    fitting = [one for one in found if one.fits]
    assert fitting == found[: len(fitting)]
    priced = [one.cost for one in fitting if one.usd]
    assert priced == sorted(priced)
    assert {one.gpu for one in found} == {one.name for one in gpus.GPUS}
    small = [one for one in found if one.gpu == "GeForce RTX 3060"]
    assert not small[0].fits, "7B is not fine-tuned whole in 12 GB"
    for one in fitting:
        assert one.needs <= one.available
        assert one.usd is None or (
            one.price and one.hours and one.usd[1] == one.hours * one.count * one.price.high
        )
    listed = gpus.shortlist(found)
    assert len(listed) == len({one.gpu for one in listed})
    quick = gpus.fastest(found)
    assert quick is not None
    assert quick.hours == min(one.hours for one in fitting if one.hours)


def test_own_prices_are_taken_of_the_gpus_that_they_name(inputs: Inputs, tmp_path: Path) -> None:
    own = table(
        tmp_path,
        "h100,1.00,Cheap,2026-11-01,https://example.org,yes",
        "H100,9.00,Dear,2025-01-01,https://example.org,",
        "A100,1.20,Nameless,,,",
    )
    found = gpus.choices(inputs.plan, own, counts=(8,))
    assert found[0].price is not None
    assert (found[0].gpu, found[0].price.provider, found[0].price.spot) == ("H100 80GB HBM3", "Cheap", True)
    assert [one.price.provider for one in gpus.shortlist(found) if one.price] == ["Cheap", "Dear"]
    assert all(one.usd is None for one in found if "H100 80GB" not in one.gpu)
    assert own.notes[0] == "1 prices are more than a year old, the oldest of 2025-01-01"
    assert "line 4: left out, a price needs its source and date" in own.notes[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("H1000,1,X,2026-11-01,s,", "line 2: unknown GPU"),
        ("H100,free,X,2026-11-01,s,", "line 2: 'free' is not a price. Write it like 1.99"),
        ("H100,-1,X,2026-11-01,s,", "is not a price"),
        ("H100,nan,X,2026-11-01,s,", "is not a price"),
        ("H100,1,X,autumn,s,", "line 2: 'autumn' is not a date. Write it like 2026-11-29"),
        ("H100,1,X,2027-11-01,s,", "has not come yet"),
        ("H100,1,X,2026-11-01,s,maybe", "is neither true nor false"),
        ("H100,1,X,,s,", "has no price with a source and a date"),
    ],
)
def test_what_is_no_price_is_one_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        table(tmp_path, line)
    assert said in str(told.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("gpu,price\nH100,1\n")
    with pytest.raises(UserError, match=r"has no column usd_per_hour, source, date\. Its columns are gpu"):
        prices.read(tmp_path / "prices.csv")


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("model: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n")
    command = [sys.executable, "-m", "tuiftune", "plan", "p.yaml", "--gpu", "any:1", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["schema"] == "tuiftune/plan-gpus@1"
    jsonschema.validate(document, registry.json_schema("plan-gpus"))
    first = document["choices"][0]
    assert (first["fits"], first["date"][:6]) == (True, "autumn")
    assert first["usd_low"] <= document["choices"][1]["usd_high"]


@pytest.mark.parametrize(
    "table",
    [
        "gpu;usd_per_hour;source;date\nL4;0,30;mine;2026-01-01\n",
        "GPU, Usd_per_hour,SOURCE,Date\nL4,0.30,mine,2026-01-01\n",
        "\ufeffgpu;usd_per_hour;source;date\r\nL4;0.30;mine;2026-01-01\r\n",
    ],
)
def test_a_price_table_is_read_as_a_spreadsheet_writes_it(table: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(table)
    (price,) = prices.read(tmp_path / "p.csv").of("L4")
    assert price.low == 0.30
