"""Retrieval by embeddings: the cosine of a query's and each text's vector, by sentence-transformers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.engine_call import Job, ask
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REQUEST = "request.json"


class Embeddings:
    """A model directory that texts are embedded with.

    Attributes:
        name: of the model, as shown.
        notes: what it left out of texts.
    """

    def __init__(self, where: str, say: Callable[[str], None] = lambda text: None) -> None:
        """UserError if there is no model. `say` is told what is being embedded."""
        directory = paths.given(where)
        if not any(paths.is_file(directory / name) for name in ("modules.json", "config.json")):
            raise UserError(
                "no model there",
                place=f"--embeddings {printable(where)}",
                remedy="name a directory of a sentence-transformers model, with config.json and weights",
            )
        self._where, self._say = str(directory), say
        self.name = paths.followed(directory).name
        self.notes: list[str] = []

    def of(self, texts: Sequence[str], queries: Sequence[str]) -> tuple[Any, Any]:
        """Return the unit vectors of texts and queries, each (number, width). UserError as `ask` has it."""
        import numpy as np

        self._say(f"embedding {len(texts) + len(queries):,} texts with {self.name}")
        request = {"model": self._where, "documents": list(texts), "queries": list(queries)}
        with tempfile.TemporaryDirectory(prefix="tuiftune-") as room:
            path = Path(room) / REQUEST
            path.write_text(json.dumps({**request, "to": room}), encoding="utf-8")
            said = ask(Job("embed", ("--request", str(path))), place=f"--embeddings {printable(self._where)}")
            found = documents.loads((said or b"").decode().strip().splitlines()[-1])
            made = tuple(np.load(Path(room) / f"{name}.npy") for name in ("documents", "queries"))
        if found["cut"]:
            self.notes.append(
                f"{self.name} reads {found['longest']} tokens: of {found['cut']:,} texts, what comes after "
                "them was not searched"
            )
        return made[0], made[1]


class Embedded:
    """Texts that can be searched. They are embedded with the first queries, and each query once."""

    def __init__(self, texts: Sequence[str], embeddings: Embeddings) -> None:
        self._texts, self._embeddings = texts, embeddings
        self._vectors: Any = None
        self._known: dict[str, Any] = {}

    def find(self, queries: Sequence[str], many: int) -> list[list[int]]:
        """Return for each query the positions of the nearest texts, best first."""
        import numpy as np

        if not queries or not self._texts:
            return [[] for _ in queries]
        new = [query for query in dict.fromkeys(queries) if query not in self._known]
        if new:
            texts, vectors = self._embeddings.of(self._texts if self._vectors is None else (), new)
            self._vectors = texts if self._vectors is None else self._vectors
            self._known |= dict(zip(new, vectors, strict=True))
        found = []
        for query in queries:
            alike = self._vectors @ self._known[query]
            most = min(many, len(alike))
            near = np.argpartition(-alike, most - 1)[:most]
            found.append([int(at) for at in near[np.argsort(-alike[near], kind="stable")]])
        return found
