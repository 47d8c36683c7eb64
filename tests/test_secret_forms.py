"""One table of what tokens look like, and those of the environment by their value."""

import json
from pathlib import Path

import pytest

from tuiftune.data.checks import secrets
from tuiftune.errors import UserError
from tuiftune.preset import file
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.reports.report import markdown
from tuiftune.runs.store.directory import create, write_text
from tuiftune.secret_forms import FORMS, GUESSED, HIDDEN, holds_secret, without_secrets

FORMED = {
    "AWS key": "AKIAIOSFODNN7SAMPLE1",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "API key": "sk-proj-" + "a1B2" * 8,
    "Slack token": "xoxb-123456789012-abc",
    "Google key": "AIza" + "b" * 35,
    "Hugging Face token": "hf_" + "Ab1" * 11,
    "Stripe key": "sk_live_" + "c3" * 10,
    "GitLab token": "glpat-" + "d4" * 10,
    "npm token": "npm_" + "e5" * 18,
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "JSON web token": f"eyJ{'f' * 12}.eyJ{'g' * 12}.{'h' * 12}",
    "password in a URL": "https://me:hunter22@example.org",
}
VALUES = {
    "HF_TOKEN": "formless0123456789",
    "WANDB_API_KEY": "0123456789abcdef" * 2,
    "MY_SERVICE_KEY": "k3y-of-mine",
    "DB_PASSWORD": 'p4ss"w\\rd ünd',
    "CLIENT_SECRET": "only-letters-here",
}
ORDINARY = (
    "sk-learn-and-its-very-long-names",
    "builtin:tiny",
    "meta-llama/Llama-3.1-8B-Instruct",
    "https://example.org/a@b",
    "tokenizer_config.json",
)


def test_the_table_is_one() -> None:
    assert secrets.SECRETS is FORMS
    assert set(FORMED) == set(FORMS) - set(GUESSED)


@pytest.mark.parametrize("kind", FORMED)
def test_every_form_is_hidden_and_refused(kind: str) -> None:
    text = f"failed with {FORMED[kind]}: no access"
    assert holds_secret(text)
    assert FORMED[kind] not in without_secrets(text)
    assert without_secrets(text).startswith(f"failed with {HIDDEN}")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_names_are_left(text: str) -> None:
    assert without_secrets(text) == text
    assert not holds_secret(text)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("KEYBOARD_LAYOUT_NAME", "a-long-name-of-a-layout")
    (tmp_path / "key-file-0123").touch()
    monkeypatch.setenv("SSH_KEY", str(tmp_path / "key-file-0123"))
    return tmp_path


def test_values_of_the_environment_in_every_writing(environment: Path) -> None:
    for value in VALUES.values():
        for text in (value, json.dumps([value]), repr(value), f"x={value}&y"):
            assert holds_secret(text)
            assert HIDDEN in without_secrets(text)
    for text in ("false", "a-long-name-of-a-layout", str(environment / "key-file-0123")):
        assert without_secrets(text) == text


def test_none_gets_into_a_run(environment: Path) -> None:
    for value in VALUES.values():
        writer = EventWriter(environment / "events.jsonl")
        writer.emit("warning", code="x", message=f"401 for {value}")
        writer.close()
        write_text(environment / "report.md", f"trained with {value}")
        for name in ("events.jsonl", "report.md"):
            text = (environment / name).read_text("utf-8")
            assert HIDDEN in text
            assert value not in text
            assert json.dumps(value)[1:-1] not in text


@pytest.mark.parametrize("where", ["name", "root", "preset", "plan"])
def test_what_a_run_is_made_from_is_refused(environment: Path, where: str) -> None:
    value = VALUES["CLIENT_SECRET"]
    given = {"name": "try", "root": "runs", "preset": "name: x\n", "plan": "rows.jsonl"}
    given[where] = value
    with pytest.raises(UserError, match="token or password") as caught:
        create(environment / given["root"], given["name"], given["preset"], {"data": given["plan"]})
    assert value not in str(caught.value)
    assert not (environment / given["root"]).exists()


def test_a_preset_is_neither_read_nor_written_with_one(environment: Path) -> None:
    text = f"model: {{base: 'builtin:tiny'}}\ndata: {{train: '{VALUES['HF_TOKEN']}.jsonl'}}\n"
    with pytest.raises(UserError, match="must not contain a token"):
        file.loads(text, "mine.yaml")
    preset = file.loads("model: {base: 'builtin:tiny'}\ndata: {train: 'x.jsonl'}\n", "mine.yaml")
    with pytest.raises(UserError, match="must not contain a token"):
        file.override(preset, [f"name={VALUES['CLIENT_SECRET']}"])
    held = preset.with_values({"data.train": VALUES["WANDB_API_KEY"]})
    with pytest.raises(UserError, match="must not contain a token"):
        file.save(held, environment / "saved.yaml")
    assert not (environment / "saved.yaml").exists()


def test_a_report_of_an_older_run_hides_it(environment: Path) -> None:
    run = create(environment / "runs", "old", "name: old\n", {})
    start = {"v": 1, "seq": 1, "t": 1.0, "type": "start", "model": VALUES["CLIENT_SECRET"], "total_steps": 1}
    run.events_path.write_text(json.dumps(start) + "\n")
    text = markdown(run)
    assert VALUES["CLIENT_SECRET"] not in text
    assert HIDDEN in text
