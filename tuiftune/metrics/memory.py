"""GPU memory as the trainer measures it, over the seconds of the run."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric(
        "allocated",
        "memory",
        label="allocated",
        unit="B",
        points=150,
        chart="memory",
        title="memory, GiB",
        always=True,
        floor=0.0,
    ),
    Metric("reserved", "memory", label="reserved", unit="B", points=150, chart="memory", ink="c1"),
    Metric("device", "memory", label="on the device", unit="B", points=150, chart="memory", ink="good"),
    Metric("predicted", "memory", unit="B"),
)
