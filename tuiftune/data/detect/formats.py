"""Row formats, the roles of their columns, and the result of format detection."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuiftune import stages
from tuiftune.errors import UserError

SAMPLE = 512  # rows looked at
FORMATS = (
    "instruction",
    "chat",
    "sharegpt",
    "prompt-completion",
    "classification",
    "text",
    "preference",
    "kto",
    "prompt-only",
)
ROLES_OF = {
    "instruction": ("instruction", "input", "output", "system", "history", "tools"),
    "chat": ("messages", "system", "tools"),
    "sharegpt": ("messages", "system", "tools"),
    "prompt-completion": ("prompt", "completion", "context", "system", "history", "tools"),
    "classification": ("text", "label", "system"),
    "text": ("text",),
    "preference": (
        "prompt", "messages", "chosen", "rejected", "input", "context", "system", "history", "tools",
    ),
    "kto": ("prompt", "messages", "completion", "label", "input", "context", "system", "history", "tools"),
    "prompt-only": ("prompt", "messages", "input", "context", "system", "history", "tools"),
}  # fmt: skip
NEEDED = {
    "instruction": ("instruction", "output"),
    "chat": ("messages",),
    "sharegpt": ("messages",),
    "prompt-completion": ("prompt", "completion"),
    "classification": ("text", "label"),
    "text": ("text",),
    "preference": ("chosen", "rejected"),
    "kto": ("label",),
    "prompt-only": ("prompt",),
}


class ColumnsError(UserError):
    """Another column mapping or format can fix it."""


class UndetectedError(ColumnsError):
    """No format is known for these columns: it is enough to say which column has which role."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """`columns` maps a role (prompt, completion, messages …) to the column that plays it."""

    format: str
    confidence: float
    evidence: tuple[str, ...]
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """The key of the stage that such rows are for."""
        return stages.of_format(self.format)
