"""An exported GGUF file is chatted with and served by llama.cpp, and answers as the run was scored."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from exports import Exporter

from tuiftune import interpreter
from tuiftune.chat.conversation import Conversation, Settings
from tuiftune.chat.serving import serving
from tuiftune.chat.session import Session
from tuiftune.chat.source import source

if TYPE_CHECKING:
    from conftest import Engine


@pytest.fixture
def export(engine: Engine, monkeypatch: pytest.MonkeyPatch, llama_cpp: Path) -> Exporter:
    exporter = Exporter(engine, monkeypatch)
    exporter.options["llama_cpp"] = str(llama_cpp)
    return exporter


@pytest.mark.long
def test_a_file_is_chatted_with_and_served(trained: Path, export: Exporter) -> None:
    """The exported file alone: llama.cpp's answers, in a chat and to a client, are those that were scored."""
    document = export(trained, "gguf", quantize="f16")
    file = next(Path(document["directory"]).glob("*.gguf"))
    scored = [json.loads(line) for line in (trained / "result" / "samples.jsonl").open()]
    settings = Settings(max_new_tokens=16)
    same = 0
    with Session([source(str(file))]) as session:
        assert list(session.ready())
        for row in scored:
            session.ask(Conversation().ask(row["prompt"]).messages(), settings, [0])
            while (event := session.event())["event"] != "answer":
                assert event["event"] in ("began", "text"), event
            assert session.event()["event"] == "done"
            same += event["text"] == row["after"]
    assert same >= len(scored) - 1
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = serving([f"colors={file}"], "127.0.0.1", port, "", "")
    process = interpreter.start(found.job().command(), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": {"colors": {"context": 256, "note": ""}}}
        given = {"model": "colors", "messages": [{"role": "user", "content": scored[0]["prompt"]}]}
        text = ""
        with httpx.stream(
            "POST", f"{found.url}/chat/completions", json={**given, "stream": True, "temperature": 0}
        ) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        assert text == scored[0]["after"]
    finally:
        process.terminate()
        assert process.wait(20) == 0
