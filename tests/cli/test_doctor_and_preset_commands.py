"""`tuiftune doctor` and `tuiftune preset`, run as people run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tuiftune.cli import terminal
from tuiftune.preset.file import loads
from tuiftune.printable import printable

ROOT = Path(__file__).parents[2]


def tuiftune(*args: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environ},
    )


def test_doctor_fits_80_columns_and_uses_signs_not_only_color(tmp_path: Path) -> None:
    run = tuiftune("doctor", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert max(len(line) for line in run.stdout.splitlines()) <= 80
    assert "\x1b" not in run.stdout
    for title in ("Machine", "GPUs", "Libraries", "Disks", "Terminal"):
        assert f"\n{title}\n" in f"\n{run.stdout}"
    assert "✓" in run.stdout


def test_doctor_json_is_one_document_that_says_what_the_machine_has(tmp_path: Path) -> None:
    run = tuiftune("doctor", "--json", cwd=tmp_path)
    document = json.loads(run.stdout)
    assert document["ok"] is True
    assert document["machine"]["host"]["memory_total"] > 2**30
    assert {library["name"] for library in document["libraries"]} >= {"torch", "transformers", "trl", "peft"}
    assert {finding["state"] for finding in document["findings"]} <= {"ok", "warn", "bad", "info"}


@pytest.mark.long
def test_doctor_proves_that_a_step_is_trained_or_says_why_not(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "OMP_NUM_THREADS": "1"}
    run = tuiftune("doctor", "--prove", cwd=tmp_path, **state)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"✓ LoRA: trained one step on the CPU in \d+ s", run.stdout)
    assert not any(tmp_path.iterdir()), "the proof is nobody's run"

    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(
        'raise ImportError("libcudart.so.12: cannot open shared object file")'
    )
    run = tuiftune(
        "doctor",
        "--prove",
        cwd=tmp_path,
        **state,
        PYTHONPATH=os.pathsep.join([str(broken.parent), str(ROOT)]),
    )
    assert run.returncode == 1
    words = " ".join(run.stdout.split())
    assert "a library that this PyTorch build needs is missing" in words
    assert "uv pip install --reinstall torch" in words


def test_doctor_does_not_import_torch() -> None:
    look = (
        "import sys; from tuiftune.cli.main import main; sys.argv = ['tuiftune', 'doctor']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = [name for name in ('torch', 'transformers', 'polars', 'textual') if name in sys.modules]\n"
        "print(heavy, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", look],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stderr.strip() == "[]"


def test_doctor_fails_where_there_is_no_room_for_runs() -> None:
    run = tuiftune("doctor", "--runs", "/proc/nothing/runs")
    assert run.returncode == 1
    assert "✗ Not ready: the disk for runs is full, or does not respond" in run.stdout


def test_doctor_without_an_engine_says_what_to_install(tmp_path: Path) -> None:
    """A real interpreter whose search path lacks the engine's libraries' metadata."""
    hide = (
        "import sys, importlib.metadata as metadata\nreal = metadata.version\n"
        "def version(name):\n"
        "    if name == 'trl': raise metadata.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "metadata.version = version\n"
        "from tuiftune.cli.main import main; sys.argv = ['tuiftune', 'doctor']; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", hide],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
    )
    assert run.returncode == 1
    assert "pip install 'trl>=" in run.stdout
    assert "Not ready: trl" in run.stdout


def test_preset_list_names_each_with_its_purpose() -> None:
    run = tuiftune("preset", "list")
    assert run.returncode == 0
    assert run.stdout.startswith("chat-style-7b ")
    assert max(len(line) for line in run.stdout.splitlines()) <= 80


def test_preset_check_says_everything_at_once(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("model: {base: x}\ndata: {train: y}\n")
    bad.write_text("model: {base: x}\ndata: {train: y}\ntraining: {epoch: 1}\nmethod: {rank: 0}\n")
    offline = ("--without", "data", "--without", "weights")
    run = tuiftune("preset", "check", str(good), str(bad), "demo", *offline)
    assert run.returncode == 2
    lines = run.stderr.splitlines()
    assert [line[0] for line in lines] == ["✓", "✗", "✗", "✓"]
    assert "line 3" in lines[1]
    assert "line 4" in lines[2]
    assert tuiftune("preset", "check", str(good), *offline).returncode == 0


def test_preset_show_prints_a_preset_that_can_be_used() -> None:
    run = tuiftune("preset", "show", "demo", "--set", "training.epochs=7")
    assert run.returncode == 0
    assert loads(run.stdout, "shown").training.epochs == 7
    assert yaml.safe_load(run.stdout)["model"]["base"] == "builtin:tiny"


def test_preset_show_resolved_says_what_auto_became_and_why(tmp_path: Path) -> None:
    run = tuiftune("preset", "show", "demo", "--resolved", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    resolved = loads(run.stdout, "resolved")
    assert resolved.training.micro_batch != "auto"
    assert resolved.training.learning_rate != "auto"
    assert "training.learning_rate" in run.stderr
    assert "training.micro_batch" in run.stderr


def test_preset_schema_is_json() -> None:
    assert json.loads(tuiftune("preset", "schema").stdout)["title"].startswith("tuiftune preset")


def test_text_from_elsewhere_is_made_fit_to_show() -> None:
    assert printable("plain ünï 漢字") == "plain ünï 漢字"
    assert printable("\x1b[31mred\r\n") == "\\x1b[31mred\\r\\n"
    assert printable("a\u202eb\u2028c\ud800") == "a\\u202eb\\u2028c\\ud800"
    assert printable("two\nlines\x07", lines=True) == "two\nlines\\x07"


def test_json_has_no_infinities_and_survives_names_that_are_no_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.write_json({"loss": float("nan"), "most": [float("inf"), 1.5], "path": "caf\udce9"})
    assert json.loads(capsys.readouterr().out) == {"loss": None, "most": [None, 1.5], "path": "caf\udce9"}


def test_bars_and_signs_without_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.bar(0.5, 8) == "████░░░░"
    assert terminal.bar(7.0, 4) == "████"
    monkeypatch.setattr(terminal, "unicode", lambda: False)
    assert terminal.bar(0.25, 8) == "##......"
    assert [terminal.sign(kind) for kind in ("ok", "warn", "bad")] == ["ok", "!", "X"]
