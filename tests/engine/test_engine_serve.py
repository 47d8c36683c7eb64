"""A client asks the server, and gets what evaluation got: by name, as a stream, with a key."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import tiny
import torch

from tuiftune.chat.serving import VLLM, Served, Serving, serving, vllm
from tuiftune.engine.serving import leaving, listening
from tuiftune.engine.serving.place import Place
from tuiftune.engine.serving.stop_text import Stop
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Engine

KEY = "served-7f3a9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def runs(engine: Engine, model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[RunDir]:
    root = tmp_path_factory.mktemp("served")
    made = []
    for name, seed in (("one", 1), ("two", 2)):
        path = tiny.make_run(root, name, tiny.resolved(model, data, training__seed=seed))
        assert engine.train(path) == 0
        made.append(RunDir(path))
    return made


@pytest.fixture(scope="module")
def server(
    engine: Engine, runs: list[RunDir], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Serving, Any]]:
    """Both adapters over one base model, by a process forked from the warm parent."""
    port = free_port()
    os.environ["SERVED_KEY"] = KEY
    output = tmp_path_factory.mktemp("server") / "said"
    log = output.with_name("log.jsonl")
    names = [f"first={runs[0].path}", str(runs[1].path)]
    found = serving(names, "127.0.0.1", port, "SERVED_KEY", "", log=log)
    words = found.job().command()
    given = words[words.index("tuiftune.engine") + 1 :]
    job = engine.job(engine.parent.start([given], output, environ={"SERVED_KEY": KEY}), output)
    until = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                break
        except httpx.HTTPError:
            assert time.monotonic() < until, job.output.read_text()
            time.sleep(0.1)
    yield found, job
    job.send(signal.SIGTERM)
    job.wait()


def client(found: Serving, key: str = KEY) -> httpx.Client:
    return httpx.Client(base_url=found.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def scored(run: RunDir) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.result_path / "samples.jsonl").open()]


def asked(http: httpx.Client, model: str, prompt: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    answer = http.post("chat/completions", json={"model": model, "messages": messages, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_each_adapter_answers_as_it_was_scored(server: tuple[Serving, Any], runs: list[RunDir]) -> None:
    with client(server[0]) as http:
        listed = [(one["id"], one["max_model_len"]) for one in http.get("models").json()["data"]]
        assert listed == [("first", 256), ("two", 256)]
        for name, run in (("first", runs[0]), ("two", runs[1]), ("first", runs[0])):
            row = scored(run)[0]
            answer = asked(http, name, row["prompt"], max_tokens=8)
            assert answer["choices"][0]["message"]["content"] == row["after"]
        sampled = set()
        for seed in range(6):
            made = asked(http, "two", row["prompt"], max_tokens=8, temperature=5, seed=seed)
            sampled.add(made["choices"][0]["message"]["content"])
        assert len(sampled) > 1, "a temperature samples"
        assert http.post("chat/completions", json={"model": "acme/other", "messages": []}).status_code == 404


def test_a_stream_is_the_same_answer(server: tuple[Serving, Any], runs: list[RunDir]) -> None:
    row = scored(runs[1])[0]
    given = {"model": "two", "messages": [{"role": "user", "content": row["prompt"]}], "max_tokens": 8}
    text = ""
    with (
        client(server[0]) as http,
        http.stream("POST", "chat/completions", json={**given, "stream": True}) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    assert text == row["after"]


def test_the_context_ends_an_answer_and_refuses_a_prompt(
    server: tuple[Serving, Any], runs: list[RunDir]
) -> None:
    prompt = "The door is red. " * 30
    with client(server[0]) as http:
        used = asked(http, "two", prompt[:500], temperature=9, max_tokens=5000)
        tokens = used["usage"]
        assert tokens["total_tokens"] <= 256
        if tokens["total_tokens"] == 256:
            assert used["choices"][0]["finish_reason"] == "length"
        given = {"model": "two", "messages": [{"role": "user", "content": prompt * 9}]}
        refused = http.post("chat/completions", json=given)
        assert refused.status_code == 400
        assert "and the context is 256" in refused.json()["error"]["message"]
        with http.stream("POST", "chat/completions", json={**given, "stream": True}) as answer:
            assert "and the context is 256" in "".join(answer.iter_text())


BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("chat/completions", {"messages": []}, "messages must be a list with at least one message"),
    ("chat/completions", {"messages": ["hi"]}, "messages[0] is not a message"),
    ("chat/completions", {"messages": [{"role": "alien", "content": "x"}]}, "messages[0] has no role"),
    ("chat/completions", {"messages": [{"role": "user", "content": None}]}, "messages[0] has no content"),
    (
        "chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "holds image_url: only text is read",
    ),
    (
        "chat/completions",
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]}]},
        "arguments are not a JSON object",
    ),
    ("chat/completions", {"model": None}, "no model is named; there are: first, two"),
    ("chat/completions", {"n": 2}, "n is not supported here"),
    ("chat/completions", {"logprobs": True}, "logprobs is not supported here"),
    ("chat/completions", {"response_format": {"type": "json_object"}}, "response_format is not supported"),
    ("chat/completions", {"max_tokens": 0}, "max_tokens must be"),
    ("chat/completions", {"max_completion_tokens": True}, "max_completion_tokens must be"),
    ("chat/completions", {"temperature": -1}, "temperature must be 0 or more"),
    ("chat/completions", {"temperature": "hot", "stream": True}, "temperature must be 0 or more"),
    ("chat/completions", {"top_p": 2}, "top_p must be"),
    ("chat/completions", {"stop": [""]}, "stop must be text"),
    ("chat/completions", {"seed": 1.5}, "seed must be"),
    ("chat/completions", {"logit_bias": {"5": 9}}, "logit_bias is not supported"),
    ("completions", {"prompt": "x", "max_tokens": -1}, "max_tokens must be"),
    ("completions", {"max_tokens": 3}, "the prompt is empty"),
    ("chat/completions", {"chat_template_kwargs": "x"}, "chat_template_kwargs must be an object"),
    (
        "chat/completions",
        {"chat_template_kwargs": {"chat_template": "{{ raise_exception('roles must alternate') }}"}},
        "chat template refuses these messages: roles must alternate",
    ),
    ("responses", {"input": "x", "max_output_tokens": 0}, "max_output_tokens must be"),
)


def test_a_request_that_cannot_be_honored_is_refused_in_a_line(server: tuple[Serving, Any]) -> None:
    with client(server[0]) as http:
        for path, given, says in BAD:
            chat = {"messages": [{"role": "user", "content": "Hello"}]} if path.startswith("chat") else {}
            refused = http.post(path, json={"model": "two", **chat, **given})
            assert refused.status_code == 400, (given, refused.text)
            assert says in refused.json()["error"]["message"], given
        plain = {
            "n": 1,
            "frequency_penalty": 0,
            "logprobs": False,
            "stop": [],
            "response_format": {"type": "text"},
        }
        first = asked(http, "two", "Hello", max_tokens=4)["choices"]
        assert asked(http, "two", "Hello", max_tokens=4, **plain)["choices"] == first
        tool = {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"}
        assert asked(http, "two", "Hello", max_tokens=4, **tool)["choices"] == first


def test_a_seed_is_its_requests_own(server: tuple[Serving, Any]) -> None:
    """Requests that wait for one another sampled from the random numbers of whoever came last."""
    given = {"max_tokens": 20, "temperature": 5.0}

    def answer(seed: int | None) -> str:
        with client(server[0]) as http:
            made = asked(http, "two", "Hello", seed=seed, **given)
        return str(made["choices"][0]["message"]["content"])

    alone = [answer(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as together:
        assert list(together.map(answer, range(4))) == alone
    after = [(answer(1), answer(None)) for _ in range(2)]
    assert after[0][0] == after[1][0]
    assert after[0][1] != after[1][1], "a seed is not handed on to the next request"


def test_other_things_that_clients_ask_for(server: tuple[Serving, Any]) -> None:
    with client(server[0]) as http:
        assert http.get("models/two").json()["id"] == "two"
        gone = http.get("models/three")
        assert (gone.status_code, gone.json()["error"]["message"][:14]) == (404, "no model named")
        said = http.post("responses", json={"model": "two", "input": "Hello", "max_output_tokens": 3})
        assert said.json()["output"][0]["content"][0]["type"] == "output_text", "no stream was asked for"
        given = {"model": "two", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        with http.stream("POST", "chat/completions", json={**given, "stream": True}) as answer:
            lines = [line for line in answer.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"


def test_what_nobody_waits_for_is_not_written_on() -> None:
    """A client that leaves tells of it; the generation's criterion then says to end."""
    seen: list[tuple[bool, bool]] = []

    async def application(_: Any, receive: Any, __: Any) -> None:
        there = leaving.client.get()
        assert there is not None
        assert (await receive())["body"] == b"asked"
        before = bool(there(torch.zeros((1, 3)), None)[0])
        assert (await receive())["type"] == "http.disconnect"
        seen.append((before, bool(copy.deepcopy(there)(torch.zeros((1, 3)), None)[0])))

    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"asked"},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop(0)

    asyncio.run(leaving.Watched(application)({"type": "http"}, receive, None))
    assert seen == [(False, True)]


