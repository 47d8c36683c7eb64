"""How sure the model is of the next token, and how often it is right, as TRL measures it on each step."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric("entropy", smoothed=True, chart="entropy", floor=0.0, always=False),
    Metric(
        "mean_token_accuracy",
        words="token accuracy",
        better="higher",
        smoothed=True,
        chart="accuracy",
        compared=True,
        always=False,
    ),
)
