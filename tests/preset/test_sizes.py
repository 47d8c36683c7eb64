from __future__ import annotations

import pytest

from tuiftune.preset.schema import HardwareSection
from tuiftune.preset.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GiB", 24 * 2**30),
        ("24GB", 24 * 10**9),
        ("24 gib", 24 * 2**30),
        ("1.5TiB", int(1.5 * 2**40)),
        ("512MiB", 512 * 2**20),
        ("80 GB", 80 * 10**9),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "abc", "GiB", "-1GiB", "24", "24G iB", "1e3GiB", "24GX", "٣GiB", "nan GB"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|unit"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (2**20, "1.0 MiB"), (143_771 * 2**20, "140 GiB"), (24 * 2**30, "24.0 GiB"),
     (3 * 2**40, "3.0 TiB")],
)  # fmt: skip
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert format_size(size) == text


def test_the_limit_in_bytes() -> None:
    assert HardwareSection(memory_limit="24GiB").memory_limit_bytes == 24 * 2**30
    assert HardwareSection().memory_limit_bytes is None
