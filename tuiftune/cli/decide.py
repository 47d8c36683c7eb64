"""`tuiftune decide`: prompting, retrieval, classifiers and fine-tuning on the same rows, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli.options import Json, Runs

Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="Your rows. [default: those of --run]", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="M", help="A local model to prompt. [default: the run's base]"),
]
Run = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="A run whose fine-tuned model is measured.")
]
Documents = Annotated[
    Path | None,
    typer.Option("--documents", metavar="DIR", help="Text files that answers can be retrieved from."),
]
Embeddings = Annotated[
    str | None,
    typer.Option("--embeddings", metavar="DIR", help="Also retrieve by this sentence-transformers model."),
]
Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="An OpenAI-compatible endpoint to measure as well."),
]
EndpointModel = Annotated[
    str | None,
    typer.Option("--endpoint-model", metavar="NAME", help="The model that the endpoint is asked for."),
]
Prompt = Annotated[
    Path | None,
    typer.Option("--prompt", metavar="FILE", help="Your own prompt: with {input}, or a system message."),
]
Share = Annotated[
    float, typer.Option("--eval", min=0.01, max=0.9, help="Share of the rows held out, if there is no run.")
]
Test = Annotated[
    str | None, typer.Option("--test", metavar="FILE", help="Test rows, used once, for the final figure.")
]
Rows = Annotated[int, typer.Option("--rows", min=8, help="Evaluation rows at most.")]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        min=0.01,
        help="Stop measuring after this time; the same command continues. [default: no limit]",
    ),
]
Metric = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME[=ARG]", help="Main metric first; repeatable.")
]
NewTokens = Annotated[
    int | None,
    typer.Option("--max-new-tokens", min=1, help="Longest answer. [default: the longest reference]"),
]
Hour = Annotated[
    float | None, typer.Option("--usd-per-hour", min=0, help="Price of the machine for local models.")
]
PriceIn = Annotated[
    float | None, typer.Option("--usd-in", min=0, help="Endpoint price per million prompt tokens.")
]
PriceOut = Annotated[
    float | None, typer.Option("--usd-out", min=0, help="Endpoint price per million generated tokens.")
]
Month = Annotated[int | None, typer.Option("--per-month", min=1, help="Answers you expect a month.")]
Again = Annotated[
    bool, typer.Option("--again", help="Generate every answer again instead of reusing kept ones.")
]
MoreRows = Annotated[
    bool,
    typer.Option("--more-data", help="Instead: train on 25, 50 and 100% of the rows. Would more rows help?"),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the decision as JSON.")
]


def decide(
    data: Data = None,
    model: Model = None,
    run: Run = None,
    documents: Documents = None,
    embeddings: Embeddings = None,
    endpoint: Endpoint = None,
    endpoint_model: EndpointModel = None,
    prompt: Prompt = None,
    share: Share = 0.2,
    test: Test = None,
    rows: Rows = 128,
    minutes: Minutes = None,
    metric: Metric = None,
    max_new_tokens: NewTokens = None,
    usd_per_hour: Hour = None,
    usd_in: PriceIn = None,
    usd_out: PriceOut = None,
    per_month: Month = None,
    again: Again = False,
    more_data: MoreRows = False,
    output: Output = None,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Measure prompting, few-shot, RAG and fine-tuning on the same rows, and say which to use.

    Answers are kept, so the same command continues after an interruption. Exit codes: 0 done, 1 a model or an
    endpoint failed, 2 bad input.
    """
    if more_data:
        from tuiftune.cli import more_data as curve

        curve.more_data(data, run, model, share=share, minutes=minutes, json=json, runs=runs)
        return
    from tuiftune.cli import decide_view, terminal
    from tuiftune.cli.data_progress import watching
    from tuiftune.evaluate.endpoint import checked_url
    from tuiftune.evaluate.prices import Rates
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.decision_request import Wanted, carry_out, own_prompt
    from tuiftune.outputs import keep_apart
    from tuiftune.runs.store.find import find

    keep_apart((output,), (data, test, prompt, documents))
    wanted = Wanted(
        data,
        None if run is None else find(run.removeprefix("run:"), runs),
        model,
        None if endpoint is None else checked_url(endpoint),
        endpoint_model,
        documents,
        None if prompt is None else own_prompt(prompt),
        share,
        test,
        rows,
        minutes,
        tuple(metric or ()),
        max_new_tokens,
        again,
        embeddings,
        Rates(usd_per_hour, usd_in, usd_out, answers_a_month=per_month),
    )
    with watching() as watch, Contenders(terminal.say) as contenders:
        outcome = carry_out(wanted, contenders, watch)
    document = outcome.document()
    if output is not None:
        _write(document, output)
    if json:
        terminal.write_json(document, "decide")
    else:
        decide_view.show(outcome)
    if outcome.failed:
        raise typer.Exit(1)


def _write(document: dict[str, object], output: Path) -> None:
    import json

    from tuiftune.outputs import writing
    from tuiftune.secret_forms import without_secrets

    text = without_secrets(json.dumps(document, indent=2, ensure_ascii=False))
    with writing(output) as file:
        file.write((text + "\n").encode("utf-8", "replace"))
