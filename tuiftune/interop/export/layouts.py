"""Rows of preferences and texts as each tool reads them; chats are the same for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data import chat_rows

if TYPE_CHECKING:
    from tuiftune.data.example import Example

TRUE = "true"


def plain(stage: str, example: Example) -> dict[str, Any]:
    """As TRL reads them: pairs, judged answers, prompts with a reference answer, texts, chats."""
    if stage == "kto":
        messages = chat_rows.messages(example.messages or ())
        return {"prompt": messages[:-1], "completion": messages[-1:], "label": example.label == TRUE}
    if stage in ("grpo", "rloo"):
        return {"prompt": chat_rows.messages(example.prompt), "reference": example.reference}
    return chat_rows.row(example)


def axolotl(stage: str, example: Example) -> dict[str, Any]:
    """Axolotl's: whole conversations for ORPO, one prompt for reward models, else as TRL's."""
    row = plain(stage, example)
    if stage not in ("orpo", "reward"):
        return row
    system = "\n".join(one["content"] for one in row["prompt"] if one["role"] == "system")
    prompt = [one for one in row["prompt"] if one["role"] != "system"]
    head = {"system": system}
    if stage == "orpo":
        return head | {"chosen": [*prompt, *row["chosen"]], "rejected": [*prompt, *row["rejected"]]}
    asked = "\n\n".join(one["content"] for one in prompt)
    return head | {"input": asked, "chosen": example.chosen or "", "rejected": example.rejected or ""}


def llamafactory(stage: str, example: Example) -> dict[str, Any]:
    """LLaMA-Factory's: a conversation with one message of each answer, or with its judgment."""
    row = plain(stage, example)
    if stage == "kto":
        return {"messages": [*row["prompt"], *row["completion"]], "label": row["label"]}
    if "chosen" not in row:
        return row
    return {
        "messages": row["prompt"],
        "chosen": {"role": "assistant", "content": example.chosen or ""},
        "rejected": {"role": "assistant", "content": example.rejected or ""},
    }


def swift(stage: str, example: Example) -> dict[str, Any]:
    """ms-swift's: a conversation with the answer, and the rejected one next to it."""
    row = plain(stage, example)
    if stage == "kto":
        return {"messages": [*row["prompt"], *row["completion"]], "label": row["label"]}
    if stage in ("grpo", "rloo"):
        return {"messages": row["prompt"], "solution": row["reference"]}
    if "text" in row:
        return {"messages": [{"role": "assistant", "content": row["text"]}]}
    if "chosen" not in row:
        return row
    return {"messages": [*row["prompt"], *row["chosen"]], "rejected_response": example.rejected or ""}
