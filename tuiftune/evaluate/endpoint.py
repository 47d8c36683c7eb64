"""An OpenAI-compatible endpoint as a responder: `POST URL/chat/completions`.

Only what cannot have been charged is asked again: a connection that was refused, and the answers 429, 502,
503 and 504. A request that timed out or broke off may have been paid for, so it is not repeated; the same
command run again asks for those rows only. The key comes from the environment and is kept nowhere.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune import documents
from tuiftune.data.chat.reasoning import without
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import extras
from tuiftune.evaluate.contender import Answered
from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tuiftune.data.example import Message
    from tuiftune.evaluate.contender import Likelihood

KEYS = ("TUIFTUNE_ENDPOINT_KEY", "OPENAI_API_KEY")  # the first that is set is sent
AT_ONCE = 4  # requests
SECONDS = 120.0  # for one answer
CONNECT_SECONDS = 10.0
TRIES = 5
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
RETRIED = (429, 502, 503, 504)
LONGEST_TOLD = 160  # characters of what a server said
MOST_FAULTS = 3  # failures in a row after which an endpoint is given up


class Endpoint:
    """A chat model behind a URL such as `http://localhost:8000/v1`."""

    losses = False

    def __init__(
        self, url: str, model: str | None, *, seconds: float = SECONDS, at_once: int = AT_ONCE
    ) -> None:
        """`model`: None asks the endpoint, which must serve exactly one. UserError if it is not reached."""
        self._httpx = extras.need("httpx", "an endpoint")
        self.url = checked_url(url)
        self._seconds, self._at_once = seconds, at_once
        key = next((os.environ[name] for name in KEYS if os.environ.get(name)), "")
        self._client = self._httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=self._httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            follow_redirects=False,
        )
        self.model = model or self._only_model()
        self.name = f"{printable(self.model)} at {urlsplit(self.url).netloc}"
        self.identity = f"endpoint {self.url} {self.model}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def respond(
        self,
        prompts: Sequence[Sequence[Message]],
        max_new_tokens: int,
        done: Callable[[int, Answered], None],
    ) -> None:
        """Answer prompts, a few at once. UserError once the endpoint fails several times in a row."""
        failed: list[UserError] = []
        taken: set[Future[Answered]] = set()
        pool = ThreadPoolExecutor(self._at_once)
        asked = {pool.submit(self._one, turns, max_new_tokens): at for at, turns in enumerate(prompts)}
        try:
            for future in as_completed(asked):
                taken.add(future)
                try:
                    answer = future.result()
                except UserError as fault:
                    failed.append(fault)
                    if len(failed) >= MOST_FAULTS or fault.exit_code is ExitCode.USAGE:
                        raise
                    answer = Answered("", fault=fault.message)
                else:
                    failed.clear()
                done(asked[future], answer)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            late = [one for one in asked.keys() - taken if not one.cancelled() and one.exception() is None]
            _keep([(asked[one], one.result()) for one in late], done)

    def likelihoods(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood | None]:
        """Return nothing: endpoints do not tell how likely a given answer is."""
        return [None] * len(rows)

    def _one(self, messages: Sequence[Message], max_new_tokens: int) -> Answered:
        asked = {
            "model": self.model,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
            "max_tokens": max_new_tokens,
            "temperature": 0,
            "stream": False,
        }
        began = monotonic()
        document = self._json(self._send("POST", "chat/completions", asked))
        seconds = monotonic() - began
        try:
            choice = document["choices"][0]
            content = choice["message"].get("content")
            calls = choice["message"].get("tool_calls")
        except (KeyError, IndexError, TypeError, AttributeError):
            what = f"answered without choices[0].message{_error_in(document)}"
            raise self._fault(what, "check that it is a chat endpoint") from None
        text = self._text(content)
        if not text and calls:
            text = _as_text(calls)
        bare = without(text)
        usage = document.get("usage")
        counted = usage if isinstance(usage, dict) else {}
        return Answered(
            bare.lstrip("\n") if bare != text else text,
            reasoning=bare != text,
            ended=choice.get("finish_reason") != "length",
            tokens_in=_whole(counted.get("prompt_tokens")),
            tokens_out=_whole(counted.get("completion_tokens")),
            seconds=round(seconds, 4),
        )

    def _text(self, content: Any) -> str:
        """Return the text of a message: text, a list of parts, or nothing next to tool calls."""
        if content is None:
            return ""
        if isinstance(content, list):
            parts = [one.get("text") if isinstance(one, dict) else one for one in content]
            texts = [one for one in parts if isinstance(one, str)]
            content = "".join(texts) if len(texts) == len(parts) else parts
        if not isinstance(content, str):
            raise self._fault("answered with a message that is not text", "check that it is a chat endpoint")
        return content

    def _only_model(self) -> str:
        document = self._json(self._send("GET", "models", None))
        listed = document.get("data")
        names = (
            [one["id"] for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
            if isinstance(listed, list)
            else []
        )
        if len(names) == 1:
            return str(names[0])
        shown = ", ".join(printable(name) for name in names[:5]) or "none"
        raise UserError(
            f"serves several models or none ({shown})", place=self.url, remedy="add --endpoint-model NAME"
        )

    def _send(self, method: str, path: str, document: Any) -> Any:
        """Return the response. Asks again only what cannot have been charged."""
        for attempt in range(1, TRIES + 1):
            wait = min(2.0**attempt / 4, LONGEST_WAIT)
            try:
                response = self._client.request(method, f"{self.url}/{path}", json=document)
            except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as fault:
                if attempt == TRIES:
                    raise self._fault(
                        f"cannot be reached ({_short(fault)})", "start it, or check the URL"
                    ) from None
                sleep(wait)
                continue
            except self._httpx.TimeoutException:
                raise self._fault(
                    f"did not answer within {self._seconds:g} s",
                    "run the command again: answers so far are kept",
                ) from None
            except (self._httpx.InvalidURL, UnicodeError):
                raise self._fault(
                    "is not an HTTP address", "write it as http://HOST:PORT/v1", ExitCode.USAGE
                ) from None
            except self._httpx.HTTPError as fault:
                raise self._fault(
                    f"broke off its answer ({_short(fault)})",
                    "run the command again: answers so far are kept",
                ) from None
            if response.status_code not in RETRIED:
                return response
            if attempt < TRIES:
                sleep(min(_asked_wait(response) or wait, LONGEST_WAIT))
        raise self._fault(
            f"answered {response.status_code} {TRIES} times{self._told(response)}",
            "run the command again later: answers so far are kept",
        )

    def _json(self, response: Any) -> dict[str, Any]:
        """Return the JSON object of a response. UserError for all else, with exit 2 for a refused request."""
        if response.status_code >= 400:
            usage = response.status_code in (400, 401, 403, 404, 405, 422)
            remedies = {
                401: f"set {KEYS[0]} or {KEYS[1]} in the environment",
                403: f"check the key in {KEYS[0]} or {KEYS[1]}",
                404: "check the URL (it usually ends in /v1) and the model's name",
            }
            raise self._fault(
                f"answered {response.status_code}{self._told(response)}",
                remedies.get(response.status_code, "check the request and the endpoint's log"),
                ExitCode.USAGE if usage else ExitCode.FAILED,
            )
        if response.is_redirect:
            to = printable(response.headers.get("location", ""))[:LONGEST_TOLD]
            what = f"answered {response.status_code}, a redirect to {to or 'nowhere'}"
            raise self._fault(what, "name the URL that it redirects to, if you trust it", ExitCode.USAGE)
        kind = response.headers.get("content-type", "")
        try:
            document = documents.loads(response.content)
        except ValueError:
            what = (
                "HTML" if "html" in kind or response.text.lstrip()[:1] == "<" else "something else than JSON"
            )
            raise self._fault(
                f"answered {what}{self._told(response)}",
                "check the URL: it usually ends in /v1",
                ExitCode.USAGE if what == "HTML" else ExitCode.FAILED,
            ) from None
        if not isinstance(document, dict):
            raise self._fault("answered JSON that is not an object", "check that it is a chat endpoint")
        return document

    def _told(self, response: Any) -> str:
        try:
            return _error_in(response.json()) or _line(response.text)
        except ValueError:
            return _line(response.text)

    def _fault(self, message: str, remedy: str, code: ExitCode = ExitCode.FAILED) -> UserError:
        return UserError(message, place=printable(self.url), remedy=remedy, exit_code=code)


def _keep(answers: Sequence[tuple[int, Answered]], done: Callable[[int, Answered], None]) -> None:
    """Hand over every answer that was under way at an end: it is paid for. Then raise what `done` did."""
    fault: Exception | None = None
    for at, answer in answers:
        try:
            done(at, answer)
        except Exception as raised:
            fault = raised
    if fault is not None:
        raise fault


def _error_in(document: Any) -> str:
    """Return the message of an error in a response, after a colon; "" if it holds none."""
    error = document.get("error") if isinstance(document, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return _line(said) if isinstance(said, str) else ""


def _line(said: str) -> str:
    line = " ".join(printable(without_secrets(said)).split())[:LONGEST_TOLD]
    return f": {line}" if line else ""


def is_url(text: str) -> bool:
    """Return True if a text is an HTTP address."""
    return text.startswith(("http://", "https://"))


def checked_url(url: str) -> str:
    """Return an address without a final slash. UserError if it is none, or holds a password."""
    wrong = UserError(
        "is not an HTTP address", place=printable(url), remedy="write it as http://HOST:PORT/v1"
    )
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0  # a port that is no number is a ValueError
    except ValueError:
        raise wrong from None
    if not is_url(url) or not named or any(one.isspace() or not one.isprintable() for one in url):
        raise wrong
    if parts.username or parts.password or "key=" in parts.query.lower():
        raise UserError(
            "holds a password or key",
            place="--endpoint",
            remedy=f"put the key into {KEYS[0]} in the environment",
        )
    return url.rstrip("/").removesuffix("/chat/completions")


def _asked_wait(response: Any) -> float | None:
    """Return the seconds of a Retry-After header; None if it gives none."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _as_text(calls: Any) -> str:
    """Return tool calls as the JSON that `parsed.tool_calls` reads."""
    import json

    return json.dumps(calls, ensure_ascii=False)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _short(fault: Exception) -> str:
    return printable(" ".join(str(fault).split()))[:80] or type(fault).__name__
