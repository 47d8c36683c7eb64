"""A retrieval starter: cut documents into passages, index them, and show what a question would find."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.advice import bm25, prompting
from tuiftune.advice.bm25 import Hit, Index, Passage
from tuiftune.data.read.bytestream import mend, open_text
from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tuiftune.data.example import Example

SUFFIXES = (".txt", ".md", ".markdown", ".rst", ".jsonl", ".json")
WORDS = 180  # a passage: a few paragraphs, small enough for five of them in a prompt
LARGEST_FILE = 50 * 2**20
MOST_INDEX = 512 * 2**20
MOST_PASSAGES = 200_000
_INDEX_VERSION = 1


def index(path: Path) -> Index:
    """Index a text, Markdown or JSONL file, or every such file below a directory.

    UserError where nothing readable is there, or where it is too much for this starter.
    """
    return bm25.build(passages_of(path))


def passages_of(path: Path) -> list[Passage]:
    """Return the passages of a file, or of every text file below a directory. UserError as for `index`."""
    files = _files(path)
    passages: list[Passage] = []
    for file in files:
        name = str(file.relative_to(path)) if paths.is_dir(path) else file.name
        passages += _passages(file, name)
        if len(passages) > MOST_PASSAGES:
            raise UserError(
                f"holds more than {MOST_PASSAGES:,} passages",
                place=printable(str(path)),
                remedy="name a part of it: this starter keeps everything in RAM",
            )
    if not passages:
        raise UserError(
            "does not contain text", place=printable(str(path)), remedy="name text, Markdown or JSONL files"
        )
    return passages


def left_out(path: Path) -> str:
    """Return a sentence on the files below a directory that are not text, "" if there are none."""
    if not paths.is_dir(path):
        return ""
    others = [one for one in paths.below(path) if one.suffix.lower() not in SUFFIXES]
    if not others:
        return ""
    kinds = sorted({one.suffix.lower() or one.name for one in others})
    shown = printable(", ".join(kinds[:5])) + (", …" if len(kinds) > 5 else "")
    where, read = printable(str(path)), ", ".join(SUFFIXES)
    return f"Not read, as not text: {plural(len(others), 'file')} of {where} ({shown}). Read are {read}."


def ask(built: Index, questions: Iterable[str], many: int = 5) -> dict[str, list[Hit]]:
    """What each question would find."""
    return {question: bm25.search(built, question, many) for question in questions}


def sample_questions(examples: Iterable[Example], many: int = 8) -> tuple[str, ...]:
    """Questions from the user's rows that differ as much as possible; none where no row asks anything."""
    try:
        made = prompting.starter(examples, shots=many)
    except UserError:
        return ()
    return tuple(" ".join(shot.prompt.split()) for shot in made.shots)


def prompt(question: str, hits: Sequence[Hit]) -> str:
    """A prompt that answers from the passages alone, with numbered sources to cite."""
    sources = [
        f"[{n}] {hit.passage.file}:{hit.passage.line}\n{hit.passage.text}" for n, hit in enumerate(hits, 1)
    ]
    return (
        "Answer the question from the sources alone, and name them like [1]. "
        "If they do not hold the answer, say that they do not.\n\n"
        + "\n\n".join(sources or ["(no source found)"])
        + f"\n\nQuestion: {question}\nAnswer:"
    )


def save(built: Index, path: Path) -> None:
    """Write the passages as JSON; the inverted index is rebuilt when it is loaded."""
    rows = [[p.file, p.line, p.text] for p in built.passages]
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump({"version": _INDEX_VERSION, "passages": rows}, file, ensure_ascii=False)
    except OSError as error:
        why = (
            "already exists"
            if isinstance(error, FileExistsError)
            else f"cannot be written ({error.strerror})"
        )
        raise UserError(why, place=printable(str(path)), remedy="name another file") from error


