"""A text field for short values, in which `?` opens the help."""

from __future__ import annotations

from textual.widgets import Input


class Field(Input):
    """An `Input` for paths, names and values. In a plain `Input`, for sentences, `?` is a character."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave `?` to the app's binding, which has priority over the field."""
        return character != "?" and super().check_consume_key(key, character)
