"""A model that knows the answers scores 100 % and stops, for every shape of chat template."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from shapes import SHAPES, Shape, make_model, make_tokenizer

from tuiftune.data.chat import as_loaded, questions
from tuiftune.data.chat.local import read_document, read_tokenizer
from tuiftune.data.chat.reasoning import matches
from tuiftune.data.chat.words import remarks
from tuiftune.data.example import Example, Message
from tuiftune.engine.evaluation import answers
from tuiftune.engine.model import columns
from tuiftune.engine.model.base import Base, load_tokenizer, stop_ids
from tuiftune.engine.model.tokenizer import RowTokenizer
from tuiftune.errors import UserError
from tuiftune.evaluate.measured import measure
from tuiftune.evaluate.scorers.accuracy import ACCURACY
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.evaluate.scorers.exact_match import EXACT_MATCH
from tuiftune.evaluate.scorers.normalized_match import NORMALIZED_MATCH

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

PAIRS = (
    ("Where does train 9 go?", "To platform 4."),
    ("What colour is the lamp?", "It is amber.\n\nQuite."),
    ("And the coat?", "Green, naïvely 🎈"),
    ("How long?", "3 hours.\n"),
    ("Total?", "Half of 84.\n#### 42"),
    ("Who?", "  The crew of ship 12  "),
)
VARIANTS = ("plain", "system", "thinking", "turns")


def examples(variant: str) -> list[Example]:
    """Rows to know by heart; with `thinking`, half of them reason first."""
    rows = []
    for number, (question, answer) in enumerate(PAIRS):
        messages = [Message("user", question)]
        if variant == "system":
            messages.insert(0, Message("system", "Answer briefly."))
        if variant == "turns":
            messages = [Message("user", "Hello"), Message("assistant", "Yes?"), *messages]
        if variant == "thinking" and number % 2 == 0:
            answer = f"<think>\nLook at {number} first.\n</think>\n\n{answer.lstrip()}"
        rows.append(Example((*messages, Message("assistant", answer)), row=number + 1))
    return rows


def takes(shape: Shape, variant: str) -> bool:
    return {"system": shape.system, "turns": shape.turns}.get(variant, True)


CASES = [(name, variant) for name, shape in SHAPES.items() for variant in VARIANTS if takes(shape, variant)]


def as_sent(shape: Shape, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """What a user of plain transformers hands over."""
    contents = [
        [{"type": "text", "text": message.content}] if shape.parts else message.content
        for message in messages
    ]
    return [
        {"role": message.role, "content": content}
        for message, content in zip(messages, contents, strict=True)
    ]


def stops_of(shape: Shape, tokenizer: Any) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(token) for token in shape.base_stops or (shape.eos,)]


@pytest.mark.parametrize("name", SHAPES)
def test_what_generation_has_to_write_is_learnt_and_ends(name: str) -> None:
    """Without a model: the prompt that inference sends opens the row, all that follows up to a token at which
    generation stops is in the loss, and what stands before it is the reference, whatever is around it.
    """
    shape = SHAPES[name]
    tokenizer = make_tokenizer(shape)
    base_stops = stops_of(shape, tokenizer)
    made = RowTokenizer(tokenizer, max_length=512, loss_on="assistant", base_stops=base_stops)
    for variant in (variant for variant in VARIANTS if takes(shape, variant)):
        rows = examples(variant)
        room = sum(answers.room(rows, made))
        for example in rows:
            (row,) = made.rows([example])
            prompt = made.prompt(example.prompt)
            turns = as_sent(shape, example.prompt)
            sent = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
            assert prompt == sent
            assert row.ids[: len(prompt)] == prompt, variant
            written = row.ids[len(prompt) :]
            end = next(place for place, token in enumerate(written) if token in made.stop_tokens())
            assert all(row.mask[len(prompt) :][: end + 1])
            assert not any(row.mask[: len(prompt)]) or variant == "turns"
            assert matches(made.answer(written).answer, example.reference), variant
            assert end < room
            learnt = [token for token, on in zip(row.ids, row.mask, strict=True) if on]
            assert set(base_stops) & set(learnt), "the base model's own generation would never stop"
            assert row.rendered.rewritten == 0
            if "</think>" in example.reference:
                assert "first." in tokenizer.decode(learnt)


@pytest.mark.parametrize(("name", "said"), [("smollm3", True), ("qwen3", False), ("qwen3 thinking", False)])
def test_a_switch_after_which_no_answer_is_trained_is_told(name: str, said: bool) -> None:
    made = RowTokenizer(make_tokenizer(SHAPES[name]), max_length=512, loss_on="assistant")
    assert ("thinking_off_differs" in {remark.code for remark in remarks(made)}) == said


@pytest.mark.parametrize("switch", ["enable_thinking", "thinking"])
def test_a_switch_that_opens_reasoning_is_told(switch: str) -> None:
    """As EXAONE 4, small Qwen3.5 and, by `thinking`, DeepSeek-V3.1: the default prompt closes the reasoning
    before it begins, and rows that reason are trained after that.
    """
    shape = SHAPES["qwen3"]
    assert shape.template is not None
    ask, on = (
        "enable_thinking is defined and not enable_thinking",
        "enable_thinking is defined and enable_thinking",
    )
    template = shape.template.replace(ask, on).replace(
        "{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}",
        "{{- '<think>\\n' }}{%- else %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}",
    )
    tokenizer = make_tokenizer(replace(shape, template=template.replace("enable_thinking", switch)))
    made = RowTokenizer(tokenizer, max_length=512, loss_on="assistant")
    assert made.chat.ending.thinking == "<think>\n"
    (said,) = (remark.message for remark in remarks(made) if remark.code == "thinking_on_differs")
    assert f"with {switch}=True" in said
    asked = Message("user", "2 + 2?")
    given = [
        Example((asked, Message("assistant", f"{thought}It is 4.")))
        for thought in ("", "<think>Sum.</think>")
    ]
    assert [reasons[1] for reasons in questions.judged(made, given)] == [(), ("reasoning-late",)]
    assert questions.lengths(made, given)[3] == 1
    assert [tuple(columns.reasons(row.rendered)) for row in made.rows(given)] == [(), ("reasoning_late",)]


def test_every_answer_of_a_row_learns_where_generation_stops() -> None:
    """Before the result of a tool, where only the base model's own settings name the token; and where the
    template writes words of its own before the end.
    """
    template = (
        "[gMASK]<sop>{% for m in messages %}<|{{ 'observation' if m.role == 'tool' else m.role }}|>\n"
        "{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )
    glm = replace(
        SHAPES["glm4"],
        template=template,
        special=(*SHAPES["glm4"].special, "<|observation|>"),
        base_stops=("<|endoftext|>", "<|user|>", "<|observation|>"),
    )
    said = [("user", "Go?"), ("assistant", "call"), ("tool", "4"), ("assistant", "To 4.")]
    messages = tuple(Message(role, content) for role, content in said)
    for shape, roles in ((glm, ("user", "tool")), (SHAPES["words after an answer"], ("user",))):
        tokenizer = make_tokenizer(shape)
        made = RowTokenizer(
            tokenizer, max_length=512, loss_on="assistant", base_stops=stops_of(shape, tokenizer)
        )
        shown = messages if "tool" in roles else (*messages[:2], Message("user", "And?"), messages[3])
        (row,) = made.rows([Example(shown, row=1)])
        learnt = [token for token, on in zip(row.ids, row.mask, strict=True) if on]
        assert sum(token in made.stop_tokens() for token in learnt) == 2, shape.template


DISAGREEING: dict[str, tuple[str, dict[str, Any]]] = {
    "another end": ("special_tokens_map.json", {"eos_token": "<|im_end|>"}),
    "a token of its own file": ("added_tokens.json", {"<|tool|>": 420}),
    "a token of the config": ("tokenizer_config.json", {"additional_special_tokens": ["<|aux|>"]}),
    "a token by its number": (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"900": {"content": "<|zz|>"}}},
    ),
    "no end": ("tokenizer_config.json", {"eos_token": None}),
}


@pytest.mark.parametrize("case", DISAGREEING)
def test_files_that_name_other_tokens_are_not_believed(case: str, tmp_path: Path) -> None:
    """The library alone knows what it makes of them: the checks counted other tokens than were trained."""
    make_tokenizer(SHAPES["chatml on a base"]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    agreeing = {"eos_token": {"content": config["eos_token"]}, "additional_special_tokens": ["<|im_start|>"]}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(agreeing))
    assert as_loaded.as_written(tmp_path, config)
    name, more = DISAGREEING[case]
    if name == "tokenizer_config.json":
        config |= more
    else:
        (tmp_path / name).write_text(json.dumps(more))
    assert not as_loaded.as_written(tmp_path, config)


def test_tokens_that_differ_each_time_or_fall_into_letters_are_refused() -> None:
    tokenizer = make_tokenizer(SHAPES["chatml"])
    tokenizer.split_special_tokens = True
    with pytest.raises(UserError, match="split_special_tokens"):
        RowTokenizer(tokenizer, max_length=512, loss_on="assistant")
    tokenizer = make_tokenizer(SHAPES["chatml"])
    tokenizer.backend_tokenizer.model.dropout = 0.3
    with pytest.raises(UserError, match="dropout"):
        RowTokenizer(tokenizer, max_length=512, loss_on="assistant")


def test_a_byte_order_mark_of_a_template_opens_no_row(tmp_path: Path) -> None:
    make_tokenizer(SHAPES["chatml"]).save_pretrained(tmp_path)
    template = tmp_path / "chat_template.jinja"
    template.write_text("\ufeff" + template.read_text("utf-8"), "utf-8")
    loaded = load_tokenizer(Base("m", str(tmp_path), None, None, remote_code=False))
    assert loaded.chat_template == SHAPES["chatml"].template


@pytest.mark.parametrize("name", ["chatml", "llama2", "vicuna"])
def test_accents_encoded_otherwise_than_the_tokenizer_writes_them_still_match(name: str) -> None:
    """Qwen's tokenizers compose letters and accents; texts of macOS, Vietnamese and Korean may not."""
    from tokenizers import normalizers

    tokenizer = make_tokenizer(SHAPES[name])
    before = tokenizer.backend_tokenizer.normalizer
    steps = [normalizers.NFC(), *([before] if before else [])]
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(steps)
    made = RowTokenizer(tokenizer, max_length=512, loss_on="assistant")
    for answer in ("Cafe\u0301 crème", "Vie\u0323\u0302t Nam", "\u1112\u1161\u11ab"):
        (row,) = made.rows([Example((Message("user", "Where?"), Message("assistant", answer)), row=1)])
        written = made.answer(row.ids[row.mask.index(1) :]).answer
        assert written.strip() != answer
        assert matches(written, answer)
        for scorer in (EXACT_MATCH, NORMALIZED_MATCH, ACCURACY):
            assert measure(scorer, "", [Pair(written, answer)] * 2).value == 1, scorer.key


