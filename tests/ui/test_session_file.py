"""A session as a file: there and back, and no way in for anything else."""

import gzip
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from esmviz import sequences
from esmviz.errors import EsmvizError, InvalidSessionError, UploadTooLargeError
from esmviz.sequences import Limits, read_fasta, read_labels, with_labels, with_protein
from esmviz.types import ProteinRecord
from esmviz.ui.session_file import SavedSession, read_session, session_bytes

LIMITS = Limits(file_bytes=1 << 20, records=100, residues=10_000, length=5000)
FASTA = ">one family=left some [words] {in} brackets\nMKVLaw*\n>bad\nMK1\n>one\nMSTXKLV\n"


def saved():
    proteins = read_fasta(FASTA, limits=LIMITS, name="mine.fasta")
    table = read_labels("id,colour\none,röd\nnobody,blue\n", [r.id for r in proteins.records], limits=LIMITS)
    return SavedSession(
        proteins=replace(proteins, records=with_labels(proteins.records, table)),
        source="mine.fasta",
        model="mini",
        protein="one~2",
        layer=3,
        head=2,
        precision="bfloat16",
        labels=table,
        structure=("1abc.pdb", "ATOM ...\n"),
        settings={
            "scheme": "masked marginals",
            "layers_mini": (1, 2),
            "min_dist": 0.5,
            "centre": False,
            "k_7": 3,
        },
    )


def changed(**parts):
    return json.dumps({**json.loads(session_bytes(saved())), **parts}).encode()


def read(source, limits=LIMITS):
    return read_session(source, limits=limits, name="s.json")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_there_and_back(pack):
    assert read(pack(session_bytes(saved()))) == saved()


def test_a_protein_that_joined_the_set_comes_back_too():
    proteins = with_protein(
        saved().proteins, ProteinRecord("1ABC_A", "MKVLA", "chain A of 1abc"), limits=LIMITS
    )
    assert read(session_bytes(replace(saved(), proteins=proteins))).proteins == proteins


def test_the_example_and_every_hostile_header_come_back():
    for proteins in (
        sequences.example(),
        read_fasta(
            ">a\u202eb\x07 <img src=x> k=v\x07\nMKV\nMK\n>\nMK\n>=\nMKV\n>\ud7ff a=\u2066b\nMK\n",
            limits=LIMITS,
        ),
    ):
        one = SavedSession(proteins, "s\u202e", "mini", proteins.records[0].id if proteins.records else "x")
        if proteins.records:
            assert (
                read(session_bytes(one), replace(LIMITS, residues=100_000)).proteins.records
                == proteins.records
            )


def proteins(**parts):
    return [{"id": "a", "sequence": "MKV", "description": "", "labels": {}, **parts}]


REPORT = [[1, 1, "a", 3, "accepted", []]]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"esmviz session"',
        b"MKVLAW",
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",  # a pickle
        b"PK\x03\x04rest of a zip",
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"format": "esmviz session", "format": "esmviz session", "version": 1}',
        b"1" * 5000,
        changed(version=2),
        changed(version=True),
        changed(format="esmviz exhibit"),
        changed(proteins=None),
        changed(proteins=[]),
        changed(proteins=[1]),
        changed(proteins=proteins(), reports=[]),
        changed(proteins=proteins(sequence="MK1"), reports=REPORT),
        changed(proteins=proteins(sequence=""), reports=REPORT),
        changed(proteins=proteins(id="a\u202e"), reports=REPORT),
        changed(proteins=proteins(id=" "), reports=REPORT),
        changed(proteins=proteins(labels={"k": 1}), reports=REPORT),
        changed(proteins=proteins(labels={"k": "\x00"}), reports=REPORT),
        changed(proteins=proteins() * 2, reports=REPORT * 2),
        changed(proteins=proteins(), reports=[[1, 1, "b", 3, "accepted", []]]),
        changed(proteins=proteins(), reports=[[1, 1, "a", 3, "perfect", []]]),
        changed(proteins=proteins(), reports=[[1, -1, "a", 3, "accepted", []]]),
        changed(proteins=proteins(), reports=[[1, 1, "a", 3, "accepted", [3]]]),
        changed(proteins=proteins(), reports=[[1, 1, "a", 3, [], []]]),
        changed(source=3),
        changed(choices={}),
        changed(choices={"model": "m", "protein": "p", "layer": -1, "head": 0, "precision": "float32"}),
        changed(choices={"model": "m", "protein": "p", "layer": 1.5, "head": 0, "precision": "float32"}),
        changed(choices={"model": "m", "protein": "p", "layer": 1, "head": True, "precision": "float32"}),
        changed(choices={"model": "m", "protein": "p", "layer": 1, "head": 1, "precision": "auto"}),
        changed(settings=[]),
        changed(settings={"seed": "3"}),
        changed(settings={"seed": 10**12}),
        changed(settings={"layers_mini": [1, 2, 3]}),
        changed(label_table=[[], []]),
        changed(label_table=[["a"], [3], []]),
        changed(structure=["name"]),
        changed(structure=["name", 3]),
        session_bytes(saved()).replace(b"0.5", b"NaN"),
        session_bytes(saved()).replace(b"0.5", b"1e999"),
        session_bytes(saved())[:-20],
        gzip.compress(session_bytes(saved()), mtime=0)[:-20],
    ],
    ids=lambda source: repr(source[:30]),
)
def test_anything_else_is_a_named_error(source):
    with pytest.raises(EsmvizError) as refused:
        read(source)
    assert "s.json" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("limits", [{"records": 1}, {"residues": 5}, {"length": 6}, {"file_bytes": 100}])
def test_limits_hold_as_for_an_upload(limits):
    with pytest.raises(UploadTooLargeError):
        read(session_bytes(saved()), replace(LIMITS, **limits))


def test_a_bomb_of_lists_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    for unit in (b"[],", b"0,", b'"ab",', b'{"a":'):
        with pytest.raises(InvalidSessionError, match="more lists and values than any session"):
            read(b'{"format": [' + unit * 50_000)
    with pytest.raises(UploadTooLargeError):
        read(gzip.compress(b" " * (2 << 20)))


def test_a_control_of_another_version_is_left_out_and_told():
    found = read(changed(settings={"seed": 3, "of_old": "x", "run": True, "trust": True}))
    assert found.settings == {"seed": 3}
    assert found.left_out == ("of_old", "run", "trust")


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(part=some.sampled_from(sorted(json.loads(session_bytes(saved())))), value=anything)
def test_whatever_stands_in_a_part_is_read_or_refused(part, value):
    try:
        found = read(changed(**{part: value}))
    except EsmvizError:
        return
    assert read(session_bytes(found)).proteins == found.proteins
