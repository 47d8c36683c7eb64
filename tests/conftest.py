"""The order of the suite: files with slow tests first, then the app's: no worker ends long after others.
And a cache of rows of its own, and an object store for those who want one.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture
def bucket() -> Iterator[str]:
    """A bucket of an object store on this machine."""
    server = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: uv sync --extra s3")
    store = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    store.start()
    host, port = store.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        s3fs.S3FileSystem.clear_instance_cache()  # of the store of an earlier test
        s3fs.S3FileSystem(anon=False).makedirs("runs", exist_ok=True)  # moto keeps what an earlier test made
        yield "s3://runs/all"
    store.stop()


@pytest.fixture
def google_bucket() -> Iterator[str]:
    """A bucket of Google's kind of object store, on this machine."""
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="gcp-storage-emulator not installed")
    gcsfs = pytest.importorskip("gcsfs", reason="gcsfs is not installed: uv sync --extra gs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="runs")
    store.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # which asks for an account
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield "gs://runs/all"
    store.stop()
