"""One sshd for the tests of rented machines, in a short path: a socket's name has at most 104 characters."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from machine_kit import RentedMachine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def machine() -> Iterator[RentedMachine]:
    place = Path(tempfile.mkdtemp(prefix="rented-"))
    made = RentedMachine(place)
    yield made
    made.close()
    shutil.rmtree(place, ignore_errors=True)
