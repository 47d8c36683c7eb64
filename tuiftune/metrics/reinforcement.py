"""What reinforcement learning measures: rewards, distance from the base model, and length of answers."""

from tuiftune.metrics.metric import Metric

METRICS = (
    Metric(
        "reward",
        better="higher",
        smoothed=True,
        chart="reward",
        title="reward of an answer",
        dashboard=True,
        compared=True,
        always=False,
    ),
    Metric(
        "eval_reward",
        "eval",
        "reward",
        words="eval reward",
        better="higher",
        chart="reward",
        ink="accent",
        scored=True,
        always=False,
    ),
    Metric(
        "reward_std", words="reward spread", smoothed=True, chart="reward-spread", floor=0.0, always=False
    ),
    Metric(
        "frac_reward_zero_std",
        words="no signal",
        better="lower",
        smoothed=True,
        chart="no-signal",
        title="share of prompts whose answers all got the same reward",
        floor=0.0,
        dashboard=True,
        always=False,
    ),
    Metric(
        "kl",
        words="KL",
        smoothed=True,
        chart="kl",
        title="KL divergence from the base model",
        floor=0.0,
        dashboard=True,
        always=False,
    ),
    Metric(
        "completions/mean_length",
        words="answer length",
        unit="tokens",
        smoothed=True,
        chart="answer-length",
        title="tokens of an answer",
        floor=0.0,
        dashboard=True,
        always=False,
    ),
    Metric("completions/min_length", words="shortest", unit="tokens", chart="answer-length", always=False),
    Metric("completions/max_length", words="longest", unit="tokens", chart="answer-length", always=False),
    Metric(
        "completions/clipped_ratio",
        words="cut short",
        better="lower",
        smoothed=True,
        chart="cut-short",
        title="share of answers that reached the longest length",
        floor=0.0,
        always=False,
    ),
    *(
        Metric(f"completions/{which}_terminated_length", unit="tokens", chart="ended-length", always=False)
        for which in ("mean", "min", "max")
    ),
    Metric("step_time", words="step time", unit="s", chart="step-time", floor=0.0, always=False),
)
