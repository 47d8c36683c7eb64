"""How sure the model is of the next token, and how often it is right, as TRL measures it on each step."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("entropy", label="entropy", smoothed=True, chart="entropy", title="entropy", floor=0.0),
    Metric(
        "mean_token_accuracy",
        label="token accuracy",
        better="higher",
        smoothed=True,
        chart="accuracy",
        title="token accuracy",
        compared=True,
    ),
)
