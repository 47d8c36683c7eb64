"""How a job asks for its GPUs: as the cluster takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cluster import Cluster, missing

from tuiftune.engine_call import Job
from tuiftune.errors import UserError
from tuiftune.jobs import slurm_commands
from tuiftune.jobs.backends import slurm
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]
FILTER = """\
function slurm_cli_setup_defaults(options, early_pass) return slurm.SUCCESS end
function slurm_cli_pre_submit(options, pack_offset)
    if options["REFUSED"] ~= nil and options["REFUSED"] ~= "" then
        slurm.log_error("use the other way to ask for GPUs")
        return slurm.ERROR
    end
    return slurm.SUCCESS
end
function slurm_cli_post_submit(offset, job_id, step_id) return slurm.SUCCESS end
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    place = tmp_path_factory.mktemp("slurm")
    (place / "cli_filter.lua").write_text(FILTER)
    made = Cluster(place, gpus=2)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "runs" / "tone"
    (path / "control").mkdir(parents=True)
    (path / "plan.json").write_text('{"resolved": {"name": "tone", "hardware": {"processes": 2}}}')
    yield RunDir(path)
    cluster.ask("scancel", "--user", "root")


@pytest.mark.parametrize(
    ("refused", "asked"),
    [("nothing", "--gres=gpu:2"), ("gres", "--gpus-per-node=2"), ("gpus-per-node", "--gres=gpu:2")],
)
def test_gpus_are_asked_for_as_the_cluster_takes_it(
    refused: str, asked: str, run: RunDir, cluster: Cluster
) -> None:
    (cluster.place / "cli_filter.lua").write_text(FILTER.replace("REFUSED", refused))
    assert slurm_commands.gpus_of("debug") == [("", 2)]
    slurm.want(run, slurm.Wanted("debug", gpus=2))
    number = slurm.BACKEND.submit(Job("train", run=run.path), run)
    script = (run.control_path / slurm.SCRIPT).read_text()
    assert [line for line in script.splitlines() if line.startswith("#SBATCH --g")] == [f"#SBATCH {asked}"]
    assert "gres:gpu:2" in cluster.ask("scontrol", "show", "job", str(number))


def test_what_is_refused_either_way_is_told_in_the_words_of_the_first(run: RunDir, cluster: Cluster) -> None:
    (cluster.place / "cli_filter.lua").write_text(FILTER.replace("REFUSED", "nothing"))
    slurm.want(run, slurm.Wanted("debug", gpu="h900", gpus=2))
    with pytest.raises(UserError, match=r"not available|Invalid gres|Invalid generic"):
        slurm.BACKEND.submit(Job("train", run=run.path), run)
    assert "--gres=gpu:h900:2" in (run.control_path / slurm.SCRIPT).read_text()
