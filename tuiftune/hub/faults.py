"""What the Hugging Face Hub, its library or the network answers, as one line with its remedy."""

from __future__ import annotations

import os
from typing import Any

from tuiftune import paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def offline() -> str:
    """Return the variable that forbids the network; "" if none does."""
    set_ = (name for name in OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE"))
    return next(set_, "")


def page(kind: str, name: str) -> str:
    """Return the address of a repository's page, where its terms are accepted."""
    host = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    return f"{host}/{'datasets/' if kind == 'dataset' else ''}{name}"


def told(fault: BaseException, kind: str, name: str, revision: str | None, place: str) -> UserError | None:
    """Return the line for a fault of the library; None for a fault that is neither its nor the network's."""
    from huggingface_hub import errors

    answer: Any = getattr(fault, "response", None)
    status = getattr(answer, "status_code", None)
    if isinstance(fault, errors.OfflineModeIsEnabled):
        variable = offline() or "HF_HUB_OFFLINE"
        return UserError(f"{variable} forbids downloads", place=name, remedy=f"unset {variable}")
    if isinstance(fault, errors.GatedRepoError):
        return gated(kind, name, place)
    if isinstance(fault, errors.RevisionNotFoundError):
        return UserError(f"has no revision '{printable(str(revision))[:60]}'", place=name)
    if isinstance(fault, errors.EntryNotFoundError):
        return UserError(f"a file is no longer there: {_first(fault)}", place=name, remedy="try again")
    if isinstance(fault, errors.RepositoryNotFoundError):
        return UserError(
            f"{kind} '{name}' was not found on the Hugging Face Hub, or it is private",
            place=place,
            remedy="check the ID, or log in: hf auth login",
        )
    if status == 401:
        return UserError("the Hub refused the token", place=name, remedy="log in again: hf auth login")
    if status == 403:
        return UserError("the Hub gives your account no access", place=name, remedy=f"see {page(kind, name)}")
    if status == 429:
        return UserError(
            "the Hub limits requests (429)",
            place=name,
            remedy="wait some minutes, or log in for a higher limit: hf auth login",
            exit_code=ExitCode.FAILED,
        )
    if status is not None:
        return UserError(
            f"the Hub answered {status}", place=name, remedy="try again later", exit_code=ExitCode.FAILED
        )
    if _of_network(fault):
        return UserError(
            f"the Hugging Face Hub cannot be reached ({type(fault).__name__})",
            place=name,
            remedy="check the network, then run the same command again: what is here is kept",
            exit_code=ExitCode.FAILED,
        )
    if isinstance(fault, OSError) and fault.errno is not None:
        return paths.cannot(fault, fault.filename or name, "write")
    if isinstance(fault, (errors.HFValidationError, OSError)):
        return UserError(_first(fault), place=name, exit_code=ExitCode.FAILED)
    return None


def gated(kind: str, name: str, place: str) -> UserError:
    """Return the error for a repository whose owner asks for consent first."""
    from huggingface_hub import get_token

    accept = f"accept its terms at {page(kind, name)}"
    if get_token():
        return UserError(f"'{name}' is gated, and your account has no access yet", place=place, remedy=accept)
    return UserError(
        f"'{name}' is gated, and no token is set", place=place, remedy=f"{accept}, then log in: hf auth login"
    )


def transient(fault: BaseException) -> bool:
    """Return True if the same request may succeed a moment later."""
    status = getattr(getattr(fault, "response", None), "status_code", None)
    return _of_network(fault) or (isinstance(status, int) and status >= 500)


def _of_network(fault: BaseException) -> bool:
    # huggingface_hub 1 speaks through httpx, 2 through httpx2; both name their faults alike.
    transport = any(kind.__name__ == "TransportError" for kind in type(fault).__mro__)
    return transport or isinstance(fault, (ConnectionError, TimeoutError))


def _first(fault: BaseException) -> str:
    lines = str(fault).strip().splitlines()
    return printable(lines[0])[:160] if lines else type(fault).__name__
