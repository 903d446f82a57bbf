"""The Structure page's own words: what is shown, what a fold would take, what the ribbon is coloured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from esmviz import export, structures
from esmviz.errors import EsmvizError
from esmviz.folding import fold_bytes
from esmviz.labels import any_of, plain, residue_label, source_name
from esmviz.matching import Match, match_all
from esmviz.panels.tables import Columns
from esmviz.sequences import with_protein
from esmviz.structures import Chain, Coordinates
from esmviz.types import FloatArray, ModelOutput, ProteinRecord, Request
from esmviz.types import Structure as Fold
from esmviz.ui import computing, errors, files
from esmviz.ui.figures import ranking
from esmviz.ui.frame import Choice, link, need
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session
from esmviz.uploads import read_upload
from esmviz.views import Painting, paint_chains, paint_confidence, paint_numbers

TYPES = ["pdb", "cif", "mmcif", "ent", "gz", "txt"]  # the reader judges by content
FOLD, FILE = "the model's fold", "the uploaded structure"
BY_CHAIN, BY_PLDDT, BY_B = "chain", "pLDDT (B-factor column)", "B-factor"
GIGABYTE = 1e9


def pick(choice: Choice) -> Coordinates | None:
    """The uploaded structure, or None where the fold of the model is looked at."""
    session = choice.session
    megabytes = workbench().settings.max_upload_mb
    st.file_uploader(
        f"Upload a structure (PDB or mmCIF, also gzip; up to {megabytes} MB unpacked)",
        type=TYPES,
        key="structure",
        on_change=_read,
        args=(session,),
        max_upload_size=megabytes,
    )
    if (failure := st.session_state.get("structure_error")) is not None:
        errors.show(failure)
    if session.structure is None:
        return None
    shown = FILE
    if "structure" in choice.spec.provides:
        shown = str(st.segmented_control("Show", [FILE, FOLD], default=FILE, required=True, key="shown"))
    return session.structure if shown == FILE else None


@errors.reporting_errors()  # a callback runs outside the page's
def _read(session: Session) -> None:
    given = st.session_state.get("structure")
    st.session_state["structure_error"] = None
    session.structure = session.structure_text = None
    if given is None:
        return
    try:
        session.structure, text = files.read(session, lambda: _parsed(given.getvalue(), given.name))
        session.structure_text = (plain(given.name), text)
    except EsmvizError as error:
        st.session_state["structure_error"] = error


def _parsed(content: bytes, name: str) -> tuple[Coordinates, str]:
    """An uploaded structure, and its text."""
    limits = workbench().limits
    upload = read_upload(content, limits=limits, name=source_name(name), formats=structures.FORMATS)
    return structures.read_structure(upload.text, name=name), upload.text


def folded(choice: Choice) -> ModelOutput:
    """The fold of the chosen protein by the chosen model; it begins with the button."""
    if "structure" not in choice.spec.provides:
        _say_who_folds(choice)
    need(choice.spec, "structure")
    asked = (choice.record.sequence, choice.spec.name)
    status, spec = workbench().status(choice.spec.name), choice.spec
    pressed = st.sidebar.button("Fold this protein", key="run", type="primary")
    if pressed:
        choice.session.asked["fold"] = asked
        choice.session.cancelled.pop("fold", None)
    if choice.session.asked.get("fold") != asked:
        beside = "" if status.loaded else f" and the model's {status.needed_bytes / GIGABYTE:.1f} GB"
        st.info(
            errors.plain(
                f"Folding {len(choice.record):,} residues through {spec.title or spec.name} takes about "
                f"{fold_bytes(choice.record, spec) / GIGABYTE:.2f} GB of memory{beside}; "
                f"{status.free_bytes / GIGABYTE:.1f} GB are free. Without a GPU it takes minutes. The button in the "
                "sidebar starts it; you can walk the other pages meanwhile."
            )
        )
        st.stop()
    return computing.inspect(choice, Request(structure=True), slot="fold")


def _say_who_folds(choice: Choice) -> None:
    able = [spec.title or spec.name for spec in workbench().specs().values() if "structure" in spec.provides]
    st.info(
        errors.plain(
            f"{choice.spec.title or choice.spec.name} does not fold proteins; {any_of(able) or 'no model'} would. "
            "Choose one in the sidebar, or upload a structure and colour it by what this model makes of the protein."
        )
    )
    link("models", "Get a model that folds")
    st.stop()


@lru_cache(maxsize=8)
def _coordinates(pdb: str) -> Coordinates:
    return structures.read_structure(pdb, name="the fold")


def painted_fold(fold: Fold, record: ProteinRecord) -> tuple[str, Painting]:
    """What the viewer draws of a fold, coloured by confidence."""
    coordinates = _coordinates(fold.pdb)
    drawn = [int(number) - 1 for chain in coordinates.chains for number in chain.numbers]
    names = [residue_label(index, record.sequence[index]) for index in drawn]
    return coordinates.text, paint_confidence(fold.plddt[drawn], names)


def without_atoms(fold: Fold, record: ProteinRecord) -> list[str]:
    """Residues to which the model gives no atoms."""
    drawn = {int(number) - 1 for chain in _coordinates(fold.pdb).chains for number in chain.numbers}
    return [residue_label(i, letter) for i, letter in enumerate(record.sequence) if i not in drawn]


def fold_files(fold: Fold, choice: Choice) -> None:
    """The fold as PDB and as mmCIF."""
    subject = (choice.record.id, choice.spec.name)
    with st.container(horizontal=True, gap="small"):
        for label, suffix, data in (
            ("PDB", "pdb", lambda: fold.pdb),
            ("mmCIF", "cif", lambda: structures.mmcif_text(fold.pdb)),
        ):
            file_name = export.download_name("esmviz-fold", *subject, suffix=suffix)
            st.download_button(
                label, data, file_name, "text/plain", key=f"download_{suffix}", on_click="ignore"
            )


def pick_colour(structure: Coordinates, numbers: Sequence[str]) -> str:
    """What the ribbon is coloured by: what the file has, or a number of the model."""
    has_b = any(np.isfinite(chain.b_factors).any() for chain in structure.chains)
    of_file = [BY_CHAIN, *([BY_B] if has_b else [])]
    if any(chain.is_confidence for chain in structure.chains):
        of_file.insert(1, BY_PLDDT)
    return str(st.sidebar.selectbox("Colour by", [*of_file, *numbers], key="paint"))


def matches(structure: Coordinates, record: ProteinRecord) -> list[Match | None]:
    """How each chain lies upon a protein; None where it is another protein. Says how many were not compared."""
    found, n_left_out = match_all([chain.sequence for chain in structure.chains], record.sequence)
    if n_left_out:
        st.info(
            f"{n_left_out} of {len(found)} chains were not compared with this protein, since there are too many or too "
            "long ones to align. They are drawn. Upload the chains you look at to have them compared."
        )
    return found


def laid_out(found: Sequence[Match | None], structure: Coordinates, values: FloatArray) -> FloatArray:
    """Numbers (L,) of a protein for all residues of the structure; NaN where a residue has none."""
    parts = [np.full(len(chain), np.nan, dtype=np.float32) for chain in structure.chains]
    for part, one in zip(parts, found, strict=True):
        if one is not None:
            part[one.index >= 0] = values[one.index[one.index >= 0]]
    return np.concatenate(parts)


def painted(structure: Coordinates, by: str, values: FloatArray | None) -> Painting:
    """The structure by chain, by what its B-factors hold, or by numbers for all its residues."""
    names = residue_names(structure)
    if by == BY_CHAIN:
        chain = np.repeat(np.arange(len(structure.chains)), [len(chain) for chain in structure.chains])
        return paint_chains(chain, [chain.id for chain in structure.chains], names)
    if values is None:
        b = np.concatenate([chain.b_factors for chain in structure.chains])
        return paint_confidence(b, names) if by == BY_PLDDT else paint_numbers(b, names, "B-factor (Å²)")
    return paint_numbers(values, names, by)


def residue_names(structure: Coordinates) -> list[str]:
    """Chain, letter and the file's own number of every residue."""
    return [
        f"{chain.id} {letter}{number}"
        for chain in structure.chains
        for letter, number in zip(chain.sequence, chain.numbers, strict=True)
    ]


