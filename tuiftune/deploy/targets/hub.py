"""A model for the Hugging Face Hub: written here and verified, then uploaded to a private repository."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy import manifest
from tuiftune.deploy.base import Facts, Form, Target, merges
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
UPLOAD, REPO, PUBLIC = "upload", "repo", "public"
# Licenses that ask for a name in front of what is made from a model (Llama 3 Community License, 1.b.i).
NAMED = dict.fromkeys(("llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"), "Llama")


def tools(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError where an upload is asked for and cannot be."""
    del facts, form
    repo = options.get(REPO)
    if repo is not None and not REPOSITORY.fullmatch(repo):
        raise UserError("is not the name of a repository", place=f"--repo {repo}", remedy="use OWNER/NAME")
    if options.get(UPLOAD):
        if repo is None:
            raise UserError("no repository is named", place="--upload", remedy="add --repo OWNER/NAME")
        if token() is None:
            raise UserError(
                "no token is in the environment",
                place="--upload",
                remedy="set HF_TOKEN to one that may write (huggingface.co/settings/tokens)",
            )


def token() -> str | None:
    """The token of the environment; it is written nowhere."""
    return next((os.environ[name] for name in TOKENS if os.environ.get(name)), None)


def refuses_public(facts: Facts, repo: str) -> str | None:
    """Why the license of the base model keeps a repository from being public; None if nothing does."""
    if facts.license is None:
        return "the license of the base model is not known"
    wanted = NAMED.get(facts.license.lower())
    if wanted and not repo.partition("/")[2].startswith(wanted):
        return f"the license {facts.license} asks for a name that begins with {wanted}"
    return None


def upload(directory: Path, facts: Facts, options: Mapping[str, str]) -> str | None:
    """Upload a directory, if that is asked for, to a repository that is private unless it is to be public.

    Returns its address. UserError where the Hub or the base model's license refuses.
    """
    if not options.get(UPLOAD):
        return None
    repo, public = options[REPO], bool(options.get(PUBLIC))
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if public and (why := refuses_public(facts, repo)):
        raise UserError(why, place=f"--repo {repo}", remedy="leave it private, or change what is named")
    api = HfApi(token=token())
    try:
        made = api.create_repo(repo, private=not public, exist_ok=True)
        if not public and not api.repo_info(repo).private:
            raise UserError(
                "the repository is there already and is public", place=f"--repo {repo}", remedy="add --public"
            )
        api.upload_folder(
            repo_id=repo,
            folder_path=directory,
            commit_message=f"Upload {facts.name} by tuiftune",
            ignore_patterns=[manifest.FILE],  # it names this machine's directories
        )
    except (HfHubHTTPError, OSError, ValueError) as fault:
        first = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        raise UserError(f"the Hub refused the upload ({first[:160]})", place=repo) from None
    return str(made)


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that upload the directory later, and load it from there."""
    del form
    name, here = shlex.quote(facts.name), shlex.quote(str(directory))
    return [
        f"tuiftune export {name} --to hub --repo OWNER/NAME --upload",
        f"hf upload OWNER/NAME {here} --private --exclude {manifest.FILE}",
    ]


TARGET = Target(
    key="hub",
    name="Hugging Face Hub",
    order=90,
    does="the whole model with its model card, uploaded to a private repository with --upload",
    writer="merged",
    forms=(
        Form("auto", 16, "16 bits, as the base model's files are"),
        Form("bfloat16", 16, "bfloat16"),
        Form("float16", 16, "float16"),
    ),
    answers="whole",
    use=use,
    not_run="the upload: there is no Hub on our machines; the files are verified with transformers",
    refuses=merges,
    tools=tools,
    options=(REPO, UPLOAD, PUBLIC),
    upload=upload,
)