def test_an_answer_ends_before_its_stop_text(server: tuple[Serving, Any], runs: list[RunDir]) -> None:
    row = scored(runs[1])[0]
    stop = row["after"][1:3]
    given = {"model": "two", "messages": [{"role": "user", "content": row["prompt"]}], "stop": stop}
    wanted = row["after"][: row["after"].index(stop)]
    with client(server[0]) as http:
        made = asked(http, "two", row["prompt"], stop=[stop], max_tokens=8)["choices"][0]
        assert (made["message"]["content"], made["finish_reason"]) == (wanted, "stop")
        text = ""
        with http.stream("POST", "chat/completions", json={**given, "stream": True}) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        assert text == wanted


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_text_is_passed_on_up_to_a_stop_and_nothing_is_lost_without(size: int) -> None:
    for text, stops, wanted in (
        ("a stop here", ["sto"], "a "),
        ("one END two", ["END", "one E"], ""),
        ("aab", ["ab"], "a"),
        ("no match st", ["stop"], "no match st"),
    ):
        stop = Stop(stops)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(map(stop.feed, pieces)) + stop.rest() == wanted


def test_what_was_answered_is_logged_without_secrets(server: tuple[Serving, Any]) -> None:
    token = "hf_" + "z9Y8" * 9
    log = server[0].log
    assert log is not None
    with client(server[0]) as http:
        said = asked(http, "two", f"Keep {token} safe.", max_tokens=4)
    until = time.monotonic() + 30
    while not (lines := [line for line in log.read_text().splitlines() if " safe." in line]):
        assert time.monotonic() < until, "it is written after the answer was sent, but it is written"
        time.sleep(0.05)
    line = json.loads(lines[-1])
    assert [one["role"] for one in line["messages"]] == ["user", "assistant"]
    assert line["messages"][0]["content"] == "Keep [secret] safe."
    assert line["messages"][1]["content"] == said["choices"][0]["message"]["content"]
    assert (line["model"], line["settings"]) == ("two", {"max_tokens": 4})
    assert KEY not in log.read_text()


