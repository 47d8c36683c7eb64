"""How good the generated answers are."""

from tuiftune.metrics.metric import Metric

METRICS = (Metric("exact_match", "score", better="higher"),)
