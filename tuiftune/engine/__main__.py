"""`python -m tuiftune.engine JOB …`: train, score, tokens, chat and others, as a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tuiftune.errors import ExitCode, UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one job and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuiftune.engine", description="tuiftune's engine")
    jobs = parser.add_subparsers(dest="job", required=True)
    train = jobs.add_parser("train", help="train a run to its result")
    train.add_argument("run", type=Path)
    train.add_argument("--resume", action="store_true", help="resume from the newest verified checkpoint")
    train.add_argument("--force", action="store_true", help="resume although the settings were changed")
    score = jobs.add_parser("score", help="evaluate a finished run again, and print the scores as JSON")
    score.add_argument("run", type=Path)
    tokens = jobs.add_parser("tokens", help="print the tokens and loss mask of rows as JSON")
    tokens.add_argument("data", nargs="+")
    tokens.add_argument("--model", required=True)
    tokens.add_argument("--revision")
    tokens.add_argument("--row", type=int, action="append", help="number of a usable row, from 1; repeatable")
    tokens.add_argument("--max-length", type=int, default=2048)
    tokens.add_argument("--reasoning", choices=("keep", "mask", "drop", "last"), default="keep")
    tokens.add_argument("--loss-on", choices=("assistant", "completion", "all"), default="assistant")
    tokens.add_argument("--format", default="auto")
    tokens.add_argument("--column", action="append", default=[], metavar="ROLE=NAME")
    tokens.add_argument("--system")
    tokenizer = jobs.add_parser("tokenizer", help="write a model's tokenizer and template as they are loaded")
    tokenizer.add_argument("model", type=Path)
    tokenizer.add_argument("to", type=Path)
    describe = jobs.add_parser("describe", help="print what the model of a config.json is, as JSON")
    describe.add_argument("config")
    answer = jobs.add_parser("answer", help="keep a model loaded and answer requests, one a JSON line")
    answer.add_argument("--run")
    answer.add_argument("--model")
    answer.add_argument("--revision")
    answer.add_argument("--requests", default="-", help="a file of requests instead of standard input")
    chat = jobs.add_parser("chat", help="keep models loaded and answer requests, as JSON lines")
    chat.add_argument("models", nargs="+", metavar="KIND:WHERE", help="run, base, adapter or model")
    export = jobs.add_parser("export", help="write a run's model in another form, and verify it")
    export.add_argument("--request", required=True, metavar="FILE", help="what to write, as JSON")
    convert = jobs.add_parser("convert", help="run llama.cpp's converter or quantizer")
    convert.add_argument("--request", required=True, metavar="FILE", help="what to convert, as JSON")
    embed = jobs.add_parser("embed", help="write documents and queries as vectors")
    embed.add_argument("--request", required=True, metavar="FILE", help="model and texts, as JSON")
    bertscore = jobs.add_parser("bertscore", help="compare pairs of texts by token embeddings")
    bertscore.add_argument("--request", required=True, metavar="FILE", help="model and pairs, as JSON")
    serve = jobs.add_parser("serve", help="serve models with an OpenAI-compatible API")
    serve.add_argument("models", nargs="+", metavar="NAME=KIND:WHERE", help="run, adapter, model or gguf")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--key-from", default="", help="environment variable with the key of requests")
    serve.add_argument("--log", default="", help="file that answered requests are written to")
    given = parser.parse_args(arguments)
    from tuiftune.engine.process import libraries

    libraries.environment()
    try:
        if given.job == "train":
            from tuiftune.engine.process import job

            return int(job.train(given.run, resume=given.resume, force=given.force))
        if given.job == "score":
            from tuiftune.engine.jobs import score as scoring

            return int(scoring.main(given))
        if given.job == "answer":
            from tuiftune.engine.jobs import answer as answering

            return int(answering.main(given))
        if given.job == "embed":
            from tuiftune.engine.jobs import embed as embedding

            return int(embedding.main(given))
        if given.job == "export":
            from tuiftune.engine.jobs import export as exporting

            return int(exporting.main(given))
        if given.job == "convert":
            from tuiftune.engine.jobs import convert as converting

            return int(converting.main(given))
        if given.job == "describe":
            from tuiftune.engine.jobs import describe as describing

            return int(describing.main(given))
        if given.job == "chat":
            from tuiftune.engine.jobs import chat as chatting

            return int(chatting.main(given))
        if given.job == "bertscore":
            from tuiftune.engine.jobs import bertscore as comparing

            return int(comparing.main(given))
        if given.job == "serve":
            from tuiftune.engine.jobs import serve as serving

            return int(serving.main(given))
        from tuiftune.engine.jobs import tokens as counting

        if given.job == "tokenizer":
            counting.write_tokenizer(given.model, given.to)
            return int(ExitCode.DONE)
        return int(counting.main(given))
    except UserError as fault:
        sys.stderr.write(f"{fault}\n")
        return int(fault.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.STOPPED)


if __name__ == "__main__":
    sys.exit(main())
