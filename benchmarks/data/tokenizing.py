"""Rows a second through template and tokenizer: by the checks and by the engine that trains.

    python benchmarks/data/tokenizing.py [--rows 20000] [--vocabulary 32000]

A byte-level BPE tokenizer with Llama 3's pre-tokenizer is trained on the seeded corpus and kept in a
temporary folder. Every job runs in a process of its own; rows a CPU second tell more on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from corpus import write

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATES = {
    "chatml": (  # Qwen 2.5's, without tools: no generation marks, the end of turn is <|im_end|>
        "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\n' + messages[0]['content'] + "
        "'<|im_end|>\n' }}{%- else %}{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}"
        "{%- endif %}{%- for message in messages %}{%- if message.role == 'user' or "
        "(message.role == 'system' and not loop.first) or message.role == 'assistant' %}{{- '<|im_start|>' + message.role + '\n' + "  # noqa: E501
        "message.content + '<|im_end|>' + '\n' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}"
        "{{- '<|im_start|>assistant\n' }}{%- endif %}"
    ),
    "marked": (  # with generation marks
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}"
        "{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
}


def make_tokenizer(folder: Path, corpus: Path, size: int) -> None:
    """A tokenizer trained on the corpus, with a template beside it for each kind."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    def texts() -> Iterator[str]:
        with corpus.open(encoding="utf-8") as file:
            for line in file:
                yield " ".join(json.loads(line).values())

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts(), trainer)
    for name, template in TEMPLATES.items():
        place = folder / name
        place.mkdir(parents=True)
        made.save(str(place / "tokenizer.json"))
        config = {
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "TokenizersBackend",
        }
        (place / "tokenizer_config.json").write_text(json.dumps(config))
        (place / "chat_template.jinja").write_text(template)


def checks(folder: Path, path: Path) -> tuple[int, int]:
    """Lengths for the checks and the plan."""
    from tuiftune.data.read.load import load
    from tuiftune.data.tokens import lengths

    found = _timed(lambda dataset: lengths(dataset, folder, limit=10**9), load(str(path)))
    return len(found.total), int(found.total.sum())


def engine(folder: Path, path: Path) -> tuple[int, int]:
    """Tokens, masks and the table that is trained on."""
    from transformers import AutoTokenizer

    from tuiftune.data.read.load import load
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.foreign import behind_fence
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.training.rows import prepare

    class Quiet:
        def phase(self, *_: Any, **__: Any) -> None: ...
        def warning(self, *_: Any, **__: Any) -> None: ...

    tokenizer = RowTokenizer(AutoTokenizer.from_pretrained(folder), max_length=2048, loss_on="assistant")
    examples = list(load(str(path)).examples())
    base = Base(str(folder), str(folder), None, None, remote_code=False)
    asked = behind_fence(base, RowTokenizer.rows, lambda: tokenizer, {"training": examples})
    settings: Any = {"which": "training", "columns": ("input_ids", "labels"), "max_length": 2048}
    made = _timed(lambda rows: prepare(rows, asked, Quiet(), lambda: None, **settings), examples)  # type: ignore[arg-type]
    return made.rows, sum(map(len, made.dataset["input_ids"]))


def _timed(work: Any, given: Any) -> Any:
    from tuiftune.data.chat import fenced

    before, clock = _cpu(), time.monotonic()
    done = work(given)
    _timed.wall = time.monotonic() - clock  # type: ignore[attr-defined]
    fenced.forget()  # what its process took counts from its end on
    _timed.cpu = _cpu() - before  # type: ignore[attr-defined]
    return done


def _cpu() -> float:
    """Seconds of this process and of those it has started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--vocabulary", type=int, default=32_000)
    parser.add_argument("--folder", type=Path, help="keep corpus and tokenizer here, and use them again")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        job, template = given.child.split(":")
        rows, tokens = {"checks": checks, "engine": engine}[job](
            given.folder / template, given.folder / "rows.jsonl"
        )
        wall, cpu = _timed.wall, _timed.cpu  # type: ignore[attr-defined]
        result = {
            "job": job,
            "template": template,
            "rows": rows,
            "tokens a row": round(tokens / rows),
            "rows a second": round(rows / wall),
            "rows a CPU second": round(rows / cpu),
            "cores": round(cpu / wall, 2),
            "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            "load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(result), flush=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        path = folder / "rows.jsonl"
        if not path.exists():
            write(path, given.rows)
        if not (folder / "chatml").exists():
            make_tokenizer(folder, path, given.vocabulary)
        for job in ("checks", "engine"):
            for template in TEMPLATES:
                child = ["--child", f"{job}:{template}", "--folder", str(folder)]
                subprocess.run([sys.executable, __file__, *child], check=False)


if __name__ == "__main__":
    main()
