"""Commands that load a model of the Hub which no run planned: said, fetched, resumed as by `download`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiftune import assets
from tuiftune.errors import UserError
from tuiftune.hub import progress
from tuiftune.hub.cache import cache_root
from tuiftune.models import download
from tuiftune.models.resolve import resolve

if TYPE_CHECKING:
    from stand_in import StandIn

ROOT = Path(__file__).parents[2]
MODEL = "acme/tiny"
SAYS = "acme/tiny is not on this machine: 2.1 MiB to download in 6 files (license apache-2.0), "


def command(*words: str, told: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *words],
        cwd=ROOT,
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tiny(hub: StandIn) -> StandIn:
    """A Hub with the built-in model under another name."""
    hub.model(MODEL, {one.name: one.read_bytes() for one in Path(assets.BASE).iterdir()})
    return hub


def test_it_is_announced_once_before_the_first_byte(tiny: StandIn) -> None:
    told: list[progress.Progress] = []
    progress.listen(told.append)
    download.bring(MODEL)
    assert str(told[0]).startswith(SAYS)
    assert str(told[0]).endswith(" free")
    assert [one.over for one in told[1:]][-1]
    assert resolve(MODEL).weights
    told.clear()
    download.bring(MODEL)
    assert not told


def test_of_an_adapter_it_is_its_base_model(tiny: StandIn, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": MODEL}))
    download.bring(str(tmp_path))
    assert resolve(MODEL).weights


def test_a_gate_tells_who_has_logged_in_from_who_has_not(
    tiny: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = tiny.repositories["models", MODEL]
    gated.gated, gated.token = True, "good"
    with pytest.raises(UserError, match=r"gated, and no token is set\. .*/acme/tiny, then log in"):
        download.bring(MODEL)
    monkeypatch.setenv("HF_TOKEN", "another")
    with pytest.raises(
        UserError, match=r"your account has no access yet\. Accept its terms at .*/acme/tiny$"
    ):
        download.bring(MODEL)


def test_a_tokenizer_needs_no_weights(tiny: StandIn) -> None:
    told: list[progress.Progress] = []
    progress.listen(told.append)
    download.bring(MODEL, weights=False)
    assert str(told[0]).startswith("the tokenizer of acme/tiny is not on this machine: ")
    assert resolve(MODEL).tokenizer
    assert not tiny.asked("/model.safetensors")


def test_the_base_model_of_a_run_is_fetched_again(
    tiny: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a resume, a chat and an export, of the commit that was trained on."""
    from tuiftune.chat.source import bring
    from tuiftune.deploy import exporting
    from tuiftune.deploy.request import Wanted
    from tuiftune.jobs.prepare import bring_models, prepare
    from tuiftune.preset.schema import Preset

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    rows = [{"prompt": f"how much is {n} + 1?", "completion": str(n + 1)} for n in range(40)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {"model": {"base": MODEL}, "data": {"train": "rows.jsonl"}, "method": {"technique": "lora"}}
    run = prepare(Preset.model_validate(values), tmp_path / "runs", "sums")
    model = run.result_path / "model"
    model.mkdir(parents=True)
    (model / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": MODEL, "r": 8}))
    (model / "adapter_model.safetensors").write_bytes(b"")
    (run.result_path / "result.json").write_text("{}")
    for fetch in (
        lambda: bring_models(run),
        lambda: bring(f"run:{run.path}"),
        lambda: exporting.prepare(run, Wanted("merged")),
    ):
        shutil.rmtree(cache_root())
        told: list[progress.Progress] = []
        progress.listen(told.append)
        fetch()
        assert str(told[0]).startswith(SAYS)
        assert resolve(MODEL, "a" * 40).weights


class StartedError(Exception):
    """An engine process would start now."""


COMMANDS = {
    "evaluate": ("evaluate", MODEL, "--data", "rows.jsonl", "--json"),
    "chat": ("chat", MODEL, "--json"),
    "decide": ("decide", "rows.jsonl", "--model", MODEL, "--json"),
    "judge": ("judge", MODEL, "--against", "builtin:tiny", "--judge", MODEL, "--data", "rows.jsonl"),
    "data score": ("data", "score", "rows.jsonl", "--by", MODEL, "-o", "scored.jsonl"),
    "data tokens": ("data", "tokens", "rows.jsonl", "--model", MODEL, "--json"),
    "serve": ("serve", MODEL, "--port", "28431"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_fetches_before_an_engine_starts(
    name: str,
    tiny: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever starts the engine finds the model on this machine; nothing of it is on standard output."""
    import io

    from tuiftune import interpreter
    from tuiftune.cli.main import build

    def start(*_: object, **__: object) -> None:
        found = resolve(MODEL)
        assert found.tokenizer
        assert found.weights or name == "data tokens"
        raise StartedError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello"))
    monkeypatch.setattr(interpreter, "start", start)
    rows = [{"prompt": f"how much is {n} + 1?", "completion": str(n + 1)} for n in range(40)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(StartedError):
        build()(COMMANDS[name], standalone_mode=False)
    seen = capsys.readouterr()
    assert ("the tokenizer of acme/tiny is not" if name == "data tokens" else SAYS) in seen.err
    assert seen.err.count("not on this machine") == 1
    assert "downloaded and verified" in seen.err
    assert not seen.out


@pytest.mark.parametrize(
    ("code", "says"), [(4, "^acme/tiny: stopped$"), (3, "nothing could be measured: acme/tiny: full$")]
)
def test_a_download_that_fails_is_not_begun_again_for_each_approach(
    code: int, says: str, tiny: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.cli.main import build
    from tuiftune.errors import ExitCode
    from tuiftune.hub import fetch

    begun: list[str] = []

    def fail(remote: object, files: object) -> None:
        begun.append("")
        raise UserError("stopped" if code == 4 else "full", place=MODEL, exit_code=ExitCode(code))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "fetch", fail)
    rows = [{"prompt": f"how much is {n} + 1?", "completion": str(n + 1)} for n in range(40)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=says) as failed:
        build()(COMMANDS["decide"], standalone_mode=False)
    assert failed.value.exit_code == code
    assert len(begun) == 1


@pytest.mark.long
def test_commands_answer_from_a_model_that_was_not_here(tiny: StandIn, tmp_path: Path) -> None:
    tiny.faults["model.safetensors"].append(("slow", 0.01))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{n}?", "completion": str(n)}) + "\n" for n in range(9)))
    done = command("evaluate", MODEL, "--data", str(rows), "--max-new-tokens", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["evaluation"]["rows"] == 9
    assert SAYS in done.stderr
    assert "downloaded and verified" in done.stderr
    again = command("chat", MODEL, "--max-new-tokens", "3", "--json", told="hello")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["answers"][0]["model"] == MODEL
    assert "not on this machine" not in again.stderr
