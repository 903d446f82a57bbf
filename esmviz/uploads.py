"""From what a visitor sends to text: decompression in bounds, encodings, and a refusal of the rest."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import IO

from esmviz.errors import InvalidSequenceError, UploadTooLargeError

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 64  # enough for every mark and magic number below
_GZIP = b"\x1f\x8b"

# "BZh" alone would also be three residues, so the block marker behind it is asked for too.
_BINARY = (
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "bzip2"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "Zstandard"),
    (re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"), "zip (also Word, Excel and NumPy's npz)"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "7-Zip"),
    (re.compile(rb"Rar!\x1a\x07"), "RAR"),
    (re.compile(rb"\x1f[\x9d\xa0]"), "compress (.Z)"),
    (re.compile(rb"\x04\x22\x4d\x18"), "LZ4"),
    (re.compile(rb"%PDF-"), "PDF"),
    (re.compile(rb"\{\\rtf"), "RTF"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "old Word or Excel"),
    (re.compile(rb"\x89HDF\r\n"), "HDF5"),
    (re.compile(rb"\x93NUMPY"), "NumPy"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\x00|MM\x00\*"), "image"),
    (re.compile(rb"\x7fELF|MZ\x90\x00"), "program"),
)
_BOMS = (  # UTF-32 first: its little-endian mark starts with the one of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_LINE = re.compile(r"[^\n]+\n?|\n")
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class Limits:
    """What one upload may bring: bytes once unpacked, records, residues in all, residues of one record."""

    file_bytes: int
    records: int
    residues: int
    length: int


@dataclass(frozen=True)
class Upload:
    """Text whose lines end in a line feed.

    ``is_guessed``: the bytes were no UTF-8 and were read as Windows-1252.
    """

    text: str
    is_guessed: bool = False


class Lines(io.TextIOBase):
    """A text from ``start`` on as a file to iterate over; StringIO would take four bytes a character."""

    def __init__(self, text: str, start: int = 0) -> None:
        self._text, self._start = text, start

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return map(itemgetter(0), _LINE.finditer(self._text, self._start))


def read_upload(source: bytes | str, *, limits: Limits, name: str, formats: str) -> Upload:
    """Decompress and decode.

    Parameters
    ----------
    source : bytes or str
        Text, or a file's content: UTF-8, UTF-16 or UTF-32 with a byte order mark, else Windows-1252. Gzip is
        unpacked.
    limits : Limits
        Only ``file_bytes`` counts here.
    name : str
        What to call the source in an error.
    formats : str
        What is taken instead, for errors, such as ``"FASTA text, plain or gzip"``.

    Returns
    -------
    upload : Upload

    Raises
    ------
    UploadTooLargeError
        Above ``limits.file_bytes``, before or after decompression.
    InvalidSequenceError
        Damaged gzip, another packing, or no text.
    """
    hint = f"esmviz reads {formats}."
    if isinstance(source, str):
        if len(source) > limits.file_bytes or _n_bytes(source) > limits.file_bytes:
            raise _too_large(name, limits.file_bytes)
        upload = Upload(source)
    else:
        if len(source) > limits.file_bytes:
            raise _too_large(name, limits.file_bytes)
        unpacked = _unpacked(source, limits.file_bytes, name) if source.startswith(_GZIP) else source
        _refuse_binary(unpacked, name, hint)
        upload = _decoded(unpacked, name, hint)
    _refuse_no_text(upload.text, name, hint)
    text = upload.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return Upload(text, upload.is_guessed)


def unpacked_stream(stream: IO[bytes]) -> IO[bytes]:
    """The stream itself, or what is packed in it where that is gzip."""
    stream.seek(0)
    is_gzip = stream.read(len(_GZIP)) == _GZIP
    stream.seek(0)
    return gzip.GzipFile(fileobj=stream) if is_gzip else stream  # type: ignore[return-value]  # it is one


def encoding_of(stream: IO[bytes], *, name: str, formats: str) -> str:
    """Encoding of a whole file, as ``read_upload`` finds it, but a piece at a time.

    Raises
    ------
    InvalidSequenceError
        As ``read_upload``.
    """
    hint = f"esmviz reads {formats}."
    stream.seek(0)
    with _telling_damage(name):
        head = stream.read(_HEAD_BYTES)
    _refuse_binary(head, name, hint)
    marked = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), None)
    for encoding in [marked] if marked else ["utf-8", "cp1252", "latin-1"]:
        try:
            for piece in text_pieces(stream, encoding, name=name):
                _refuse_no_text(piece, name, hint, is_guessed=encoding in ("cp1252", "latin-1"))
            return encoding
        except UnicodeDecodeError:
            continue
    raise _goes_on_as_something_else(name, str(marked))


def text_pieces(stream: IO[bytes], encoding: str, *, name: str) -> Iterator[str]:
    """The text of a file from its start, about a megabyte at a time; its lines end in a line feed."""
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding)
    try:
        with _telling_damage(name):
            piece = text.read(_CHUNK_BYTES).removeprefix(
                "\ufeff"
            )  # a second mark, as ``read_upload`` drops it
            while piece:
                yield piece
                piece = text.read(_CHUNK_BYTES)
    finally:
        text.detach()  # or the file would be closed with it


def _n_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _too_large(name: str, limit: int) -> UploadTooLargeError:
    megabytes = limit / 2**20 if limit % 2**20 == 0 else limit / 1e6
    return UploadTooLargeError(
        f"{name} is larger than {megabytes:g} MB, the limit after decompression. Nothing was loaded.",
        "Split it, or raise ESMVIZ_MAX_UPLOAD_MB.",
    )


def _unpacked(source: bytes, limit: int, name: str) -> bytes:
    """Content of a gzip file of one or more members; stops as soon as it passes ``limit`` bytes."""
    content = bytearray()
    with _telling_damage(name), gzip.GzipFile(fileobj=io.BytesIO(source)) as file:
        while chunk := file.read(min(_CHUNK_BYTES, limit + 1)):
            content += chunk
            if len(content) > limit:
                raise _too_large(name, limit)
    return bytes(content)


@contextmanager
def _telling_damage(name: str) -> Iterator[None]:
    """Errors of a damaged gzip file become ours."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(name) from error


