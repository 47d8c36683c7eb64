"""Which languages the rows are in: by script, and by function words where the script is Latin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuiftune.data.checks.near import Compared
from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuiftune.data.checks.check import Check, Subject

LOOKED_AT = 20_000  # rows; more are sampled evenly
EXCERPT = 400  # characters of a row
SCRIPTS = {
    "Russian or another Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Hindi or another Devanagari": r"\p{Devanagari}",
    "Thai": r"\p{Thai}",
    "Korean": r"\p{Hangul}",
    "Japanese": r"[\p{Hiragana}\p{Katakana}]",
    "Chinese": r"\p{Han}",
}
# Frequent words of each language; English words are left to English.
WORDS = {
    "English": "the and of to is that with for you are what how this in was have my i it on be can at by",
    "German": "der das und ist nicht ein eine mit für auf wie ich sie zu den von wird auch oder sich",
    "French": "le la les des est une dans pour que qui pas vous et du sur je il avec sont cette",
    "Spanish": "el los las una que por para con del cómo es qué y en se mi su la está como",
    "Italian": "il che di della una sono con è gli del un la le nel perché questo anche delle",
    "Portuguese": "os uma não para com da que em você é um na ao dos isso também são mais",
    "Dutch": "de het een en niet voor met dat ik je wat hoe zijn te ook aan deze naar",
    "Polish": "nie się jest jak że dla czy od są przez tego oraz które może",
    "Turkish": "bir ve bu için ile ne çok mi olarak daha nasıl var olan gibi",
    "Swedish": "och att det är som en på för inte med jag av till hur den ett",
}
ENOUGH = 3  # function words that decide a row


def languages(subject: Subject) -> Iterator[Check]:
    """languages: rows in another language than most."""
    texts = Compared([subject.dataset])
    picked = np.arange(len(texts))
    if len(picked) > LOOKED_AT:
        picked = np.linspace(0, len(texts) - 1, LOOKED_AT).astype(np.int64)
    looked_at = texts.chosen(picked).slice(0, len(picked))
    names, best, found = identify(looked_at)
    decided = best[best >= 0]
    counts = np.bincount(decided, minlength=len(names)) if len(decided) else np.zeros(len(names), dtype=int)
    main = int(counts.argmax())
    clear = (best >= 0) & (best != main) & (found[np.arange(len(best)), best] >= 2 * found[:, main])
    others = picked[clear].astype(np.intp)
    told = ", ".join(
        f"{names[at]} {counts[at] / max(1, len(decided)):.1%}" for at in np.argsort(-counts)[:4] if counts[at]
    )
    sampled = f" ({LOOKED_AT:,} rows checked)" if len(picked) < len(texts) else ""
    shown = looked_at.gather(np.flatnonzero(clear)[:3]).to_list()
    rows = subject.frame["row"].gather(others[:3]).to_list()
    which = [names[at] for at in best[clear][:3]]
    yield subject.verdict(
        "languages",
        "Rows in another language",
        "info",
        others,
        why=f"{told}{sampled}. Unintended languages make the model switch; intended ones should be balanced.",
        remedy="drop unintended ones, or add rows in the languages that you want",
        examples=[
            f"{row}: {name} — {excerpt(text or '', 50)}"
            for row, name, text in zip(rows, which, shown, strict=True)
        ],
    )


def identify(texts: pl.Series) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """(languages, the best one's index for each text or -1, counts per text and language)."""
    names = [*SCRIPTS, *WORDS]
    cut = pl.col("text").fill_null("").str.slice(0, EXCERPT)
    lowered = cut.str.to_lowercase()
    # Three letters of another script weigh like a function word; Japanese is told from Chinese by its kana.
    scripts = [
        (cut.str.count_matches(pattern) / 3).cast(pl.Int64).alias(name) for name, pattern in SCRIPTS.items()
    ]
    words = [
        lowered.str.count_matches(r"\b(?:" + "|".join(listed.split()) + r")\b").cast(pl.Int64).alias(name)
        for name, listed in WORDS.items()
    ]
    counts = pl.DataFrame({"text": texts}).select(scripts + words).to_numpy().astype(np.int64)
    kana, han = names.index("Japanese"), names.index("Chinese")
    counts[:, kana] = np.where(counts[:, kana] > 0, counts[:, kana] + counts[:, han], 0)
    best = counts.argmax(axis=1)
    top = counts[np.arange(len(counts)), best]
    return names, np.where(top >= ENOUGH, best, -1), counts
