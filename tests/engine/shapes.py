# ruff: noqa: E501 - a template is easier to read in long lines
"""Chat templates that behave like those of well-known families, each with the tokens its tokenizer knows.

Written for these tests. A shape says which token is registered how: `eos`, further `special` tokens, `added` ones
that aren't special, or none (then it is spelled with ordinary tokens), and at which ones the base model stops.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Shape:
    template: str | None
    eos: str
    special: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    bos: str | None = None
    pad: str | None = None
    base_stops: tuple[str, ...] | None = None  # None: eos alone
    kind: str = "bytes"  # or "pieces": sentencepiece-like, "metaspace": with a space in front of each text
    system: bool = True  # takes a system message
    turns: bool = True  # takes several turns
    parts: bool = False  # wants a message's content as a list of parts


def _each(turn: str, prompt: str, *, first: str = "", roles: str = "") -> str:
    """A template that writes every message alike."""
    return (
        f"{first}{{% for m in messages %}}{roles}{turn}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{prompt}{{% endif %}}"
    )


CHATML = _each("<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n", "<|im_start|>assistant\n")
IM = ("<|im_start|>", "<|im_end|>")
HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>", "<|eom_id|>")
ALTERNATE = "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

# Qwen3: reasoning stays in what follows the last question only; an answer without any gets an empty block.
THINKS = (
    "{%- set ns = namespace(last=-1) %}{%- for m in messages %}{%- if m.role == 'user' %}"
    "{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}{%- for m in messages %}{%- set c = m.content %}"
    "{%- set t = '' %}{%- if m.role == 'assistant' and '</think>' in c %}"
    "{%- set t = c.split('</think>')[0].split('<think>')[-1].strip('\\n') %}"
    "{%- set c = c.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{{- '<|im_start|>' + m.role + '\\n' }}"
    "{%- if m.role == 'assistant' and loop.index0 > ns.last %}{{- '<think>\\n' + t + '\\n</think>\\n\\n' }}{%- endif %}"
    "{{- c + '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\nPROMPT' }}"
    "{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
    "<|User|>{{ m.content }}{% else %}<|Assistant|>{{ m.content.split('</think>')[-1] }}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|Assistant|>OPEN{% endif %}"
)
HARMONY = (
    "<|start|>system<|message|>You are a model. Date {{ strftime_now('%Y') }}.<|end|>{% for m in messages %}"
    "{% if m.role == 'assistant' %}{% if loop.last and not add_generation_prompt %}{% if m.thinking %}"
    "<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|return|>{% else %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>{% endif %}{% elif m.role == 'system' %}"
    "<|start|>developer<|message|>{{ m.content }}<|end|>{% else %}"
    "<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
LLAMA2 = (
    "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set s = messages[0].content %}{% else %}"
    "{% set rest = messages %}{% set s = '' %}{% endif %}{% for m in rest %}"
    + ALTERNATE
    + "{% if m.role == 'user' %}"
    "{{ bos_token + '[INST] ' }}{% if s and loop.index0 == 0 %}{{ '<<SYS>>\\n' + s + '\\n<</SYS>>\\n\\n' }}{% endif %}"
    "{{ m.content.strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)


def _mistral(question: str, answer: str) -> str:
    return (
        "{{ bos_token }}{% for m in messages %}" + ALTERNATE + "{% if m.role == 'user' %}" + question + "{% else %}"
        + answer + "{% endif %}{% endfor %}"
    )  # fmt: skip


VICUNA = (
    "{{ bos_token }}A chat.{% for m in messages %}{% if m.role == 'user' %} USER: {{ m.content }}{% elif "
    "m.role == 'assistant' %} ASSISTANT: {{ m.content }}{{ eos_token }}{% else %} {{ m.content }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
ALPACA = (
    "{% for m in messages %}{% if m.role == 'user' %}### Instruction:\n{{ m.content }}\n\n{% elif m.role == 'assistant' "
    "%}### Response:\n{{ m.content }}END\n\n{% else %}{{ m.content }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
COHERE = (
    "{{ bos_token }}{% for m in messages %}<|START_OF_TURN_TOKEN|>{% if m.role == 'assistant' %}<|CHATBOT_TOKEN|>OPEN"
    "{{ m.content }}SHUT{% elif m.role == 'user' %}<|USER_TOKEN|>{{ m.content }}{% else %}<|SYSTEM_TOKEN|>"
    "{{ m.content }}{% endif %}<|END_OF_TURN_TOKEN|>{% endfor %}{% if add_generation_prompt %}"
    "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"
)
COMMAND = ("<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|USER_TOKEN|>", "<|SYSTEM_TOKEN|>")
THINK = ("<think>", "</think>")
GLM = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
GENERATION = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}MARKED{% else %}{{ m.content }}"
    "<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

SHAPES = {
    "llama2": Shape(LLAMA2, "</s>", bos="<s>", kind="pieces"),
    "llama2 metaspace": Shape(LLAMA2, "</s>", bos="<s>", kind="metaspace"),
    "llama3": Shape(
        _each(
            "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + (m.content | trim) + '<|eot_id|>' }}",
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            first="{{ bos_token }}",
        ),
        "<|eot_id|>",
        HEADERS,
        bos="<|begin_of_text|>",
    ),
    "llama3 base": Shape(  # the end of turn is one of many reserved tokens, the end of sequence another
        _each(
            "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + (m.content | trim) + '<|eot_id|>' }}",
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            first="{{ bos_token }}Today: {{ strftime_now('%d %b %Y') }}\n",
        ),
        "<|end_of_text|>",
        (*HEADERS, "<|eot_id|>"),
        bos="<|begin_of_text|>",
    ),
    "mistral v1": Shape(
        _mistral("{{ '[INST] ' + m.content + ' [/INST]' }}", "{{ m.content + eos_token + ' ' }}"),
        "</s>",
        bos="<s>",
        kind="pieces",
        system=False,
    ),
    "mistral v3": Shape(
        _mistral("{{ '[INST] ' + m.content + '[/INST]' }}", "{{ ' ' + m.content | trim + eos_token }}"),
        "</s>",
        ("[INST]", "[/INST]"),
        bos="<s>",
        kind="pieces",
        system=False,
    ),
    "mistral tekken": Shape(
        _mistral("{{ '[INST]' + m.content + '[/INST]' }}", "{{ m.content + eos_token }}"),
        "</s>",
        ("[INST]", "[/INST]"),
        bos="<s>",
        system=False,
    ),
    "magistral": Shape(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}[SYSTEM_PROMPT]{{ m.content }}"
        "[/SYSTEM_PROMPT]{% elif m.role == 'user' %}[INST]{{ m.content }}[/INST]{% else %}"
        "{{ m.content.split('[/THINK]')[-1] + eos_token }}{% endif %}{% endfor %}",
        "</s>",
        ("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[THINK]", "[/THINK]"),
        bos="<s>",
    ),
    "gemma": Shape(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + _each(
            "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n",
            "<start_of_turn>model\n",
            roles=ALTERNATE,
        ),
        "<eos>",
        ("<start_of_turn>", "<end_of_turn>"),
        bos="<bos>",
        pad="<pad>",
        kind="pieces",
        system=False,
    ),
    "gemma3": Shape(  # the instruct model stops at both; the system message goes into the first question
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content + '\n\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set s = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{{ s if loop.first }}{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        "<eos>",
        ("<start_of_turn>", "<end_of_turn>"),
        bos="<bos>",
        pad="<pad>",
        base_stops=("<eos>", "<end_of_turn>"),
        kind="pieces",
    ),
    "phi3": Shape(
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}"
        "<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        "<|endoftext|>",
        (*ROLES, "<|end|>"),
        bos="<s>",
        kind="pieces",
    ),
    "phi4": Shape(
        _each(
            "<|im_start|>{{ m.role }}<|im_sep|>{{ m.content }}<|im_end|>", "<|im_start|>assistant<|im_sep|>"
        ),
        "<|im_end|>",
        ("<|im_start|>", "<|im_sep|>", "<|endoftext|>"),
    ),
    "chatml": Shape(CHATML, "<|im_end|>", IM[:1]),
    "chatml on a base": Shape(CHATML, "<|endoftext|>", IM),
    "chatml, added tokens": Shape(CHATML, "<|endoftext|>", (), IM),
    "chatml, nothing registered": Shape(CHATML, "<|endoftext|>"),
    "chatml that opens an answer always": Shape(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "<|im_start|>assistant\n",
        "<|endoftext|>",
        IM,
        turns=False,
    ),
    "chatml without a prompt": Shape(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}",
        "<|im_end|>",
        IM[:1],
    ),
    "qwen2.5": Shape(
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}"
        + CHATML,
        "<|im_end|>",
        ("<|im_start|>", "<|endoftext|>"),
        pad="<|endoftext|>",
        base_stops=("<|im_end|>", "<|endoftext|>"),
    ),
    "qwen3": Shape(THINKS.replace("PROMPT", ""), "<|im_end|>", ("<|im_start|>",), THINK),
    "qwen3 thinking": Shape(  # it has no switch
        THINKS.partition("{%- if enable_thinking")[0].replace("PROMPT", "<think>\\n") + "{%- endif %}",
        "<|im_end|>",
        ("<|im_start|>",),
        THINK,
    ),
    "deepseek r1": Shape(
        R1.replace("OPEN", "<think>\n"), "<|eos|>", ("<|User|>", "<|Assistant|>"), THINK, bos="<|bos|>"
    ),
    "deepseek v3": Shape(R1.replace("OPEN", ""), "<|eos|>", ("<|User|>", "<|Assistant|>"), bos="<|bos|>"),
    "deepseek v3.1": Shape(
        R1.replace("OPEN", "</think>"), "<|eos|>", ("<|User|>", "<|Assistant|>"), THINK, bos="<|bos|>"
    ),
    "gpt-oss": Shape(
        HARMONY,
        "<|return|>",
        ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>"),
        base_stops=("<|return|>", "<|call|>"),
    ),
    "glm4": Shape(
        GLM, "<|endoftext|>", ("[gMASK]", "<sop>", *ROLES), base_stops=("<|endoftext|>", "<|user|>")
    ),
    "glm4, one stop": Shape(GLM, "<|endoftext|>", ("[gMASK]", "<sop>", *ROLES)),
    "glm4.5": Shape(
        "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{% if m.role == 'assistant' %}"
        "{% set parts = m.content.split('</think>') %}{% if parts | length > 1 %}"
        "<think>{{ parts[0].split('<think>')[-1].strip() }}</think>\n{% else %}<think></think>\n{% endif %}"
        "{{ parts[-1].strip() }}{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        "<|endoftext|>",
        ("[gMASK]", "<sop>", *ROLES),
        THINK,
        base_stops=("<|endoftext|>", "<|user|>"),
    ),
    "command-r": Shape(
        COHERE.replace("OPEN", "").replace("SHUT", ""),
        "<|END_OF_TURN_TOKEN|>",
        COMMAND,
        bos="<BOS_TOKEN>",
        pad="<PAD>",
    ),
    "command-a": Shape(
        COHERE.replace("OPEN", "<|START_RESPONSE|>").replace("SHUT", "<|END_RESPONSE|>"),
        "<|END_OF_TURN_TOKEN|>",
        (*COMMAND, "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        bos="<BOS_TOKEN>",
        pad="<PAD>",
    ),
    "granite": Shape(
        _each(
            "<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>\n",
            "<|start_of_role|>assistant<|end_of_role|>",
        ),
        "<|end_of_text|>",
        ("<|start_of_role|>", "<|end_of_role|>"),
    ),
    "zephyr": Shape(
        _each("<|{{ m.role }}|>\n{{ m.content + eos_token }}\n", "<|assistant|>\n"),
        "</s>",
        bos="<s>",
        kind="pieces",
    ),
    "vicuna": Shape(VICUNA, "</s>", bos="<s>", kind="metaspace"),
    "alpaca": Shape(ALPACA.replace("END", "{{ eos_token }}"), "</s>", bos="<s>", kind="pieces"),
    "alpaca without an end": Shape(ALPACA.replace("END", ""), "</s>", bos="<s>", kind="pieces"),
    "olmo": Shape(
        "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% if m.role == 'assistant' %}"
        "{{ eos_token }}{% if not loop.last %}{{ '\n' }}{% endif %}{% else %}{{ '\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        "<|endoftext|>",
        bos="<|endoftext|>",
    ),
    "smollm3": Shape(
        "<|im_start|>system\n## Metadata\n{{ strftime_now('%Y') }}<|im_end|>\n{% for m in messages %}"
        "<|im_start|>{{ m.role }}\n{{ m.content.lstrip('\\n') }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}"
        "<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n"
        "{% endif %}{% endif %}",
        "<|im_end|>",
        ("<|im_start|>",),
        THINK,
    ),
    "falcon": Shape(
        "{% for m in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}{% if m.role == 'user' %}User: "
        "{{ m.content }}{% elif m.role == 'assistant' %}Falcon: {{ m.content }}{% else %}{{ m.content }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '\nFalcon:' }}{% endif %}",
        "<|endoftext|>",
    ),
    "internlm": Shape(
        "{{ bos_token }}" + CHATML, "</s>", IM, bos="<s>", kind="pieces", base_stops=("</s>", "<|im_end|>")
    ),
    "yi": Shape(CHATML, "<|im_end|>", (), ("<|im_start|>",), bos="<|startoftext|>", kind="pieces"),
    "openchat": Shape(
        "{{ bos_token }}{% for m in messages %}GPT4 Correct {{ m.role.title() }}: {{ m.content }}<|end_of_turn|>"
        "{% endfor %}{% if add_generation_prompt %}GPT4 Correct Assistant:{% endif %}",
        "<|end_of_turn|>",
        bos="<s>",
        kind="pieces",
    ),
    "nemotron": Shape(
        "{% for m in messages %}<extra_id_{{ 1 if m.role != 'system' else 0 }}>{{ m.role.title() }}\n{{ m.content }}\n"
        "{% endfor %}{% if add_generation_prompt %}<extra_id_1>Assistant\n{% endif %}",
        "</s>",
        ("<extra_id_0>", "<extra_id_1>"),
        base_stops=("</s>", "<extra_id_1>"),
    ),
    "exaone": Shape(
        _each("[|{{ m.role }}|]{{ m.content }}{{ '[|endofturn|]' if m.role != 'user' }}\n", "[|assistant|]"),
        "[|endofturn|]",
        ("[|system|]", "[|user|]", "[|assistant|]"),
        bos="[BOS]",
    ),
    "marks, all of the answer": Shape(
        GENERATION.replace("MARKED", "{% generation %}{{ m.content }}<|im_end|>\n{% endgeneration %}"),
        "<|endoftext|>",
        IM,
    ),
    "marks without the end": Shape(
        GENERATION.replace("MARKED", "{% generation %}{{ m.content }}{% endgeneration %}<|im_end|>\n"),
        "<|endoftext|>",
        (),
        IM,
    ),
    "marks without the beginning": Shape(
        GENERATION.replace(
            "MARKED", "<think>\n\n</think>\n{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n"
        ),
        "<|im_end|>",
        IM[:1],
        THINK,
    ),
    "words after an answer": Shape(
        _each(
            "<|im_start|>{{ m.role }}\n{{ m.content }}{{ ' [done]' if m.role == 'assistant' }}<|im_end|>\n",
            "<|im_start|>assistant\n",
        ),
        "<|im_end|>",
        IM[:1],
    ),
    "stripped, and its end twice": Shape(
        _each(
            "<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>"
            "{{ eos_token * 2 if m.role == 'assistant' }}\n",
            "<|im_start|>assistant\n",
        ),
        "</s>",
        IM,
    ),
    "the end before the next question": Shape(
        _each(
            "{% if m.role == 'user' and not loop.first %}{{ eos_token }}{% endif %}"
            "<|im_start|>{{ m.role }}\n{{ m.content }}\n",
            "<|im_start|>assistant\n",
        ),
        "</s>",
        IM,
    ),
    "vision, parts only": Shape(
        "{{ bos_token }}{% for m in messages %}{{ m.role | capitalize }}:{% for part in m.content %}"
        "{% if part.type == 'text' %} {{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
        "{% if add_generation_prompt %}Assistant:{% endif %}",
        "<|eos|>",
        ("<end_of_utterance>",),
        bos="<|bos|>",
        parts=True,
    ),
    "gemma4": Shape(  # reasoning in a channel of its own, from a field of the message
        "{{ bos_token }}{% for m in messages %}<|turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{% if m.reasoning_content %}<|channel>thought\n{{ m.reasoning_content }}\n<channel|>{% endif %}"
        "{{ m.content | trim }}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}",
        "<eos>",
        ("<|turn>", "<turn|>", "<|channel>", "<channel|>"),
        bos="<bos>",
        base_stops=("<eos>", "<turn|>"),
    ),
    "nemotron 3": Shape(  # a field for the reasoning, tags of its own, and a prompt that opens them
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>"
        "{% if m.reasoning_content %}{{ '\n' + m.reasoning_content + '\n' }}{% endif %}</think>{{ m.content }}"
        "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}",
        "<|im_end|>",
        IM[:1],
        THINK,
    ),
    "no template": Shape(None, "</s>", bos="<s>", kind="metaspace"),
    "eos is pad": Shape(CHATML, "<|im_end|>", IM[:1], pad="<|im_end|>"),
}


def make_tokenizer(shape: Shape) -> Any:
    """A small tokenizer with the shape's tokens, trained on nothing but the letters."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    named = {"bos_token": shape.bos, "eos_token": shape.eos, "pad_token": shape.pad}
    special = list(dict.fromkeys(token for token in (*named.values(), *shape.special) if token))
    if shape.kind == "bytes":
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet, first = pre_tokenizers.ByteLevel.alphabet(), []
    else:
        core = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        if shape.kind == "metaspace":
            core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
            core.decoder = decoders.Sequence([*parts, decoders.Strip(" ", 1, 0)])
        else:
            core.normalizer = normalizers.Replace(" ", "▁")
            core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
            core.decoder = decoders.Sequence(parts)
        alphabet, first = [], ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=[*first, *special], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator([TEXT] * 3, trainer)
    plain = json.loads(core.to_str())  # the bytes were only reserved, they aren't special
    plain["added_tokens"] = [token for token in plain["added_tokens"] if token["content"] not in first]
    core = Tokenizer.from_str(json.dumps(plain))
    if shape.bos:
        place = core.token_to_id(shape.bos)
        core.post_processor = processors.TemplateProcessing(
            single=f"{shape.bos} $A", special_tokens=[(shape.bos, place)]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        additional_special_tokens=list(shape.special),
        **{name: token for name, token in named.items() if token},
    )
    tokenizer.add_tokens(list(shape.added))
    tokenizer.chat_template = shape.template
    return tokenizer


TEXT = (
    "The lamp is green. What colour is the lamp? It is amber, quite. Where does the train go? Platform 9 at 18:40.\n"
    "system user assistant model developer final analysis Answer briefly. First look, then think.\n\n### Assistant:\n"
)


def make_model(shape: Shape, directory: Path) -> None:
    """A tiny Llama with the shape's tokenizer, saved; its generation_config stops where the base model does."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(shape)
    torch.manual_seed(3)
    stops = [tokenizer.convert_tokens_to_ids(token) for token in shape.base_stops or (shape.eos,)]
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=96,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=stops if len(stops) > 1 else stops[0],
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.generation_config = GenerationConfig(eos_token_id=stops if len(stops) > 1 else stops[0])
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
