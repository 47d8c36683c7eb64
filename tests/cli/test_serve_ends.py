"""A signal that ends `tuiftune serve` ends its server, which is a session of its own."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
import json, os, signal, sys, threading, time
from tuiftune import interpreter
from tuiftune.chat import serving
from tuiftune.cli import serve
start = interpreter.start
server = f"import time; print({json.dumps({'ready': {}})!r}, flush=True); time.sleep(60)"
made = []
words = [sys.executable, "-c", server]
interpreter.start = lambda _, **more: made.append(start(words, **more)) or made[0]
found = serving.Serving((serving.Served("a", "model:x"),), "transformers", "127.0.0.1", 8123, "")
def end():
    while not made:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=end, daemon=True).start()
print(serve._own(found), made[0].poll())
"""


def test_a_signal_ends_the_server_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "0 -15", done.stderr
