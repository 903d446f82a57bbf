"""FASTA in: what is cleaned, what is noted, what is rejected and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esmviz.errors import EsmvizError, InvalidSequenceError, UploadTooLargeError
from esmviz.sequences import Limits, RecordReport, SequenceSet, example, read_fasta, with_protein
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ProteinRecord

LIMITS = Limits(file_bytes=2 * 2**20, records=1000, residues=100_000, length=40_000)
EXAMPLE_PATH = Path(__file__).parents[1] / "esmviz" / "assets" / "example" / "example.fasta"
DNA = "ACGTTGCAAC" * 3


def read(source: bytes | str, **changes: object) -> SequenceSet:
    return read_fasta(source, **{"limits": LIMITS, **changes})


def only_report(source: bytes | str, **changes: object) -> RecordReport:
    (report,) = read(source, **changes).reports
    return report


def test_clean_record_is_accepted_without_notes() -> None:
    sequences = read(">a first protein\nMKV\nLAA\n>b\nMKW\n")
    assert [(r.id, r.sequence, r.description) for r in sequences.records] == [
        ("a", "MKVLAA", "first protein"),
        ("b", "MKW", ""),
    ]
    assert sequences.reports == (
        RecordReport(1, 1, "a", 6, "accepted"),
        RecordReport(2, 4, "b", 3, "accepted"),
    )


@pytest.mark.parametrize(
    ("body", "sequence", "word"),
    [
        ("mkv", "MKV", "lower case"),
        ("MkV", "MKV", "lower case"),
        ("M K\tV", "MKV", "white space"),
        ("MK \nV", "MKV", "white space"),
        ("  MKV", "MKV", "white space"),
        ("MK\u00a0V", "MKV", "white space"),
        ("MKV*", "MKV", "trailing `*`"),
        ("MKV\n*\n", "MKV", "trailing `*`"),
        ("M--K.V", "MKV", "gaps removed (3)"),
        ("MK\n; a comment with spaces\nV", "MKV", "comment"),
    ],
)
def test_mended_record_says_how(body: str, sequence: str, word: str) -> None:
    sequences = read(f">a\n{body}\n")
    assert sequences.records[0].sequence == sequence
    assert sequences.reports[0].status == "mended"
    (note,) = sequences.reports[0].notes
    assert word in note


def test_all_mendings_of_one_record_are_noted() -> None:
    report = only_report(">a\nmk-v w*--\n")
    assert report.n_residues == 4
    assert len(report.notes) == 4


def test_ambiguous_letters_stay() -> None:
    sequences = read(">a\nMBZXUO\n")
    assert sequences.records[0].sequence == "MBZXUO"
    assert sequences.reports[0].status == "accepted"


@pytest.mark.parametrize(
    ("text", "number", "letter", "position", "line"),
    [
        (">a\nMKV\n>sp|P69905\nMKV\n\nMKVL1K\n", 2, "1", 5, 6),
        (">a\nMJV\n", 1, "J", 2, 2),
        (">a\nmjv\n", 1, "j", 2, 2),
        (">a\nMK*V\n", 1, "*", 3, 2),
        (">a\nMKV*\nMK\n", 1, "*", 4, 2),
        (">a\n  M?V\n", 1, "?", 4, 2),
        (">a\n;1 ? comment\nMK\nV_A\n", 1, "_", 2, 4),
        ("\n\n>a\r\nMKV\r\nM2\r\n", 1, "2", 2, 5),
        ("MKV\nMK7\n", 1, "7", 3, 2),
        (">a\nMKß\n", 1, "ß", 3, 2),
        (">a\nMKſ\n", 1, "ſ", 3, 2),
        (">a\nＭKV\n", 1, "Ｍ", 1, 2),
        (">a\nM\u200bKV\n", 1, "U+200B", 2, 2),
        (">a\nMK\x07\n", 1, "U+0007", 3, 2),
    ],
)
def test_foreign_letter_rejects_and_is_found(
    text: str, number: int, letter: str, position: int, line: int
) -> None:
    sequences = read(text)
    report = sequences.reports[number - 1]
    assert report.status == "rejected"
    assert report.notes[0].startswith(
        f"Record {number} ({report.id}) has `{letter}` at position {position} of line {line}."
    )
    assert len(sequences.records) == len(sequences.reports) - 1


def test_good_records_go_on_and_ids_and_order_stay() -> None:
    sequences = read(">a\nMK1\n>b\nMKV\n>c\n\n>d\nMKW\n")
    assert [record.id for record in sequences.records] == ["b", "d"]
    assert [report.status for report in sequences.reports] == ["rejected", "accepted", "rejected", "accepted"]
    assert [report.id for report in sequences.rejected] == ["a", "c"]


@pytest.mark.parametrize("body", ["", "\n\n", "---\n", "*\n", " \n"])
def test_empty_record_is_rejected(body: str) -> None:
    report = only_report(f">a\n{body}")
    assert report.status == "rejected"
    assert report.notes[0] == "Record 1 (a) has no residues."


@pytest.mark.parametrize(
    ("sequence", "is_nucleotide"),
    [
        (DNA, True),
        (DNA.replace("T", "U").lower(), True),
        (DNA[:29], False),  # too short to tell
        ("N" * 20 + "ACGTACGTAC", True),
        ("AG" * 40, False),  # two bases only: silk
        ("GAN" * 20, False),  # N is asparagine as well, and no base
        (DNA * 6 + "W" * 9, True),  # 180 of 189: 95.2 %
        (DNA * 6 + "W" * 10, False),  # 94.7 %
        ("T" * 20 + "U" * 20 + "A" * 20, False),  # T and U are one base
    ],
)
def test_nucleotides_are_rejected_unless_asked_for(sequence: str, is_nucleotide: bool) -> None:
    report = only_report(f">a\n{sequence}\n")
    assert (report.status == "rejected") == is_nucleotide
    if is_nucleotide:
        assert "DNA or RNA" in report.notes[0]
        assert "Treat as protein" in report.notes[0]
    taken = read(f">a\n{sequence}\n", treat_as_protein=True)
    assert taken.records[0].sequence == sequence.upper()


def test_silk_of_the_example_kind_is_a_protein() -> None:
    assert only_report(">silk\n" + "GAGAGS" * 20).status == "accepted"


def test_ids_become_unique_and_never_take_a_name_that_is_there() -> None:
    sequences = read(">a\nMK\n>a\nMKV\n>a~2\nMKW\n>a\nMKL\n>a~2\nMKF\n")
    assert [record.id for record in sequences.records] == ["a", "a~3", "a~2", "a~4", "a~2~2"]
    assert [record.id for record in sequences.records] == [report.id for report in sequences.reports]
    assert [report.status for report in sequences.reports] == [
        "accepted",
        "mended",
        "accepted",
        "mended",
        "mended",
    ]
    assert sequences.reports[1].notes == ("id a comes twice, renamed a~3",)


def test_two_equal_ids_give_the_second_one_a_number() -> None:
    assert [record.id for record in read(">a x\nMK\n>a y\nMKV\n").records] == ["a", "a~2"]


def test_rejected_record_does_not_take_the_id_of_a_good_one() -> None:
    sequences = read(">a\nM1\n>a\nMKV\n")
    assert [record.id for record in sequences.records] == ["a"]
    assert [report.id for report in sequences.reports] == ["a", "a"]


def test_empty_ids_get_a_name() -> None:
    sequences = read(">\nMK\n>protein-1\nMKV\n> \nMKW\n>  c\nMKL\n")
    assert [record.id for record in sequences.records] == ["protein-1~2", "protein-1", "protein-3", "c"]
    assert sequences.reports[2].notes == ("no id, named protein-3",)
    assert sequences.reports[3].status == "accepted"


def test_labels_come_out_of_headers() -> None:
    header = (
        "sp|P69905|HBA_HUMAN Hemoglobin subunit alpha OS=Homo sapiens OX=9606 GN=HBA1 family=Globins, alpha"
    )
    (record,) = read(f">{header}\nMKV\n").records
    assert record.id == "sp|P69905|HBA_HUMAN"
    assert record.description == "Hemoglobin subunit alpha"
    assert record.labels == {"OS": "Homo sapiens", "OX": "9606", "GN": "HBA1", "family": "Globins, alpha"}


@pytest.mark.parametrize(
    ("header", "description", "labels"),
    [
        ("a family=Cold shock proteins", "", {"family": "Cold shock proteins"}),
        ("a GN= PE=1", "", {"PE": "1"}),
        ("a k=1 k=2", "", {"k": "1; 2"}),
        ("a at pH = 7", "at pH = 7", {}),
        ("a see http://x.org/?q=1", "see http://x.org/?q=1", {}),
        ("k=1", "", {}),
        ("a\ttab separated", "tab separated", {}),
        ("a <b>bold</b> ![x](http://evil)", "<b>bold</b> ![x](http://evil)", {}),
    ],
)
def test_header_is_plain_text(header: str, description: str, labels: dict[str, str]) -> None:
    (record,) = read(f">{header}\nMKV\n").records
    assert record.id == header.split()[0]
    assert (record.description, record.labels) == (description, labels)


def test_control_and_direction_characters_leave_the_header_with_a_note() -> None:
    sequences = read(">a\u202eb\u2066 one\x01two\x1b[31m k=v\u200f\nMKV\n")
    (record,) = sequences.records
    assert (record.id, record.description, record.labels) == ("ab", "one two [31m", {"k": "v"})
    assert sequences.reports[0].status == "mended"
    assert "control or direction characters" in sequences.reports[0].notes[0]


def test_endless_headers_are_cut_and_say_so() -> None:
    sequences = read(f">{'a' * 1000} {'b' * 10_000}\nMK\n>{'a' * 1000}\nMKV\n")
    first, second = sequences.records
    assert len(first.id) == 200
    assert len(first.description) == 4000
    assert second.id == first.id + "~2"
    assert [note.split()[0] for note in sequences.reports[0].notes] == ["id", "header"]


@pytest.mark.parametrize("text", ["MKVL", "MK\nVL\n", "\n\nMK\r\nVL", "MK\n\nVL", "mk vl"])
def test_bare_sequence_is_one_record(text: str) -> None:
    (record,) = read(text).records
    assert (record.id, record.sequence) == ("pasted", "MKVL")
    assert "read as one sequence" in read(text).reports[0].notes[0]


@pytest.mark.parametrize(
    ("name", "record_id"), [("my protein.fasta.gz", "my_protein"), ("v1.2.txt", "v1.2"), (".fa", "pasted")]
)
def test_bare_sequence_takes_the_name_of_its_file(name: str, record_id: str) -> None:
    assert read("MKVL", name=name).records[0].id == record_id


def test_text_before_the_first_header_is_noted() -> None:
    sequences = read("Some words\n;comment\nMKV\n>a\nMKW\n>b\nM1\n")
    assert [record.id for record in sequences.records] == ["a"]
    assert sequences.reports[0].status == "mended"
    assert "(2 lines)" in sequences.reports[0].notes[0]
    assert sequences.reports[1].notes == (
        "Record 2 (b) has `1` at position 2 of line 7. Amino-acid letters only.",
    )


@pytest.mark.parametrize("text", ["", b"", "\n \n", "; only\n ;comments\n", "\ufeff", b"\xef\xbb\xbf"])
def test_nothing_to_read_is_an_error(text: str | bytes) -> None:
    with pytest.raises(InvalidSequenceError, match="no sequence"):
        read(text)


def test_too_many_records() -> None:
    text = ">a\nMK\n" * 11
    limits = Limits(file_bytes=1000, records=10, residues=100, length=10)
    with pytest.raises(
        UploadTooLargeError, match=r"11 records; the limit is 10\. Nothing .*ESMVIZ_MAX_RECORDS"
    ):
        read(text, limits=limits)
    assert len(read(">a\nMK\n" * 10, limits=limits).records) == 10


def test_too_many_residues_in_all() -> None:
    limits = Limits(file_bytes=1000, records=10, residues=5, length=10)
    with pytest.raises(UploadTooLargeError, match=r"5 residues in all.*ESMVIZ_MAX_RESIDUES"):
        read(">a\nMKV\n>b\nMKV\n", limits=limits)
    assert len(read(">a\nMKV\n>b\nMK-\n>c\n1MKVL\n", limits=limits).records) == 2


def test_too_long_a_record_is_rejected_alone() -> None:
    limits = Limits(file_bytes=1000, records=10, residues=20, length=4)
    sequences = read(">a\nMKVLA\n>b\nMKV-L*\n", limits=limits)
    assert [record.id for record in sequences.records] == ["b"]
    assert sequences.reports[0].notes == ("Record 1 (a) has 5 residues; the limit is 4 (ESMVIZ_MAX_LENGTH).",)
    assert sequences.reports[0].n_residues == 5


def test_a_million_headers_stop_before_any_is_read() -> None:
    limits = Limits(file_bytes=10**8, records=10_000, residues=5_000_000, length=40_000)
    with pytest.raises(UploadTooLargeError, match="1,000,000 records"):
        read(b">a\nMKVL\n" * 1_000_000, limits=limits)


def test_example_has_58_labelled_proteins_of_seven_families() -> None:
    sequences = example()
    assert len(sequences.records) == len(sequences.reports) == 58
    assert {report.status for report in sequences.reports} == {"accepted"}
    families = Counter(record.labels["family"] for record in sequences.records)
    assert len(families) == 7
    hemoglobin = next(record for record in sequences.records if record.id == "HBA_HUMAN")
    assert hemoglobin.labels["organism"].startswith("Homo sapiens")
    assert hemoglobin.labels["length"] == str(len(hemoglobin))


def test_every_header_of_the_example_is_a_record() -> None:
    text = EXAMPLE_PATH.read_text()
    bodies = ["".join(part.split("\n")[1:]) for part in text.split(">")[1:]]
    assert [record.sequence for record in example().records] == bodies


# A text like FASTA is more telling than any text.
fasta_like = st.lists(
    st.one_of(
        st.sampled_from(
            [">", ">a", ">a~2", "> b c=d", "  >x", ";z", "*", "-", ".", "\r\n", "\n", "\r", "\ufeff", "\x85"]
        ),
        st.text(alphabet="MKVLACGTUN mkv*-.1J\t", max_size=12),
        st.text(max_size=6),
    ),
    max_size=30,
).map(lambda parts: "\n".join(parts))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), fasta_like))
def test_any_text_gives_a_set_or_an_error_of_ours(text: str) -> None:
    try:
        sequences = read(text)
    except EsmvizError:
        return
    assert_sound(sequences)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert len(sequences.reports) == (sum(line.strip().startswith(">") for line in lines) or 1)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(), fasta_like.map(lambda text: text.encode()), st.binary().map(b">a\n".__add__)))
def test_any_bytes_give_a_set_or_an_error_of_ours(content: bytes) -> None:
    try:
        sequences = read(content)
    except EsmvizError:
        return
    assert_sound(sequences)


def assert_sound(sequences: SequenceSet) -> None:
    ids = [record.id for record in sequences.records]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    for record in sequences.records:
        assert record.sequence
        assert set(record.sequence) <= set(AMINO_ACIDS + AMBIGUOUS)
    kept = [report for report in sequences.reports if report.status != "rejected"]
    assert [(report.id, report.n_residues) for report in kept] == [(r.id, len(r)) for r in sequences.records]
    assert all(report.notes for report in sequences.reports if report.status != "accepted")


@settings(deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_|.]{1,20}", fullmatch=True),
        st.text(alphabet=AMINO_ACIDS + AMBIGUOUS, min_size=1, max_size=200),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 80),
)
def test_clean_fasta_comes_back_as_it_was(proteins: dict[str, str], width: int) -> None:
    lines = []
    for record_id, sequence in proteins.items():
        lines += [f">{record_id}", *(sequence[at : at + width] for at in range(0, len(sequence), width))]
    sequences = read("\n".join(lines) + "\n", treat_as_protein=True)
    assert {record.id: record.sequence for record in sequences.records} == proteins
    assert {report.status for report in sequences.reports} == {"accepted"}
    assert [lines[report.line - 1] for report in sequences.reports] == [f">{key}" for key in proteins]


def test_labels_of_a_header_are_bounded_and_said() -> None:
    header = "a " + " ".join(f"k{n}=v" for n in range(150))
    sequences = read_fasta(f">{header}\nMKV\n", limits=LIMITS)
    assert len(sequences.records[0].labels) == 100
    assert "labels after the first 100 left out (50)" in sequences.reports[0].notes


def test_a_header_is_read_up_to_a_length_and_it_is_said() -> None:
    (report,) = read_fasta(">a " + "\u202e" * 30_000 + "\nMKV\n", limits=LIMITS).reports
    assert "header read up to its first 20,000 characters" in report.notes


def test_a_protein_joins_a_set_within_the_limits_of_an_upload() -> None:
    limits = Limits(file_bytes=1000, records=3, residues=12, length=6)
    proteins = read_fasta(">a\nMKV\n>b\nMKV\n", limits=limits)
    joined = with_protein(proteins, ProteinRecord("a", "MKVL", "chain A of 1UBQ"), limits=limits)
    assert [record.id for record in joined.records] == ["a", "b", "a~2"]
    assert joined.reports[-1] == RecordReport(3, 0, "a~2", 4, "accepted", ("chain A of 1UBQ",))
    for sequence, words in (("M" * 7, "7 residues in c"), ("MKV", "4 proteins")):
        with pytest.raises(UploadTooLargeError, match=words):
            with_protein(joined, ProteinRecord("c", sequence), limits=limits)
    with pytest.raises(UploadTooLargeError, match="13 residues in all"):
        with_protein(joined, ProteinRecord("c", "MKV"), limits=replace(limits, records=9))


@pytest.mark.parametrize(
    "text", ["MetSerIleGlnHisPheArg", ">p\nMET SER ILE\nGLN HIS\n", ">p\nmet-ser-ile-gln\n"]
)
def test_three_letter_code_is_no_protein_three_times_as_long(text) -> None:
    (report,) = read_fasta(text, limits=LIMITS).rejected
    assert "three-letter code" in report.notes[0]
    assert len(read_fasta(text, limits=LIMITS, treat_as_protein=True).records) == 1


def test_a_peptide_of_one_repeated_word_is_read() -> None:
    assert len(read_fasta("ALAALAALAALAALA", limits=LIMITS).records) == 1
