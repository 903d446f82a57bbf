"""A figure with all that belongs to it, and what stands beside it, before a page draws it or a file takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from esmviz import __version__
from esmviz.exhibit import Facts, Picture, Table
from esmviz.labels import head_label, provenance_facts
from esmviz.panels import texts
from esmviz.types import Provenance


@dataclass(frozen=True)
class Subject:
    """What the files of a figure are about: one protein, or a set of so many; ``name`` is text from outside."""

    name: str
    n_proteins: int = 1
    is_set: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        return {"proteins": self.n_proteins} if self.is_set else {"protein": self.name}


@dataclass(frozen=True)
class Panel:
    """A figure with its files and its words.

    Attributes
    ----------
    name, alt : str
        Its key, and the figure in words for who cannot see it.
    figure : plotly Figure
    text : (str, str, str)
        One of ``texts``.
    columns, arrays
        The CSV file, made when it is asked for, and the NPZ file. ``columns`` is a ``partial``, whose arrays are counted
        where pages are kept, and which leads to nothing else of the page.
    settings : mapping
        What else made the figure; goes into the files beside the provenance.
    """

    name: str
    figure: Any
    subject: Subject
    provenance: Provenance
    alt: str
    text: tuple[str, str, str]
    columns: Callable[[], Mapping[str, Sequence[Any]]]
    arrays: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reading(self) -> tuple[str, str, str]:
        """How to read it."""
        if not self.provenance.windows:
            return self.text
        is_masked = self.settings.get("scheme") == "masked marginals"
        windows = texts.MASKED_WINDOWS if is_masked else texts.WINDOWS
        return (f"{self.text[0]}\n\n{windows}", *self.text[1:])

    @property
    def facts(self) -> dict[str, Any]:
        """What its files say of how it was made."""
        return facts(self.subject, self.provenance, self.settings)

    @property
    def file_name(self) -> str:
        """Stem of the names of its files."""
        made = self.provenance
        parts = [self.name, self.subject.name, made.model]
        parts += [f"layer{made.layer}"] if made.layer is not None else []
        parts += [f"head{head_label(made.head)}"] if made.head is not None else []
        return "-".join(parts)

    def picture(self) -> Picture:
        """As it is kept; writes the figure as text and makes the table, which takes a while."""
        return Picture(
            self.name,
            self.alt,
            self.figure.to_json(),
            self.provenance,
            self.facts,
            self.reading,
            self.file_name,
            dict(self.columns()),
            dict(self.arrays),
        )


@dataclass(frozen=True)
class Spread:
    """A panel, and the facts and tables that stand beside it."""

    panel: Panel
    beside: tuple[Facts | Table, ...]

    @property
    def pieces(self) -> tuple[Picture | Facts | Table, ...]:
        """As they are kept."""
        return (self.panel.picture(), *self.beside)


def facts(subject: Subject, provenance: Provenance, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of how it was made."""
    return {"esmviz": __version__, **subject.facts, **provenance_facts(provenance), **settings}
