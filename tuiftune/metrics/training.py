"""What training and evaluation tell of every run."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("epoch"),
    Metric(
        "loss",
        logged="loss",
        better="lower",
        vital=True,
        smoothed=True,
        chart="loss",
        ink="good",
        dashboard=True,
    ),
    Metric("eval_loss", "eval", "loss", better="lower", chart="loss", ink="accent", dashboard=True),
    Metric("perplexity", "eval", better="lower"),
    Metric(
        "lr",
        logged="learning_rate",
        digits=3,
        chart="lr",
        title="learning rate",
        floor=0.0,
        ink="second",
        dashboard=True,
    ),
    Metric(
        "grad_norm",
        logged="grad_norm",
        vital=True,
        digits=3,
        smoothed=True,
        chart="grad",
        title="gradient norm",
        floor=0.0,
        ink="accent",
        spark="second",
        dashboard=True,
    ),
    Metric("tokens", unit="tokens", whole=True),
    Metric(
        "tokens_per_second",
        words="tokens/s",
        unit="tokens/s",
        better="higher",
        smoothed=True,
        chart="speed",
        floor=0.0,
        dashboard=True,
    ),
    Metric("data_wait", points=150),  # share of the step's time
)
