"""tuiftune's own wheel, packed from the installation that runs, so that a machine gets the same code."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import tuiftune
from tuiftune import __version__, paths
from tuiftune.errors import UserError
from tuiftune.preset import shipped

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same wheel
PACKED = ("METADATA", "WHEEL", "entry_points.txt", "licenses/LICENSE")
INSTALL = "install.sh"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel file. `digest` names its code, `needs` its requirements."""

    path: Path
    digest: str
    needs: str


def build(directory: Path) -> Wheel:
    """Write the wheel of this installation into `directory`. Raises UserError if it has no metadata.

    Format: the binary distribution format of the Python packaging user guide.
    """
    try:
        installed = importlib.metadata.distribution("tuiftune")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            "its package metadata is missing, so it cannot be sent",
            place="tuiftune",
            remedy="install it with pip or uv",
        ) from None
    files = dict(sorted(_package()))
    information = f"tuiftune-{__version__}.dist-info"
    for name in PACKED:
        if text := installed.read_text(name):  # raw: of the installed package
            files[f"{information}/{name}"] = text.encode()
    digest, rows = hashlib.sha256(), []
    for name, content in files.items():
        own = hashlib.sha256(content).digest()
        digest.update(name.encode() + b"\0" + own)
        rows.append(f"{name},sha256={base64.urlsafe_b64encode(own).decode().rstrip('=')},{len(content)}")
    record = f"{information}/RECORD"
    files[record] = ("\n".join([*rows, f"{record},,"]) + "\n").encode()
    path = directory / f"tuiftune-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content)
    needs = "\n".join(sorted(installed.requires or ()))
    return Wheel(path, digest.hexdigest()[:16], hashlib.sha256(needs.encode()).hexdigest()[:16])


def install_script() -> Path:
    """Return the script that makes an environment with the right PyTorch; in a checkout it is in `docs/`."""
    home = paths.followed(Path(tuiftune.__file__)).parent
    for place in (home / "assets" / INSTALL, home.parent / "docs" / INSTALL):
        if paths.is_file(place):
            return place
    raise UserError("its install script is missing", place=str(home), remedy="reinstall tuiftune")


def _package() -> list[tuple[str, bytes]]:
    """The files of the package by their names in a wheel, with the presets and the script of a checkout."""
    home = paths.followed(Path(tuiftune.__file__)).parent
    found = [
        (f"tuiftune/{path.relative_to(home).as_posix()}", path.read_bytes())  # raw: our own files
        for path in paths.below(home)
        if "__pycache__" not in path.parts
    ]
    names = {name for name, _ in found}
    beside = {f"tuiftune/preset/shipped/{os.path.basename(file)}": file for file in shipped.files()}
    beside[f"tuiftune/assets/{INSTALL}"] = install_script()
    return found + [
        (name, file.read_bytes())  # raw: our own files
        for name, file in beside.items()
        if name not in names
    ]
