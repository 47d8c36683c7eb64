"""Where the engine's stand-in lies."""

from __future__ import annotations

from pathlib import Path

ENGINE = Path(__file__).with_name("fake_engine.py")
