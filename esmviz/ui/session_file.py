"""A session as one JSON file: what a visitor loaded, chose and set, and nothing that was computed from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from esmviz import __version__
from esmviz.errors import InvalidSessionError, UploadTooLargeError
from esmviz.labels import plain
from esmviz.sequences import LabelTable, Limits, RecordReport, SequenceSet
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ProteinRecord
from esmviz.ui import page_settings
from esmviz.uploads import read_upload

FORMAT, VERSION = "esmviz session", 1
FORMATS = "session files that Home saved, plain or gzip"
HINT = "Save the session again, or upload the FASTA itself."
LONGEST_TEXT = 1_000_000  # letters of an id, a description, a label, a note: header lines can be long
MOST_NUMBER = 10_000_000
MOST_QUOTES = 6_000_000  # four a label: more would take a gigabyte
PRECISIONS = ("float32", "bfloat16")
STATUSES = ("accepted", "mended", "rejected")

_SEQUENCE = re.compile(f"[{AMINO_ACIDS}{AMBIGUOUS}]+")
T = TypeVar("T")


@dataclass(frozen=True)
class SavedSession:
    """What a file holds. ``structure`` is the name and the text of an uploaded one; ``left_out`` are settings of pages
    that this version does not have."""

    proteins: SequenceSet
    source: str
    model: str
    protein: str
    layer: int | None = None
    head: int = 0
    precision: str = "float32"
    labels: LabelTable | None = None
    structure: tuple[str, str] | None = None
    settings: Mapping[str, page_settings.Value] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def session_bytes(saved: SavedSession) -> bytes:
    """The file."""
    labels = saved.labels
    content = {
        "format": FORMAT,
        "version": VERSION,
        "esmviz": __version__,
        "source": plain(saved.source),
        "proteins": [
            {"id": r.id, "sequence": r.sequence, "description": r.description, "labels": dict(r.labels)}
            for r in saved.proteins.records
        ],
        "reports": [
            [r.number, r.line, r.id, r.n_residues, r.status, [plain(note) for note in r.notes]]
            for r in saved.proteins.reports
        ],
        "label_table": None
        if labels is None
        else [list(labels.columns), list(labels.unmatched), list(labels.unlabelled)],
        "structure": None if saved.structure is None else list(saved.structure),
        "choices": {
            name: getattr(saved, name) for name in ("protein", "model", "layer", "head", "precision")
        },
        "settings": dict(saved.settings),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1).encode()


def read_session(source: bytes, *, limits: Limits, name: str) -> SavedSession:
    """Read a file, as strictly as an upload of its proteins.

    Raises
    ------
    UploadTooLargeError
        Too many bytes, proteins or residues.
    InvalidSessionError
        It is no such file, of a later version, or holds what the app would never have written; says where.
    """
    name = plain(name).strip() or "session file"
    upload = read_upload(source, limits=limits, name=name, formats=FORMATS)
    reader = _Reader(name, limits)
    return reader.session(reader.parsed(upload.text))


class _Reader:
    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self.limits = name, limits

    def refuse(self, what: str, hint: str = HINT) -> NoReturn:
        raise InvalidSessionError(f"{self.name} cannot be restored: {what}.", hint)

    def parsed(self, text: str) -> dict[str, Any]:
        """The JSON. What would take much more memory than its text is refused before it is parsed."""
        most = self.limits.records
        if text.count("[") + text.count("{") > 50 * most + 10_000 or text.count(",") > 300 * most + 10_000:
            self.refuse("it holds more lists and values than any session")
        if text.count('"') > MOST_QUOTES:
            self.refuse("it holds more labels than are restored", "Upload the FASTA and the table of labels.")

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            if len(found) < len(pairs):
                self.refuse("a name comes twice in one place")
            return found

        def no_number(word: str) -> NoReturn:
            self.refuse(f"{word} is no number")

        try:
            content = json.loads(text, object_pairs_hook=once, parse_constant=no_number)
        except (ValueError, RecursionError):
            self.refuse("it is no JSON")
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            self.refuse("it is no session of esmviz")
        if repr(content.get("version")) != repr(VERSION):  # True is 1, too
            self.refuse("another version of esmviz wrote it", "Open it with that version.")
        return content

    def session(self, content: dict[str, Any]) -> SavedSession:
        records = self.records(self.many(content, "proteins", dict, self.limits.records))
        choices = self.one(content, "choices", dict)
        layer = choices.get("layer")
        settings, left_out = self.settings(self.one(content, "settings", dict))
        precision = self.text(choices, "precision")
        if precision not in PRECISIONS:
            self.refuse(f"`{precision[:40]}` is no precision")
        return SavedSession(
            proteins=SequenceSet(records, self.reports(content, records)),
            source=self.text(content, "source"),
            model=self.text(choices, "model"),
            protein=self.text(choices, "protein"),
            layer=None if layer is None else self.number(layer, "layer"),
            head=self.number(choices.get("head"), "head"),
            precision=precision,
            labels=self.label_table(content, records),
            structure=self.structure(content),
            settings=settings,
            left_out=left_out,
        )

    def records(self, rows: list[Any]) -> tuple[ProteinRecord, ...]:
        if not rows:
            self.refuse("it holds no protein")
        records = tuple(self.record(row, f"protein {at}") for at, row in enumerate(rows, 1))
        if len({record.id for record in records}) < len(records):
            self.refuse("two proteins have one id")
        if sum(map(len, records)) > self.limits.residues:
            raise UploadTooLargeError(
                f"{self.name} has more than {self.limits.residues:,} residues in all, the limit. Nothing was loaded.",
                "Split it, or raise ESMVIZ_MAX_RESIDUES.",
            )
        return records

    def record(self, row: dict[str, Any], where: str) -> ProteinRecord:
        sequence = self.one(row, "sequence", str, where)
        if not _SEQUENCE.fullmatch(sequence):
            self.refuse(f"{where} has letters that are no residues, or none at all")
        if len(sequence) > self.limits.length:
            raise UploadTooLargeError(
                f"{self.name}: {where} has {len(sequence):,} residues; the limit is {self.limits.length:,}.",
                "Leave it out, or raise ESMVIZ_MAX_LENGTH.",
            )
        labels: dict[str, Any] = self.one(row, "labels", dict, where)
        kept = {self.plain(key, where): self.plain(value, where) for key, value in labels.items()}
        identifier = self.text(row, "id", where)
        if not identifier.strip():
            self.refuse(f"{where} has no id")
        return ProteinRecord(identifier, sequence, self.text(row, "description", where), kept)

    def reports(
        self, content: dict[str, Any], records: tuple[ProteinRecord, ...]
    ) -> tuple[RecordReport, ...]:
        reports = []
        for at, row in enumerate(self.many(content, "reports", list, self.limits.records), 1):
            where = f"report {at}"
            if len(row) != 6 or row[4] not in STATUSES or not isinstance(row[5], list):
                self.refuse(f"{where} is no report")
            number, line, n_residues = (self.number(row[i], where) for i in (0, 1, 3))
            notes = tuple(self.plain(note, where) for note in row[5])
            reports.append(RecordReport(number, line, self.plain(row[2], where), n_residues, row[4], notes))
        good = [(report.id, report.n_residues) for report in reports if report.status != "rejected"]
        if good != [(record.id, len(record)) for record in records]:
            self.refuse("its reports are of other proteins")
        return tuple(reports)

    def label_table(self, content: dict[str, Any], records: tuple[ProteinRecord, ...]) -> LabelTable | None:
        lists = content.get("label_table")
        if lists is None:
            return None
        if (
            not isinstance(lists, list)
            or len(lists) != 3
            or not all(isinstance(part, list) for part in lists)
        ):
            self.refuse("its table of labels is none")
        columns, unmatched, unlabelled = (
            tuple(self.plain(word, "the table of labels") for word in part) for part in lists
        )
        labels = {r.id: {name: r.labels[name] for name in columns if name in r.labels} for r in records}
        labels = {identifier: own for identifier, own in labels.items() if own}
        return LabelTable(labels, columns, unmatched, unlabelled)

    def structure(self, content: dict[str, Any]) -> tuple[str, str] | None:
        pair = content.get("structure")
        if pair is None:
            return None
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str):
            self.refuse("its structure is none")
        return self.plain(pair[0], "the structure"), pair[1]

    def settings(self, found: dict[str, Any]) -> tuple[dict[str, page_settings.Value], tuple[str, ...]]:
        """Of pages; a control that this version does not have is left out."""
        kept: dict[str, page_settings.Value] = {}
        left_out = []
        for key, value in found.items():
            value = tuple(value) if isinstance(value, list) else value
            if page_settings.kind(key) is None:
                left_out.append(self.plain(key, "settings")[:80])
            elif not page_settings.fits(key, value) or not _is_moderate(value):
                self.refuse(f"`{key[:80]}` has a value that no control has")
            else:
                kept[key] = value
        return kept, tuple(left_out)

    def one(self, found: dict[str, Any], key: str, kind: type[T], where: str = "it") -> T:
        value = found.get(key)
        if type(value) is not kind:
            self.refuse(f"{where} has no `{key}`")
        return value

    def many(self, found: dict[str, Any], key: str, kind: type, most: int) -> list[Any]:
        values: list[Any] = self.one(found, key, list)
        if len(values) > most:
            raise UploadTooLargeError(
                f"{self.name} has {len(values):,} {key}; the limit is {most:,}.",
                "Split it, or raise ESMVIZ_MAX_RECORDS.",
            )
        if not all(type(value) is kind for value in values):
            self.refuse(f"its {key} are none")
        return values

    def text(self, found: dict[str, Any], key: str, where: str = "it") -> str:
        return self.plain(self.one(found, key, str, where), where)

    def plain(self, value: object, where: str) -> str:
        """Text that the app could have shown: no control or bidirectional characters."""
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or plain(value) != value:
            self.refuse(f"{where} has a text that is too long, or has characters that cannot be seen")
        return value

    def number(self, value: object, where: str) -> int:
        if type(value) is not int or not 0 <= value <= MOST_NUMBER:
            self.refuse(f"{where} has a number that is none of ours")
        return value


def _is_moderate(value: object) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return all(
        len(part) <= LONGEST_TEXT
        if isinstance(part, str)
        else math.isfinite(part) and abs(part) <= MOST_NUMBER
        for part in parts
    )
