"""The process of a reward file: a line of JSON in for each answer, a line of JSON out."""

from __future__ import annotations

import json
import os
import runpy
import sys


def main(path: str) -> None:
    """Load the file, then answer until the input ends. What the file prints goes nowhere."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    fault, reward = "", None
    try:
        reward = runpy.run_path(path).get("reward")
        if not callable(reward):
            fault = "the file defines no function reward(prompt, answer, reference)"
    except BaseException as error:
        fault = f"{type(error).__name__}: {error}"
    for line in sys.stdin:
        found: dict[str, object] = {"fault": fault}
        if callable(reward):
            try:
                found = {"value": reward(**json.loads(line))}  # raw: written by `rewards.python`
            except BaseException as error:
                found = {"fault": f"{type(error).__name__}: {error}"}
        try:
            text = json.dumps(found)
        except (TypeError, ValueError):
            text = json.dumps({"value": f"a {type(found['value']).__name__}"})
        out.write(text + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
