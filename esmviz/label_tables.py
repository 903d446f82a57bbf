"""Labels from a CSV or TSV file, joined to records by id."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from esmviz.errors import InvalidSequenceError, UploadTooLargeError
from esmviz.labels import plain, source_name
from esmviz.types import ProteinRecord
from esmviz.uploads import Limits, Lines, read_upload

# An empty cell, as pandas and spreadsheets write one. Not NA, which can be a name: of sodium, of neuraminidase.
NO_LABEL = frozenset({"", "nan", "NaN", "<NA>", "N/A", "n/a", "#N/A", "null", "NULL"})
FORMATS = "CSV and TSV text with a header row, plain or gzip"
ID_COLUMNS = ("id", "identifier", "protein_id", "entry", "accession")

_DELIMITERS = "\t,;"
_SNIFFED_ROWS = 20
_ROWS_PER_RECORD = 10  # a table may describe more proteins than are loaded, within reason
_MOST_CELLS = 2_000_000  # some 120 MB of text objects
_MOST_ROW_CHARACTERS, _MOST_LINES = 1_000_000, 1_000_000  # a line may be blank


@dataclass(frozen=True)
class LabelTable:
    """Labels by record id.

    ``columns`` are the label columns, ``unmatched`` the ids of the table that are no record, ``unlabelled``
    the records without a row. An empty cell is no label.
    """

    labels: Mapping[str, Mapping[str, str]]
    columns: tuple[str, ...]
    unmatched: tuple[str, ...]
    unlabelled: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    line: int
    cells: tuple[str, ...]


def read_labels(
    source: bytes | str, ids: Sequence[str], *, limits: Limits, name: str = "labels table"
) -> LabelTable:
    """Read a table of labels and join it to records.

    Ids are in the column called id, identifier, protein_id, entry or accession, else in the first one; of
    several, in the one that knows most of the records. They are compared exactly, then by the accession or
    entry name in ``sp|ACCESSION|ENTRY`` where that means one record only.

    Parameters
    ----------
    source : bytes or str
        Comma-, tab- or semicolon-separated text with a header row.
    ids : sequence of str
        Ids of the records.
    limits : Limits
        ``file_bytes`` and ten rows for each of ``records``.
    name : str
        Name of the file, for errors.

    Returns
    -------
    table : LabelTable

    Raises
    ------
    UploadTooLargeError
        Over a limit.
    InvalidSequenceError
        No such table, a row of the wrong length, or two rows that say different things of one record.

    Examples
    --------
    >>> limits = Limits(file_bytes=1000, records=10, residues=1000, length=100)
    >>> text = "id,family\\nP69905,globin\\nQ1,kinase\\n"
    >>> table = read_labels(text, ["sp|P69905|HBA_HUMAN"], limits=limits)
    >>> table.labels
    {'sp|P69905|HBA_HUMAN': {'family': 'globin'}}
    >>> table.unmatched
    ('Q1',)
    """
    name = source_name(name) or "labels table"
    text = read_upload(source, limits=limits, name=name, formats=FORMATS).text
    columns, rows = _read_table(text, name, limits)
    matcher = _Matcher(ids)
    id_column = max(_id_columns(columns), key=lambda at: sum(matcher.knows(row.cells[at]) for row in rows))
    matched = matcher.join(rows, id_column, name)
    at_label = [at for at in range(len(columns)) if at != id_column]
    labels = {
        record_id: {columns[at]: row.cells[at] for at in at_label if row.cells[at] not in NO_LABEL}
        for record_id in ids
        if (row := matched.get(record_id))
    }
    used = {row.cells for row in matched.values()}  # cells, so that the same row twice is no news
    return LabelTable(
        labels=labels,
        columns=tuple(columns[at] for at in at_label),
        unmatched=tuple(dict.fromkeys(row.cells[id_column] for row in rows if row.cells not in used)),
        unlabelled=tuple(record_id for record_id in ids if record_id not in labels),
    )


def with_labels(records: Iterable[ProteinRecord], table: LabelTable) -> tuple[ProteinRecord, ...]:
    """Records with the labels of the table added; the table wins over the header."""
    return tuple(
        replace(record, labels={**record.labels, **table.labels.get(record.id, {})}) for record in records
    )


def _read_table(text: str, name: str, limits: Limits) -> tuple[tuple[str, ...], list[_Row]]:
    rows = _rows(text, _delimiter(text, name), name)
    header = next(rows, None)
    if header is None or len(header.cells) < 2:
        raise InvalidSequenceError(
            f"{name} is no table: its first line has fewer than two columns.", f"esmviz reads {FORMATS}."
        )
    columns = tuple(cell or f"column {at}" for at, cell in enumerate(header.cells, 1))
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise InvalidSequenceError(
            f"{name} has the column `{twice[0]}` twice (line {header.line}).", "Rename one of them."
        )
    most = limits.records * _ROWS_PER_RECORD
    body = []
    for row in rows:
        if len(row.cells) != len(columns):
            raise InvalidSequenceError(
                f"Line {row.line} of {name} has {len(row.cells)} cells, the header {len(columns)}.",
                "A cell that holds the separator needs double quotes around it.",
            )
        body.append(row)
        if len(body) * len(columns) > _MOST_CELLS:
            raise UploadTooLargeError(
                f"{name} has more than {_MOST_CELLS:,} cells, the limit. Nothing was joined.",
                "Leave out columns, or rows of other proteins.",
            )
        if len(body) > most:
            raise UploadTooLargeError(
                f"{name} has more than {most:,} rows, the limit. Nothing was joined.",
                f"Leave rows out, or raise ESMVIZ_MAX_RECORDS ({_ROWS_PER_RECORD} rows for each record).",
            )
    return columns, body


def _rows(text: str, delimiter: str, name: str) -> Iterator[_Row]:
    """Rows that are not blank; a row has the number of its first line."""
    size, line = 0, 1

    def lines() -> Iterator[str]:
        nonlocal size
        for number, piece in enumerate(Lines(text), 1):
            size += len(piece)
            if number > _MOST_LINES:
                raise UploadTooLargeError(
                    f"{name} has more than {_MOST_LINES:,} lines, the limit. Nothing was joined."
                )
            if size > _MOST_ROW_CHARACTERS:
                raise UploadTooLargeError(
                    f"Line {line} of {name} begins a row of more than {_MOST_ROW_CHARACTERS:,} characters.",
                    "Look at its quotes and line ends.",
                )
            yield piece

    reader = csv.reader(lines(), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        size = 0
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidSequenceError(
                f"Line {line} of {name} cannot be read as a table row: {error}.", "Look at its quotes."
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _Row(line, tuple(plain(" ".join(cell.split())) for cell in cells))
        line = reader.line_num + 1


def _delimiter(text: str, name: str) -> str:
    """The separator with which the first rows are equally long, and longest."""

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            widths = [len(row.cells) for row in islice(_rows(text, delimiter, name), _SNIFFED_ROWS)]
        except (InvalidSequenceError, UploadTooLargeError):
            return (False, 0)
        return (len(set(widths)) == 1 and widths[0] > 1, widths[0] if widths else 0)

    scores = {delimiter: score(delimiter) for delimiter in _DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best][1] > 1 else ","


def _id_columns(columns: tuple[str, ...]) -> list[int]:
    names = [column.lower().replace(" ", "_") for column in columns]
    named = [names.index(name) for name in ID_COLUMNS if name in names]
    return [*named, 0]


def _names(identifier: str) -> tuple[str, ...]:
    """The id itself and, of UniProt's form, accession and entry name."""
    parts = identifier.split("|")
    return (
        (identifier, *filter(None, parts[1:]))
        if len(parts) == 3 and parts[0] in {"sp", "tr"}
        else (identifier,)
    )