@pytest.mark.parametrize("lossy", [False, True])
def test_characters_that_a_tokenizer_changes_are_told(lossy: bool) -> None:
    from tokenizers import normalizers

    asked = examples("plain")
    for name, shape in SHAPES.items():
        tokenizer = make_tokenizer(shape)
        if lossy:
            before = tokenizer.backend_tokenizer.normalizer
            steps = [normalizers.Lowercase(), *([before] if before else [])]
            tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(steps)
        made = RowTokenizer(tokenizer, max_length=512, loss_on="assistant")
        told = [faults for _, faults in questions.judged(made, asked)]
        assert all(("text-changed" in faults) == lossy for faults in told), name


@pytest.mark.parametrize("name", SHAPES)
def test_the_checks_see_what_the_engine_trains(name: str, tmp_path: Path) -> None:
    """The tokenizer that is read from the model's files alone is the engine's, token for token."""
    shape = SHAPES[name]
    tokenizer = make_tokenizer(shape)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(f'{{"eos_token_id": {stops_of(shape, tokenizer)}}}', "utf-8")
    engine = RowTokenizer(
        tokenizer, max_length=40, loss_on="assistant", base_stops=stops_of(shape, tokenizer)
    )
    local = read_tokenizer(tmp_path, max_length=40)
    assert local.chat.ending == engine.chat.ending
    assert local.stop_tokens() == engine.stop_tokens()
    for variant in (variant for variant in VARIANTS if takes(shape, variant)):
        for here, there in zip(local.rows(examples(variant)), engine.rows(examples(variant)), strict=True):
            assert (here.ids, here.mask, here.length) == (there.ids, there.mask, there.length)