def chain_table(structure: Coordinates, found: Sequence[Match | None]) -> Columns:
    """The chains, and how much of each is the chosen protein."""
    return {
        "chain": [chain.id for chain in structure.chains],
        "residues": [len(chain) for chain in structure.chains],
        "paired": [0 if one is None else one.n_paired for one in found],
        "identity": [None if one is None else round(one.identity, 3) for one in found],
        # Last, where a narrow table is cut.
        "from": [chain.numbers[0] for chain in structure.chains],
        "to": [chain.numbers[-1] for chain in structure.chains],
    }


def residue_table(
    structure: Coordinates,
    found: Sequence[Match | None],
    record: ProteinRecord,
    values: FloatArray,
    name: str,
) -> Columns:
    """Every residue of the structure: its place in the file and in the protein, and its number."""
    index = np.concatenate(
        [
            np.full(len(chain), -1) if one is None else one.index
            for chain, one in zip(structure.chains, found, strict=True)
        ]
    )
    return {
        "in the file": residue_names(structure),
        "in the protein": [residue_label(i, record.sequence[i]) if i >= 0 else "" for i in index.tolist()],
        name: [float(f"{value:.4g}") for value in values],
    }


def ranked(table: Mapping[str, Any], by: str, structure: Coordinates, *, lowest_first: bool) -> None:
    """The residues with a number, ranked, and all of them as CSV."""
    values = np.asarray(table[by], dtype=np.float32)
    order = [
        int(i)
        for i in np.argsort(values if lowest_first else -values, kind="stable")
        if np.isfinite(values[i])
    ]
    ranking(by, {name: [column[i] for i in order] for name, column in table.items()})
    st.download_button(
        "CSV",
        lambda: export.csv_bytes(table),
        export.download_name("esmviz", structure.name, by, suffix="csv"),
        "text/csv",
        key="download_csv",
        on_click="ignore",
    )


def offer_chains(structure: Coordinates, choice: Choice) -> None:
    """No chain is the chosen protein: offer to take one up into the set."""
    st.info(
        errors.plain(
            f"No chain of {structure.name} is {choice.record.id}, so there are no numbers for it. Choose another protein "
            "in the sidebar, or add a chain to your proteins."
        )
    )
    distinct = {chain.sequence: chain for chain in reversed(structure.chains)}
    with st.container(horizontal=True):
        for number, chain in enumerate(list(distinct.values())[::-1][:6]):
            label = f"Add chain {chain.id}, {len(chain)} residues"
            st.button(
                errors.plain(label),
                key=f"add_{number}",
                on_click=_add,
                args=(choice.session, structure, chain),
            )


def _add(session: Session, structure: Coordinates, chain: Chain) -> None:
    name = f"{structure.name.partition('.')[0]}_{chain.id}"
    record = ProteinRecord(name, chain.sequence, f"chain {chain.id} of {structure.name}")
    try:
        session.proteins = with_protein(session.proteins, record, limits=workbench().limits)
    except EsmvizError as error:
        st.session_state["structure_error"] = error
        return
    session.pick(protein=session.records[-1].id)
