"""Chatting with a run: its answers are those that were scored, the base model is the same one without its
adapter, and votes are rows that a preference stage can read.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import talking
import tiny

from tuiftune.chat import session as sessions
from tuiftune.chat.conversation import Answer, Conversation, Settings
from tuiftune.chat.record import Record
from tuiftune.chat.session import Session
from tuiftune.chat.source import source
from tuiftune.cli import chat_lines
from tuiftune.data.read.load import load
from tuiftune.engine.jobs import chat as chat_job
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import RunDir, create
from tuiftune.schemas import registry
from tuiftune.tui.app import TuneApp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

GREEDY = Settings(max_new_tokens=8)


@pytest.fixture(scope="module")
def run(engine: Engine, model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    root = tmp_path_factory.mktemp("chat")
    path = tiny.make_run(root, "short", tiny.resolved(model, data, data__system="Be short."))
    assert engine.train(path) == 0
    return RunDir(path)


@pytest.fixture
def begin(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    start = talking.starting(engine, tmp_path)
    monkeypatch.setattr(sessions.interpreter, "start", start)

    def make(*sources: Any) -> Session:
        made = Session(sources)
        made.start()
        details = list(made.ready())
        assert "weights" in details
        return made

    return make


def asked(session: Session, talk: Conversation, settings: Settings = GREEDY) -> list[Answer]:
    """Every model's answer; the texts that came before each are its own."""
    number = session.ask(talk.messages(), settings, range(len(session.sources)))
    found, text = [], ""
    while (event := session.event())["event"] != "done":
        assert event["event"] != "fault", event
        assert event["id"] == number
        if event["event"] == "began":
            text = ""
        elif event["event"] == "text":
            text = text[: event["at"]] + event["text"]
        else:
            assert event["text"].startswith(text.rstrip("\ufffd")), (event, text)
            found.append(Answer.of(event, settings))
    return found


def test_answers_are_those_that_were_scored(run: RunDir, begin: Callable[..., Session]) -> None:
    tuned = source(str(run.path))
    assert tuned.system == "Be short."
    with begin(tuned, tuned.base) as session:
        session.rows(4)
        rows = session.event()["rows"]
        scored = [json.loads(line) for line in (run.result_path / "samples.jsonl").open()]
        assert [row["row"] for row in rows] == [row["row"] for row in scored]
        for row, known in zip(rows, scored, strict=True):
            talk = Conversation().started_with(row["messages"], row["reference"])
            assert talk.system == "Be short."
            after, before = asked(session, talk)
            assert (before.text, after.text) == (known["before"], known["after"])
        assert before.text != after.text
        again = asked(session, talk)
        assert [one.text for one in again] == [after.text, before.text], "switched off and on again"
        assert after.tokens > 0
        assert after.ended in ("end", "length")


def test_a_seed_decides_and_a_stop_ends(run: RunDir, begin: Callable[..., Session]) -> None:
    with begin(source(str(run.path)).base) as session:
        talk = Conversation().ask("Which colour?")
        first, same, other = (
            asked(session, talk, Settings(temperature=2.0, seed=seed, max_new_tokens=12))[0].text
            for seed in (1, 1, 2)
        )
        assert first == same
        assert first != other
        long = Conversation("Be short.").ask("The door is violet. What colour is the door?")
        answer = asked(session, long, Settings(max_new_tokens=100_000))[0]
        assert answer.ended == "length"
        assert answer.tokens < 256, "the model was made for 256 tokens, and the prompt is some of them"
        question = {"id": 99, "models": [0], "messages": long.messages(), "max_new_tokens": 100_000}
        assert session._process is not None
        assert session._process.stdin is not None
        lines = [json.dumps(one) for one in ({"ask": question}, {"stop": True})]
        session._process.stdin.write("\n".join([*lines, ""]).encode())
        session._process.stdin.flush()
        while (event := session.event())["event"] != "answer":
            assert event["event"] in ("began", "text")
        assert event["ended"] == "stopped"
        assert session.event()["event"] == "done"
        assert len(asked(session, talk)) == 1, "and the next is answered"


