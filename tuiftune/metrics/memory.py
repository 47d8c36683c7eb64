"""GPU memory as the trainer measures it, over the seconds of the run."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("allocated", "memory", unit="B", chart="memory", title="memory, GiB", floor=0.0),
    Metric("reserved", "memory", unit="B", chart="memory", ink="c1"),
    Metric("device", "memory", words="on the GPU", unit="B", chart="memory", ink="good"),
    Metric("predicted", "memory", unit="B"),
)
