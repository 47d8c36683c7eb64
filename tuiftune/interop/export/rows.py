"""Where another tool finds the rows: the files of the preset, or the chat rows that were written for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.read import hub
from tuiftune.interop.rows import hub as by_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.interop.export.outward import Outward

WRITTEN = "the rows, written as chat messages"
SPLIT = "written to a file of its own"


def paths(out: Outward) -> list[str]:
    """The training files."""
    if out.files is not None:
        return [out.files.train]
    train = out.preset.data.train
    return [train] if isinstance(train, str) else list(train)


def written(out: Outward) -> list[str]:
    """The files of chat rows that are uploaded: training, then evaluation where there is any."""
    if out.files is not None:
        return [out.files.train, *([out.files.eval] if out.files.eval else [])]
    return ["train.jsonl", *(["eval.jsonl"] if out.preset.data.eval else [])]


def parts(path: str) -> dict[str, str]:
    """A dataset of the Hub by `load_dataset`'s names (path, name, split, revision); a file's path alone."""
    if not hub.looks_like_id(path):
        return {"path": path}
    found = hub.named(path)
    given = {"path": found.id, "name": found.config, "split": found.split, "revision": found.revision}
    return {key: value for key, value in given.items() if value}


def read_back(path: str, *, kept: Sequence[str] = ("name", "split", "revision")) -> str:
    """What `tuiftune import` calls a dataset again, of which a tool keeps some parts."""
    found = parts(path)
    return named_back(found.pop("path"), **{key: value for key, value in found.items() if key in kept})


def named_back(path: str, name: str = "", split: str = "", revision: str = "") -> str:
    """A dataset by our name for it."""
    return by_name(path, name, split, revision)[0]


def told(out: Outward, to: str, *, kept: Sequence[str] = ("name", "split", "revision")) -> None:
    """Tell of the training files, whose paths stand in the document already, and of their layout. `kept`:
    the parts of a Hub dataset's name that the tool has.
    """
    found = paths(out)
    returned = [read_back(path, kept=kept) for path in found]
    lost = sorted({key for path in found for key in parts(path)} - {"path", *kept})
    if out.files is not None:
        out.note("data.train", to, why=WRITTEN, back=found[0])
        for key in ("data.format", "data.columns", "data.system", "data.mix", "data.mix_temperature"):
            if key in out.left and out.left[key] not in (None, {}, [], "auto"):
                out.note(key, to, why="is in the rows that were written")
    elif any(path.startswith("builtin:") for path in found):
        out.leave("data.train", "comes with tuiftune: write the rows with --output")
    elif len(found) == 1 and found != [out.preset.data.train]:
        out.note("data.train", to, why="as one file", back=found[0])
    elif lost:
        why = f"{out.tool} has no place for a dataset's {' and '.join(lost)}"
        out.note("data.train", to, why=why, back=returned[0] if len(found) == 1 else returned)
    elif returned != found:
        back = returned[0] if len(found) == 1 else returned
        out.note("data.train", to, why="by its parts", back=back, same=True)
    else:
        out.note("data.train", to)


def held_out(out: Outward, share: str, file: str, *, kept: Sequence[str] = ("name", "split")) -> None:
    """The evaluation rows: a share of the rows, or a file. `kept`: as of `told`."""
    value = out.preset.data.eval
    if out.files is not None:
        if out.files.eval is None:
            out.leave("data.eval", "no evaluation rows", "not needed" if value == 0 else "left out")
        else:
            out.carry("data.eval", file, out.files.eval, why=SPLIT, back=out.files.eval)
    elif isinstance(value, str) and (lost := sorted(set(parts(value)) - {"path", *kept})):
        out.leave("data.eval", f"{out.tool} has no place for a dataset's {' and '.join(lost)}")
    elif isinstance(value, str):
        out.carry("data.eval", file, why="by its parts", back=read_back(value), same=True)
    elif share:
        out.carry("data.eval", share)


def axolotl(out: Outward) -> None:
    """Axolotl's `datasets`, `val_set_size` and `test_datasets`."""
    form, columns = out.preset.data.format, dict(out.preset.data.columns)
    if out.preset.method.stage in PAIRS:
        _pairs(out)
        return
    if out.preset.method.stage == "pretrain":
        form = "text"
    chat = form in ("auto", "chat") or (out.files is not None and not is_text(out))
    more: dict[str, Any] = {"type": "chat_template"}
    if not chat and form in LAYOUTS:
        more = dict(LAYOUTS[form])
    elif chat and out.files is None and set(columns) == {"messages"}:
        more["field_messages"] = columns["messages"]
        out.note("data.columns", "datasets.field_messages")
    out.put("datasets", [{**parts(path), **more} for path in paths(out)])
    told(out, "datasets")
    if is_text(out) and "data.format" in out.left:
        out.note("data.format", "datasets.type", why="texts", back="text")
    elif out.files is None and form in ("instruction", "text"):
        out.note("data.format", "datasets.type")
    elif out.files is None and form in ("chat", "sharegpt"):
        out.note(
            "data.format", "datasets.type", why="chat_template, whose layout is detected on reading it back"
        )
    if out.files is None and form == "sharegpt":
        there = {"messages": "conversations"}
        out.note("data.columns", "datasets.field_messages", why="ShareGPT's own", back=there)
    _held_out(out, more)


def is_text(out: Outward) -> bool:
    """Whether rows are texts, of which every token is trained."""
    stage = out.preset.method.stage
    return stage == "pretrain" or (stage == "sft" and out.files is None and out.preset.data.format == "text")


def _pairs(out: Outward) -> None:
    """Axolotl's datasets of two answers to a prompt. Only those of DPO and SimPO name their columns."""
    stage, columns = out.preset.method.stage, out.preset.data.columns if out.files is None else {}
    named = {role: columns.get(role, role) for role in ("prompt", "chosen", "rejected")}
    more: dict[str, Any] = {"type": TYPES[stage]}
    if stage in ("dpo", "simpo"):
        more |= dict(zip(("field_messages", "field_chosen", "field_rejected"), named.values(), strict=True))
        out.note("data.columns", "datasets.field_*", why="by name", back=named, same=True)
    elif out.files is None and out.get("data.columns"):
        why = f"{TYPES[stage]} has column names of its own: write the rows with --output"
        out.leave("data.columns", why)
    out.put("datasets", [{**parts(path), **more} for path in paths(out)])
    told(out, "datasets")
    _held_out(out, more)


def _held_out(out: Outward, more: dict[str, Any]) -> None:
    value = out.preset.data.eval
    if out.files is None and isinstance(value, str):
        out.put("test_datasets", [{**parts(value), **more}])
        out.note("data.eval", "test_datasets", why="by its parts", back=read_back(value), same=True)
    elif out.files is not None and out.files.eval is not None:
        out.put("test_datasets", [{"path": out.files.eval, **more}])
        out.note("data.eval", "test_datasets", why=SPLIT, back=out.files.eval)
    elif out.files is not None:
        out.put("val_set_size", 0)
        out.leave("data.eval", "no evaluation rows", "not needed")
    else:
        out.carry("data.eval", "val_set_size")


PAIRS = ("dpo", "orpo", "simpo", "reward")
TYPES = {  # of its prompt strategies
    "dpo": "chat_template.default",
    "simpo": "chat_template.default",
    "orpo": "chat_template.argilla",
    "reward": "bradley_terry.chat_template",
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "instruction": {"type": "alpaca"},
    "text": {"type": "completion"},
    "sharegpt": {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    },
}
