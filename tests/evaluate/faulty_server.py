"""A small HTTP server that answers chat requests as it is told to, well or badly."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Server:
    """Answers with what `reply(messages)` says. `faults`: names of what to do with the first requests."""

    def __init__(self, reply: Callable[[list[dict[str, str]]], str], faults: tuple[str, ...] = ()) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paid = 0  # answers that a provider would charge for
        self.fail_after: int | None = None  # requests after which every one is answered with 500
        left, lock, mine = list(faults), threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200, json.dumps({"data": [{"id": "only"}]}).encode())

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    mine.requests.append(asked)
                    mine.keys.append(self.headers.get("Authorization"))
                    fault = left.pop(0) if left else ""
                    if mine.fail_after is not None:
                        mine.fail_after -= 1
                        fault = "500" if mine.fail_after < 0 else fault
                if fault == "429":
                    return self._send(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.01"})
                if fault == "401":
                    return self._send(401, b'{"error": {"message": "wrong key"}}')
                if fault == "500":
                    return self._send(500, b"oops")
                mine.paid += 1
                if fault == "html":
                    return self._send(200, b"<html>log in</html>", {"Content-Type": "text/html"})
                if fault == "empty":
                    return self._send(200, b"{}")
                if fault == "slow":
                    time.sleep(1.5)
                text = reply(asked["messages"])
                words = sum(len(one["content"].split()) for one in asked["messages"])
                document = {
                    "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": words, "completion_tokens": len(text.split())},
                }
                data = json.dumps(document).encode()
                if fault == "half":
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data[: len(data) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    return None
                return self._send(200, data)

            def _send(self, code: int, data: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(code)
                told = {"Content-Type": "application/json", "Content-Length": str(len(data))}
                for name, value in (told | (headers or {})).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *said: Any) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
