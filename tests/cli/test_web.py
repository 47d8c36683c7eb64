"""`tuiftune web`: for whoever has the link, from this machine; everybody else is turned away."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import wait_until

from tuiftune import terminal
from tuiftune.tui.kit.glyphs import UNICODE, choose

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
served = pytest.mark.skipif(find_spec("textual_serve") is None, reason="textual-serve is an extra")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status_of(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """The link of a server that listens."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    server = subprocess.Popen(
        [sys.executable, "-m", "tuiftune", "web", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert server.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/\?key=\S+", server.stderr.readline())
    assert found
    wait_until(lambda: answers(port))
    yield found[0]
    server.send_signal(signal.SIGINT)
    assert server.wait(20) == 0
    assert "Traceback" not in server.stderr.read()


@served
def test_only_the_link_opens_it(link: str) -> None:
    bare = link.partition("?")[0]
    assert status_of(link) == 200
    assert status_of(bare) == 403
    assert status_of(f"{bare}?key=guessed") == 403
    assert status_of(f"{bare}ws") == 403
    assert status_of(link, Origin="http://elsewhere.example") == 403
    assert status_of(link, Host="elsewhere.example") == 403


@served
async def test_the_app_is_at_the_other_end(link: str) -> None:
    import aiohttp
    import pyte

    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(link) as page:
            assert "textual" in await page.text()
        address = link.partition("?")[0].replace("http", "ws") + "ws?width=80&height=24"
        async with browser.ws_connect(address) as line:

            async def until(text: str) -> None:
                while not any(text in row for row in screen.display):
                    message = await line.receive(timeout=60)
                    if message.type is aiohttp.WSMsgType.BINARY:
                        stream.feed(message.data)

            await until("A new run")
            await line.send_str(json.dumps(["stdin", "?"]))
            await until("Esc closes")


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['textual_serve'] = None; from tuiftune.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "web"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("Install it with `pip install 'tuiftune[browser]'`")
    assert "Traceback" not in done.stderr


@served
def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "tuiftune", "web", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr


def test_a_browser_is_no_plain_terminal() -> None:
    assert terminal.plain({"TERM": "dumb", "TEXTUAL_DRIVER": ""})
    served_from = {"TERM": "dumb", "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}
    assert not terminal.plain(served_from)
    assert not terminal.few_colors(served_from), "a browser has all colours, wherever the server was started"
    assert choose({**served_from, "TERM": "linux"}, "UTF-8") is UNICODE
