"""The papers behind the numbers: as a text cites them, as a list has them, and as BibTeX."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_PATH = Path(__file__).resolve().parent.parent / "assets" / "report" / "references.toml"


MOST_NAMED = 6  # in a list; BibTeX has all of them


@dataclass(frozen=True)
class Reference:
    """One source; ``authors`` as BibTeX has them, ``venue`` with volume and pages."""

    key: str
    authors: str
    year: int
    title: str
    venue: str
    doi: str = ""

    @property
    def short(self) -> str:
        """As a text cites it.

        >>> REFERENCES["vig2019"].short, REFERENCES["lin2023"].short
        ('Vig and Belinkov 2019', 'Lin et al. 2023')
        """
        names = [author.partition(",")[0] for author in self.authors.split(" and ")]
        if len(names) > 2 or "others" in names:
            return f"{names[0]} et al. {self.year}"
        return f"{' and '.join(names)} {self.year}"

    @property
    def line(self) -> str:
        """As a list of references has it.

        >>> REFERENCES["dunn2008"].line[:58]
        'Dunn, S. D.; Wahl, L. M.; Gloor, G. B. (2008). Mutual info'
        """
        authors = self.authors.split(" and ")
        named = "; ".join(authors)
        if len(authors) > MOST_NAMED or "others" in authors:
            named = f"{authors[0]} et al."
        doi = f" doi:{self.doi}" if self.doi else ""
        return f"{named} ({self.year}). {self.title}. {self.venue}.{doi}"

    @property
    def bibtex(self) -> str:
        """The entry; the inner braces keep the title's capitals."""
        return bibtex_entry(
            self.key,
            author=self.authors,
            title=f"{{{self.title}}}",
            howpublished=self.venue,
            year=str(self.year),
            doi=self.doi,
        )


def bibtex_entry(key: str, **fields: str) -> str:
    """One entry of a kind that every style knows; empty fields are left out.

    >>> print(bibtex_entry("esmviz", title="esmviz", doi=""), end="")
    @misc{esmviz,
      title = {esmviz},
    }
    """
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@misc{{{key},\n{body}}}\n"


def _read() -> dict[str, Reference]:
    entries = tomllib.loads(_PATH.read_text(encoding="utf-8"))
    return {key: Reference(key, **entry) for key, entry in entries.items()}


REFERENCES = _read()


def cite(*keys: str) -> str:
    """Sources in brackets, as they stand in a sentence.

    >>> cite("rives2021", "mu2018")
    '(Rives et al. 2021; Mu and Viswanath 2018)'
    """
    return f"({'; '.join(REFERENCES[key].short for key in keys)})"


def cited_in(text: str) -> tuple[Reference, ...]:
    """The sources that a text cites, by name and year.

    >>> [reference.key for reference in cited_in("as before (Dunn et al. 2008)")]
    ['dunn2008']
    """
    found = [reference for reference in REFERENCES.values() if reference.short in text]
    return tuple(sorted(found, key=lambda reference: reference.line))
