"""What goes wrong has a state, an exit code and a reason in one line."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Engine


def the_end(run: Path) -> dict[str, Any]:
    (end,) = tiny.events(run, "end")
    assert "\n" not in end["why"]
    return end


def test_not_a_number_stops_within_a_step(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """One row in 73 leads to NaN: the run ends at the step that meets it, and keeps what came before."""
    healthy = [row for row in tiny.rows() if "ring" not in row["messages"][0]["content"]]
    rows = tiny.write_rows(tmp_path / "rows.jsonl", [*healthy, tiny.rows()[-1]])
    run = make_run(rows=rows, run__save_every=1, data__eval=0.0, evaluation__rows=0, training__epochs=1)
    job = engine.start("train", run, fault={"module": "hindered", "reads_as_nan": "Ġring"})
    assert job.wait() == 5
    end = the_end(run)
    assert end["state"] == "nan"
    steps = tiny.events(run, "step")
    assert steps
    assert f"at step {len(steps) + 1};" in end["why"]
    from safetensors.torch import load_file

    kept = list((run / "checkpoints").glob("checkpoint-*/adapter_model.safetensors"))
    assert kept
    for path in kept:
        assert all(bool(weight.isfinite().all()) for weight in load_file(path).values())
    assert not (run / "result" / "result.json").exists()


@pytest.mark.parametrize(
    ("files", "why"), [(("config.json", "tokenizer.json", "tokenizer_config.json"), "no weights"), ((), "")]
)
def test_a_model_directory_without_weights(
    files: tuple[str, ...],
    why: str,
    engine: Engine,
    make_run: Callable[..., Path],
    model: Path,
    tmp_path: Path,
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in files:
        shutil.copy(model / name, bare / name)
    run = make_run(base=bare)
    assert engine.train(run) == 2
    end = the_end(run)
    assert (end["state"], end["exit_code"]) == ("failed", 2)
    assert why in end["why"]
    assert not list((run / "checkpoints").iterdir())
    assert not list((run / "result").iterdir())


def test_pickled_weights_are_never_opened(
    engine: Engine, make_run: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "pickled"
    shutil.copytree(model, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    (bare / "pytorch_model.bin").write_bytes(b"not a pickle anyone should open")
    run = make_run(base=bare)
    assert engine.train(run) == 2
    assert "safetensors" in the_end(run)["why"]


def test_missing_data(engine: Engine, make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(rows=tmp_path / "nothing.jsonl")
    assert engine.train(run) == 2
    assert "nothing.jsonl" in the_end(run)["why"]


def test_qlora_without_a_gpu_is_refused(engine: Engine, make_run: Callable[..., Path]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    run = make_run(method__technique="qlora")
    assert engine.train(run) == 2
    assert "GPU" in the_end(run)["why"]
    assert not list((run / "checkpoints").iterdir())


def test_an_unknown_target_module_names_the_nearest(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(method__target_modules=["q_porj"])
    assert engine.train(run) == 2
    assert "Did you mean q_proj?" in the_end(run)["why"]


def test_a_plan_left_open_is_refused(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(training__micro_batch="auto")
    assert engine.train(run) == 2
    assert "training.micro_batch" in the_end(run)["why"]


def test_answers_all_cut_away(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(data__max_length=4)
    assert engine.train(run) == 2
    assert "none of the" in the_end(run)["why"]


def test_reasons_by_kind() -> None:
    import torch

    from tuiftune.engine.process.faults import NotANumberError, ending_of

    assert ending_of(torch.OutOfMemoryError("CUDA out of memory. Tried")).state == "oom"
    assert ending_of(RuntimeError("CUDA error: out of memory")).exit_code == 6
    assert ending_of(OSError(errno.ENOSPC, "No space left on device")).state == "disk"
    assert ending_of(KeyError("surprise")).exit_code == 1
    assert ending_of(NotANumberError("loss", 2)).why.startswith("the loss is NaN or infinite at step 2;")
    assert ending_of(NotANumberError("weights", 2)).why.startswith("the weights are NaN or infinite")
    wrapped = RuntimeError("while saving")
    wrapped.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert ending_of(wrapped).exit_code == 7
    assert "\n" not in ending_of(ValueError("two\nlines")).why


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot mount a file system here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_costs_only_the_partial(
    small_disk: Path, engine: Engine, model: Path, data: Path, make_run: Callable[..., Path]
) -> None:
    changes = {"training__max_steps": 12, "run__save_every": 2, "run__checkpoints": 50, "method__rank": 16}
    run = tiny.make_run(small_disk, "full", tiny.resolved(model, data, **changes))
    assert engine.train(run) == 7
    assert tiny.events(run, "end")[-1]["state"] == "disk"
    left = sorted((run / "checkpoints").iterdir())
    assert left
    assert all(path.name.startswith("checkpoint-") for path in left)
    shutil.rmtree(left[0])
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert engine.train(run, "--resume") == 0


def test_a_step_that_does_not_end_is_noticed_once() -> None:
    from tuiftune.engine.process.gpu import STUCK_AFTER, STUCK_TIMES, StepWatch

    watch = StepWatch()
    assert watch.look("loading", 0, 0.0) is None
    assert watch.look("loading", 0, 10 * STUCK_AFTER) is None, "loading may take its time"
    start = 10 * STUCK_AFTER + 1
    assert watch.look("training", 0, start) is None
    assert watch.look("training", 0, start + STUCK_AFTER - 1) is None
    assert watch.look("training", 0, start + STUCK_AFTER) == STUCK_AFTER
    assert watch.look("training", 0, start + STUCK_AFTER + 5) is None, "it is told once"
    slow = start + STUCK_AFTER + 10
    assert watch.look("training", 1, slow) is None
    assert watch.look("training", 1, slow + 2 * STUCK_AFTER) is None, "steps are slow here"
    assert watch.look("training", 1, slow + STUCK_TIMES * (STUCK_AFTER + 10)) is not None


@pytest.mark.parametrize(
    ("seconds", "patient", "told"),
    [
        ([33.0, *[1.5] * 20], 95.0, 100.0),  # the first compiled: it may have to again
        ([0.3] * 20, 59.0, 61.0),
        ([40.0] * 20, 790.0, 810.0),
    ],
)
def test_once_steps_are_known_a_stuck_one_is_told_soon(
    seconds: list[float], patient: float, told: float
) -> None:
    from tuiftune.engine.process.gpu import StepWatch

    watch, now = StepWatch(), 0.0
    for step, taken in enumerate(seconds):
        watch.look("training", step, now)
        now += taken
    watch.look("training", len(seconds), now)
    assert watch.look("training", len(seconds), now + patient) is None
    assert watch.look("training", len(seconds), now + told) is not None


def test_the_gpu_that_the_others_wait_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As two H200s looked while the process on the second was stopped; a third belongs to another."""
    from tuiftune.engine.process.gpu import idle_among

    def gpus(*load: int | None) -> list[dict[str, Any]]:
        return [{"index": index, "utilisation": share} for index, share in enumerate(load)]

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert idle_among(gpus(100, 0, 0)) == ": GPU 1 is idle; the others wait for it"
    assert idle_among(gpus(100, 100, 0)) == idle_among(gpus(0, 0)) == idle_among(gpus(100, None)) == ""


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("CUDA error: uncorrectable ECC error encountered", "an uncorrectable memory error on the GPU"),
        ("CUDA error: an illegal memory access was encountered", "resume the run"),
        ("NCCL communicator was aborted on rank 1", "the connection between the processes failed"),
        (
            "DataLoader worker (pid 7) is killed by signal: Bus error.",
            "a process that loads the data crashed",
        ),
    ],
)
def test_a_gpu_or_a_loader_that_fails_is_named(
    message: str, words: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(evaluation__rows=0, data__eval=0.0)
    assert engine.start("train", run, fault={"module": "hindered", "raises": message}).wait() == 1
    end = the_end(run)
    assert end["state"] == "failed"
    assert words in end["why"]
    assert message in end["why"]