def test_a_stop_ends_what_was_asked_before_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again at once, the answer that was stopped went on to its end, and the next one waited for it."""
    end, begin = os.pipe()
    with os.fdopen(end) as read, os.fdopen(begin, "w", buffering=1) as write:
        monkeypatch.setattr("sys.stdin", read)
        asks = chat_job.Asks()
        each = iter(asks)
        write.write('{"ask": 1}\n')
        assert next(each) == {"ask": 1}
        assert not asks.stopped()
        write.write('{"stop": true}\n{"ask": 2}\n')
        until = time.monotonic() + 60
        while asks._queue.empty():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert asks.stopped(), "of the first one"
        assert next(each) == {"ask": 2}
        assert not asks.stopped()
        write.close()
        assert list(each) == []


def test_votes_are_rows_to_train_on(run: RunDir, begin: Callable[..., Session], tmp_path: Path) -> None:
    tuned = source(str(run.path))
    record = Record.of([tuned, tuned.base], tmp_path / "votes.jsonl")
    with begin(tuned, tuned.base) as session:
        talk = Conversation("Be short.").ask("The cup is red. What colour is the cup?")
        for answer in asked(session, talk):
            talk = talk.answer(answer)
    voted = talk.vote("a")
    assert record.vote(voted) == 1
    record.keep(voted)
    rows = load([str(tmp_path / "votes.jsonl")])
    assert rows.format == "preference"
    example = next(iter(rows.at([0])))
    assert [one.role for one in example.messages or ()] == ["system", "user"]
    assert (example.chosen, example.rejected) == tuple(one.text for one in talk.turns[0].answers)
    kept = json.loads((run.result_path / "chat" / "history.jsonl").read_text().splitlines()[-1])
    assert kept["chosen"] == 0
    assert voted.ask("And now?").messages()[-2] == {"role": "assistant", "content": example.chosen}
    with pytest.raises(ValueError, match="A, B"):
        talk.vote("c")


def test_a_vote_that_changes_leaves_no_contradiction(run: RunDir, tmp_path: Path) -> None:
    tuned = source(str(run.path))
    votes = tmp_path / "votes.jsonl"
    votes.write_text("{}\n")
    record = Record.of([tuned, tuned.base], votes)
    talk = Conversation().ask("What colour is the cup?")
    for model, text in enumerate(("red", "blue")):
        talk = talk.answer(Answer(model, text, 1, 0.1))
    for label, better in (("a", "red"), ("b", "blue"), ("b", "blue")):
        talk = talk.vote(label)
        assert record.vote(talk) == 1
        rows = [json.loads(line) for line in votes.read_text().splitlines()]
        assert [row.get("chosen", [{}])[0].get("content") for row in rows] == [None, better]
    other = Conversation().ask("And the plate?")
    for model, text in enumerate(("white", "green")):
        other = other.answer(Answer(model, text, 1, 0.1))
    record.vote(other.vote("a"))
    assert len(votes.read_text().splitlines()) == 3, "another prompt's vote stays"


def test_what_cannot_be_asked_is_told(run: RunDir, begin: Callable[..., Session], tmp_path: Path) -> None:
    with begin(source(str(run.result_path / "model"))) as session:  # the adapter's directory alone
        session.ask(Conversation().ask("red " * 400).messages(), GREEDY, [0])
        assert session.event()["event"] == "began"
        fault = session.event()
        assert fault["event"] == "fault"
        assert "the model takes 256" in fault["message"]
        assert session.event()["event"] == "done"
        session.rows(3)
        assert "only a run" in session.event()["message"]
        assert asked(session, Conversation().ask("Which?"))
    changed = tmp_path / "base"
    shutil.copytree(json.loads((run.path / "plan.json").read_text())["resolved"]["model"]["base"], changed)
    copied = tmp_path / "copied"
    shutil.copytree(run.path, copied)
    plan = json.loads((copied / "plan.json").read_text())
    plan["resolved"]["model"]["base"] = str(changed)
    (copied / "plan.json").write_text(json.dumps(plan))
    config = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    with pytest.raises(UserError, match="changed since the run was trained"):
        begin(source(str(copied)))
    moved = json.loads((run.result_path / "model" / "adapter_config.json").read_text())
    moved["base_model_name_or_path"] = str(tmp_path / "gone")
    (tmp_path / "adapter_config.json").write_text(json.dumps(moved))
    with pytest.raises(UserError, match="gone: directory not found"):
        begin(source(str(tmp_path)))


def test_a_reward_model_is_not_chatted_with(tmp_path: Path) -> None:
    scores = create(tmp_path, "scores", "{}", {"resolved": {"method": {"stage": "reward"}}})
    (scores.result_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match="writes none"):
        source(str(scores.path))


def test_names(run: RunDir, tmp_path: Path, make_run: Callable[..., Path]) -> None:
    assert source(f"run:{run.path}").run == run
    assert source("builtin:tiny").given == "model:builtin:tiny"
    assert source("acme/model").given == "model:acme/model"
    (tmp_path / "x.bin").write_bytes(b"x")
    for name, said in (
        (str(make_run()), "no result yet"),
        (str(tmp_path / "x.bin"), "is a file, not a model"),
        (str(tmp_path), "neither a run nor a model"),
        ("nothing-here", "run not found"),
    ):
        with pytest.raises(UserError, match=said):
            source(name)
    with pytest.raises(UserError, match="only a run has a base"):
        _ = source("builtin:tiny").base


def test_a_prompt_from_a_pipe(
    run: RunDir,
    begin: Callable[..., Session],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tuned = source(str(run.path))
    scored = json.loads((run.result_path / "samples.jsonl").open().readline())

    def answered(text: str, *sources: Any, as_json: bool = False) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert chat_lines.once(sources, GREEDY, Conversation("Be short."), as_json=as_json) == 0
        return capsys.readouterr().out

    assert answered(scored["prompt"] + "\n", tuned) == scored["after"] + "\n"
    assert answered(scored["prompt"], tuned, tuned.base).splitlines()[-1] != scored["after"]
    document = json.loads(answered(scored["prompt"], tuned, as_json=True))
    jsonschema.validate(document, registry.json_schema("chat"))
    assert document["answers"][0]["answer"] == scored["after"]
    assert document["messages"][0] == {"role": "system", "content": "Be short."}
    with pytest.raises(UserError, match="the prompt is empty"):
        answered(" \n", tuned)


def test_commands_of_plain_lines(
    run: RunDir, begin: Callable[..., Session], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = source(str(run.path))
    record = Record.of([tuned], tmp_path / "votes.jsonl")
    with begin(tuned) as session:
        lines = chat_lines.Lines(session, GREEDY, Conversation(), record)
        for line in ("/temperature 1.5", "/seed 4", "/system Be brief.", "Which?", "/retry", "/retry"):
            lines.take(line)
        shown = capsys.readouterr()
        assert "C  short" in shown.err
        lines.take("/vote b")
        assert (tmp_path / "votes.jsonl").read_text().count("Be brief.") >= 1
        lines.take("/rows")
        assert "The " in capsys.readouterr().err
        lines.take("/rows 1")
        assert "reference: It is" in capsys.readouterr().err
        lines.take("/edit Which colour, then?")
        for line, said in (
            ("/nothing", "is not a command"),
            ("/temperature hot", "a number from 0 to 10"),
            ("/rows 99", "from 1 to"),
            ("/vote q", "name one of|no two different"),
        ):
            with pytest.raises(UserError, match=said):
                lines.take(line)
        lines.take("/clear")
        with pytest.raises(UserError, match="nothing was asked"):
            lines.take("/retry")


async def test_the_screen(
    run: RunDir, begin: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm-256color")
    tuned = source(str(run.path))
    record = Record.of([tuned, tuned.base], tmp_path / "votes.jsonl")
    app = TuneApp(chat=([tuned, tuned.base], GREEDY, Conversation("Be short."), record))

    def shown() -> str:
        return "\n".join(strip.text for strip in app.screen._compositor.render_strips())

    async with app.run_test(size=(120, 40)) as pilot:

        async def until(text: str) -> None:
            for _ in range(600):
                if text in shown():
                    return
                await pilot.pause(0.05)
            raise AssertionError(shown())

        await until("Type a prompt")
        await pilot.press(*"What is red?", "enter")
        await until("B short (base model)")
        await until("F5 F6 Better")  # both have answered
        await pilot.press("f5")
        await until(" better")
        assert json.loads((tmp_path / "votes.jsonl").read_text())["prompt"][0]["content"] == "Be short."
        await pilot.press("ctrl+g")
        await until("Prompts of the evaluation set")
        await pilot.press("enter")
        await until("reference")
        await pilot.press("escape")


def test_a_run_that_was_planned_for_a_gpu_is_chatted_with_on_a_cpu(
    run: RunDir, begin: Callable[..., Session], tmp_path: Path
) -> None:
    """In the precision that fits here, which is said; over NF4, which needs a GPU, over the base as it is."""
    elsewhere = []
    for name, method, quantization in (("half", "lora", "none"), ("four", "qlora", "nf4")):
        path = tmp_path / name
        shutil.copytree(run.path, path)
        plan = json.loads((path / "plan.json").read_text())
        plan["gpu"] = {"name": "NVIDIA H200"}
        plan["resolved"]["method"]["technique"] = method
        plan["resolved"]["model"] |= {
            "dtype": "bfloat16",
            "quantization": quantization,
            "attention": "varlen",
        }
        (path / "plan.json").write_text(json.dumps(plan))
        elsewhere.append(source(str(path)))
    with begin(*elsewhere) as session:
        assert session.device == "cpu"
        first, second = session.notes
        assert "in float32 (bfloat16 in the plan), on the CPU (NVIDIA H200 in the plan)" in first
        assert "the base model is not quantized (nf4 in the plan)" in second
        row = json.loads((run.result_path / "samples.jsonl").read_text().splitlines()[0])
        talk = Conversation("Be short.").ask(row["prompt"])
        assert [one.text for one in asked(session, talk)] == [row["after"]] * 2


def test_a_vote_compares_answers_to_the_same_system_message() -> None:
    talk = Conversation("be brief").ask("Hello")
    for text in ("Hi.", "Hello there."):
        talk = talk.answer(Answer(0, text))
    later = replace(talk, system="be long").answer(Answer(0, "A long greeting."))
    row = later.vote("a").preferences()
    assert [one["rejected"][0]["content"] for one in row] == ["Hello there."]
    assert row[0]["prompt"][0] == {"role": "system", "content": "be brief"}
    with pytest.raises(ValueError, match="to another system message"):
        later.vote("c")
