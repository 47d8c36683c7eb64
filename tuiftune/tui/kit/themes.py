"""The color themes: dark, light, one for color blindness, and the terminal's own 16 colors."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="tuiftune-dark",
    primary="#7aa2f7",
    secondary="#7dcfff",
    accent="#e0af68",
    success="#73c991",
    warning="#e5b567",
    error="#f07178",
    foreground="#d5d9e6",
    background="#12141c",
    surface="#1a1d29",
    panel="#232838",
    dark=True,
)
LIGHT = Theme(
    name="tuiftune-light",
    primary="#2857b8",
    secondary="#0f6d8c",
    accent="#9a5b00",
    success="#1d7a3c",
    warning="#8f5a00",
    error="#b3261e",
    foreground="#1d2130",
    background="#f7f7f4",
    surface="#ecece6",
    panel="#dfe0da",
    dark=False,
)
# Okabe & Ito (2008): hues that can be told apart with the common color vision deficiencies.
COLOR_BLIND = Theme(
    name="tuiftune-color-blind",
    primary="#56b4e9",
    secondary="#cc79a7",
    accent="#f0e442",
    success="#56b4e9",
    warning="#e69f00",
    error="#d55e00",
    foreground="#e6e6e6",
    background="#101014",
    surface="#1a1a20",
    panel="#26262e",
    dark=True,
)
OWN = (DARK, LIGHT, COLOR_BLIND)
CYCLE = (DARK.name, LIGHT.name, COLOR_BLIND.name, "ansi-dark", "ansi-light")
FEW_COLORS = "ansi-dark"