@pytest.mark.long
def test_a_tokenizer_that_is_built_anew_is_counted_as_it_is_loaded(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Llama's own class treats blanks in another way than tokenizer.json says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    make_tokenizer(SHAPES["llama2"]).save_pretrained(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": "LlamaTokenizer"}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 2}))
    base = Base("m", str(folder), None, None, remote_code=False)
    trained = RowTokenizer(
        load_tokenizer(base), max_length=99, loss_on="assistant", base_stops=stop_ids(base)
    )
    rows = [Example(text="The lamp is green."), *examples("plain")]

    def same() -> bool:
        local = read_tokenizer(folder, max_length=99)
        pairs = zip(local.rows(rows), trained.rows(rows), strict=True)
        return all((here.ids, here.mask) == (there.ids, there.mask) for here, there in pairs)

    assert not same()
    assert not as_loaded.by_files(
        read_document(folder / "config.json"), {"tokenizer_class": "LlamaTokenizer"}
    )
    code, said = engine.run("tokenizer", folder, as_loaded.place(folder))
    assert code == 0, said
    assert same()
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text("utf-8") + "x", "utf-8")
    assert as_loaded.kept(folder) is None, "the files changed"


def memorise(model: Any, made: RowTokenizer, rows: list[Example], steps: int) -> None:
    """Train on the rows until the model knows them by heart."""
    import torch

    tokens = made.rows(rows)
    longest = max(len(row.ids) for row in tokens)
    ids = torch.zeros((len(tokens), longest), dtype=torch.long)
    labels = torch.full_like(ids, -100)
    mask = torch.zeros_like(ids)
    for line, row in enumerate(tokens):
        ids[line, : len(row.ids)] = torch.tensor(row.ids)
        labels[line, : len(row.ids)] = torch.tensor(row.labels)
        mask[line, : len(row.ids)] = 1
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=4e-3)
    model.train()
    for _ in range(steps):
        loss = model(input_ids=ids, labels=labels, attention_mask=mask).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 1e-3:
            break
    model.eval()


