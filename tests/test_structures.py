"""Structures in: chains, letters, numbers, coordinates, and what is refused with its line or chain."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from esmviz.errors import InvalidStructureError, UploadTooLargeError
from esmviz.structures import MOST_RESIDUES, mmcif_text, read_structure
from tests.hostile import corpus

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
PEPTIDE = "MKVLAWGHMKVL"


def read(text):
    return read_structure(text, name="mine.pdb")


def drawn(text):
    """Chain, number and index of every atom line of a drawing."""
    rows = [line.split() for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]
    return [(row[0], row[3].strip('"'), row[5], int(row[6]), int(row[10])) for row in rows]


def test_a_chain_has_its_letters_numbers_coordinates_and_b_factors(helix):
    structure = read(helix(PEPTIDE, first=27))
    [chain] = structure.chains
    assert (chain.id, chain.sequence) == ("A", PEPTIDE)
    assert chain.numbers == tuple(map(str, range(27, 39)))
    np.testing.assert_allclose(chain.ca[0], [2.3, 0, 0], atol=1e-3)
    np.testing.assert_allclose(chain.ca[:, 2], 1.5 * np.arange(12), atol=1e-3)
    np.testing.assert_allclose(chain.b_factors, 50 + np.arange(12), atol=1e-3)
    assert structure.notes == ()


@pytest.mark.parametrize(
    ("change", "is_confidence"),
    [
        (lambda atoms, b: b, True),
        (lambda atoms, b: b + 60, False),  # 110 and more
        (lambda atoms, b: b + (atoms.atom_name == "O"), False),  # as a refined structure has them
    ],
)
def test_b_factors_can_be_confidence_where_all_atoms_of_a_residue_agree(helix, change, is_confidence):
    from biotite.structure.io import pdb

    file = pdb.PDBFile.read(io.StringIO(helix(PEPTIDE)))
    atoms = file.get_structure(model=1, extra_fields=["b_factor"])
    atoms.b_factor = change(atoms, atoms.b_factor)
    written, text = pdb.PDBFile(), io.StringIO()
    written.set_structure(atoms)
    written.write(text)
    assert read(text.getvalue()).chains[0].is_confidence is is_confidence


def test_pdb_and_mmcif_of_the_same_structure_agree(helix):
    pdb = helix(PEPTIDE) + helix("ACDEF", chain="B", shift=20) + "END\n"
    text = mmcif_text(pdb)
    assert text.startswith("data_structure")
    for one, other in zip(read(pdb).chains, read(text).chains, strict=True):
        assert (one.id, one.sequence, one.numbers) == (other.id, other.sequence, other.numbers)
        np.testing.assert_allclose(one.ca, other.ca, atol=1e-3)
        np.testing.assert_allclose(one.b_factors, other.b_factors, atol=1e-3)


def test_biotite_reads_the_mmcif_back(helix):
    from biotite.structure.io import pdbx

    atoms = pdbx.get_structure(
        pdbx.CIFFile.read(io.StringIO(mmcif_text(helix(PEPTIDE)))), model=1, extra_fields=["b_factor"]
    )
    assert len(atoms) == 48
    assert atoms.b_factor[4] == pytest.approx(51)


def test_modified_residues_have_the_letter_of_their_parent_and_unknown_ones_x(helix):
    residue = [
        line
        for line in helix("AAAX", kind="HETATM", names=["ALA"] * 3 + ["MSE"]).splitlines()
        if "MSE" in line
    ]
    text = helix("AAA") + "\n".join(residue) + "\n"
    assert read(text).chains[0].sequence == "AAAM"
    named = helix("AAA", names=["ALA", "ZZ9", "ALA"])
    assert read(named).chains[0].sequence == "AXA"


def test_ligands_waters_and_free_amino_acids_are_no_residues(helix):
    free = helix("G", first=90, kind="HETATM", shift=40)
    heme = helix("X", first=91, kind="HETATM", names=["HEM"], shift=30)
    water = helix("X", first=92, kind="HETATM", names=["HOH"], shift=30)
    structure = read(helix(PEPTIDE) + free + heme + water)
    assert structure.chains[0].sequence == PEPTIDE
    kinds = {(kind, index) for kind, _, _, _, index in drawn(structure.text)}
    assert ("HETATM", -1) in kinds
    assert sum(row[0] == "HETATM" for row in drawn(structure.text)) == 8  # glycine and heme, no water


def test_the_drawing_points_to_each_residue_and_breaks_where_the_chain_does(helix):
    text = helix("MKV") + helix("LAW", first=4, shift=30) + helix("GH", chain="B", shift=60)
    rows = drawn(read(text).text)
    assert [row[4] for row in rows] == [index for index in range(8) for _ in range(4)]
    numbers = [row[3] for row in rows if row[1] == "CA"]
    assert numbers == [1, 2, 3, 5, 6, 7, 1, 2]
    assert {row[2] for row in rows} == {"c0", "c1"}


def test_insertion_codes_keep_residues_apart(helix):
    lines = helix("MKV").splitlines()
    lines = [line[:22] + f"{27:>4}" + " AB"[i // 4] + line[27:] for i, line in enumerate(lines)]
    assert read("\n".join(lines)).chains[0].numbers == ("27", "27A", "27B")


def test_of_several_models_the_first_is_taken_and_it_is_said(helix):
    text = f"MODEL        1\n{helix('MKV')}ENDMDL\nMODEL        2\n{helix('MKV', shift=9)}ENDMDL\n"
    structure = read(text)
    assert structure.notes == ("2 models; the first is shown",)
    assert structure.chains[0].ca[0][0] == pytest.approx(2.3)


def test_a_residue_without_its_ca_atom_is_named(helix):
    lines = [line for line in helix("MKV").splitlines() if not ("CA" in line and "LYS" in line)]
    structure = read("\n".join(lines))
    assert structure.chains[0].sequence == "MV"
    assert structure.notes == ("without a CA atom and left out: LYS A2",)


@pytest.mark.parametrize("name", ["a#b", "'\"x", "<b>"])
def test_odd_names_do_not_reach_the_drawing(helix, name):
    lines = [line[:17] + f"{name:>3}"[:3] + line[20:] for line in helix("MKV").splitlines()]
    text = read("\n".join(lines)).text
    assert not set('#<>"') & set(text.split("B_iso_or_equiv")[1])
    assert len(drawn(text)) == 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        (">mine\nMKV\n", "neither PDB nor mmCIF: it begins with '>mine'"),
        ("HEADER    NOTHING\nEND\n", "cannot be read as PDB|no atoms"),
        ("data_x\n_cell.length_a 1\n", "atom_site"),
        ("data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 2 3\n", "cannot be read as mmCIF"),
    ],
)
def test_what_is_no_structure_is_refused(text, words):
    with pytest.raises(InvalidStructureError, match=words):
        read(text)


def test_a_broken_line_is_named(helix):
    lines = helix(PEPTIDE).splitlines()
    lines[6] = lines[6][:30] + "    what" + lines[6][38:]
    with pytest.raises(InvalidStructureError, match=r"mine\.pdb cannot be read as PDB: line 7 "):
        read("\n".join(lines))


def test_a_structure_without_protein_names_its_chains(helix):
    text = helix("X", kind="HETATM", names=["HEM"]) + helix("X", chain="Q", kind="HETATM", names=["HEM"])
    for without in (text, text.replace(" CA ", " CX ")):
        with pytest.raises(InvalidStructureError, match=r"no protein with CA atoms\. Its chains: A, Q"):
            read(without)


def test_coordinates_that_are_no_number_are_refused(helix):
    with pytest.raises(InvalidStructureError, match="residue 2 of chain A has no coordinates"):
        read(helix("MKV").replace("  -0.399", "     nan"))
    with pytest.raises(InvalidStructureError, match="residue 2 of chain A lies more than 100,000 Å away"):
        read(helix("MKV").replace("  -0.399", " -400000"))


def test_too_many_residues_are_refused(helix, monkeypatch):
    monkeypatch.setattr("esmviz.structures.MOST_RESIDUES", 11)
    with pytest.raises(UploadTooLargeError, match="12 residues; structures are drawn up to 11"):
        read(helix(PEPTIDE))
    assert MOST_RESIDUES > 1000


@pytest.mark.parametrize("cut", range(40, 4000, 397))
def test_a_file_cut_short_is_read_or_refused(helix, cut):
    for text in (helix(PEPTIDE * 4), mmcif_text(helix(PEPTIDE * 4))):
        with contextlib.suppress(InvalidStructureError):
            assert len(read(text[:cut])) > 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data is not beside the project")
@pytest.mark.parametrize(
    ("name", "chains"),
    [
        ("1CRN.pdb", {"A": 46}),
        ("1CRN.cif", {"A": 46}),
        ("1UBQ.cif", {"A": 76}),
        ("4HHB_hemoglobin.pdb", {"A": 141, "B": 146, "C": 141, "D": 146}),
        ("1EMA_GFP.cif", {"A": 225}),
        ("1M40_TEM1_BLAT.pdb", {"A": 263}),
    ],
)
def test_real_structures(name, chains):
    structure = read_structure((SHARED / name).read_text(), name=name)
    assert {chain.id: len(chain) for chain in structure.chains} == chains
    if name.startswith("1EMA"):
        assert structure.notes == ("without a CA atom and left out: CRO A66",)
        assert structure.chains[0].sequence.count("M") == 4  # selenomethionines
    steps = [np.linalg.norm(np.diff(chain.ca, axis=0), axis=1) for chain in structure.chains]
    assert all(3.7 < np.median(step) < 3.9 for step in steps)


def test_the_drawing_lies_flat_and_is_not_mirrored(helix):
    chain = read(helix(PEPTIDE * 3)).chains[0]
    rows = [line.split() for line in read(helix(PEPTIDE * 3)).text.splitlines() if " CA " in line]
    turned = np.array([[float(value) for value in row[7:10]] for row in rows])
    spread = np.ptp(turned, axis=0)
    assert spread[0] > 40 > spread[1] >= spread[2] - 0.5
    distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (turned, chain.ca)]
    np.testing.assert_allclose(*distances, atol=0.03)

    def hand(x):
        return np.linalg.det(np.diff(x[:4], axis=0))

    assert hand(turned) == pytest.approx(hand(chain.ca), rel=0.02)


@pytest.mark.parametrize("value", ["A" * 64, "'" + "A " * 40 + "'", "\n;" + "A\n" * 3 + ";\n"])
def test_a_long_value_among_the_atoms_is_refused_before_the_reader_makes_an_array_of_it(value: str) -> None:
    rows = "ATOM 1 N ALA A 1 0 0 0\nATOM 2 CA ALA {} 1 0 0 0\n"
    columns = "group_PDB id label_atom_id label_comp_id label_asym_id label_seq_id Cartn_x Cartn_y Cartn_z"
    head = "data_x\nloop_\n" + "".join(f"_atom_site.{column}\n" for column in columns.split())
    with pytest.raises(InvalidStructureError, match="a value of 64 letters or more"):
        read_structure(head + rows.format(value), name="x.cif")
    elsewhere = f"_struct.title\n;{'long ' * 99}\n;\n"
    with pytest.raises(InvalidStructureError) as told:
        read_structure(head + rows.format("A") + elsewhere, name="x.cif")
    assert "a value of" not in str(told.value)


def test_lines_and_drawn_atoms_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = corpus.pdb(12).decode()
    monkeypatch.setattr("esmviz.drawing_text.MOST_ATOMS", 11)
    with pytest.raises(UploadTooLargeError, match="12 atoms; a browser is sent 11"):
        read_structure(text, name="x.pdb")
    monkeypatch.setattr("esmviz.structure_limits.MOST_LINES", 11)
    with pytest.raises(UploadTooLargeError, match="more than 11 lines"):
        read_structure(text, name="x.pdb")


def test_names_in_messages_are_few_short_and_plain() -> None:
    with pytest.raises(InvalidStructureError) as told:
        read_structure(corpus.pdb(200_000, name="CB").decode(), name="\u202e" + "x" * 5000)
    assert len(str(told.value)) < 400
    found = read_structure((corpus.pdb(30) + corpus.pdb(3000, name="CB")).decode(), name="x.pdb")
    assert any(note.endswith("more") for note in found.notes)
    assert all(len(note) < 400 for note in found.notes)
