"""Every key of the app, once: bindings, the key bar, the help screen and the command palette are made from
this table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.tui.keys.scopes import APP
from tuiftune.tui.keys.table import ACTIONS

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.screen import Screen

    from tuiftune.tui.keys.table import Action


def actions(*scopes: str) -> tuple[Action, ...]:
    """The actions of these scopes in the order of the table."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def works_on(screen: Screen[Any], action: Action) -> bool:
    """Whether the screen would take this action now."""
    from textual.actions import parse

    _, name, parameters = parse(action.name)
    return action.scope == APP or bool(screen.check_action(name, parameters))


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
