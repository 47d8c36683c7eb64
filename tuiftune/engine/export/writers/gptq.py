"""The whole model quantized by GPTQ with the gptqmodel package."""

from __future__ import annotations

import importlib
import shutil
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.engine.export.merged import RESULTS
from tuiftune.engine.export.writers import merged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

WHOLE = ".whole"  # of the directory that is written: the merged model, until it is quantized
BITS, GROUP = 4, 128  # as GPTQ models are published (Frantar et al., 2022)
ROWS = 256  # training rows that it is calibrated on, at most


def write(opened: Opened, into: Path, form: str, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Write the model into a directory. Returns what the manifest says of it."""
    del form
    library = importlib.import_module("gptqmodel")
    whole = into / WHOLE
    whole.mkdir(exist_ok=True)
    merged.write(opened, whole, "bfloat16", tell)
    rows = calibration(opened)
    tell("quantizing", 0, 0)
    model = library.GPTQModel.load(
        str(whole),
        library.QuantizeConfig(bits=BITS, group_size=GROUP),
        trust_remote_code=opened.base.remote_code,
    )
    model.quantize(rows, batch_size=1, calibration_data_min_length=1)
    model.save(str(into))
    for path in paths.entries(whole):
        if path.name in RESULTS or (path.suffix == ".jinja"):
            shutil.copyfile(path, into / path.name)
    shutil.rmtree(whole)
    return {"dtype": "gptq", "calibration_rows": len(rows), "gptqmodel": str(library.__version__)}


def calibration(opened: Opened) -> list[dict[str, list[int]]]:
    """Training rows as the model was trained on them: their tokens, with the attention on all."""
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training import rows
    from tuiftune.runs.log.writer import Silence

    examples = rows.load(opened.wanted.preset, Report(Silence()), lambda: None).train
    made = opened.tokenizer().rows(list(examples[:ROWS]))
    return [{"input_ids": list(one.ids), "attention_mask": [1] * len(one.ids)} for one in made]
