"""Files that hold one message a row: put together into conversations, or refused where nothing tells how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.detect import thumbs
from tuiftune.data.detect.formats import ColumnsError
from tuiftune.data.detect.names import CONTENT_KEYS, ROLE_KEYS, ROLE_NAMES
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from tuiftune.data.read.json_rows import Batch, Row

    Joining = Callable[[Iterator[Batch], Counter[str]], Batch]

CONVERSATION = (
    "conversation_id", "conv_id", "conversationid", "dialogue_id", "dialog_id", "chat_id", "session_id",
    "thread_id", "ticket_id", "call_id", "conversation", "dialogue", "dialog", "chat", "session", "thread",
    "conv", "group", "group_id", "sample_id", "example_id", "doc_id",
)  # fmt: skip
PLACE = (
    "turn", "turn_id", "turn_index", "turn_number", "turn_no", "message_index", "message_number",
    "position", "step", "order", "seq", "sequence", "idx", "index", "timestamp", "time", "created_at",
    "date",
)  # fmt: skip


def joining_of(sample: list[Row], place: str) -> Joining | None:
    """How single messages become conversations, where the rows are such. ColumnsError where they are and
    nothing says which belong together.
    """
    first = next((row for row in sample if row), {})
    if {"message_id", "parent_id", "text", "role"} <= first.keys():
        return _by_parent
    lowered = {str(name).lower().strip(): name for row in reversed(sample) for name in row}
    role = next((lowered[name] for name in (*ROLE_KEYS, "turn_role") if name in lowered), None)
    text = next((lowered[name] for name in CONTENT_KEYS if name in lowered and lowered[name] != role), None)
    if role is None or text is None or not _speakers(sample, role) or not _texts(sample, text):
        return None
    names = [lowered[name] for name in CONVERSATION if name in lowered]
    by = next((name for name in names if _repeats(sample, name)), None)
    if by is None:
        raise ColumnsError(
            f'each row is one message ("{printable(role)}" and "{printable(text)}"), and no column says '
            "which of them form a conversation",
            place=place,
            remedy="add a column conversation_id, or write one conversation per row (messages); to train "
            "rows unchanged, name --format and --column",
        )
    at = next((lowered[name] for name in PLACE if name in lowered and lowered[name] != by), None)
    return lambda batches, lost: _by_conversation(batches, lost, by, role, text, at)


def _speakers(sample: list[Row], name: str) -> bool:
    said = {str(row[name]).lower().strip() for row in sample if row.get(name) is not None}
    roles = {ROLE_NAMES.get(one) for one in said}
    return None not in roles and {"user", "assistant"} <= roles


def _texts(sample: list[Row], name: str) -> bool:
    return any(isinstance(row.get(name), str | list) for row in sample)


def _repeats(sample: list[Row], name: str) -> bool:
    said = [row[name] for row in sample if isinstance(row.get(name), str | int)]
    return len(said) > 0.9 * len(sample) and len(set(said)) < len(said)


def _by_conversation(
    batches: Iterator[Batch], lost: Counter[str], by: str, role: str, text: str, at: str | None
) -> Batch:
    """The messages of each conversation in the order of their place, else of the file, at its first row."""
    held: dict[Any, list[tuple[int, Row]]] = {}
    for numbers, rows in batches:
        for number, row in zip(numbers, rows, strict=True):
            if row.get(by) is None:
                lost[f'messages without "{printable(by)[:30]}" are dropped'] += 1
            else:
                held.setdefault(row[by], []).append((number, row))
    made: list[Row] = []
    numbers = []
    for said in held.values():
        if at is not None:
            said.sort(key=lambda one: _rank(one[1].get(at)))
        numbers.append(min(number for number, _ in said))
        made.append({"messages": [_message(row, by, role, text, at) for _, row in said]})
    return numbers, made


def _message(row: Row, by: str, role: str, text: str, at: str | None) -> Row:
    aside = {by, at, role, text, "role", "content"}
    rest = {name: value for name, value in row.items() if name not in aside}
    return {"role": row.get(role), "content": row.get(text), **rest}


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers by size, also those that a table keeps as text; then everything else by its text."""
    try:
        return (0, float(value), "")
    except (TypeError, ValueError, OverflowError):
        return (1, 0.0, str(value))


def _by_parent(batches: Iterator[Batch], lost: Counter[str]) -> Batch:
    """Every way from a first message to a last one as a conversation, at the row of its last message.

    Where a message was answered more than once, all ways are kept, so early turns repeat; but not those
    through a message that was deleted or failed its review, or through an answer ranked below another.
    """
    held: dict[Any, tuple[int, Row]] = {}
    best: dict[Any, float] = {}  # rank of the best answer to a message
    for numbers, rows in batches:
        for number, row in zip(numbers, rows, strict=True):
            held[row.get("message_id")] = (number, row)
            if (rank := _number(row.get("rank"))) is not None:
                above = row.get("parent_id")
                best[above] = min(rank, best.get(above, rank))
    answered = {row.get("parent_id") for _, row in held.values()}
    made_numbers: list[int] = []
    made: list[Row] = []
    for name, (number, row) in held.items():
        if name in answered:
            continue
        path: list[Row] = []
        seen: set[Any] = set()
        step: Row | None = row
        whole, why = True, ""
        while step is not None and step.get("message_id") not in seen:
            seen.add(step.get("message_id"))
            rest = {key: value for key, value in step.items() if key not in _THREAD}
            path.append({"role": step.get("role"), "content": step.get("text"), **rest})
            above = step.get("parent_id")
            whole = above is None or above in held
            why = why or _unfit(step, best)
            step = held[above][1] if above in held else None
        if not whole or why:
            lost[why or "threads whose beginning is not in the file are dropped"] += 1
            continue
        path.reverse()
        while path and str(path[-1]["role"]).lower() in ("prompter", "user", "human"):
            path.pop()
            lost["a last message without an answer is dropped"] += 1
        if path:
            made_numbers.append(number)
            made.append({"messages": path, **({"lang": row["lang"]} if "lang" in row else {})})
    return made_numbers, made


# What says where a message stands, and is read here.
_THREAD = frozenset(
    (
        "message_id", "parent_id", "message_tree_id", "user_id", "created_date", "role", "text", "lang",
        "rank", "deleted", "review_result", "review_count", "synthetic", "model_name", "tree_state",
    )
)  # fmt: skip


def _unfit(row: Row, best: dict[Any, float]) -> str:
    """Why a message isn't to be learned from; empty where nothing says so."""
    if thumbs.is_up(row.get("deleted")):
        return "threads with a deleted message are dropped"
    if thumbs.is_up(row.get("review_result")) is False:
        return "threads with a message that failed its review (review_result) are dropped"
    rank = _number(row.get("rank"))
    if rank is not None and rank > best.get(row.get("parent_id"), rank):
        return "threads with an answer that is ranked below another are dropped"
    return ""


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
