"""`tuiftune download`: a model or dataset of the Hugging Face Hub onto this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli.options import Json, Quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.hub.remote import Remote, RemoteFile


def download(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A model ID, or a dataset as hf:OWNER/NAME[@REVISION][:CONFIG[:SPLIT]].",
        ),
    ],
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch, tag or commit of a model. [default: main]")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", min=1, help="Of a dataset, only the first rows, streamed into --output."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="With --rows: the file to write.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say size, license and free space, check access; download nothing."),
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Download a model or dataset of the Hugging Face Hub, with progress, resumed where it was interrupted.

    It goes into the Hugging Face cache (HF_HOME), where training finds it, offline too. Disk space and access
    are checked first; sizes and hashes afterwards.
    """
    from tuiftune.cli.terminal import say
    from tuiftune.data.read.hub import PREFIX
    from tuiftune.errors import UserError

    if (rows is None) != (output is None):
        raise UserError("--rows and --output (-o) belong together", place="tuiftune download")
    if name.startswith(PREFIX):
        if revision is not None:
            raise UserError(
                "--revision is for models", place=name, remedy=f"write {PREFIX}OWNER/NAME@{revision}"
            )
        if rows is not None and output is not None:
            _part(name, rows, output, json=json)
            return
        remote, files, said = _dataset(name)
    elif rows is not None:
        raise UserError("--rows is for datasets", place=name, remedy=f"write {PREFIX}OWNER/NAME")
    else:
        remote, files, said = _model(name, revision)
    say(said)
    began, before = time.monotonic(), _left(remote, files)
    directory = _fetched(remote, files, name, dry_run=dry_run)
    document = _document(remote, files, directory, before, time.monotonic() - began)
    if json:
        from tuiftune.cli.terminal import write_json

        write_json(document, "download")
    elif directory is not None:
        typer.echo(str(directory))
    else:
        say("dry run: nothing was downloaded")


def _model(name: str, revision: str | None) -> tuple[Remote, Sequence[RemoteFile], str]:
    from tuiftune.hub.remote import check_access
    from tuiftune.models import catalogue
    from tuiftune.models.download import PLACE, of_hub
    from tuiftune.models.resolve import HUB_ID

    if not HUB_ID.match(name):
        from tuiftune.errors import UserError
        from tuiftune.printable import printable

        raise UserError(
            "is not a model ID",
            place=printable(name)[:80],
            remedy="write OWNER/NAME, or hf:OWNER/NAME for a dataset",
        )
    entry = catalogue.find(name)
    found = of_hub(entry.id if entry else name, revision, fresh=True)
    check_access(found.remote, found.weights[0].name, PLACE)
    said = str(found) if found.bytes_left else f"{found.remote.id} is on this machine already"
    return found.remote, found.files, said


def _dataset(name: str) -> tuple[Remote, Sequence[RemoteFile], str]:
    from tuiftune.data.read.hub import look
    from tuiftune.figures import plural, size
    from tuiftune.hub.fetch import free_bytes

    remote, files, note = look(name, fresh=True)
    left = _left(remote, files)
    if not left:
        return remote, files, f"{note}: on this machine already"
    licence = f"license {remote.licence}" if remote.licence else "license not stated"
    said = f"{note}: {size(left)} to download in {plural(len(files), 'file')} ({licence})"
    return remote, files, f"{said}, {size(free_bytes())} free"


def _fetched(remote: Remote, files: Sequence[RemoteFile], name: str, *, dry_run: bool) -> Path | None:
    from tuiftune.hub.fetch import check_space

    if remote.kind == "dataset":
        from tuiftune.data.read import hub

        if dry_run:
            check_space(remote, files)
            return None
        hub.bring(remote, files)
        return remote.directory
    if dry_run:
        check_space(remote, files)
        return None
    from tuiftune.hub.fetch import fetch

    return fetch(remote, files)


def _left(remote: Remote, files: Sequence[RemoteFile]) -> int:
    from tuiftune.hub.fetch import bytes_left

    return bytes_left(remote, files)


def _document(
    remote: Remote, files: Sequence[RemoteFile], directory: Path | None, before: int, seconds: float
) -> dict[str, Any]:
    came = before if directory is not None else 0
    return {
        "kind": remote.kind,
        "id": remote.id,
        "commit": remote.commit,
        "licence": remote.licence,
        "gated": remote.gated,
        "directory": None if directory is None else str(directory),
        "files": [{"name": one.name, "bytes": one.size} for one in files],
        "bytes": sum(one.size for one in files),
        "bytes_to_download": before,
        "bytes_downloaded": came,
        "seconds": round(seconds, 3),
    }


def _part(name: str, rows: int, output: Path, *, json: bool) -> None:
    """Stream the first rows of a dataset into a file; the rest never touches this disk."""
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.data.read.hub import look
    from tuiftune.data.read.hub_part import write_part
    from tuiftune.figures import plural

    remote, files, note = look(name, fresh=True)
    say(note)
    with busy("rows") as count:
        written = write_part(remote, files, rows, output, count)
    say(f"Wrote {plural(written, 'row')} to {output}")
    if json:
        document = {
            "kind": "dataset",
            "id": remote.id,
            "commit": remote.commit,
            "licence": remote.licence,
            "gated": remote.gated,
            "output": str(output),
            "rows": written,
        }
        write_json(document, "download-rows")
