"""How a model is asked in Python, for cards: in the form of the rows that it was trained on."""

from __future__ import annotations


def in_python(place: str, *, system: bool, texts: bool, comment: str = "") -> list[str]:
    """Lines after those that load `model`. `place`: its directory, as a Python literal.

    `system`: rows were trained with the preset's system message, whose words stay out of a card that is
    published. `texts`: it was trained to continue texts, and may have no chat template.
    """
    lines = [
        "from transformers import AutoTokenizer",
        f"tokenizer = AutoTokenizer.from_pretrained({place}){comment}",
    ]
    if texts:
        lines.append('ids = tokenizer("The beginning of a text", return_tensors="pt")')
    else:
        first = '{"role": "system", "content": SYSTEM}, ' if system else ""
        if system:
            lines.append('SYSTEM = "…"  # data.system of its preset: trained with it, it answers with it')
        lines += [
            f'messages = [{first}{{"role": "user", "content": "Hello"}}]',
            "ids = tokenizer.apply_chat_template("
            'messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)',
        ]
    return [
        *lines,
        'answer = model.generate(**ids, max_new_tokens=256)[0, ids["input_ids"].shape[1]:]',
        "print(tokenizer.decode(answer, skip_special_tokens=True))",
    ]
