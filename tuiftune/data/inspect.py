"""What a dataset is and what is wrong with it, check by check, the quick ones first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.data.checks.check import SEVERITIES, Check, Subject
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.data.dataset import Dataset


@dataclass(frozen=True)
class QualityReport:
    """A dataset's checks, worst first, with its lengths (tokens a row) and labels."""

    dataset: Dataset
    checks: tuple[Check, ...]
    lengths: dict[str, Any]
    labels: tuple[tuple[str, int], ...] = ()
    advice: tuple[str, ...] = field(default=())

    def sound(self, severity: str) -> bool:
        """Whether no check found anything of this severity or a worse one."""
        worst = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return not any(check.severity in worst for check in self.checks)

    def document(self) -> dict[str, Any]:
        """`data inspect --json`."""
        dataset = self.dataset
        return {
            "ok": self.sound("error"),
            "files": [str(path) for path in dataset.files],
            "format": dataset.format,
            "stage": dataset.stage,
            "confidence": dataset.confidence,
            "evidence": dataset.evidence,
            "rows": dataset.rows,
            "usable_rows": int(dataset.usable.sum()),
            "columns": dataset.source_columns,
            "roles": dataset.columns,
            "lost": dataset.lost,
            "lengths": self.lengths,
            "labels": dict(self.labels),
            "checks": [
                {
                    "check": check.check,
                    "title": check.title,
                    "severity": check.severity,
                    "count": check.count,
                    "rows": list(check.rows),
                    **({"places": list(check.places)} if check.places else {}),
                    "examples": list(check.examples),
                    "why": check.why,
                    "remedy": check.remedy,
                }
                for check in self.checks
            ],
            "advice": list(self.advice),
        }


def checks_of(subject: Subject) -> Iterator[Check]:
    """Every check that applies to the format, as its result comes."""
    from tuiftune.data.checks.answers import answers
    from tuiftune.data.checks.chat_template import chat_template
    from tuiftune.data.checks.duplicates import duplicates
    from tuiftune.data.checks.encoding import encoding, hidden, placeholders
    from tuiftune.data.checks.enough import enough
    from tuiftune.data.checks.judgments import judgments
    from tuiftune.data.checks.labels import labels
    from tuiftune.data.checks.languages import languages
    from tuiftune.data.checks.lengths import cut_rows, length_outliers
    from tuiftune.data.checks.near import near_duplicates
    from tuiftune.data.checks.pairs import compared
    from tuiftune.data.checks.secrets import secrets
    from tuiftune.data.checks.special_tokens import special_tokens
    from tuiftune.data.checks.structure import malformed_lines, structure

    stages = [
        malformed_lines,
        structure,
        enough,
        duplicates,
        cut_rows,  # counts tokens: early, because views wait for the lengths
        length_outliers,
        encoding,
        hidden,
        placeholders,
        special_tokens,
        secrets,
        answers,
    ]
    if subject.format == "classification":
        stages.append(labels)
    if subject.format == "kto":
        stages.append(judgments)
    if subject.format == "preference":
        stages.append(compared)
    stages += [languages, chat_template, near_duplicates]
    for number, stage in enumerate(stages):
        subject.begin(stage.__name__.replace("_", " "), number, len(stages))
        yield from stage(subject)


def inspect(
    dataset: Dataset,
    *,
    tokenizer: Path | None = None,
    max_length: int = 2048,
    eval_spec: float | str = 0.05,
    seed: int = 42,
    watch: Callable[[str, float], None] | None = None,
) -> QualityReport:
    """Run every check. `tokenizer` is a local model directory; without it lengths are estimated.

    `watch(what, share done)` is called along the way; what it raises ends the inspection. For results as they
    come, walk `checks_of(Subject(…))` and hand them to `report`.
    """
    subject = Subject(dataset, tokenizer, max_length, eval_spec, seed, watch)
    return report(subject, list(checks_of(subject)))


def report(subject: Subject, checks: list[Check]) -> QualityReport:
    """The checks gathered, worst first, with lengths and advice."""
    from tuiftune.data.checks.labels import label_counts

    ordered = sorted(checks, key=lambda check: (SEVERITIES.index(check.severity), -check.count))
    labeled = subject.format == "classification"
    return QualityReport(
        subject.dataset,
        tuple(ordered),
        length_document(subject),
        tuple(label_counts(subject)) if labeled else (),
        tuple(
            f"{check.title}: {check.remedy}"
            for check in ordered
            if check.severity in ("error", "warning") and check.remedy
        ),
    )


def length_document(subject: Subject) -> dict[str, Any]:
    """Quantiles and a histogram of tokens a row: `edges` has one entry more than `counts`; the last bin is
    open.
    """
    import numpy as np

    found = subject.lengths
    if not len(found.total):
        return {
            "unit": "tokens",
            "basis": "no usable rows",
            "quantiles": {},
            "histogram": {"edges": [], "counts": []},
        }
    points = (0, 5, 25, 50, 75, 95, 99, 100)
    quantiles = np.quantile(found.total, np.array(points) / 100, method="lower")
    top = float(np.quantile(found.total, 0.995))
    low = int(found.total.min())
    edges = np.unique(np.linspace(low, max(low + 1, top), 25).astype(int))
    if len(edges) < 2:
        edges = np.array([low, low + 1])
    counts, _ = np.histogram(np.minimum(found.total, edges[-1]), bins=edges)
    return {
        "unit": "tokens",
        "basis": printable(found.basis),
        "mean": round(float(found.total.mean()), 1),
        "answer_mean": round(float(found.learnt.mean()), 1),
        "quantiles": {str(point): int(value) for point, value in zip(points, quantiles, strict=True)},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }
