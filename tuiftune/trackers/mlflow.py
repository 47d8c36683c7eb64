"""MLflow: the server that MLFLOW_TRACKING_URI names, or files in the run's own directory."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuiftune.trackers.base import Ended, Sending, Tracker, always_ready

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_ONCE = 1000  # metrics of a request, as MLflow's REST API allows
LONGEST = 6000  # characters of a parameter, likewise
KEY = "tuiftune.id"


class _Server:
    def __init__(self, sending: Sending) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            uri = f"file:{sending.directory}"
            os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # since MLflow 3 files are to be asked for
        self._mlflow: Any = import_module("mlflow")
        self._client: Any = self._mlflow.MlflowClient(tracking_uri=uri)
        self._waiting: list[Any] = []
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or sending.project
        known = self._client.get_experiment_by_name(name)
        place = known.experiment_id if known else self._client.create_experiment(name)
        found = self._client.search_runs([place], f"tags.`{KEY}` = '{sending.id}'") if sending.resumed else []
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, "RUNNING")
            return
        self._id = self._client.create_run(place, run_name=sending.name, tags={KEY: sending.id}).info.run_id
        for key, value in sending.config.items():
            self._client.log_param(self._id, key, str(value)[:LONGEST])

    def log(self, step: int, when: float, values: Mapping[str, float]) -> None:
        metric = self._mlflow.entities.Metric
        self._waiting += [metric(name, value, int(when * 1000), step) for name, value in values.items()]
        if len(self._waiting) >= AT_ONCE // 2:
            self.flush()

    def flush(self) -> None:
        while self._waiting:
            self._client.log_batch(self._id, metrics=self._waiting[:AT_ONCE])
            del self._waiting[:AT_ONCE]

    def end(self, ended: Ended | None) -> None:
        self.flush()
        if ended is None:
            return
        for name, value in ended.scores.items():
            self._client.log_metric(self._id, f"final.{name}", value)
        if ended.result:
            self._client.set_tag(self._id, "result", ended.result)
        self._client.set_tag(self._id, "state", ended.state)
        status = "FINISHED" if ended.exit_code == 0 else "KILLED" if ended.state == "killed" else "FAILED"
        self._client.set_terminated(self._id, status)


TRACKER = Tracker(
    "mlflow",
    "MLflow",
    "mlflow",
    "MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri file:{directory}",
    always_ready,
    _Server,
)
