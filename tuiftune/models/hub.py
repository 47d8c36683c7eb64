"""Fetch one model's `config.json` from the hub, once, with a short timeout: a fast command must not hang.

The hub library's own download retries for half a minute and talks to the terminal, so only its URLs and
token are used.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune.documents import loads
from tuiftune.errors import ExitCode, UserError
from tuiftune.hub.faults import gated
from tuiftune.hub.remote import endpoint

if TYPE_CHECKING:
    from http.client import HTTPMessage

TIMEOUT_S = 5.0
MOST_BYTES = 4 * 2**20
_PLACE = "model.base"


def fetch_config(hub_id: str, revision: str | None, suggestion: str) -> dict[str, Any]:
    """The parsed `config.json` of a hub id. UserError says in one line why there is none."""
    from huggingface_hub import constants, get_token

    lost = f"'{hub_id}' is neither in the catalog nor in the cache"
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{lost}, and HF_HUB_OFFLINE is set", place=_PLACE, remedy=suggestion)
    request = urllib.request.Request(_address(hub_id, revision))
    if token := get_token():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.build_opener(_SameHostKeepsToken).open(request, timeout=TIMEOUT_S) as answer:
            body = answer.read(MOST_BYTES)
    except urllib.error.HTTPError as error:
        raise _refused(hub_id, revision, error, suggestion) from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"{lost}, and the Hugging Face Hub cannot be reached",
            place=_PLACE,
            remedy=suggestion,
            exit_code=ExitCode.FAILED,
        ) from error
    try:
        config = loads(body)
    except ValueError as error:
        raise UserError(
            "the Hugging Face Hub did not answer with JSON", place=f"{hub_id}/config.json", remedy="try again"
        ) from error
    if not isinstance(config, dict):
        raise UserError("is not a JSON object", place=f"{hub_id}/config.json", remedy=suggestion)
    return config


def commit_of(hub_id: str, revision: str | None) -> str | None:
    """The commit that a revision (a branch, a tag; None: main) stands for now; None where the hub can't be
    asked.
    """
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        return None
    request = urllib.request.Request(_address(hub_id, revision), method="HEAD")
    if token := get_token():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.build_opener(_Stays).open(request, timeout=TIMEOUT_S) as answer:
            found = answer.headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT)
    except urllib.error.HTTPError as answer:  # a redirect to where the file lies, or a refusal
        found = answer.headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT)
    except (OSError, ValueError):
        return None
    return str(found) if found else None


def _address(hub_id: str, revision: str | None) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(hub_id, "config.json", revision=revision, endpoint=endpoint())


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the hub itself says which commit it is."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _SameHostKeepsToken(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and sends the token to no other host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        follow = super().redirect_request(req, fp, code, msg, headers, newurl)
        if follow is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            follow.remove_header("Authorization")
        return follow


def _refused(hub_id: str, revision: str | None, error: urllib.error.HTTPError, suggestion: str) -> UserError:
    code = error.headers.get("X-Error-Code", "")
    if code == "GatedRepo" or error.code == 403:
        return gated("model", hub_id, _PLACE)
    if code == "RevisionNotFound":
        return UserError(f"'{hub_id}' has no revision '{revision}'", place="model.revision")
    if code == "EntryNotFound":
        remedy = "name the original model: a GGUF or adapter repository cannot be trained"
        return UserError(f"'{hub_id}' has no config.json", place=_PLACE, remedy=remedy)
    if error.code in (401, 404):
        return UserError(
            f"model '{hub_id}' was not found on the Hugging Face Hub, or it is private",
            place=_PLACE,
            remedy=suggestion,
        )
    return UserError(
        f"the Hugging Face Hub answered {error.code} for '{hub_id}'",
        place=_PLACE,
        remedy="try again later",
        exit_code=ExitCode.FAILED,
    )