def _damaged(name: str) -> InvalidSequenceError:
    return InvalidSequenceError(f"{name} is a damaged or cut-off gzip file.", "Pack or download it again.")


def _refuse_no_text(text: str, name: str, hint: str, is_guessed: bool = False) -> None:
    if "\x00" in text:
        raise InvalidSequenceError(
            f"{name} is no text: it has NUL bytes.",
            f"{hint} A UTF-16 file needs its byte order mark, or save it as UTF-8.",
        )
    if is_guessed and _NO_TEXT.search(text):
        raise InvalidSequenceError(f"{name} is no text.", hint)


def _goes_on_as_something_else(name: str, encoding: str) -> InvalidSequenceError:
    kind = encoding.removesuffix("-sig").upper()
    return InvalidSequenceError(
        f"{name} starts as {kind} but goes on as something else.", "Save it again as UTF-8."
    )


def _refuse_binary(content: bytes, name: str, hint: str) -> None:
    if content.startswith(_GZIP):
        raise InvalidSequenceError(f"{name} is packed twice.", f"Unpack it once. {hint}")
    for magic, kind in _BINARY:
        if magic.match(content):
            raise InvalidSequenceError(f"{name} is a file of another kind: {kind}.", hint)


def _decoded(content: bytes, name: str, hint: str) -> Upload:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            try:
                return Upload(content.decode(encoding))
            except UnicodeDecodeError as error:
                raise _goes_on_as_something_else(name, encoding) from error
    try:
        return Upload(content.decode("utf-8"))
    except UnicodeDecodeError:
        text = _western(content)
    if _NO_TEXT.search(text):
        raise InvalidSequenceError(f"{name} is no text.", hint)
    return Upload(text, is_guessed=True)


def _western(content: bytes) -> str:
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:  # five byte values mean nothing there
        return content.decode("latin-1")
