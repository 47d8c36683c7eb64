"""Opening what a user calls a data file: compression and encoding are recognized from the bytes, not the
name.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from tuiftune import documents
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
PARQUET = b"PAR1"
ARROW_FILE = b"ARROW1"
ARROW_STREAM = b"\xff\xff\xff\xff"
NAMED_BINARIES = {
    b"PK\x03\x04": "a zip archive (or an office document)",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x80\x02": "a Python pickle",
    b"\x80\x04": "a Python pickle",
}
PACKED = ("a zip archive (or an office document)", "bzip2", "xz")
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD = 8192
LOOKED_AT = 1 << 16  # bytes by which another encoding is told from stray bytes
FOREIGN = 16  # bytes beyond ASCII in runs of three and more, which Western text has few of
_PACKED = 4096  # bytes of a zstd frame at once: they may stand for 32,768 times as many

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_BEYOND = re.compile(rb"[\x80-\xff]+")  # ASCII


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed while they are read. Raises UserError when it can't be opened."""
    raw = documents.opened(path)
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 16)
    if magic == ZSTD:
        import zstandard

        return io.BufferedReader(_ZstdReader(raw, zstandard.ZstdDecompressor()), 1 << 20)
    return raw


class _ZstdReader(io.RawIOBase):
    """A zstd stream that, unlike the library's own reader, calls a frame that stops early a fault."""

    def __init__(self, raw: IO[bytes], decompressor: object) -> None:
        self._raw = raw
        self._decompressor = decompressor
        self._frame = decompressor.decompressobj()  # type: ignore[attr-defined]
        self._ready = b""
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._ready:
            if self._frame.eof and self._frame.unused_data:
                rest = self._frame.unused_data
                self._frame = self._decompressor.decompressobj()  # type: ignore[attr-defined]
                self._ready = self._frame.decompress(rest)
                continue
            chunk = self._raw.read(_PACKED)
            if not chunk:
                if self._begun and not self._frame.eof:
                    raise EOFError("the zstd frame is incomplete")
                return 0
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()  # type: ignore[attr-defined]
            self._begun = True
            self._ready = self._frame.decompress(chunk)
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def head_of(path: Path) -> bytes:
    """The first bytes after decompression, for recognizing what a file is."""
    with reading(path), open_bytes(path) as stream:
        return stream.read(HEAD)


def encoding_of(head: bytes, path: Path) -> str:
    """The text encoding that the first bytes speak for. Raises UserError for bytes that are no text."""
    for bom, name in BOMS:
        if head.startswith(bom):
            return name
    for magic, what in NAMED_BINARIES.items():
        if head.startswith(magic):
            remedy = "unpack it, or save the sheet as CSV" if what in PACKED else "name a data file"
            raise UserError(f"this is {what}, not text", place=f"{path}:1", remedy=remedy)
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    if 0 in head:
        raise UserError(
            "this is binary, not text", place=f"{path}:1", remedy="name a JSON, CSV, Parquet or text file"
        )
    strange = sum(byte < 32 and byte not in b"\t\n\r\f\x1b\x08" for byte in head)
    if strange > 0.1 * len(head) + 1:
        raise UserError(
            "this is binary, not text", place=f"{path}:1", remedy="name a JSON, CSV, Parquet or text file"
        )
    return "utf-8"


def _refuse_foreign(path: Path) -> None:
    """UserError for text in an encoding other than UTF-8 and Windows-1252: in those of Cyrillic, Greek,
    Arabic or East Asian scripts, letters beyond ASCII follow one another; accents in Western text rarely do.
    """
    with open_bytes(path) as stream:
        head = stream.read(LOOKED_AT)
    if head.isascii():
        return
    begun, runs, valid = 0, [], 0
    for number, line in enumerate(head.splitlines(), 1):
        try:
            valid += len(line) - len(line.decode("utf-8").encode("ascii", "ignore"))
        except UnicodeDecodeError:
            begun = begun or number
            runs += [len(run) for run in _BEYOND.findall(line)]
    in_runs = sum(length for length in runs if length > 2)
    if in_runs < FOREIGN or in_runs <= sum(runs) / 2 or valid >= sum(runs):
        return
    raise UserError(
        "the text is neither UTF-8 nor Windows-1252",
        place=f"{path}:{begun}",
        remedy="convert it with its own encoding (such as CP1251, GB18030, SHIFT_JIS, EUC-KR): "
        "iconv -f CP1251 -t UTF-8 FILE > NEW",
    )


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Iterator[io.TextIOWrapper]:
    """The file as text, any compression, any Unicode encoding, all line ends as newline.

    Bytes that are not UTF-8 come through as lone surrogates (`mend` turns them into characters).
    """
    with reading(path), open_bytes(path) as stream:
        buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("Any", stream))
        encoding = encoding_of(head_of(path), path)
        if encoding == "utf-8":
            _refuse_foreign(path)
        with io.TextIOWrapper(buffered, encoding=encoding, errors="surrogateescape", newline=newline) as text:
            yield text


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what reading can run into (cut archives, bad disks) into one line."""
    try:
        yield
    except EOFError:
        raise UserError(
            "the compressed file is truncated", place=str(path), remedy="download it again"
        ) from None
    except (gzip.BadGzipFile, zlib.error):
        raise UserError("the gzip data is corrupted", place=str(path), remedy="download it again") from None
    except UnicodeDecodeError as fault:
        raise UserError(f"not valid {fault.encoding}", place=str(path), remedy="save it as UTF-8") from None
    except IsADirectoryError:
        raise UserError("this is a directory", place=str(path)) from None
    except OSError as fault:
        raise UserError(f"cannot be read ({fault.strerror or fault})", place=str(path)) from None
    except Exception as fault:
        if type(fault).__module__.startswith("zstandard") or type(fault).__name__ == "ZstdError":
            raise UserError(
                "the zstd data is corrupted", place=str(path), remedy="download it again"
            ) from None
        raise


def mend(text: str) -> str:
    """Text without lone surrogates: stray bytes read as Windows-1252, anything else as U+FFFD."""

    def character(match: re.Match[str]) -> str:
        code = ord(match[0])
        if 0xDC80 <= code <= 0xDCFF:
            return bytes([code - 0xDC00]).decode("cp1252", "replace")
        return "\ufffd"

    return LONE_SURROGATE.sub(character, text)
