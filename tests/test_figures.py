"""Numbers as people read them: one way for commands, app and reports."""

from __future__ import annotations

import math

import pytest

from tuiftune import figures
from tuiftune.runs.state import narrate


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.size(None), "—"),
        (figures.size(512), "512 B"),
        (figures.size(1012 << 20), "1.0 GiB"),
        (figures.size(999 << 20), "999 MiB"),
        (figures.size(141 << 30), "141 GiB"),
        (" · ".join(figures.sizes(973 << 20, 1044 << 20)), "0.95 GiB · 1.02 GiB"),
        (" · ".join(figures.sizes(1030 << 20, 1060 << 20)), "1.01 GiB · 1.04 GiB"),
        (" · ".join(figures.sizes(12 << 20, 22 << 30)), "12.0 MiB · 22.0 GiB"),
        (" · ".join(figures.sizes(141 << 30, 106 << 30)), "141 GiB · 106 GiB"),
        (" · ".join(figures.sizes(1 << 30, None)), "1.0 GiB · —"),
        (" · ".join(figures.sizes(1 << 30, 1 << 30, 0)), "1.0 GiB · 1.0 GiB · 0 B"),
        (figures.duration(59.4), "59 s"),
        (figures.duration(200), "3 min 20 s"),
        (figures.duration(3600), "1 h"),
        (figures.duration(187_200), "2 d 4 h"),
        (figures.roughly(75), "1 min 15 s"),
        (figures.roughly(400), "7 min"),
        (figures.roughly(12_010), "3 h 20 min"),
        (figures.ago(61), "1 min"),
        (figures.percent(0.934), "93%"),
        (figures.percent(0.0091, 2), "0.91%"),
        (figures.interval(0.604, 0.98), "60–98%"),
        (figures.money(0), "$0.00"),
        (figures.money(0.0004), "<$0.01"),
        (figures.money(1234.6), "$1,235"),
        (figures.count(1_240_000), "1.24M"),
        (figures.real(2.0e-4), "2e-4"),
        (figures.short(2.0e-5), "2e-5"),
        (figures.short(1.25e-12), "1.25e-12"),
        (figures.short(0.0002), "0.0002"),
        (narrate.figure(1.25e-5), "1.25e-5"),
        (narrate.figure(19_119.3), "19,120"),
        (narrate.figure(0.002647), "0.002647"),
        (narrate.figure(math.inf), "inf"),
    ],
)
def test_a_number_is_written_as_it_is_read(written: str, expected: str) -> None:
    assert written == expected
