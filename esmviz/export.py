"""Bytes out: tables, arrays, a figure as one offline file, and names that no header can bend.

CSV is UTF-8 with line feeds; npz needs no pickle; nothing refers to an address outside.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from esmviz.types import ProteinRecord

RESERVED = ("ids", "vectors", "amino_acids", "classes", "meta")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold: equal content gives equal bytes
_ROWS = 256  # written at a time: a map has millions of cells, and each as text takes 16 times its bytes
_NUMBERS = (np.float32, np.float64)
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_WINDOWS_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def csv_bytes(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Table of named columns of equal length.

    Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers stay numbers, and NaN is
    empty.

    >>> csv_bytes({"id": ["=1+1", "P1"], "score": [-1.5, 2]}).decode()
    "id,score\\n'=1+1,-1.5\\nP1,2\\n"
    """
    buffer = io.BytesIO()  # text in memory would take four bytes a character, and a map has millions of cells
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in columns])
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError("the columns differ in length")
    for start in range(0, max(lengths, default=0), _ROWS):
        parts = (_csv_cells(column[start : start + _ROWS]) for column in columns.values())
        writer.writerows(zip(*parts, strict=True))
    stream.flush()
    return buffer.getvalue()


def _csv_cells(part: Sequence[Any]) -> list[str]:
    """``csv_cell`` of each; numbers of one array are written together, which takes a third of the time."""
    if not isinstance(part, np.ndarray) or part.dtype not in _NUMBERS:
        return [csv_cell(value) for value in part]
    texts: list[str] = np.where(np.isnan(part), "", part.astype("U32")).tolist()
    return texts


def csv_cell(value: Any) -> str:
    """Text of one cell; a float in the shortest form that reads back to the same value.

    >>> csv_cell("-A1V"), csv_cell(np.float32(-0.1)), csv_cell(float("nan")), csv_cell(None)
    ("'-A1V", '-0.1', '', '')
    """
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return str(value)
    return no_formula(str(value)).replace("\r\n", "\n").replace("\r", "\n")


def no_formula(text: str) -> str:
    """Text with an apostrophe in front where a spreadsheet would run it; some take wide signs for narrow ones.

    >>> no_formula("=1+1"), no_formula("＝1+1"), no_formula("A1V")
    ("'=1+1", "'＝1+1", 'A1V')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def fasta_bytes(records: Iterable[ProteinRecord]) -> bytes:
    r"""Records in lines of 60 residues, headers in one line each: a line break in one would begin a sequence.

    >>> fasta_bytes([ProteinRecord("one", "MKV", "first\n>of all")])
    b'>one first >of all\nMKV\n'
    """
    lines = []
    for record in records:
        header = " ".join(f"{record.id} {record.description}".split()).replace("\x00", " ")
        lines.append(f">{header}")
        lines += [record.sequence[start : start + 60] for start in range(0, len(record), 60)]
    return "\n".join([*lines, ""]).encode("utf-8", "replace")


def safe_key(identifier: str) -> str:
    """Name inside an npz or h5 file for an id; ``urllib.parse.unquote`` gives the id back.

    ``/``, ``\\``, ``%``, ``..`` and control characters are percent-encoded, and so is the first letter of a
    reserved name (``ids vectors amino_acids classes meta``) and what npz or h5 would read as something else.

    >>> safe_key("sp|P69905|HBA_HUMAN"), safe_key("../a/b"), safe_key("meta")
    ('sp|P69905|HBA_HUMAN', '%2E%2E%2Fa%2Fb', '%6Deta')

    Raises
    ------
    ValueError
        For an empty id.
    """
    if not identifier:
        raise ValueError("an array needs a name")
    if identifier in RESERVED:
        return _percent(identifier[0]) + identifier[1:]
    key = "".join(_percent(letter) if _is_unsafe(letter) else letter for letter in identifier)
    key = key.replace("..", "%2E%2E")
    if key == ".":  # h5: the group itself
        return "%2E"
    return key[: -len(".npy")] + "%2Enpy" if key.endswith(".npy") else key  # numpy drops this ending


def _is_unsafe(letter: str) -> bool:
    return letter in "/\\%" or unicodedata.category(letter).startswith("C")


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def npz_bytes(
    arrays: Mapping[str, Any], meta: Mapping[str, Any], *, by_id: Mapping[str, Any] | None = None
) -> bytes:
    """Arrays as one npz file that ``numpy.load(..., allow_pickle=False)`` reads.

    Parameters
    ----------
    arrays : mapping of str to array
        Arrays that we name; text becomes a unicode array.
    meta : mapping
        Goes in as JSON text under ``meta``: model, revision, precision, all that says where this comes from.
    by_id : mapping of str to array, optional
        Arrays named after the user's ids; the names are made safe by ``safe_key``.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        named = {**arrays, **{safe_key(key): array for key, array in (by_id or {}).items()}}
        for key, array in named.items():
            write_npy(archive, key, array)
        write_npy(archive, "meta", json_text(meta))
    return buffer.getvalue()


