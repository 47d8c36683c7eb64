"""Every check finds at least 95 % of 24 planted faults, and hardly anything else."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import seeded
from seeded import Rows

from tuiftune.data.checks.check import Check, Subject
from tuiftune.data.inspect import checks_of
from tuiftune.data.read.load import load

PLANTED = 24
ROWS = 600
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def code(rng: random.Random, length: int, letters: str = LETTERS) -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def luhn_number(rng: random.Random) -> str:
    digits = "4" + code(rng, 14, "0123456789")
    for check in "0123456789":
        total = 0
        for place, digit in enumerate(reversed(digits + check)):
            number = int(digit) * (2 if place % 2 else 1)
            total += number - 9 if number > 9 else number
        if total % 10 == 0:
            whole = digits + check
            return " ".join(whole[at : at + 4] for at in range(0, 16, 4))
    raise AssertionError


def iban(rng: random.Random) -> str:
    account = code(rng, 18, "0123456789")
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02d}{account}"


def put(rows: Rows, rng: random.Random, column: str, make: Callable[[int], str]) -> list[int]:
    def change(row: dict[str, Any], number: int) -> None:
        words = row[column].split(" ")
        words.insert(rng.randrange(1, len(words)), make(number))
        row[column] = " ".join(words)

    return seeded.spoil(rows, rng, PLANTED, change)


def secret(rng: random.Random) -> Callable[[int], str]:
    kinds: list[Callable[[], str]] = [
        lambda: "AKIA" + code(rng, 16, LETTERS[26:]),
        lambda: "ghp_" + code(rng, 36),
        lambda: "sk-proj-" + code(rng, 40),
        lambda: "xoxb-" + code(rng, 12, "0123456789") + "-" + code(rng, 24),
        lambda: "AIza" + code(rng, 35),
        lambda: "hf_" + code(rng, 34),
        lambda: "sk_live_" + code(rng, 24),
        lambda: "glpat-" + code(rng, 20),
        lambda: "-----BEGIN RSA PRIVATE KEY-----",
        lambda: f"eyJ{code(rng, 20)}.eyJ{code(rng, 30)}.{code(rng, 40)}",
        lambda: f"postgres://admin:{code(rng, 10)}@db.intern.net/main",
        lambda: f"password={code(rng, 9)}4x",
    ]
    return lambda number: kinds[number % len(kinds)]()


def personal(rng: random.Random) -> Callable[[int], str]:
    kinds: list[Callable[[], str]] = [
        lambda: (
            f"{code(rng, 6, LETTERS[:26])}.{code(rng, 7, LETTERS[:26])}@mail{code(rng, 3, '0123456789')}.org"
        ),
        lambda: f"+49 {rng.randint(151, 179)} {rng.randint(1000000, 9999999)}",
        lambda: f"({rng.randint(201, 989)}) {rng.randint(201, 989)}-{rng.randint(1000, 9999)}",
        lambda: luhn_number(rng),
        lambda: iban(rng),
        lambda: f"{rng.randint(100, 600)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
    ]
    return lambda number: kinds[number % len(kinds)]()


def setter(column: str, make: Callable[[int], Any]) -> Callable[[dict[str, Any], int], None]:
    def change(row: dict[str, Any], number: int) -> None:
        row[column] = make(number)

    return change


def near_copy(rng: random.Random) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        words = row["completion"].split(" ")
        words[rng.randrange(len(words))] = "something"
        return {"prompt": row["prompt"], "completion": " ".join(words)}

    return change


FOREIGN = (
    "Wie lange dauert es, bis die neue Karte mit der Post zu mir kommt, und was muss ich dann tun?",
    "Je ne sais pas pourquoi le paiement est refusé dans cette boutique, pouvez-vous m'aider ?",
    "¿Por qué no puedo ver el saldo de la cuenta en la aplicación y qué es lo que tengo que hacer?",
    "Почему мой платёж не прошёл и когда деньги вернутся на счёт?",
    "なぜ私のカードはまだ届かないのですか。教えてください。",
    "为什么我的卡还没有到，我应该怎么办才能尽快收到它？",
)
MOJIBAKE = (
    "itâ€™s",
    "cafÃ©",
    "naÃ¯ve",
    "Ã¼ber",
    "\ufffd\ufffd",
    "bell\x07",
    "5Â°C",
    "â€œquotedâ€\x9d",
    "ðŸ˜€",
    "Ð¿Ñ€Ð¸Ð²ÐµÑ‚",
)
REFUSALS = (
    "I'm sorry, but I can't assist with that request.",
    "As an AI language model, I cannot give legal advice.",
    "I cannot provide instructions for that.",
    "Sorry, I am unable to help with this.",
    "Unfortunately, I can't answer that.",
    "I apologize, but I cannot comply with it.",
)
UNKNOWN = (
    "I don't know.",
    "Not enough information is given.",
    "The text does not say.",
    "None of the above.",
    "N/A",
)
TOKENS = ("<|im_end|>", "</s>", "<|eot_id|>", "[INST]", "<|endoftext|>", "<start_of_turn>")


def plant(check: str, rng: random.Random) -> tuple[Rows, list[int]]:
    """Rows with the fault planted, and where."""
    pairs, chats, labelled = (make(ROWS, rng) for make in (seeded.pairs, seeded.chats, seeded.labelled))
    spoil, copies = seeded.spoil, seeded.copies
    match check:
        case "missing-answers":
            return pairs, spoil(
                pairs, rng, PLANTED, setter("completion", lambda n: ["", None, "  \n"][n % 3])
            )
        case "missing-prompts":
            return pairs, spoil(pairs, rng, PLANTED, setter("prompt", lambda n: ["", None, " "][n % 3]))
        case "wrong-types":
            return pairs, spoil(
                pairs, rng, PLANTED, setter("completion", lambda n: [n, ["a", "b"], {"a": n}, True][n % 4])
            )
        case "roles":
            return chats, spoil(
                chats,
                rng,
                PLANTED,
                lambda row, n: row["messages"][1].update(role=["narrator", "", None][n % 3]),
            )
        case "turn-order":

            def disorder(row: dict[str, Any], number: int) -> None:
                turns = row["messages"]
                row["messages"] = [turns[1:], turns[:3], [turns[0], *turns], turns[:2] + turns[3:]][
                    number % 4
                ]

            return chats, spoil(chats, rng, PLANTED, disorder)
        case "exact-duplicates":
            return pairs, copies(pairs, rng, PLANTED, dict)
        case "near-duplicates":
            return pairs, copies(pairs, rng, PLANTED, near_copy(rng))
        case "conflicting-answers":
            other = lambda row: {"prompt": row["prompt"] + " ", "completion": seeded.sentence(rng)}  # noqa: E731
            added = copies(pairs, rng, PLANTED, other)
            return pairs, added
        case "length-outliers":
            long = lambda n: " ".join(seeded.sentence(rng) for _ in range(60)) if n % 2 else "Yes."  # noqa: E731
            return pairs, spoil(pairs, rng, PLANTED, setter("completion", long))
        case "truncation":
            long = lambda n: " ".join(seeded.sentence(rng) for _ in range(12))  # noqa: E731
            return pairs, spoil(pairs, rng, PLANTED, setter("completion", long))
        case "nothing-to-train":
            long = lambda n: " ".join(seeded.question(rng) for _ in range(14))  # noqa: E731
            return pairs, spoil(pairs, rng, PLANTED, setter("prompt", long))
        case "encoding":
            return pairs, put(pairs, rng, "completion", lambda n: MOJIBAKE[n % len(MOJIBAKE)])
        case "placeholders":
            return pairs, put(
                pairs, rng, "completion", lambda n: ["{{name}}", "[YOUR NAME]", "{{ author }}"][n % 3]
            )
        case "special-tokens":
            return pairs, put(pairs, rng, "completion", lambda n: TOKENS[n % len(TOKENS)])
        case "secrets":
            return pairs, put(pairs, rng, "completion", secret(rng))
        case "personal-data":
            return pairs, put(pairs, rng, "prompt", personal(rng))
        case "refusals":
            return pairs, spoil(
                pairs, rng, PLANTED, setter("completion", lambda n: REFUSALS[n % len(REFUSALS)])
            )
        case "negative-examples":
            return pairs, spoil(
                pairs, rng, PLANTED, setter("completion", lambda n: UNKNOWN[n % len(UNKNOWN)])
            )
        case "unfinished-answers":

            def cut(row: dict[str, Any], number: int) -> None:
                row["completion"] = row["completion"][:-1].rsplit(" ", 1 + number % 2)[0]

            return pairs, spoil(pairs, rng, PLANTED, cut)
        case "repeated-openings":
            opening = lambda n: "Sure, here is the answer you wanted: " + seeded.sentence(rng)  # noqa: E731
            return pairs, spoil(pairs, rng, 80, setter("completion", opening))
        case "low-diversity":
            return pairs, spoil(
                pairs, rng, PLANTED, setter("prompt", lambda n: f"What is {n * 7} plus {n * n}?")
            )
        case "languages":
            return pairs, spoil(
                pairs,
                rng,
                PLANTED,
                lambda row, n: row.update(prompt=FOREIGN[n % 6], completion=FOREIGN[n % 6]),
            )
        case "label-balance":
            labelled = [{**row, "label": "refund"} if n % 12 else row for n, row in enumerate(labelled)]
            return labelled, [n for n, row in enumerate(labelled) if row["label"] == "refund"]
        case "rare-labels":
            return labelled, spoil(
                labelled, rng, PLANTED, setter("label", lambda n: f"topic{LETTERS[n // 4] * 5}")
            )
        case "similar-labels":
            wrong = ("Card Arrival", "card_arrival", "refunds", "delivry", "complaints", "pasword")
            return labelled, spoil(labelled, rng, PLANTED, setter("label", lambda n: wrong[n % 6]))
    raise AssertionError(check)


def run(rows: Rows, tmp_path: Path, **settings: Any) -> dict[str, Check]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return {check.check: check for check in checks_of(Subject(load(str(path)), **settings))}


# The share of innocent rows that a check may flag beside the planted ones; these flag partners by design.
PARTNERS = {"conflicting-answers"}
_ROW_CHECKS = """
missing-answers missing-prompts wrong-types roles turn-order exact-duplicates near-duplicates
conflicting-answers length-outliers truncation nothing-to-train encoding placeholders special-tokens secrets
personal-data refusals negative-examples unfinished-answers repeated-openings low-diversity languages
label-balance rare-labels similar-labels
"""
ROW_CHECKS = _ROW_CHECKS.split()


@pytest.mark.parametrize("name", ROW_CHECKS)
def test_planted_faults_are_found(name: str, tmp_path: Path) -> None:
    rows, planted = plant(name, random.Random(f"{name} 1"))
    settings = {"max_length": 160} if name in ("truncation", "nothing-to-train") else {}
    check = run(rows, tmp_path, **settings)[name]
    assert check.indices is not None
    flagged = set(check.indices.tolist())
    assert len(planted) >= 20
    assert len(flagged & set(planted)) >= 0.95 * len(planted), sorted(set(planted) - flagged)
    if name not in PARTNERS:
        assert len(flagged - set(planted)) <= 0.01 * len(rows), sorted(flagged - set(planted))[:5]
    assert check.severity != "ok"
    assert check.why
    assert check.count == len(flagged)
    assert list(check.rows) == [index + 1 for index in sorted(flagged)[:50]]


@pytest.mark.parametrize("make", [seeded.pairs, seeded.chats, seeded.labelled])
def test_clean_rows_are_left_alone(make: Callable[[int, random.Random], Rows], tmp_path: Path) -> None:
    found = run(make(ROWS, random.Random(5)), tmp_path)
    assert {check.check: check.count for check in found.values() if len(check.rows) > 0.01 * ROWS} == {}


def test_leakage_between_train_and_an_evaluation_file(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = seeded.pairs(ROWS, rng)
    held = seeded.pairs(200, rng)
    chosen = sorted(rng.sample(range(ROWS), PLANTED))
    held += [near_copy(rng)(rows[index]) if index % 2 else dict(rows[index]) for index in chosen]
    other = tmp_path / "eval.jsonl"
    other.write_text("".join(json.dumps(row) + "\n" for row in held))
    check = run(rows, tmp_path, eval_spec=str(other))["leakage"]
    assert check.indices is not None
    assert check.severity == "error"
    assert len(set(check.indices.tolist()) & set(chosen)) >= 0.95 * PLANTED
    assert set(check.indices.tolist()) <= set(chosen)


def test_leakage_across_a_share_is_found(tmp_path: Path) -> None:
    rng = random.Random(4)
    rows = seeded.pairs(ROWS, rng)
    rows += [{"prompt": "Please: " + row["prompt"], "completion": row["completion"]} for row in rows[:300]]
    check = run(rows, tmp_path, eval_spec=0.1)["leakage"]
    assert check.indices is not None
    assert check.count >= 20


def test_messages_and_worked_sums_are_left_alone(tmp_path: Path) -> None:
    """Labels of customers' messages, and worked sums whose answers all end alike."""
    rng = random.Random(21)
    messages = [
        {"text": row["text"], "category": row["label"].replace(" ", "_")}
        for row in seeded.labelled(2000, rng)
    ]
    sums = []
    for _ in range(1500):
        one, other = rng.randint(2, 90), rng.randint(2, 90)
        told = f"{seeded.question(rng)} There are {one} and {other} more. How many are there?"
        worked = f"{seeded.sentence(rng)} So {one}+{other}=<<{one}+{other}={one + other}>>{one + other}."
        sums.append({"question": told, "answer": f"{worked}\n#### {one + other}"})
    for name, rows in (("messages", messages), ("sums", sums)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        dataset = load(str(path))
        found = {check.check: check for check in checks_of(Subject(dataset))}
        assert {name: check.count for name, check in found.items() if check.count > 0.01 * dataset.rows} == {}


@pytest.mark.parametrize(("count", "severity"), [(1, "error"), (60, "warning"), (400, "info"), (1200, "ok")])
def test_too_few_rows(count: int, severity: str, tmp_path: Path) -> None:
    check = run(seeded.pairs(count, random.Random(1)), tmp_path)["too-few-rows"]
    assert check.severity == severity
