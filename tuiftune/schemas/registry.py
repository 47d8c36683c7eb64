"""The documents by name, and the JSON Schema of each."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tuiftune.errors import UserError
from tuiftune.printable import printable

VERSION = 1
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# name: (file of this directory, type in it)
DOCUMENTS: dict[str, tuple[str, str]] = {
    "doctor": ("machine", "DoctorDocument"),
    "advise": ("machine", "AdviseDocument"),
    "advise-prompt": ("machine", "StarterDocument"),
    "advise-documents": ("machine", "RetrievalDocument"),
    "data-inspect": ("data", "InspectDocument"),
    "data-clean": ("data", "CleanDocument"),
    "data-mix": ("data", "MixDocument"),
    "data-split": ("data", "SplitDocument"),
    "data-tokens": ("data", "TokensDocument"),
    "download": ("data", "DownloadDocument"),
    "download-rows": ("data", "DownloadRowsDocument"),
    "cache-show": ("cache", "CacheDocument"),
    "cache-clear": ("cache", "CacheClearDocument"),
    "plan": ("plan", "PlanDocument"),
    "plan-gpus": ("plan", "PlanGpusDocument"),
    "task-file": ("plan", "TaskFileDocument"),
    "run-plan": ("plan", "RunPlanDocument"),
    "import": ("machine", "ImportDocument"),
    "preset-check": ("machine", "PresetCheckDocument"),
    "preset-list": ("machine", "PresetListDocument"),
    "preset-show": ("machine", "PresetShowDocument"),
    "train": ("runs", "TrainDocument"),
    "runs": ("runs", "RunsDocument"),
    "queue": ("runs", "QueueDocument"),
    "status": ("runs", "StatusDocument"),
    "stop": ("runs", "StopDocument"),
    "report": ("runs", "ReportDocument"),
    "compare": ("runs", "CompareDocument"),
    "reproduce": ("runs", "ReproduceDocument"),
    "evaluate": ("evaluation", "EvaluateDocument"),
    "decide": ("evaluation", "DecideDocument"),
    "probe": ("studies", "ProbeDocument"),
    "sweep": ("studies", "SweepDocument"),
    "more-data": ("studies", "MoreDataDocument"),
    "study": ("studies", "StudyDocument"),
    "benchmark": ("evaluation", "BenchmarkDocument"),
    "judge": ("evaluation", "JudgeDocument"),
    "review": ("evaluation", "ReviewDocument"),
    "agreement": ("evaluation", "AgreementDocument"),
    "ship": ("evaluation", "ShipDocument"),
    "export": ("export", "ExportDocument"),
    "export-targets": ("export", "ExportTargetsDocument"),
    "result": ("runs", "ResultDocument"),
    "event": ("runs", "EventDocument"),
    "chat": ("sharing", "ChatDocument"),
    "preset-export": ("sharing", "PresetExportDocument"),
    "bundle": ("sharing", "BundleDocument"),
    "help": ("surface", "HelpDocument"),
}
PRESET = "preset"  # of the file: its schema is that of the preset room


def names() -> list[str]:
    """Every document there is a schema of."""
    return [PRESET, *DOCUMENTS]


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document. UserError for a name that there is none of."""
    name = name.removeprefix("tuiftune/").removesuffix(f"@{VERSION}")
    if name == PRESET:
        from tuiftune.preset import words

        return words.json_schema()
    if name not in DOCUMENTS:
        raise UserError("no such document", place=printable(name), remedy=f"one of {', '.join(names())}")
    from pydantic import TypeAdapter

    module, kind = DOCUMENTS[name]
    held = getattr(import_module(f"tuiftune.schemas.{module}"), kind)
    schema = TypeAdapter(held).json_schema(mode="serialization")
    if "schema" in schema.get("properties", {}):
        schema["properties"]["schema"] = {"const": named(name)}
    return {"$schema": DIALECT, "$id": named(name), **schema}


def named(name: str) -> str:
    """Return what stands under `schema` in a document."""
    return f"tuiftune/{name}@{VERSION}"
