"""Labels without a language model: TF-IDF with logistic regression or nearest neighbors (scikit-learn)."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.reasoning import without
from tuiftune.data.labels import spellings
from tuiftune.evaluate import extras
from tuiftune.evaluate.contender import Answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.contender import Question

FOLDS = 3
NEIGHBORS = (1, 3, 5, 9)
STRENGTHS = (1.0, 10.0, 100.0)  # inverse of the regularization
MOST_ROWS = 20_000


class Classifier:
    """A classifier of the training rows' labels, each by its usual spelling. Its one setting is chosen by
    cross-validation on them.
    """

    def __init__(self, key: str, name: str, model: str, setting: str, choices: Sequence[float]) -> None:
        self.key, self.name, self.detail = key, name, ""
        self._model, self._setting, self._choices = model, setting, choices
        self._fitted: Any = None

    def fit(self, rows: Sequence[Question]) -> None:
        """Learn the labels of rows, at most `MOST_ROWS` of them."""
        extras.need("sklearn", "classifiers of labels")
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline

        rows = rows[:MOST_ROWS]
        kinds = {
            "logisticregression": LogisticRegression(max_iter=1000),
            "kneighborsclassifier": KNeighborsClassifier(metric="cosine"),
        }
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        pipeline = make_pipeline(words, kinds[self._model])
        texts, spelled = [one.text for one in rows], [without(one.reference).strip() for one in rows]
        usual = spellings(Counter(spelled))
        labels = [usual[one] for one in spelled]
        fewest = min(labels.count(label) for label in set(labels))
        choices = [
            value for value in self._choices if value <= len(rows) // 2 or self._setting != "n_neighbors"
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if fewest >= FOLDS and len(choices) > 1:
                search = GridSearchCV(pipeline, {f"{self._model}__{self._setting}": choices}, cv=FOLDS)
                self._fitted = search.fit(texts, labels)
                chosen = search.best_params_[f"{self._model}__{self._setting}"]
            else:
                chosen = choices[0]
                pipeline.set_params(**{f"{self._model}__{self._setting}": chosen})
                self._fitted = pipeline.fit(texts, labels)
        self.detail = f"{self._setting} = {chosen:g}"

    def answer(self, rows: Sequence[Question]) -> list[Answered]:
        """Return a label a row."""
        began = time.monotonic()
        labels = self._fitted.predict([one.text for one in rows])
        each = (time.monotonic() - began) / max(len(rows), 1)
        return [Answered(str(label), tokens_in=0, tokens_out=0, seconds=each) for label in labels]


def every() -> list[Classifier]:
    """Return the classifiers, not fitted yet."""
    return [
        Classifier("tfidf-logreg", "TF-IDF + logistic regression", "logisticregression", "C", STRENGTHS),
        Classifier(
            "tfidf-knn", "TF-IDF + nearest neighbors", "kneighborsclassifier", "n_neighbors", NEIGHBORS
        ),
    ]