def write_npy(archive: zipfile.ZipFile, key: str, array: Any) -> None:
    """Add one array to an open zip, without a second copy of it in memory.

    Raises
    ------
    ValueError
        For an array that only pickle could store, or a name that is taken.
    """
    if f"{key}.npy" in archive.NameToInfo:
        raise ValueError(f"two arrays are called {key}")
    with archive.open(npy_entry(key), "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)


def npy_entry(key: str) -> zipfile.ZipInfo:
    """Entry of an array in a zip, with the same date always."""
    return zipfile.ZipInfo(f"{key}.npy", date_time=_EPOCH)


def json_text(values: Mapping[str, Any]) -> str:
    """JSON of plain values, numpy numbers and tuples."""
    return json.dumps(values, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


def download_name(*parts: object, suffix: str) -> str:
    """File name of plain ASCII letters, digits, ``_``, ``-`` and single dots.

    >>> download_name("esmviz", "sp|P69905/../x", "layer 5", suffix="csv")
    'esmviz-sp-P69905-x-layer-5.csv'
    """
    text = "-".join(
        unicodedata.normalize("NFKD", str(part)).encode("ascii", "ignore").decode() for part in parts
    )
    text = re.sub(r"\.{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "-", text))
    text = re.sub(r"-[-.]+|[.]-+", "-", text).strip("-.")[:100].rstrip("-.") or "esmviz"
    if _WINDOWS_NAMES.match(text):
        text = f"esmviz-{text}"
    return f"{text}.{suffix.lstrip('.')}"


_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "toImageButtonOptions": {"format": "svg", "filename": "esmviz"},
}

# plotly.js names map tile servers that no figure of ours uses; the policy lets nothing be fetched.
# unsafe-eval: the WebGL points compile their shaders' bindings.
_PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
html {{ background: #FFFFFF; color: #1F2428; color-scheme: light; }}
html[data-theme=dark] {{ background: #14171A; color: #E6E8EA; color-scheme: dark; }}
body {{ font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; \
max-width: 1100px; margin: 0 auto; padding: 24px; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.3rem; font-weight: 600; margin: 0 0 12px; }}
ul {{ padding-left: 1.2em; font-size: 0.9rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{figure}
{notes}
</body>
</html>
"""


def html_bytes(figure: Any, title: str, notes: Sequence[str] = ()) -> bytes:
    """A figure as one file that opens without a network, about 5 MB of it plotly.js.

    Parameters
    ----------
    figure : plotly Figure
        The page takes the light or dark look of its template.
    title, notes : str
        Plain text: heading, and a list of methods and provenance below the figure.
    """
    body = figure.to_html(
        full_html=False, include_plotlyjs=True, include_mathjax=False, config=_CONFIG, div_id="figure"
    )
    items = "".join(f"<li>{html.escape(note)}</li>\n" for note in notes)
    page = _PAGE.format(
        theme="dark" if _is_dark(figure) else "light",
        title=html.escape(title),
        figure=body,
        notes=f"<ul>\n{items}</ul>" if items else "",
    )
    return page.encode("utf-8", "replace")


def _is_dark(figure: Any) -> bool:
    colour = str(figure.layout.paper_bgcolor or figure.layout.template.layout.paper_bgcolor or "#FFFFFF")
    return bool(re.fullmatch("#[0-7][0-9A-Fa-f]{5}", colour))
