"""The names under which people keep prompts, answers and labels. Lower case; the order is the preference."""

from __future__ import annotations

MESSAGES = ("messages", "conversations", "conversation", "chat", "dialog", "dialogue", "turns")
SYSTEM = ("system", "system_prompt", "system_message")
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
    ("input", "target"),
    ("source", "target"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
    ("text", "summary"),
    ("problem", "solution"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("prompt", "text"),
    ("question", "solution"),
    ("context", "response"),
    ("inputs", "targets"),
    ("input_text", "target_text"),
    ("q", "a"),
)
INSTRUCTION = ("instruction", "instruct", "task")
INSTRUCTION_ANSWERS = ("output", "response", "answer", "completion", "target")
INSTRUCTION_INPUTS = ("input", "context", "inputs")
CLASSIFIED = (
    "text",
    "sentence",
    "utterance",
    "utt",
    "query",
    "content",
    "review",
    "comment",
    "tweet",
    "headline",
    "title",
    "body",
    "message",
    "input",
    "prompt",
)
LABELS = (
    "label",
    "category",
    "intent",
    "class",
    "labels",
    "label_text",
    "target",
    "sentiment",
    "topic",
    "coarse_label",
    "output",
    "answer",
)
TEXT = ("text", "content", "document", "body", "article", "page", "raw", "markdown")
CHOSEN = (
    "chosen",
    "preferred",
    "accepted",
    "winner",
    "chosen_response",
    "chosen_messages",
    "preferred_output",
)
REJECTED = (
    "rejected",
    "dispreferred",
    "loser",
    "rejected_response",
    "rejected_messages",
    "non_preferred_output",
)
PROMPTS = tuple(dict.fromkeys(left for left, _ in PAIRS)) + INSTRUCTION
ANSWERS = tuple(dict.fromkeys(right for _, right in PAIRS))
KTO_LABELS = ("label", "kto_tag", "desirable", "thumbs_up")
TOOLS = ("tools", "functions")
CONTEXTS = ("context", "passage", "paragraph", "background", "evidence", "knowledge")
ASKED = ("question", "query", "q")  # what a context may stand before
PARTITIONS = ("split", "partition", "fold", "subset", "set")
# Columns that say where a text is from.
ABOUT = frozenset(
    (
        "id", "idx", "index", "uid", "url", "uri", "source", "src", "title", "timestamp", "date", "time",
        "lang", "language", "meta", "metadata", "author", "domain", "license", "score", "file", "path",
    )
)  # fmt: skip
PICTURES = frozenset(("image", "images", "video", "videos", "audio", "audios", "picture", "pictures"))

KNOWN_NAMES = frozenset(
    MESSAGES
    + SYSTEM
    + INSTRUCTION
    + INSTRUCTION_INPUTS
    + CLASSIFIED
    + LABELS
    + TEXT
    + CHOSEN
    + REJECTED
    + ANSWERS
    + PROMPTS
    + TOOLS
) - {"q", "a"}

ROLE_NAMES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
    "tool_response": "tool",
}
