"""A prompt of several lines in a real terminal: by keys, by pasting, and where there is no editor."""

from __future__ import annotations

import sys

import pexpect
import pytest

READ = "from tuiftune.cli.chat_lines import _reader; print('read', repr(_reader()('')))"


@pytest.mark.parametrize(
    ("term", "typed", "read"),
    [
        ("xterm", "one\r", "one"),
        ("xterm", "one\ntwo\x1b\rthree\r", "one\\ntwo\\nthree"),
        ("xterm", "\x1b[200~one\n  two\x1b[201~ more\r", "one\\n  two more"),
        ("dumb", "one\\\ntwo\n", "one\\ntwo"),
    ],
    ids=["one line", "keys", "pasted", "without an editor"],
)
def test_lines(term: str, typed: str, read: str) -> None:
    environ = {"TERM": term, "PATH": "/usr/bin:/bin", "PROMPT_TOOLKIT_NO_CPR": "1"}
    child = pexpect.spawn(sys.executable, ["-c", READ], env=environ, encoding="utf-8", timeout=30)
    child.expect(r"\[0m>|> ")
    child.send(typed)
    child.expect(r"read '(.*)'")
    assert child.match[1] == read
    child.expect(pexpect.EOF)