def test_without_the_key_nothing_is_answered(server: tuple[Serving, Any]) -> None:
    found = server[0]
    with client(found, "guessed") as http:
        assert http.get("models").status_code == 401
        assert http.post("chat/completions", json={}).status_code == 401
    assert httpx.get(f"http://127.0.0.1:{found.port}/health").status_code == 200
    assert KEY not in " ".join(found.job().command())
    assert KEY not in found.curl() + found.python()


def test_what_cannot_be_served_is_one_line(
    runs: list[RunDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., Path]
) -> None:
    run, port = str(runs[0].path), free_port()
    monkeypatch.delenv("NO_KEY", raising=False)
    cases: list[tuple[tuple[Any, ...], str]] = [
        (([run], "0.0.0.0", port, "", ""), "a key is required"),
        (([run], "127.0.0.1", port, "NO_KEY", ""), "has no NO_KEY"),
        (([str(make_run())], "127.0.0.1", port, "", ""), "no result yet"),
        (([run], "127.0.0.1", port, "", "tgi"), "none of transformers"),
        (([run], "127.0.0.1", port, "", "llama.cpp"), "not served by llama.cpp"),
        (([str(tmp_path / "x.gguf")], "127.0.0.1", port, "", ""), "no such file"),
    ]
    for given, said in cases:
        with pytest.raises(UserError, match=said):
            serving(*given)
    with pytest.raises(UserError, match="is a directory"):
        serving([run], "127.0.0.1", port, "", "", log=tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(UserError, match="cannot listen"):
            serving([run], "127.0.0.1", port, "", "")
        with pytest.raises(UserError, match="was free before the model was loaded"):
            listening.run(None, Place("127.0.0.1", port, ""), lambda: None)


def test_the_command_for_vllm(runs: list[RunDir], tmp_path: Path) -> None:
    models = tuple(Served(run.name, f"run:{run.path}") for run in runs)
    command = vllm(Serving(models, VLLM, "127.0.0.1", 8001, ""))
    assert command[:2] == ["vllm", "serve"]
    assert "--max-lora-rank=8" in command
    assert f"two={runs[1].result_path / 'model'}" in command
    config = json.loads((runs[0].result_path / "model" / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}))
    with pytest.raises(UserError, match="does not take an adapter with DoRA"):
        vllm(Serving((Served("d", f"adapter:{tmp_path}"),), VLLM, "127.0.0.1", 8001, ""))


