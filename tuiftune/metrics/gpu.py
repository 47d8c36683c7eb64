"""What the driver tells of each GPU, over the seconds of the run."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("utilisation", "card", unit="%", digits=0, chart="load", title="GPU load, %", floor=0.0),
    Metric(
        "memory_used", "card", unit="B", digits=1, chart="card-memory", title="GPU memory, GiB", floor=0.0
    ),
    Metric("memory_total", "card", unit="B"),
    Metric("power_w", "card", unit="W", digits=0, chart="power", title="GPU power, W", floor=0.0),
    Metric("temperature_c", "card", unit="°C", digits=0, chart="heat", title="GPU temperature, °C"),
    Metric("throttle", "card", chart="throttle", title="GPU throttling"),  # causes, by name
)
