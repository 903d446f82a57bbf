"""What is refused of a structure before it is read: the reader makes arrays as wide as their longest value."""

from __future__ import annotations

import re

from esmviz.errors import InvalidStructureError, UploadTooLargeError

MOST_LINES = 500_000  # the 20,000 residues that are drawn have 160,000 atoms, 320,000 with hydrogens
_LONGEST_VALUE = 64  # of an atom
_ATOM_SITE = re.compile(r"^_atom_site\.", re.MULTILINE)
_NEXT_CATEGORY = re.compile(r"^(data_|loop_|_(?!atom_site\.))", re.MULTILINE)
_LONG_VALUE = re.compile(
    rf"""^;                                     # a text over several lines
    | \S{{{_LONGEST_VALUE},}}
    | (?:^|\s)(['"])(?:(?!\1\s).){{{_LONGEST_VALUE},}}""",
    re.MULTILINE | re.VERBOSE,
)


def refuse_too_large(text: str, name: str) -> None:
    """Look at lines and values of a PDB or mmCIF file.

    Raises
    ------
    UploadTooLargeError
        Very many lines.
    InvalidStructureError
        A value of an atom that is no value of an atom.
    """
    if text.count("\n") > MOST_LINES:
        raise UploadTooLargeError(
            f"{name} has more than {MOST_LINES:,} lines, the limit.",
            "Upload the chains and the model you look at.",
        )
    end = 0
    while (start := _ATOM_SITE.search(text, end)) is not None:
        after = _NEXT_CATEGORY.search(text, start.end())
        end = after.start() if after else len(text)
        if (long := _LONG_VALUE.search(text, start.start(), end)) is not None:
            line = text.count("\n", 0, long.end()) + 1
            raise InvalidStructureError(
                f"{name} has a value of {_LONGEST_VALUE} letters or more, or of several lines, among its atoms, in line "
                f"{line:,}.",
                "No atom has one.",
            )