class _Matcher:
    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = frozenset(ids)
        self._by_name: dict[str, str | None] = {}  # None where a name means several records
        for record_id in ids:
            for name in dict.fromkeys(_names(record_id)):
                self._by_name[name] = None if name in self._by_name else record_id

    def record(self, identifier: str) -> str | None:
        """Id of the one record meant, or None."""
        if identifier in self._ids:
            return identifier
        found = {self._by_name.get(name) for name in _names(identifier)} - {None}
        return found.pop() if len(found) == 1 else None

    def knows(self, identifier: str) -> bool:
        return self.record(identifier) is not None

    def join(self, rows: list[_Row], id_column: int, name: str) -> dict[str, _Row]:
        """The row of each record; an exact id goes before a part of one."""
        joined: dict[str, _Row] = {}
        for row in sorted(rows, key=lambda row: row.cells[id_column] not in self._ids):
            identifier = row.cells[id_column]
            record_id = self.record(identifier)
            if record_id is None:
                continue
            other = joined.setdefault(record_id, row)
            is_same_kind = (other.cells[id_column] == record_id) == (identifier == record_id)
            if other.cells != row.cells and is_same_kind:
                raise InvalidSequenceError(
                    f"Lines {other.line} and {row.line} of {name} say different things of {record_id}.",
                    "Keep one of them.",
                )
        return joined