@pytest.mark.long
def test_the_lines_that_are_printed_work(runs: list[RunDir], tmp_path: Path) -> None:
    """The command as a user runs it: curl and the openai package get an answer, Ctrl-C ends it with 0."""
    port = free_port()
    command = [sys.executable, "-m", "tuiftune", "serve", str(runs[0].path), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(3)]
    assert "Serving one" in lines[0]
    curl = subprocess.run(["bash", "-c", lines[1]], capture_output=True, text=True, check=True, timeout=120)
    content = json.loads(curl.stdout)["choices"][0]["message"]["content"]
    python = subprocess.run(
        [sys.executable, "-c", lines[2]], capture_output=True, text=True, check=True, timeout=120
    )
    assert python.stdout.strip() == content.strip()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_evaluate_scores_what_is_served_as_the_run_was_scored(
    server: tuple[Serving, Any], runs: list[RunDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from tuiftune.cli.main import build

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    rows = scored(runs[1])
    own = [{"prompt": row["prompt"], "completion": row["reference"]} for row in rows]
    words = ["evaluate", server[0].url, "--endpoint-model", "two", "--data", str(tmp_path / "rows.jsonl")]
    tiny.write_rows(tmp_path / "rows.jsonl", own)
    found = CliRunner().invoke(
        build(), [*words, "--max-new-tokens", "8", "--json", "--metric", "exact_match"]
    )
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)["evaluation"]
    after = json.loads((runs[1].result_path / "result.json").read_text())["after"]
    assert (told["exact_match"], told["rows"]) == (after["exact_match"], len(rows))
    assert told["usage"]["tokens_in"] > 0
    kept = "".join(path.read_text() for path in (tmp_path / "state").rglob("*.jsonl"))
    assert rows[0]["after"] in kept
    assert KEY not in kept + found.output
