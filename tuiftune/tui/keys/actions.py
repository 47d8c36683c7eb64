"""Every key of the app, once: bindings, the key bar, the help screen and the command palette are made from
this table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.keys.table import ACTIONS

if TYPE_CHECKING:
    from textual.binding import BindingType

    from tuiftune.tui.keys.table import Action


def actions(*scopes: str) -> tuple[Action, ...]:
    """The actions of these scopes in the order of the table."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def bindings(*scopes: str) -> list[BindingType]:
    """Textual bindings of these scopes; ids are `scope.name`, for a user's own key map."""
    from textual.binding import Binding

    return [
        Binding(
            action.keys,
            action.name,
            action.label,
            key_display=action.shown or None,
            show=bool(action.bar),
            priority=action.priority,
            id=f"{action.scope}.{action.name}",
            tooltip=action.says,
        )
        for action in actions(*scopes)
    ]
