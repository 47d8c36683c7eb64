"""Compare runs: settings that differ, scores with confidence intervals, speed and cost."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, stages, techniques
from tuiftune.errors import UserError
from tuiftune.evaluate.statistics import mcnemar, wilson
from tuiftune.runs.state.ahead import spending
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.readings import part
from tuiftune.runs.store import samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.store.directory import RunDir

STAGE = "method.stage"
SEED = "training.seed"
HELD_OUT = ("data.train", "data.eval", "data.mix", SEED)  # what decides which rows are held out
OTHER_TOKENS = (
    "model.base",
    "model.revision",
    "data.train",
    "data.format",
    "data.columns",
    "data.system",
    "data.max_length",
    "data.loss_on",
    "data.reasoning",
)  # eval loss is a mean over tokens, which these change
NOT_SETTINGS = ("version", "name")


@dataclass(frozen=True, slots=True)
class Contender:
    """One run's outcome. Losses are means over held-out tokens, shares 0–1, bytes, seconds, US dollars."""

    name: str
    path: str
    state: str
    model: str
    technique: str
    device: str
    step: int
    total_steps: int | None
    loss: float | None  # training loss, smoothed
    eval_before: float | None
    eval_after: float | None
    best_eval: float | None
    best_step: int | None
    matched: int | None  # of `rows`, answers exactly right after training
    rows: int | None
    match_before: float | None
    match_after: float | None
    interval: tuple[float, float] | None  # of `match_after`, Wilson, 95 %
    tokens: int | None
    tokens_per_second: float | None  # from the first to the last step, evaluations and checkpoints included
    seconds: float
    memory_peak: float | None  # on the GPU, as measured
    memory_predicted: float | None
    usd_per_hour: float | None
    usd: float | None
    metrics: dict[str, float | None]  # other compared metrics, smoothed at the end

    def document(self) -> dict[str, Any]:
        """An entry of `compare --json`: scores under `before`, `after` and `best`, as everywhere."""
        flat = asdict(self)
        before = {"loss": flat.pop("eval_before"), "exact_match": flat.pop("match_before")}
        after = {"loss": flat.pop("eval_after"), "exact_match": flat.pop("match_after")}
        after |= {key: flat.pop(key) for key in ("interval", "matched", "rows")}
        best = {"loss": flat.pop("best_eval"), "step": flat.pop("best_step")}
        return {**flat, "before": before, "after": after, "best": best}


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting of the resolved presets with its value in each run, None where it has none."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same evaluation rows answered by two runs: `gained` wrong by the first and right by the second,
    `lost` the other way about; `p` by McNemar's exact test."""

    first: str
    second: str
    rows: int
    gained: int
    lost: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of two runs or more, in the order they were given. `remarks` say what keeps figures from being
    comparable; `apart` are settings that differ and decide which rows are held out."""

    runs: tuple[Contender, ...]
    settings: tuple[Difference, ...]
    pairs: tuple[Pair, ...]
    remarks: tuple[str, ...]
    apart: tuple[str, ...] = ()

    @property
    def alike(self) -> bool:
        """Return True if the eval losses are of the same rows and tokens, by the same formula."""
        return not self.apart and not any(_makes_losses(one, self.settings) for one in self.settings)

    def document(self) -> dict[str, Any]:
        """What `compare --json` prints."""
        return {
            "runs": [run.document() for run in self.runs],
            "settings": [{"key": one.key, "values": list(one.values)} for one in self.settings],
            "pairs": [asdict(pair) for pair in self.pairs],
            "remarks": list(self.remarks),
        }


def compare(runs: Sequence[RunDir]) -> Comparison:
    """Read the runs and set them side by side. UserError for fewer than two different ones."""
    if len({run.path for run in runs}) < 2:
        raise UserError("a comparison needs two runs", remedy="name two different runs")
    states = []
    for run in runs:
        follower = Follower(run)
        follower.refresh()
        states.append((run, follower.state, follower.vitals().state))
    contenders = tuple(_contender(*each) for each in states)
    each = [_settings(run) for run in runs]
    settings = tuple(_differences(each))
    apart = tuple(one.key for one in settings if one.key in HELD_OUT)
    if all(_is_file(one.get("data.eval")) for one in each):  # its rows are the same, whatever the seed
        apart = tuple(key for key in apart if key != SEED)
    answers = [_answers(run) for run in runs]
    pairs = tuple(
        pair
        for (one, other) in itertools.combinations(range(len(runs)), 2)
        if (pair := _pair(contenders[one], answers[one], contenders[other], answers[other])) is not None
    )
    remarks = tuple(_remarks(contenders, settings, pairs, apart))
    return Comparison(contenders, settings, pairs, remarks, apart)


def _is_file(held: Any) -> bool:
    try:
        float(held)
    except (TypeError, ValueError):
        return isinstance(held, str)
    return False


def _contender(run: RunDir, state: RunState, standing: str) -> Contender:
    plan, result = run.planned(), _result(run)
    before, after = part(result, "before"), part(result, "after")
    match = _real(after.get("exact_match"), state.score_after.exact_match if state.score_after else None)
    rows = after.get("rows") if after else state.score_after.rows if state.score_after else None
    matched = round(match * rows) if match is not None and isinstance(rows, int) else None
    spent = spending(state, plan).spent
    return Contender(
        name=run.name,
        path=str(run.path),
        state=standing,
        model=state.model or plan.model,
        technique=state.technique or plan.technique,
        device=state.device,
        step=state.step,
        total_steps=state.total_steps,
        loss=state.smooth_loss,
        eval_before=_real(before.get("loss"), state.eval_before.loss if state.eval_before else None),
        eval_after=_real(after.get("loss"), state.eval_after.loss if state.eval_after else None),
        best_eval=state.best.loss if state.best else None,
        best_step=state.best.step if state.best else None,
        matched=matched,
        rows=rows if isinstance(rows, int) else None,
        match_before=_real(
            before.get("exact_match"), state.score_before.exact_match if state.score_before else None
        ),
        match_after=match,
        interval=wilson(matched, rows) if matched is not None and isinstance(rows, int) and rows else None,
        tokens=state.tokens,
        tokens_per_second=_speed(state),
        seconds=round(state.seconds, 3),
        memory_peak=_peak(state),
        memory_predicted=_real(state.memory.predicted, plan.device),
        usd_per_hour=plan.usd_per_hour,
        usd=None if spent is None else round(spent, 6),
        metrics={
            metric.name: state.smooth(metric.name) if metric.smoothed else state.values[metric.name]
            for metric in state.metrics()
            if metric.compared and metric.name in state.values
        },
    )


def _speed(state: RunState) -> float | None:
    """Tokens learned over the time from the first to the last step."""
    tokens, seconds = state.curves["tokens"].points(), state.seconds_curve.points()
    if len(tokens) < 2 or len(seconds) < 2 or seconds[-1][1] <= seconds[0][1]:
        return None
    return (tokens[-1][1] - tokens[0][1]) / (seconds[-1][1] - seconds[0][1])


def _peak(state: RunState) -> float | None:
    """What the trainer measured, as the plan predicts it; else the fullest GPU as its driver saw it."""
    if state.time_curves["device"].highest is not None:
        return state.time_curves["device"].highest
    gpus = (gpu.curves["memory_used"].highest for gpu in state.gpu_curves.values())
    return max((highest for highest in gpus if highest is not None), default=None)


def _settings(run: RunDir) -> dict[str, Any]:
    """The resolved preset with dotted keys, sections in the order of the file."""
    flat = {}
    for key, value in run.planned().resolved.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": inner for name, inner in value.items()})
        elif key not in NOT_SETTINGS:
            flat[key] = value
    return flat


def _differences(settings: Sequence[dict[str, Any]]) -> Iterator[Difference]:
    for key in dict.fromkeys(itertools.chain.from_iterable(settings)):
        values = tuple(each.get(key) for each in settings)
        if any(value != values[0] for value in values):
            yield Difference(key, tuple(None if _unused(key, each) else each.get(key) for each in settings))


def _unused(key: str, settings: dict[str, Any]) -> bool:
    """Return True for an option that the technique of these settings does not use."""
    technique = techniques.every().get(str(settings.get("method.technique")))
    return technique is not None and key in {f"method.{option.key}" for option in technique.unused}


def _answers(run: RunDir) -> dict[tuple[str, str], bool]:
    """Whether the fine-tuned model answered each held-out row exactly right, by its prompt and reference."""
    found = {}
    for row in documents.json_lines(run.result_path / "samples.jsonl", samples.MOST_BYTES):
        if isinstance(row, dict) and isinstance(row.get("matched_after"), bool):
            found[str(row.get("prompt")), str(row.get("reference"))] = row["matched_after"]
    return found


def _pair(
    first: Contender,
    answers: dict[tuple[str, str], bool],
    second: Contender,
    others: dict[tuple[str, str], bool],
) -> Pair | None:
    shared = [(answers[row], others[row]) for row in answers if row in others]
    if not shared:
        return None
    gained = sum(not one and other for one, other in shared)
    lost = sum(one and not other for one, other in shared)
    return Pair(first.name, second.name, len(shared), gained, lost, mcnemar(gained, lost))


def _remarks(
    runs: Sequence[Contender],
    settings: Sequence[Difference],
    pairs: Sequence[Pair],
    apart: Sequence[str],
) -> Iterator[str]:
    if apart:
        yield (
            f"{', '.join(apart)} {'differ' if len(apart) > 1 else 'differs'}: eval losses were measured "
            "on other rows and are not comparable"
        )
    if made := [one.key for one in settings if _makes_losses(one, settings)]:
        yield f"eval losses with another {', '.join(made)} are not of one kind and not comparable"
    for one, other in itertools.combinations(runs, 2):
        pair = next((pair for pair in pairs if {pair.first, pair.second} == {one.name, other.name}), None)
        answered = [run.rows for run in (one, other) if run.rows]
        if len(answered) == 2 and (pair is None or pair.rows < min(answered)):
            shared = pair.rows if pair else 0
            yield f"{one.name} and {other.name} answered {shared} rows in common: compare only those"
    if len({run.model for run in runs if run.model}) > 1:
        yield "the base models differ, so their losses are not comparable: compare answers instead"
    going = [run.name for run in runs if run.state == "running"]
    if going:
        yield f"{', '.join(going)} still {'run' if len(going) > 1 else 'runs'}: figures are not final"


def _makes_losses(one: Difference, settings: Sequence[Difference]) -> bool:
    """Whether a setting decides what the eval loss is: of which tokens, or by which formula."""
    if one.key == STAGE or (one.key in OTHER_TOKENS and one.key not in (*HELD_OUT, "model.base")):
        return True
    keys = {f"method.{key}" for stage in stages.every().values() for key in stage.measures}
    several = any(other.key == STAGE for other in settings)  # said already
    return one.key in keys and not several


def _result(run: RunDir) -> dict[str, Any]:
    try:
        return run.result() or {}
    except UserError:
        return {}


def _real(*values: Any) -> float | None:
    """The first that is a number."""
    return next((float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)), None)
