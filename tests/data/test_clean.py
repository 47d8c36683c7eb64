"""Repair: what is mended, what goes, what stays, and that the original is never touched."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import seeded

from tuiftune.data.checks.check import Subject
from tuiftune.data.clean.mojibake import decoded_right
from tuiftune.data.clean.run import Settings, clean
from tuiftune.data.clean.splitting import split_files
from tuiftune.data.clean.text_fixes import mended
from tuiftune.data.inspect import checks_of
from tuiftune.data.read.load import load
from tuiftune.errors import UserError


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "text", ["it’s", "café naïve", "“quoted”", "5°C – ok", "привет мир", "日本語 text", "😀 fun", "Ünïcödé"]
)
@pytest.mark.parametrize("rounds", [1, 2])
def test_mojibake_is_undone(text: str, rounds: int) -> None:
    spoilt = text
    for _ in range(rounds):
        raw = spoilt.encode()
        spoilt = "".join(
            chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252")
            for byte in raw
        )
    assert spoilt != text
    assert decoded_right(spoilt) == text


SOUND = [
    "São Paulo, NÃO!", "Château d’Yquem", "Zażółć gęślą jaźń", "x² ± 3°", "ÅÄÖ åäö", "日本", "神社",
    "（テスト）﨟",
    "„Spaß“, „Ä“, „Ö“ und „Ü“: groß – süß…", "Ä… ich weiß nicht", "“café”… und «naïve»",
    "MAÇÃ” foi, AMANHÃ…", "hotărâ”…", "Nestlé®…", "5 Å² und 2 Å°", "«À»… «Â» “É”—“À”", "Å”, ”Ä” och ”Ö”",
    "ÎNCÂ… ROMÂN”", "ß“ ß” ß’", "l’été «chaud» à…", "Ωραία «Ελλάδα»…", "Привет — «мир»…",
    "Ωm und Å als Einheiten", "a ≠ b, ∑ᵢ xᵢ²", "👩‍👩‍👧 😀", "Việt Nam đường phố", "สวัสดี\u200bครับ",
    "def f():\n    return “Ä”  # ÄÖ", "ﬁ ½ ①",
]  # fmt: skip


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_is_left_alone(text: str) -> None:
    assert mended(text) == (text, [])


DAMAGED = ["Ã¼ber", "cafÃ©", "donâ€™t", "â€œokâ€\x9d", "5Â°C", "â‚¬5", "ðŸ˜€", "ÐºÐ¾Ñ‚"]


@pytest.mark.parametrize("damaged", DAMAGED)
@pytest.mark.parametrize("text", [text for text in SOUND if "\n" not in text])
def test_damage_is_mended_beside_sound_text(damaged: str, text: str) -> None:
    """Only the damaged span changes, before and after text that looks like it."""
    sound = decoded_right(damaged)
    assert sound != damaged
    assert decoded_right(f"{text} {damaged} {text}") == f"{text} {sound} {text}"


def test_what_mending_does() -> None:
    assert mended("a\r\nb\x1b[31m red\x07 \u200bx ")[0] == "a\nb red x"
    assert mended("\n\n    indented\n  line")[0] == "    indented\n  line"
    assert mended("hard  \nbreak")[0] == "hard  \nbreak"
    assert mended("e\u0301")[0] == "é"
    assert mended("one_x000D_\ntwo\x0bthree\x85four")[0] == "one\ntwo\nthree\nfour"


def test_a_whole_run(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = seeded.pairs(200, rng)
    rows[3]["completion"] = ""
    rows[5]["completion"] += " Itâ€™s done."
    rows[7]["completion"] += " The key is AKIAABCDEFGHIJKLMNOP."
    rows[9]["completion"] += "<|im_end|>"
    rows += [dict(rows[20]), {**rows[21], "completion": rows[21]["completion"] + " \r\n"}]
    rows.append({**rows[30], "completion": rows[30]["completion"].replace(" the ", " a ", 1)})
    source = tmp_path / "raw.jsonl"
    dataset = load(write(source, rows))
    before = sha(source)
    done = clean(dataset, tmp_path / "out.jsonl", Settings(near=True))
    assert sha(source) == before
    assert {removal.why: removal.indices.tolist() for removal in done.removed} == {
        "no trained tokens": [3],
        "exact duplicate": [200, 201],
        "near-duplicate": [202],
    }
    out = read(tmp_path / "out.jsonl")
    assert len(out) == 199
    text = (tmp_path / "out.jsonl").read_text("utf-8")
    assert "It’s done." in text
    assert "AKIA" not in text
    assert "[SECRET]" in text
    assert "<|im_end|>" not in text
    again = {check.check: check.count for check in checks_of(Subject(load(str(tmp_path / "out.jsonl"))))}
    for name in (
        "missing-answers",
        "exact-duplicates",
        "near-duplicates",
        "encoding",
        "secrets",
        "special-tokens",
    ):
        assert again[name] == 0
    manifest = json.loads((tmp_path / "out.manifest.json").read_text("utf-8"))
    assert manifest["sources"][0]["sha256"] == before
    assert manifest["outputs"] == [{"path": "out.jsonl", "rows": 199, "sha256": sha(tmp_path / "out.jsonl")}]
    changes = read(tmp_path / "out.changes.jsonl")
    assert {"row": f"{source}:203", "removed": "near-duplicate", "stays": f"{source}:31"}.items() <= next(
        change.items() for change in changes if change.get("removed") == "near-duplicate"
    )
    assert "AKIAABCDEFGHIJKLMNOP" not in (tmp_path / "out.changes.jsonl").read_text("utf-8")
    assert not list(tmp_path.glob(".*"))


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    rows = seeded.pairs(80, random.Random(2)) * 2
    rows[0]["prompt"] += "\x07 cafÃ©"
    clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", Settings(near=True, mask="all"))
    done = clean(load(str(tmp_path / "b.jsonl")), tmp_path / "c.jsonl", Settings(near=True, mask="all"))
    assert (done.removed, done.changes) == ([], [])
    assert sha(tmp_path / "b.jsonl") == sha(tmp_path / "c.jsonl")


def test_turns_are_put_in_order(tmp_path: Path) -> None:
    def chat(*turns: tuple[str, str]) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": content} for role, content in turns]}

    rows = [
        chat(("user", "a"), ("user", "b"), ("assistant", "c")),
        chat(("user", "d"), ("assistant", "e"), ("user", "f")),
        chat(("user", "g"), ("narrator", "h"), ("assistant", "i")),
        chat(("system", "s"), ("user", "j"), ("assistant", "k")),
    ]
    done = clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", Settings())
    assert read(tmp_path / "b.jsonl") == [
        chat(("user", "a\n\nb"), ("assistant", "c")),
        chat(("user", "d"), ("assistant", "e")),
        chat(("system", "s"), ("user", "j"), ("assistant", "k")),
    ]
    assert [removal.why for removal in done.removed] == ["no trained tokens"]


def test_a_split_is_stratified_and_keeps_twins_together(tmp_path: Path) -> None:
    rng = random.Random(4)
    rows = seeded.labelled(1200, rng)
    for row in rows[:200]:
        words = row["text"].split(" ")
        words[-1] = "something?"
        rows.append({**row, "text": " ".join(words)})
    done = clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", Settings(split="80/10/10"))
    sizes = [count for count, _ in done.written.values()]
    assert sum(sizes) == 1400 - sum(len(removal.indices) for removal in done.removed)
    assert abs(sizes[1] - 140) <= 10
    assert abs(sizes[2] - 140) <= 10
    parts = [read(path) for path in done.written]
    assert [path.name for path in done.written] == ["b.train.jsonl", "b.validation.jsonl", "b.test.jsonl"]
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        for label in {row["label"] for row in rows}:
            there = sum(row["label"] == label for row in part)
            assert abs(there - share * sum(row["label"] == label for row in rows)) <= 12
    for held in list(done.written)[1:]:
        checks = checks_of(Subject(load(str(next(iter(done.written)))), eval_spec=str(held)))
        assert next(check.count for check in checks if check.check == "leakage") == 0


def test_split_writes_the_rows_as_they_are(tmp_path: Path) -> None:
    """Near-duplicates and equal prompts in one file; an empty row in none; any order is the same."""
    rng = random.Random(4)
    rows: list[Any] = seeded.pairs(300, rng)
    rows += [{**row, "prompt": row["prompt"] + " please"} for row in rows[:60]]
    rows += [{"prompt": row["prompt"], "completion": "Another answer."} for row in rows[60:90]]
    source = load(write(tmp_path / "a.jsonl", [*rows, {"prompt": "x", "completion": ""}]))
    made = split_files(source, tmp_path / "out.jsonl", "70/20/10", 7)
    parts = [read(path) for path in made.files]
    assert made.left_out == 1
    assert sum(map(len, parts)) == len(rows)
    for part, share in zip(parts, (0.7, 0.2, 0.1), strict=True):
        assert abs(len(part) - share * 390) <= 12
    asked = [{part["messages"][0]["content"].removesuffix(" please") for part in one} for one in parts]
    assert len(set.union(*asked)) == sum(map(len, asked))
    other = load(write(tmp_path / "b.jsonl", rows[::-1]))
    again = split_files(other, tmp_path / "again.jsonl", "70/20/10", 7)
    assert [sorted(map(str, read(path))) for path in again.files] == [sorted(map(str, one)) for one in parts]
    few = load(write(tmp_path / "c.jsonl", rows[:1] * 9))
    with pytest.raises(UserError, match="9 usable rows cannot fill 2 files"):
        split_files(few, tmp_path / "few.jsonl", "90/10", 7)
    assert not (tmp_path / "few.train.jsonl").exists()


def test_the_split_follows_content_and_seed_not_order(tmp_path: Path) -> None:
    rows = seeded.pairs(300, random.Random(5))
    first = clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "x.jsonl", Settings(split="90/10"))
    second = clean(
        load(write(tmp_path / "b.jsonl", rows[::-1])), tmp_path / "y.jsonl", Settings(split="90/10")
    )
    other = clean(load(str(tmp_path / "a.jsonl")), tmp_path / "z.jsonl", Settings(split="90/10", seed=1))
    held = [{str(row) for row in read(list(done.written)[1])} for done in (first, second, other)]
    assert held[0] == held[1]
    assert held[0] != held[2]
    assert len(held[0]) == 30


def test_outliers_are_dropped_or_trimmed(tmp_path: Path) -> None:
    rng = random.Random(6)
    rows = seeded.pairs(200, rng)
    rows[17]["completion"] = " ".join(seeded.sentence(rng) for _ in range(80))
    dataset = load(write(tmp_path / "a.jsonl", rows))
    dropped = clean(dataset, tmp_path / "b.jsonl", Settings(outliers="drop"))
    assert [(removal.why, removal.indices.tolist()) for removal in dropped.removed] == [
        ("length outlier", [17])
    ]
    clean(dataset, tmp_path / "c.jsonl", Settings(outliers="trim"))
    kept = read(tmp_path / "c.jsonl")[17]["messages"][1]["content"]
    assert rows[17]["completion"].startswith(kept)
    assert len(kept) < 2500
    assert kept.endswith(".")


def test_rows_of_the_evaluation_set_are_dropped(tmp_path: Path) -> None:
    rows = seeded.pairs(100, random.Random(7))
    held = write(tmp_path / "eval.jsonl", [{**rows[4], "completion": rows[4]["completion"] + " Indeed."}])
    done = clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", Settings(against=held))
    assert [(removal.why, removal.indices.tolist()) for removal in done.removed] == [
        ("also in the evaluation set", [4])
    ]


def test_the_original_is_refused_as_output_and_nothing_is_half_written(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", seeded.pairs(20, random.Random(8)))
    (tmp_path / "link.jsonl").symlink_to(source)
    for output in (Path(source), tmp_path / "link.jsonl"):
        with pytest.raises(UserError, match="original"):
            clean(load(source), output, Settings())
    with pytest.raises(UserError, match="cannot be written"):
        clean(load(source), tmp_path / "a broken link" / "b.jsonl", Settings())
    blocked = tmp_path / "b.manifest.json"
    blocked.mkdir()
    (blocked / "x").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        clean(load(source), tmp_path / "b.jsonl", Settings())
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "b.jsonl").exists()
    with pytest.raises(UserError, match="no row would be left"):
        clean(
            load(write(tmp_path / "e.jsonl", [{"prompt": "a", "completion": ""}] * 3)),
            tmp_path / "f.jsonl",
            Settings(),
        )
    for bad in ("80", "a/b", "50/50/0", "1/2/3/4", "nan/10", "inf/1", "1e308/1e308"):
        with pytest.raises(UserError, match="is not a valid split"):
            clean(load(source), tmp_path / "g.jsonl", Settings(split=bad))


@pytest.mark.parametrize("ending", ["train", "validation", "test", "changes"])
def test_no_file_that_is_written_replaces_the_original(ending: str, tmp_path: Path) -> None:
    source = tmp_path / f"h.{ending}.jsonl"
    write(source, [{"prompt": f"What is {row}?", "completion": f"It is {row}."} for row in range(20)])
    before, output = sha(source), tmp_path / "h.jsonl"
    asked = Settings(split=None if ending == "changes" else "80/10/10")
    with pytest.raises(UserError, match=f"h.{ending}.jsonl: this is the original file"):
        clean(load(str(source)), output, asked)
    if ending != "changes":
        with pytest.raises(UserError, match="this is the original file"):
            split_files(load(str(source)), output, "80/10/10", 42)
    assert sha(source) == before


def test_rows_that_ask_the_same_are_merged(tmp_path: Path) -> None:
    def row(prompt: str, completion: str, **more: str) -> dict[str, str]:
        return {"prompt": prompt, "completion": completion, **more}

    rows: list[dict[str, Any]] = seeded.pairs(40, random.Random(11))
    rows += [
        row("Where is it?", "In the garden."),  # 40
        row("where  is it?", "It stands in the garden, behind the shed."),  # 41: the longest
        row("When?", "Now, if you ask me and everybody else."),  # 42
        row("When?", "Tomorrow."),  # 43: what most say
        row("When?", "tomorrow. "),  # 44
        row("Who?", "The gardener.", system="Be polite."),  # 45
        row("Who?", "The gardener, I should think.", system=""),  # 46: stays, and is told to be polite
        row("Why?", "Because.", system="Be short."),  # 47 and 48 are told different things: both stay
        row("Why?", "There are several reasons.", system="Be long."),
    ]
    done = clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", Settings(duplicates="merge"))
    (merged,) = done.removed
    assert merged.why == "merged: same prompt"
    assert merged.partner is not None
    pairs = dict(zip(merged.indices.tolist(), merged.partner.tolist(), strict=True))
    assert pairs == {40: 41, 42: 43, 44: 43, 45: 46}
    out = [entry["messages"] for entry in read(tmp_path / "b.jsonl")]
    assert len(out) == 45
    assert out[42] == [
        {"role": "system", "content": "Be polite."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "The gardener, I should think."},
    ]
    changes = read(tmp_path / "b.changes.jsonl")
    assert any(entry.get("changed") == ["system message taken over"] for entry in changes)
    assert {entry["stays"] for entry in changes if "stays" in entry} == {
        f"{tmp_path / 'a.jsonl'}:{number}" for number in (42, 44, 47)
    }
    again = {check.check: check.count for check in checks_of(Subject(load(str(tmp_path / "b.jsonl"))))}
    assert again["conflicting-answers"] == 0


def test_labels_are_merged_by_majority_and_a_tie_is_nobodys(tmp_path: Path) -> None:
    rows = seeded.labelled(80, random.Random(12))
    rows += [{"text": "Is it open?", "label": label} for label in ("opening hours", "travel", "travel ")]
    rows += [{"text": "Is it late?", "label": label} for label in ("delivery", "travel")]
    done = clean(load(write(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", Settings(duplicates="merge"))
    gone = {removal.why: removal.indices.tolist() for removal in done.removed}
    assert gone == {
        "exact duplicate": [82],
        "contradicting labels without a majority": [83, 84],
        "merged: same prompt": [80],
    }


def test_of_near_duplicates_the_fullest_stays(tmp_path: Path) -> None:
    rng = random.Random(13)
    rows = seeded.pairs(60, rng)
    rows.append({**rows[7], "completion": rows[7]["completion"] + " " + "Indeed it is."})
    dataset = load(write(tmp_path / "a.jsonl", rows))
    dropped = clean(dataset, tmp_path / "b.jsonl", Settings(near=True))
    assert [removal.indices.tolist() for removal in dropped.removed] == [[60]]
    merged = clean(dataset, tmp_path / "c.jsonl", Settings(near=True, duplicates="merge"))
    assert [removal.indices.tolist() for removal in merged.removed] == [[7]]
    assert "Indeed it is." in (tmp_path / "c.jsonl").read_text("utf-8")


def test_rows_that_a_check_flags_are_dropped_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = seeded.pairs(80, random.Random(14))
    rows[3]["completion"] = "I'm sorry, but I can't help with that."
    rows[5]["completion"] = "I don't know."
    rows[8]["prompt"] += " Write to {{name}}."
    dataset = load(write(tmp_path / "a.jsonl", rows))
    assert clean(dataset, tmp_path / "b.jsonl", Settings()).removed == []
    asked = Settings(drop=("refusals", "placeholders", "rare-labels"))
    done = clean(dataset, tmp_path / "c.jsonl", asked)
    assert {removal.why: removal.indices.tolist() for removal in done.removed} == {
        "flagged: Refusals": [3],
        "flagged: Unfilled placeholders": [8],
    }
    with pytest.raises(UserError, match="label-balance is not a check"):
        clean(dataset, tmp_path / "d.jsonl", Settings(drop=("label-balance",)))


def test_long_chats_lose_their_last_exchanges_first(tmp_path: Path) -> None:
    rng = random.Random(15)
    rows = seeded.chats(120, rng)
    usual = len(rows[0]["messages"][1]["content"])
    long = " ".join(seeded.sentence(rng) for _ in range(40))
    rows[4]["messages"] += [{"role": "user", "content": "More?"}, {"role": "assistant", "content": long}]
    rows[9]["messages"] = [rows[9]["messages"][0], {"role": "assistant", "content": long}]
    source = write(tmp_path / "a.jsonl", rows)
    done = clean(load(source), tmp_path / "b.jsonl", Settings(outliers="trim"))
    assert sorted(change.index for change in done.changes) == [4, 9]
    out = read(tmp_path / "b.jsonl")
    assert out[4]["messages"] == rows[4]["messages"][:4]
    asked, answer = out[9]["messages"]
    assert asked == rows[9]["messages"][0]
    assert long.startswith(answer["content"])
    assert answer["content"].endswith(".")
    assert usual < len(answer["content"]) < len(long)
    again = checks_of(Subject(load(str(tmp_path / "b.jsonl"))))
    assert next(check.count for check in again if check.check == "length-outliers") == 0
