"""A TuningJob of Google's Vertex AI for an open model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune.interop.export import arguments, rows, services
from tuiftune.interop.export.tool import Tool

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "vertex.json"
SPEC = "supervisedTuningSpec"
NUMBERS = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}
FORMS: dict[str, dict[str, Any]] = {
    "full": {f"{SPEC}.tuningMode": "TUNING_MODE_FULL"},
    "lora": {f"{SPEC}.tuningMode": "TUNING_MODE_PEFT_ADAPTER"},
}


def write(out: Outward) -> None:
    """Fill in the request."""
    why = "write the model's name in Model Garden, PUBLISHER/MODEL@VERSION"
    name = out.preset.model.base.rpartition("/")[2].lower()
    services.model(out, "baseModel", f"PUBLISHER/{name}@VERSION", why)
    out.put("tunedModelDisplayName", out.preset.name)
    out.note("name", "tunedModelDisplayName")
    services.technique(out, FORMS)
    services.files(
        out,
        f"{SPEC}.trainingDatasetUri",
        f"{SPEC}.validationDatasetUri",
        lambda path: f"gs://BUCKET/{path}",
    )
    numbers = f"{SPEC}.hyperParameters"
    services.whole(out, "training.epochs", f"{numbers}.epochCount", str)
    arguments.rate(out, f"{numbers}.learningRate")
    out.carry("training.effective_batch", f"{numbers}.batchSize", str(out.preset.training.effective_batch))
    if out.get("method.rank") is not None:
        services.rank(
            out, f"{numbers}.adapterSize", tuple(NUMBERS), lambda size: f"ADAPTER_SIZE_{NUMBERS[size]}"
        )
    out.put("outputUri", "gs://BUCKET/tuned")


def command(out: Outward) -> str:
    """Upload, then ask for the job."""
    copied = " ".join(rows.written(out))
    url = "https://$REGION-aiplatform.googleapis.com/v1/projects/$PROJECT/locations/$REGION/tuningJobs"
    return (
        f"gcloud storage cp {copied} gs://BUCKET/ && curl -sS {url} "
        f'-H "Authorization: Bearer $(gcloud auth print-access-token)" '
        f'-H "Content-Type: application/json" -d @{FILE}'
    )


TOOL = Tool(
    key="vertex",
    name="Vertex AI",
    order=70,
    write=write,
    texts=lambda out: {FILE: json.dumps(out.document, indent=2) + "\n"},
    command=command,
    service="TuningJob of Vertex AI v1, as google-genai 3.6.1 has it, read on 29 November 2026",
)
