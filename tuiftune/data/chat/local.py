"""The tokenizer and chat template of a model directory, read without the trainer's libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.data.chat import as_loaded
from tuiftune.data.chat.template import PLAIN_TEMPLATE, Template
from tuiftune.data.chat.tokenize import RowTokenizer
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer


def eos_ids(generation: dict[str, Any], config: dict[str, Any]) -> list[int]:
    """Token ids at which a model's own generation stops: those of its generation_config, else of its config,
    where a number and a list both stand.
    """
    inner = config.get("text_config")
    for document in (generation, config, inner if isinstance(inner, dict) else {}):
        found = document.get("eos_token_id")
        ids = found if isinstance(found, list) else [found]
        if whole := [token for token in ids if isinstance(token, int) and not isinstance(token, bool)]:
            return whole
    return []


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object of a model directory; empty where there is none. UserError when it can't be read."""
    if paths.gone(path):
        return {}
    return documents.read_json(path, remedy="download the model's files again")


def read_tokenizer(
    folder: Path, *, max_length: int, loss_on: str = "assistant", reasoning: str = "keep"
) -> RowTokenizer:
    """Return the tokenizer of a local model directory, with the plain template if it does not have one: as
    the engine loads it, where it has been asked, else as the files are.
    """
    loaded = as_loaded.kept(folder)
    if loaded is not None:
        special, source, stops = loaded["special"], loaded["template"], loaded["stops"]
        backend = _from_text(loaded["backend"])
    else:
        config = read_document(folder / "tokenizer_config.json")
        special, source = _special(config), _template(folder, config)
        backend = _backend(folder, config, special)
        stops = eos_ids(
            read_document(folder / "generation_config.json"), read_document(folder / "config.json")
        )
        if special.get("eos_token"):  # as the engine does
            special.setdefault("pad_token", special["eos_token"])
    return RowTokenizer(
        backend,
        Template(
            source or PLAIN_TEMPLATE, {key: text for key, text in special.items() if text}, place=str(folder)
        ),
        max_length=max_length,
        loss_on=loss_on,
        own_template=source is not None,
        base_stops=stops,
        reasoning=reasoning,
    )


def template_of(folder: Path) -> str | None:
    """The chat template of a model directory; None where it has none. UserError where it is damaged."""
    return _template(folder, read_document(folder / "tokenizer_config.json"))


def ask_engine(folder: Path) -> None:
    """Have the engine load a tokenizer that its library rebuilds, unless it has been asked already.

    UserError with the engine's own line where it refuses.
    """
    tokenizer = read_document(folder / "tokenizer_config.json")
    if not (
        as_loaded.by_files(read_document(folder / "config.json"), tokenizer)
        and as_loaded.as_written(folder, tokenizer)
    ):
        as_loaded.ask(folder)


def _from_text(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(text)


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    """In the order of transformers: chat_template.jinja, tokenizer_config.json; then the older
    chat_template.json.
    """
    source: Any = config.get("chat_template")
    if not paths.gone(folder / "chat_template.jinja"):
        source = documents.read_text(folder / "chat_template.jinja")
    if isinstance(source, list):
        source = {one.get("name"): one.get("template") for one in source if isinstance(one, dict)}
    if isinstance(source, dict):
        source = source.get("default") or next(iter(source.values()), None)
    if not source:
        source = read_document(folder / "chat_template.json").get("chat_template")
    return source if isinstance(source, str) and source.strip() else None


def _special(config: dict[str, Any]) -> dict[str, str]:
    found = {}
    for name in as_loaded.SINGLE:
        value = config.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            found[name] = text
    return found


def _backend(folder: Path, config: dict[str, Any], special: dict[str, str]) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer

    place = folder / "tokenizer.json"
    try:
        backend = Tokenizer.from_file(str(place))
    except Exception as fault:  # the library raises bare Exception
        raise UserError(f"the tokenizer cannot be read ({str(fault)[:80]})", place=str(place)) from None
    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    more = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    texts = [*special.values(), *(more.values() if isinstance(more, dict) else more)]
    for text in dict.fromkeys(one.get("content") if isinstance(one, dict) else one for one in texts):
        if isinstance(text, str) and text and text not in known:
            backend.add_special_tokens([AddedToken(text, special=True)])
    return backend
