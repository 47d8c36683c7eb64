"""What a server answered becomes rows: logged without secrets, sampled, reviewed, written."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tuiftune.chat import log_review, request_log
from tuiftune.cli.main import build
from tuiftune.data.read.load import load
from tuiftune.engine.serving.relay import Relay
from tuiftune.engine.serving.request_log import Logged
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "hf_" + "a1B2" * 9
ASKED = {"model": "colors", "messages": [{"role": "user", "content": f"My key is {TOKEN}."}], "stream": True}


def event(**choice: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def served(app: Any, asked: Any, path: str = request_log.CHAT) -> bytes:
    """What an ASGI application answers to one request."""
    body, said = json.dumps(asked).encode(), bytearray()

    async def hear() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def tell(message: Any) -> None:
        said.extend(message.get("body", b""))

    scope = {"type": "http", "path": path, "method": "POST", "headers": [], "query_string": b""}
    asyncio.run(app(scope, hear, tell))
    return bytes(said)


def answering(*pieces: bytes, status: int = 200) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def test_a_stream_is_one_line_without_secrets(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    pieces = [event(delta={"content": "It is "}), event(delta={"content": "red."})]
    end = event(delta={}, finish_reason="stop")
    told = served(Logged(answering(*pieces, end), log), ASKED)
    assert told == b"".join((*pieces, end)), "the client gets what it would get"
    line = json.loads(log.read_text())
    assert [one["content"] for one in line["messages"]] == ["My key is [secret].", "It is red."]
    assert (line["model"], line["ended"]) == ("colors", "stop")
    assert log.stat().st_mode & 0o077 == 0
    # Neither an answer that broke off, nor a refusal, nor another path is a row.
    for app, path in (
        (answering(*pieces), request_log.CHAT),
        (answering(*pieces, end, status=400), request_log.CHAT),
        (answering(*pieces, end), "/v1/models"),
        (answering(b'data: {"error": "out of memory"}\n\n', end), request_log.CHAT),
    ):
        served(Logged(app, log), ASKED, path)
    assert len(log.read_text().splitlines()) == 1


def test_tool_calls_and_parts_of_text_are_kept_and_pictures_are_not() -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": '{"at"'}}
    more = {"index": 0, "function": {"arguments": ": 1}"}}
    reply = event(delta={"tool_calls": [call]}) + event(
        delta={"tool_calls": [more]}, finish_reason="tool_calls"
    )
    line = request_log.entry({"messages": [{"role": "user", "content": parts}]}, reply, 0.1)
    assert line is not None
    assert line["messages"][0]["content"] == "What is this?\n[not text]"
    made = {"name": "look", "arguments": '{"at": 1}'}
    assert line["messages"][1]["tool_calls"] == [{"function": made, "type": "function", "id": "c1"}]


def test_a_log_that_cannot_be_written_stops_no_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = Logged(answering(event(delta={"content": "a"}, finish_reason="stop")), tmp_path)
    assert served(app, ASKED)
    assert served(app, ASKED)
    assert capfd.readouterr().err.count("the request log cannot be written") == 1


def test_a_review_keeps_corrects_and_drops(tmp_path: Path) -> None:
    log, out, pairs = tmp_path / "log.jsonl", tmp_path / "rows.jsonl", tmp_path / "pairs.jsonl"
    lines = [
        {
            "model": "colors",
            "messages": [
                {"role": "user", "content": f"What is {number}?"},
                {"role": "assistant", "content": f"It is {number}."},
            ],
        }
        for number in (1, 2, 3, 3)
    ]
    log.write_text("".join(json.dumps(one) + "\n" for one in lines) + '{"torn": ')
    call = CliRunner().invoke
    asked = ["data", "review", str(log), "-o", str(out), "--preferences", str(pairs)]
    done = call(build(), asked, input="1\n2\nIt is two.\n")  # the input ends before the third
    assert done.exit_code == 0, done.output
    assert "3 requests: 1 kept, 1 corrected, 0 dropped, 1 not reviewed" in done.output
    assert [row["messages"][-1]["content"] for row in map(json.loads, out.open())] == [
        "It is 1.",
        "It is two.",
    ]
    done = call(build(), asked, input="drop\n")  # it continues with the third
    assert "1 dropped, 0 not reviewed" in done.output
    assert len(load(str(out)).head(9)) == 2
    pair = json.loads(pairs.read_text())
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("It is two.", "It is 2.")
    assert load(str(pairs)).format == "preference"


def test_a_sample_is_the_same_for_a_seed_and_a_broken_line_is_named(tmp_path: Path) -> None:
    rows = [log_review.Logged(str(number), ({"role": "assistant", "content": "a"},)) for number in range(50)]
    assert log_review.sample(rows, 5, 1) == log_review.sample(rows, 5, 1)
    assert log_review.sample(rows, 5, 1) != log_review.sample(rows, 5, 2)
    log = tmp_path / "log.jsonl"
    log.write_text('\n{"messages": []}\n')
    with pytest.raises(UserError, match=r"log\.jsonl line 2: is not a request with its answer"):
        log_review.read(log)


def test_a_relay_passes_a_stream_on(tmp_path: Path) -> None:
    """Against a real server on the loopback interface."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    seen = []

    class Upstream(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(
                (
                    self.path,
                    self.headers["authorization"],
                    self.rfile.read(int(self.headers["content-length"])),
                )
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(event(delta={"content": "a"}, finish_reason="stop"))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing is told."""

    upstream = HTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.handle_request, daemon=True).start()
    log = tmp_path / "log.jsonl"
    told = served(Logged(Relay(f"http://127.0.0.1:{upstream.server_port}"), log), ASKED)
    upstream.server_close()
    assert told == event(delta={"content": "a"}, finish_reason="stop")
    assert (seen[0][0], json.loads(seen[0][2])) == (request_log.CHAT, ASKED)
    assert json.loads(log.read_text())["messages"][-1]["content"] == "a"
