"""Precisions of GGUF files: those that the converter writes, and those that llama.cpp quantizes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.deploy.base import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

# llama.h, enum llama_ftype: what `llama_model_quantize` takes.
FTYPES: Mapping[str, int] = {"q6_k": 18, "q5_k_m": 17, "q4_k_m": 15, "q3_k_m": 12, "q2_k": 10}
FORMS = (
    Form("q8_0", 8, "8 bits (Q8_0)"),
    Form("f16", 16, "float16 (F16)"),
    Form("bf16", 16, "bfloat16 (BF16)"),
    Form("q6_k", 6, "6 bits (Q6_K)"),
    Form("q5_k_m", 5, "5 bits (Q5_K_M)"),
    Form("q4_k_m", 4, "4 bits (Q4_K_M)"),
    Form("q3_k_m", 3, "3 bits (Q3_K_M)"),
    Form("q2_k", 2, "2 bits (Q2_K)"),
)


def file_name(run: str, form: str) -> str:
    """The name of a run's GGUF file, as its users expect it: NAME-Q8_0.gguf."""
    return f"{run}-{form.upper()}.gguf"
