"""The machine around the GPUs, over the seconds of the run."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("cpu", "gpu", unit="%", chart="cpu", title="CPU load, %", floor=0.0),
    Metric("host_memory_used", "gpu", unit="B", chart="host", title="RAM, GiB", floor=0.0),
    Metric("host_memory_total", "gpu", unit="B"),
    Metric("process_memory", "gpu", unit="B"),  # of it, by the training process
    Metric("disk_free", "gpu", unit="B"),
)