def plainly(
    shape: Shape, model: Any, tokenizer: Any, example: Example, most: int, **options: Any
) -> list[int]:
    """What plain transformers writes: no token ids to stop at are given."""
    asked = tokenizer.apply_chat_template(
        as_sent(shape, example.prompt),
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
        **options,
    )
    written = model.generate(**asked, max_new_tokens=most, do_sample=False)
    return list(written[0, asked["input_ids"].shape[1] :].tolist())


def knows(shape: Shape, variant: str, directory: Path, *, adapter: bool) -> None:
    """Memorise, score and generate; then again from the saved directory with nothing but the libraries."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tuiftune.engine.export.result import save_model

    make_model(shape, directory / "base")
    model = AutoModelForCausalLM.from_pretrained(directory / "base")
    base = Base("base", str(directory / "base"), None, None, remote_code=False)
    tokenizer = load_tokenizer(base)
    made = RowTokenizer(tokenizer, max_length=512, loss_on="assistant", base_stops=stop_ids(base))
    rows = examples(variant)
    if adapter:
        from peft import LoraConfig, get_peft_model

        wanted = LoraConfig(r=64, lora_alpha=128, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model, wanted)
        for parameter in model.base_model.model.model.embed_tokens.parameters():
            parameter.requires_grad = False
    memorise(model, made, rows, 400 if adapter else 250)
    asked = answers.questions(rows, made, 64)
    most = sum(answers.room(rows, made))
    written = answers.generate(
        model, asked, made, max_new_tokens=most, autocast=nullcontext, progress=lambda done: None
    )
    for one, question in zip(written, asked, strict=True):
        assert matches(one.answer, question.reference), (one, question.reference)
        assert one.ended
    (directory / "result").mkdir()
    save_model(model, tokenizer, directory / "result", "card", stops=made.stop_tokens())
    again = AutoTokenizer.from_pretrained(directory / "result" / "model")
    if adapter:
        from peft import AutoPeftModelForCausalLM

        reloaded = AutoPeftModelForCausalLM.from_pretrained(directory / "result" / "model")
    else:
        reloaded = AutoModelForCausalLM.from_pretrained(directory / "result" / "model")
    for example in rows[:3]:
        new = plainly(shape, reloaded, again, example, most + 12)
        assert len(new) <= most, "it didn't stop by itself"
        assert matches(made.answer(new).answer, example.reference)
    switch = "enable_thinking" in (shape.template or "") and not made.chat.ending.unthinking
    if variant == "plain" and switch:
        new = plainly(shape, reloaded, again, rows[0], most + 12, enable_thinking=False)
        assert matches(made.answer(new).answer, rows[0].reference)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant", "adapter"),
    [("chatml on a base", "plain", False), ("deepseek r1", "thinking", False)],
)
def test_a_model_that_knows_the_answers_scores_and_stops(
    name: str, variant: str, adapter: bool, tmp_path: Path
) -> None:
    knows(SHAPES[name], variant, tmp_path, adapter=adapter)


@pytest.mark.long
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_every_template_is_memorised_and_stops(name: str, variant: str, tmp_path: Path) -> None:
    knows(SHAPES[name], variant, tmp_path, adapter=False)


def test_the_bases_settings_of_generation_neither_colour_the_score_nor_hinder_the_saving(
    tmp_path: Path,
) -> None:
    """A penalty on repetition, a least length, strings to stop at, a temperature without sampling."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    from tuiftune.engine.export.result import save_model

    shape = SHAPES["chatml on a base"]
    make_model(shape, tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base").eval()
    base = Base("base", str(tmp_path / "base"), None, None, remote_code=False)
    made = RowTokenizer(load_tokenizer(base), max_length=512, loss_on="assistant", base_stops=stop_ids(base))
    asked = answers.questions(examples("plain"), made, 3)

    def written() -> list[str]:
        found = answers.generate(
            model, asked, made, max_new_tokens=12, autocast=nullcontext, progress=lambda done: None
        )
        return [one.answer for one in found]

    plain = written()
    model.generation_config = GenerationConfig(
        eos_token_id=made.base_stops,
        repetition_penalty=9.0,
        no_repeat_ngram_size=1,
        min_new_tokens=11,
        stop_strings=["e"],
        suppress_tokens=list(range(20, 200)),
        temperature=0.6,
        top_p=0.9,
    )
    assert written() == plain
    assert not set(made.stop_tokens()) <= set(made.base_stops)
    (tmp_path / "result").mkdir()
    save_model(model, made.tokenizer, tmp_path / "result", "card", stops=made.stop_tokens())
    saved = GenerationConfig.from_pretrained(tmp_path / "result" / "model")
    assert saved.eos_token_id == made.stop_tokens()


def test_a_template_that_writes_the_date_renders_a_run_alike_on_every_day(tmp_path: Path) -> None:
    from datetime import datetime

    from tuiftune.data.chat.template import Template
    from tuiftune.engine.training.opening import began as _began
    from tuiftune.runs.store.directory import RunDir

    began = datetime(2020, 1, 2, 13, 0)
    (tmp_path / "events.jsonl").write_text(
        json.dumps({"v": 1, "seq": 1, "t": began.timestamp(), "type": "phase", "name": "loading"}) + "\n"
    )
    assert _began(RunDir(tmp_path)) == began
    template = Template("{{ strftime_now('%d %b %Y') }}", {}, now=_began(RunDir(tmp_path)))
    assert template.render([Message("user", "x")]) == "02 Jan 2020"


ADAPTERS = (  # an adapter is loaded over its base, whose own generation settings hold
    "llama3 base",
    "gemma",
    "chatml on a base",
    "chatml, added tokens",
    "chatml, nothing registered",
    "glm4",
    "glm4, one stop",
    "gpt-oss",
    "falcon",
    "nemotron",
    "alpaca without an end",
)


@pytest.mark.long
@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_stops_over_its_base(name: str, tmp_path: Path) -> None:
    knows(SHAPES[name], "plain", tmp_path, adapter=True)
