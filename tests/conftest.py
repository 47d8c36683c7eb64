"""The order of the suite: files with slow tests first, then the app's: no worker ends long after others.
And a cache of rows of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

WORKER = "PYTEST_XDIST_WORKER"  # set in processes that inherit the cache of the one that started them


def pytest_configure(config: pytest.Config) -> None:
    if WORKER not in os.environ:
        os.environ["TUIFTUNE_CACHE"] = tempfile.mkdtemp(prefix="tuiftune-rows-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if WORKER not in os.environ:
        shutil.rmtree(os.environ.pop("TUIFTUNE_CACHE", ""), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name != "tui"))
