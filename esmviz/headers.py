"""What the header line of a FASTA record says: id, description and labels, as plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from esmviz.labels import plain

MAX_ID_CHARACTERS = 200
MAX_HEADER_CHARACTERS = 4000
MAX_LINE_CHARACTERS = 20_000  # more of a header is not even looked at
MAX_LABELS = 100  # of one protein; all of an upload could otherwise take a gigabyte

_KEY = re.compile(r"(?:^|\s)([A-Za-z_][\w.-]{0,39})=")


@dataclass(frozen=True)
class Header:
    """A header taken apart.

    ``notes`` say what was changed; ``is_named_here``: it had no id and got ``protein-N``.
    """

    id: str
    description: str
    labels: Mapping[str, str]
    notes: tuple[str, ...] = ()
    is_named_here: bool = False


def read_header(line: str, number: int) -> Header:
    """Take a header line apart.

    The id is the first word as it stands, ``sp|P69905|HBA_HUMAN`` included. A label ``key=value`` runs to the
    next ``key=``, as UniProt writes them; what stands before the first one is the description.

    Parameters
    ----------
    line : str
        Header without its ``>``.
    number : int
        1-based number of the record, for the name of one without an id.

    Returns
    -------
    header : Header

    Examples
    --------
    >>> header = read_header("sp|P69905|HBA_HUMAN Hemoglobin alpha OS=Homo sapiens GN=HBA1", 1)
    >>> header.id, header.description
    ('sp|P69905|HBA_HUMAN', 'Hemoglobin alpha')
    >>> header.labels
    {'OS': 'Homo sapiens', 'GN': 'HBA1'}
    """
    notes = []
    if len(line) > MAX_LINE_CHARACTERS:
        line = line[:MAX_LINE_CHARACTERS]
        notes.append(f"header read up to its first {MAX_LINE_CHARACTERS:,} characters")
    word, text = _first_word(line)
    record_id, rest = plain(word), plain(text, " ")
    if (record_id, rest) != (word, text):
        notes.append("control or direction characters in the header removed")
    is_named_here = not record_id
    if is_named_here:
        record_id = f"protein-{number}"
        notes.append(f"no id, named {record_id}")
    if len(record_id) > MAX_ID_CHARACTERS:
        record_id = record_id[:MAX_ID_CHARACTERS]
        notes.append(f"id cut to its first {MAX_ID_CHARACTERS} characters")
    if len(rest) > MAX_HEADER_CHARACTERS:
        rest = rest[:MAX_HEADER_CHARACTERS]
        notes.append(f"header cut to its first {MAX_HEADER_CHARACTERS} characters")
    description, labels, n_left_out = _labels(rest)
    if n_left_out:
        notes.append(f"labels after the first {MAX_LABELS} left out ({n_left_out})")
    return Header(record_id, description, labels, tuple(notes), is_named_here)


def _first_word(line: str) -> tuple[str, str]:
    parts = line.split(None, 1)
    word = parts[0] if parts else ""
    rest = parts[1].strip() if len(parts) > 1 else ""
    return word, rest if rest.isprintable() else re.sub(r"[\t\v\f]", " ", rest)


def _labels(text: str) -> tuple[str, dict[str, str], int]:
    """Description, labels, and how many more ``key=`` there are."""
    keys = list(_KEY.finditer(text))
    if not keys:
        return text.strip(), {}, 0
    labels: dict[str, str] = {}
    ends = [key.start() for key in keys[1:]] + [len(text)]
    for key, end in list(zip(keys, ends, strict=True))[:MAX_LABELS]:
        name, value = intern(key[1]), text[key.end() : end].strip()
        if value:  # a key that comes twice keeps both values
            labels[name] = f"{labels[name]}; {value}" if name in labels else value
    return text[: keys[0].start()].strip(), labels, max(0, len(keys) - MAX_LABELS)
