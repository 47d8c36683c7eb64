"""Would more data help: the curve over 25, 50 and 100% of the rows, and what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tuiftune.errors import UserError
from tuiftune.jobs.more_data import Point, conclusion, prepare_curve
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.preset.schema import Preset


def said(gained: float, low: float, high: float) -> tuple[bool | None, str]:
    points = [Point(0.5, 50, 3.0, None, None, 3), Point(1.0, 100, 3.0 - gained, gained, (low, high), 3)]
    return conclusion(points, 4.0)


def test_what_a_curve_says() -> None:
    helps, says = said(0.3, 0.1, 0.5)
    assert helps
    assert says.startswith(
        "From 50 to 100 rows, eval loss fell by 0.3 (95% CI 0.1 to 0.5): more rows like these"
    )
    assert said(0.001, -0.01, 0.012)[0] is False
    assert said(-0.3, -0.5, -0.1) == (False, said(-0.3, -0.5, -0.1)[1])
    assert said(0.1, -0.2, 0.4)[0] is None
    assert (
        conclusion([Point(0.5, 50, 3.0, None, None, 3), Point(1.0, 100, None, None, None, 0)], 4.0)[0] is None
    )


@pytest.mark.long
def test_more_rows_help_until_they_are_enough(preset: Preset, root: Path) -> None:
    made = prepare_curve(preset, root, steps=8, seeds=1).run()
    assert [(point.share, point.rows) for point in made.points] == [(0.25, 8), (0.5, 15), (1.0, 30)]
    assert made.helps
    jsonschema.validate(
        {"schema": "tuiftune/more-data@1", **made.document()}, registry.json_schema("more-data")
    )
    whole, half = (
        [json.loads(line) for line in (made.study.directory / f"rows-{share}-seed-42.jsonl").open()]
        for share in (100, 50)
    )
    assert all(row in whole for row in half)
    held = [json.loads(line) for line in (made.study.directory / "eval.jsonl").open()]
    assert len(held) == 10
    assert not any(row in whole for row in held)


def test_too_few_rows_are_refused(preset: Preset, root: Path) -> None:
    with pytest.raises(UserError, match="16 are needed"):
        prepare_curve(preset.with_values({"data.eval": 0.7}), root, steps=8)
