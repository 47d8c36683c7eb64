"""The names under which people keep prompts, answers and labels. Lower case; the order is the preference."""

from __future__ import annotations

import re

# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

MESSAGES = ("messages", "conversations", "conversation", "chat", "dialog", "dialogue", "turns", "contents")
SYSTEM = ("system", "system_prompt", "system_message", "systeminstruction", "system_instruction")
HISTORY = ("history", "chat_history", "conversation_history", "dialogue_history", "previous_turns")
ROLE_KEYS = ("role", "from", "speaker", "author", "sender")  # who says a turn
CONTENT_KEYS = ("content", "value", "text", "parts", "message", "utterance", "refusal")  # what is said
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
    ("message", "response"),
    ("message", "reply"),
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
    "emotion",
    "polarity",
    "stars",
    "rating",
    "toxic",
    "toxicity",
    "genre",
    "stance",
    "output",
    "answer",
)
TEXT = ("text", "content", "document", "body", "article", "page", "raw", "markdown")
CHOSEN = (
    "chosen", "preferred", "accepted", "winner", "chosen_response", "chosen_messages", "preferred_output",
    "chosen_answer", "chosen_output", "chosen_completion", "chosen_text", "preferred_response",
    "better_response", "response_j", "response_chosen", "answer_chosen", "chosen_conversation",
)  # fmt: skip
REJECTED = (
    "rejected", "dispreferred", "loser", "rejected_response", "rejected_messages", "non_preferred_output",
    "rejected_answer", "rejected_output", "rejected_completion", "rejected_text", "dispreferred_response",
    "non_preferred_response", "non_preferred", "worse_response", "response_k", "response_rejected",
    "answer_rejected", "rejected_conversation",
)  # fmt: skip
PROMPTS = tuple(dict.fromkeys(left for left, _ in PAIRS)) + INSTRUCTION
ANSWERS = tuple(dict.fromkeys(right for _, right in PAIRS))
TOOLS = ("tools", "functions")
CONTEXTS = ("context", "passage", "paragraph", "background", "evidence", "knowledge")
CHOICES = ("choices", "options", "endings", "alternatives", "candidates", "distractors")  # to choose from
ASKED = ("question", "query", "q")  # what a context may stand before
SAID = frozenset((*ANSWERS, *INSTRUCTION_ANSWERS, *LABELS, "reply", "labels", *CHOSEN, *REJECTED)) - {
    "text"
}  # next to a text
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
    "tool_calls": "assistant",
    "function_response": "tool",
    "function_call_output": "tool",
    "tool_result": "tool",
    "tool_results": "tool",
    "environment": "tool",
    "chatbot": "assistant",
    "agent": "assistant",
    "answer": "assistant",
    "response": "assistant",
    "question": "user",
    "instruction": "user",
}
CALLING = frozenset(("function_call", "tool_call", "tool_calls"))  # roles whose content is a tool call
