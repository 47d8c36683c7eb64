"""A stand-in of the Hugging Face Hub: its API, file and upload endpoints, with faults to order."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

LARGE = 64 * 1024  # bytes from which a file is kept as LFS keeps it


@dataclass
class Repository:
    """`token`: what a request has to bring for its files; "" for everybody. `commits`: their messages."""

    files: dict[str, bytes]
    commit: str = "a" * 40
    gated: bool = False
    private: bool = False
    token: str = ""
    card: dict[str, Any] = field(default_factory=lambda: {"license": "apache-2.0"})
    commits: list[str] = field(default_factory=list)


def etag(content: bytes) -> str:
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class StandIn:
    """The server. `faults[name]` are taken one a request for a file: a status, or one of

    ("drop", N): the connection ends after N bytes; ("short", N): N bytes less than promised, and well ended;
    ("corrupt",): other bytes; ("slow", S): S seconds between pieces of 16 KiB.

    Those of "api", "create", "preupload", "batch", "upload" and "commit" are a status, or "reset".
    `writer`: the token that may make repositories and write to them; "" for none.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.faults: dict[str, deque[Any]] = defaultdict(deque)
        self.log: list[tuple[str, str, str]] = []
        self.writer = ""
        self.opened = threading.Event()  # until it is set, no large file is taken
        self.opened.set()
        self.stored: dict[str, bytes] = {}  # large files by their SHA-256, before a commit names them
        owner = self

        class Handler(Answers):
            hub = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def model(self, name: str, files: dict[str, bytes], **more: Any) -> Repository:
        self.repositories["models", name] = found = Repository(files, **more)
        return found

    def dataset(self, name: str, files: dict[str, bytes], **more: Any) -> Repository:
        self.repositories["datasets", name] = found = Repository(files, **more)
        return found

    def asked(self, part: str, method: str = "GET") -> list[str]:
        """Return the `Range` of each request for a file."""
        return [span for verb, path, span in self.log if verb == method and path.endswith(part)]

    def __enter__(self) -> StandIn:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Uploads(BaseHTTPRequestHandler):
    """What `create_repo`, `preupload_lfs_files` and `create_commit` ask for, with Xet switched off."""

    hub: StandIn

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while length := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.writer}"

    def _written(self, path: str, body: bytes) -> bool:
        """Answer a request that writes. False if it is none."""
        if path == "/api/repos/create":
            if not self._ordered_fault("create"):
                self._create(json.loads(body))
        elif path.startswith("/lfs/"):
            if not self._ordered_fault("upload"):
                oid = path.removeprefix("/lfs/")
                self.hub.stored[oid] = body
                self._refuse(200 if hashlib.sha256(body).hexdigest() == oid else 422, "")
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self.hub.opened.wait(300)
            if self._writable("datasets" if found[1] else "models", found[2], "batch"):
                self._json({"transfer": "basic", "objects": [self._batch(one) for one in _objects(body)]})
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/(preupload|commit)/main", path):
            if (repository := self._writable(found[1], found[2], found[3])) is None:
                return True
            if found[3] == "commit":
                self._commit(repository, [json.loads(line) for line in body.splitlines()])
            else:
                self._json({"files": [self._mode(repository, one) for one in json.loads(body)["files"]]})
        else:
            return False
        return True

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        key = ("datasets" if asked.get("type") == "dataset" else "models", name)
        if not self._may_write():
            self._refuse(401, "")
            return
        status = 409 if key in self.hub.repositories else 200
        self.hub.repositories.setdefault(key, Repository({}, private=asked.get("visibility") == "private"))
        self._json({"url": f"{self.hub.address}/{name}", "error": "You already created this"}, status)

    def _writable(self, kind: str, name: str, fault: str) -> Repository | None:
        if self._ordered_fault(fault):
            return None
        found = self.hub.repositories.get((kind, name))
        if found is None or not self._may_write():
            self._refuse(404 if found is None else 403, "RepoNotFound" if found is None else "")
            return None
        return found

    def _batch(self, one: dict[str, Any]) -> dict[str, Any]:
        actions = {"upload": {"href": f"{self.hub.address}/lfs/{one['oid']}"}}
        return {**one} if one["oid"] in self.hub.stored else {**one, "actions": actions}

    def _mode(self, repository: Repository, one: dict[str, Any]) -> dict[str, Any]:
        there = repository.files.get(one["path"])
        large = one["size"] >= LARGE or one["path"].endswith((".safetensors", ".pt", ".pth", ".bin"))
        known = {} if there is None else {"oid": etag(there)}
        return {
            "path": one["path"],
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
            **known,
        }

    def _commit(self, repository: Repository, lines: list[dict[str, Any]]) -> None:
        """All of a commit or none of it."""
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    summary = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    if value["oid"] not in self.hub.stored:
                        self._refuse(422, "")
                        return
                    files[value["path"]] = self.hub.stored[value["oid"]]
                case "deletedFile":
                    if files.pop(value["path"], None) is None:
                        self._refuse(422, "")
                        return
                case "deletedFolder":
                    inside = value["path"].rstrip("/") + "/"
                    files = {path: content for path, content in files.items() if not path.startswith(inside)}
        repository.files = files
        repository.commits.append(summary)
        repository.commit = f"{len(repository.commits):040x}"
        name = next("/".join(key) for key, one in self.hub.repositories.items() if one is repository)
        url = f"{self.hub.address}/{name.removeprefix('models/')}/commit/{repository.commit}"
        self._json({"commitUrl": url, "commitOid": repository.commit, "pullRequestUrl": None})

    def _ordered_fault(self, name: str) -> bool:
        waiting = self.hub.faults[name]
        if waiting and waiting[0] == "reset":
            waiting.popleft()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return True
        if waiting and isinstance(waiting[0], int):
            self._refuse(waiting.popleft(), "")
            return True
        return False

    def _json(self, document: Any, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _objects(body: bytes) -> list[dict[str, Any]]:
    return list(json.loads(body)["objects"])


class Answers(Uploads):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PUT(self) -> None:
        self._answer(self._body())

    def _answer(self, body: bytes = b"") -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.log.append((self.command, path, self.headers.get("Range", "")))
        if self.command in ("POST", "PUT") and self._written(path, body):
            return
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(/.*)?", path):
            self._api(found[1], found[2], found[3] or "", body)
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file("datasets" if found[1] else "models", found[2], found[3], found[4])
        else:
            self._refuse(404, "EntryNotFound")

    def _allowed(self, found: Repository) -> bool:
        return not found.token or self.headers.get("Authorization") == f"Bearer {found.token}"

    def _api(self, kind: str, name: str, rest: str, body: bytes) -> None:
        found = self.hub.repositories.get((kind, name))
        if self._ordered_fault("api"):
            return
        if found is None or (found.private and not self._allowed(found)):
            self._refuse(401 if found is None else 404, "RepoNotFound")
            return
        revision = re.fullmatch(r"/(?:revision|tree|paths-info)/([^/]+)(/.*)?", rest)
        if revision and revision[1] not in ("main", found.commit):
            self._refuse(404, "RevisionNotFound")
            return
        if found.private and not found.token and not self._may_write():
            self._refuse(401, "RepoNotFound")
            return
        listed = [self._listed(path, content) for path, content in found.files.items()]
        if "/paths-info/" in rest:
            asked = (
                set(json.loads(body)["paths"])
                if body.startswith(b"{")
                else set(re.findall(r"paths=([^&]+)", unquote_plus(body.decode())))
            )
            above = {str(parent) for one in found.files for parent in PurePosixPath(one).parents}
            folders = [{"type": "directory", "path": path, "oid": "c" * 40} for path in asked & above - {"."}]
            self._json([one for one in listed if one["path"] in asked] + folders)
        elif "/tree/" in rest:
            inside = ((revision and revision[2]) or "").strip("/")
            listed = [one for one in listed if not inside or one["path"].startswith(f"{inside}/")]
            if inside and not listed:
                self._refuse(404, "EntryNotFound")
                return
            if "recursive=true" in self.path.lower():
                self._json(listed)
                return
            start = len(inside) + 1 if inside else 0
            near = {one["path"][start:].partition("/")[0] for one in listed if "/" in one["path"][start:]}
            folders = [{"type": "directory", "path": f"{inside}/{one}".strip("/"), "oid": ""} for one in near]
            self._json([one for one in listed if "/" not in one["path"][start:]] + folders)
        else:
            siblings = [
                {"rfilename": one["path"], "size": one["size"], "blobId": one["oid"]}
                | ({"lfs": one["lfs"]} if "lfs" in one else {})
                for one in listed
            ]
            self._json(
                {
                    "id": name,
                    "sha": found.commit,
                    "private": found.private,
                    "gated": "manual" if found.gated else False,
                    "disabled": False,
                    "downloads": 0,
                    "likes": 0,
                    "tags": [],
                    "cardData": found.card,
                    "siblings": siblings,
                }
            )

    @staticmethod
    def _listed(path: str, content: bytes) -> dict[str, Any]:
        one: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": etag(content)}
        if len(content) >= LARGE:
            one["oid"] = "b" * 40
            one["lfs"] = {
                "oid": etag(content),
                "sha256": etag(content),
                "size": len(content),
                "pointerSize": 130,
            }
        return one

    def _file(self, kind: str, name: str, revision: str, path: str) -> None:
        found = self.hub.repositories.get((kind, name))
        if found is None:
            self._refuse(401, "RepoNotFound")
        elif not self._allowed(found):
            authorized = "Authorization" in self.headers
            self._refuse(403 if authorized else 401, "GatedRepo" if found.gated else "RepoNotFound")
        elif revision not in ("main", found.commit):
            self._refuse(404, "RevisionNotFound")
        elif path not in found.files:
            self._refuse(404, "EntryNotFound")
        else:
            self._send(found, path, found.files[path])

    def _send(self, found: Repository, path: str, content: bytes) -> None:
        if self.command == "GET" and self._ordered_fault(path):
            return
        waiting = self.hub.faults[path]
        fault = waiting.popleft() if self.command == "GET" and waiting else ()
        start, size = 0, len(content)
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start = int(span[1])
            size = min(size, int(span[2]) + 1) if span[2] else size
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:size]
        if fault[:1] == ("corrupt",):
            body = bytes(len(body))
        if fault[:1] == ("short",):
            body = body[: -fault[1]]
        self.send_header("ETag", f'"{etag(content)}"')
        self.send_header("X-Repo-Commit", found.commit)
        if len(content) >= LARGE:
            self.send_header("X-Linked-Etag", f'"{etag(content)}"')
            self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault[:1] == ("drop",):
            self.wfile.write(body[: fault[1]])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        pieces = 16 * 1024 if fault[:1] == ("slow",) else max(1, len(body))
        for place in range(0, len(body), pieces):
            try:
                self.wfile.write(body[place : place + pieces])
            except OSError:
                return
            if fault[:1] == ("slow",):
                time.sleep(fault[1])
