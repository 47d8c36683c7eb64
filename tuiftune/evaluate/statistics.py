"""Scores from counts and losses, and how sure they are: perplexity, intervals, tests."""

from __future__ import annotations

import math

MOST_TOLD = 1e15  # a perplexity beyond says no more than its loss
Z_95 = 1.959963984540054  # two-sided 95 % quantile of the standard normal


def perplexity(loss: float) -> float:
    """exp of the mean loss a token, in nats."""
    return math.exp(loss) if loss < 700 else math.inf


def perplexity_told(loss: float | None) -> float | None:
    """The same for a document; None where it is beyond what a reader takes for a number."""
    value = math.inf if loss is None else perplexity(loss)
    return value if value <= MOST_TOLD else None


def wilson(matched: int, rows: int, z: float = Z_95) -> tuple[float, float]:
    """Lower and upper bound of a rate `matched` / `rows`, each 0–1. ValueError unless 0 ≤ matched ≤ rows,
    rows > 0.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22
    (1927), 209–212; preferred to the Wald interval below a few hundred rows by Brown, Cai and DasGupta,
    Statistical Science 16 (2001), 101–133.
    """
    if rows <= 0 or not 0 <= matched <= rows:
        raise ValueError(f"{matched} of {rows} is not a rate")
    rate = matched / rows
    shrink = 1 + z * z / rows
    centre = (rate + z * z / (2 * rows)) / shrink
    half = z * math.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows)) / shrink
    low = 0.0 if matched == 0 else max(0.0, centre - half)
    high = 1.0 if matched == rows else min(1.0, centre + half)
    return low, high


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p of the same rows answered before and after: `gained` wrong → right, `lost` right →
    wrong.

    The chance of a split at least as uneven among the rows that changed, were either way as likely (binomial,
    ½). Source: Q. McNemar, Psychometrika 12 (1947), 153–157; the exact form: Fagerland, Lydersen and Laake,
    BMC Medical Research Methodology 13 (2013), 91.
    """
    if gained < 0 or lost < 0:
        raise ValueError("counts cannot be negative")
    changed = gained + lost
    if changed == 0:
        return 1.0
    ways = tail = 1  # of 0 among `changed`
    for count in range(min(gained, lost)):
        ways = ways * (changed - count) // (count + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << changed))


def newcombe(both: int, gained: int, lost: int, rows: int) -> tuple[float, float]:
    """Return the 95% interval of the change of a rate between two paired sets of answers.

    `both`: rows that matched before and after; `gained`, `lost`: as in `mcnemar`; `rows`: all of them.

    Source: R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions
    based on paired data, Statistics in Medicine 17 (1998), 2635–2650, method 10.
    """
    neither = rows - both - gained - lost
    after, before = (both + gained) / rows, (both + lost) / rows
    low_after, high_after = wilson(both + gained, rows)
    low_before, high_before = wilson(both + lost, rows)
    product = (both + gained) * (neither + lost) * (both + lost) * (neither + gained)
    crossed = float(both * neither - gained * lost)
    if crossed > 0:
        crossed = max(crossed - rows / 2, 0.0)
    phi = crossed / math.sqrt(product) if product else 0.0
    below, above = after - low_after, high_before - before
    under = math.sqrt(max(below**2 - 2 * phi * below * above + above**2, 0.0))
    up, down = high_after - after, before - low_before
    over = math.sqrt(max(up**2 - 2 * phi * up * down + down**2, 0.0))
    change = after - before
    return max(-1.0, change - under), min(1.0, change + over)


def student_t(degrees: int) -> float:
    """Return the two-sided 95% quantile of Student's t: exact for 1 and 2 degrees, else within 1%.

    Source: Abramowitz and Stegun 1964, 26.7.5.
    """
    if degrees <= 2:
        return 12.706204736174694 if degrees == 1 else 4.302652729749462
    z = Z_95
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def in_words(p: float) -> str:
    """What a p-value supports, without more certainty than it gives."""
    if p < 0.001:
        return "very unlikely to be chance (p < 0.001)"
    if p < 0.05:
        return f"unlikely to be chance (p = {p:.3f})"
    return f"could be chance (p = {p:.2f}); more rows are needed to tell"