def write(built: Index, question: str, many: int, directory: Path) -> tuple[Path, Path]:
    """Write `index.json` and `prompt.md` (a question answered from what was found). Overwrites nothing."""
    text, passages = directory / "prompt.md", directory / "index.json"
    place = printable(str(directory))
    for path in (text, passages):
        if paths.exists(path):
            raise UserError(f"{path.name} already exists", place=place, remedy="name another directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with text.open("x", encoding="utf-8") as file:
            file.write(prompt(question, bm25.search(built, question, many)) + "\n")
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror})", place=place, remedy="name another directory"
        ) from error
    save(built, passages)
    return text, passages


def load(path: Path) -> Index:
    """Read an index that `save` wrote. UserError for anything else."""
    place = printable(str(path))
    try:
        document = documents.read_json(path, MOST_INDEX)
        rows = document["passages"]
        passages = [Passage(str(file), int(line), str(text)) for file, line, text in rows]
        version = document["version"]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError("is not a tuiftune index", place=place, remedy="index the documents again") from error
    if version != _INDEX_VERSION:
        raise UserError(
            f"is an index of version {version}, which this tuiftune cannot read",
            place=place,
            remedy="index the documents again",
        )
    return bm25.build(passages)


def _files(path: Path) -> list[Path]:
    place = printable(str(path))
    paths.require(path, missing="file or directory not found")
    if not paths.is_dir(path):
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(
                f"'{printable(path.suffix)}' files are not supported",
                place=place,
                remedy="convert it to text first",
            )
        return [path]
    found = [file for file in paths.below(path) if file.suffix.lower() in SUFFIXES]
    if not found:
        raise UserError(
            "does not contain text files", place=place, remedy=f"supported files: {', '.join(SUFFIXES)}"
        )
    return found


def _passages(file: Path, name: str) -> Iterator[Passage]:
    place = printable(str(file))
    text = _text_of(file)
    if file.suffix.lower() == ".jsonl":
        yield from _of_jsonl(text, name, place)
    elif file.suffix.lower() == ".json":
        yield from _of_json(text, name, place)
    else:
        yield from _of_text(text, name)


def _text_of(file: Path) -> str:
    """Return the text of a file as data files are read. UserError for binary data, or another encoding."""
    documents.read_bytes(file, LARGEST_FILE)
    with open_text(file) as stream:
        return mend(stream.read())


def _of_text(text: str, name: str, row: int | None = None) -> Iterator[Passage]:
    """Paragraphs, joined up to `WORDS` words; a longer paragraph is cut. `row`: its line in a JSONL file."""
    held: list[str] = []
    size, start = 0, row or 1
    for line, paragraph in _paragraphs(text):
        for piece in _pieces(paragraph):
            length = len(piece.split())
            if held and size + length > WORDS:
                yield Passage(name, start, "\n\n".join(held))
                held, size = [], 0
            if not held:
                start = row or line
            held.append(piece)
            size += length
    if held:
        yield Passage(name, start, "\n\n".join(held))


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    held: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            if not held:
                start = number
            held.append(line)
        elif held:
            yield start, "\n".join(held)
            held = []
    if held:
        yield start, "\n".join(held)


def _pieces(paragraph: str) -> Iterator[str]:
    tokens = paragraph.split()
    if len(tokens) <= WORDS:
        yield paragraph
        return
    for begin in range(0, len(tokens), WORDS):
        yield " ".join(tokens[begin : begin + WORDS])


def _of_jsonl(text: str, name: str, place: str) -> Iterator[Passage]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = documents.loads(line)
        except ValueError as error:
            raise UserError(
                "is not JSON", place=f"{place}:{number}", remedy="fix or remove the line"
            ) from error
        yield from _of_text("\n\n".join(_texts(value)), name, number)


def _of_json(text: str, name: str, place: str) -> Iterator[Passage]:
    try:
        value = documents.loads(text)
    except ValueError as error:
        raise UserError("is not JSON", place=place, remedy="fix it, or name other files") from error
    for row in value if isinstance(value, list) else [value]:
        yield from _of_text("\n\n".join(_texts(row)), name)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
