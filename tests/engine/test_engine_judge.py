"""A judge as reward: its grades, its failures in one line, and no answer that is paid for twice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_interrupted import last_weights, steps_of

from tuiftune import rewards
from tuiftune.engine.process.faults import ending_of
from tuiftune.engine.process.stopping import PausedError
from tuiftune.engine.stages.judge import Judge
from tuiftune.rewards.base import Asked

sys.path.append(str(Path(__file__).parent.parent / "evaluate"))
from faulty_server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine


def graded(messages: list[dict[str, str]]) -> str:
    """Twice as good with a word that is asked for."""
    return f"It is short.\nGRADE: {8 if 'red' in messages[-1]['content'] else 4}"


def judge(server: Server, **more: Any) -> Judge:
    (made,) = rewards.made([{"reward": "judge", "endpoint": server.url, **more}])
    return Judge(made.score)  # type: ignore[arg-type]


def asked(*answers: str) -> list[Asked]:
    return [Asked("What colour?", answer, "It is red." if answer == "red" else "", 1) for answer in answers]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_grades_are_rewards_and_no_answer_is_asked_about_twice() -> None:
    server = Server(graded)
    assert judge(server)(asked("red", "blue", "red")) == [0.8, 0.4, 0.8]
    assert server.paid == 2
    assert judge(server, rubric="Is it red?")(asked("red")) == [0.8]
    assert "Is it red?" in server.requests[-1]["messages"][0]["content"]
    assert judge(server)(asked("blue", "green")) == [0.4, 0.4]  # another process, say
    assert server.paid == 4
    server.close()


@pytest.mark.parametrize(
    ("faults", "more", "said"),
    [
        (("401",), {}, "answered 401: wrong key"),
        (("slow", "slow", "slow"), {"seconds": 0.2}, "did not answer within 0.2 s"),
        (("500", "500", "500"), {}, "answered 500"),
        (("html",), {}, "answered HTML"),
    ],
)
def test_a_judge_that_fails_pauses_the_run(faults: tuple[str, ...], more: dict[str, Any], said: str) -> None:
    server = Server(graded, faults)
    with pytest.raises(PausedError, match=said) as caught:
        judge(server, **more)(asked("red", "blue", "green"))
    end = ending_of(caught.value)
    assert (end.state, int(end.exit_code)) == ("stopped", 4)
    assert "\n" not in end.why
    server.close()


def test_answers_without_a_grade_pause_the_run_unless_they_are_few() -> None:
    server = Server(lambda messages: "No idea." if "odd" in messages[-1]["content"] else graded(messages))
    with pytest.raises(PausedError, match=r"1 of 2 answers of the judge have no readable grade.*No idea"):
        judge(server)(asked("red", "odd"))
    few = judge(server)(asked("red", "odd", *(f"blue {number}" for number in range(8))))
    assert few[1] == pytest.approx((0.8 + 8 * 0.4) / 9)
    assert server.paid == 2 + 8
    server.close()


def test_grades_are_read_from_the_last_line_and_bounded() -> None:
    from tuiftune.rewards.judge import read

    assert read("GRADE: 3 at first\n**GRADE: 7.5**") == 0.75
    assert read("GRADE: 11") is read("none") is None


@pytest.mark.long
def test_a_run_whose_judge_goes_away_keeps_a_checkpoint_and_resumes_to_the_bit(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    server = Server(graded)

    def run(model: str) -> Path:
        return make_run(
            method__stage="grpo",
            method__beta=0.0,
            method__rewards=[{"reward": "judge", "endpoint": server.url, "model": model}],
            method__generations=4,
            method__max_completion_length=4,
            training__max_steps=6,
            training__schedule="constant_with_warmup",
            training__divergence_patience=0,
            run__save_every=6,
            evaluation__score="none",
            evaluation__samples=0,
        )

    whole, broken = run("one"), run("another")  # whose answers are kept apart
    assert engine.train(whole) == 0, tiny.events(whole, "end")[-1]["why"]
    paid = server.paid

    server.fail_after = 24
    assert engine.train(broken) == 4, tiny.events(broken, "end")[-1]["why"]
    (end,) = tiny.events(broken, "end")
    assert end["state"] == "stopped"
    assert end["why"].startswith("paused: ")
    assert "\n" not in end["why"]
    saved = tiny.events(broken, "checkpoint")[-1]["step"]
    assert saved == tiny.events(broken, "step")[-1]["step"] > 0
    server.fail_after = None
    assert engine.train(broken, "--resume") == 0
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken, 6) == last_weights(whole, 6)
    assert server.paid == 2 * paid, "nothing is paid for twice"
    server.close()
