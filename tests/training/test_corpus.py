"""Packing, families, kinship."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from training.corpus import build_pool, decode, encode, header_field, load_pools, read_fasta, save_pools
from training.kinship import kmer_codes, link_relatives, mark_kmers, share_marked
from training.prepare import draw_clusters, split_families, weigh_families


def test_packing_gives_every_protein_back(tmp_path: Path) -> None:
    records = [("a", "MKV", 1.0), ("b", "ACDEFGHIKLMNPQRSTVWY", 2.0), ("a", "WWW", 1.0)]
    save_pools(tmp_path / "corpus.npz", {"general": build_pool(records), "empty": build_pool([])})
    pools = load_pools(tmp_path / "corpus.npz")
    pool = pools["general"]
    assert [decode(pool.protein(i)) for i in range(len(pool))] == ["MKV", "WWW", "ACDEFGHIKLMNPQRSTVWY"]
    assert pool.clusters.tolist() == [0, 2, 3]
    assert pool.weights.tolist() == [1.0, 2.0]
    assert len(pools["empty"]) == 0


def test_only_the_twenty_letters_can_be_packed() -> None:
    with pytest.raises(ValueError, match="20 standard"):
        encode("MKX")


def test_tokens_are_those_of_esm2() -> None:
    assert encode("LAGVSERTIDPKQNFYMHWC").tolist() == list(range(4, 24))


def test_fields_of_a_header_may_hold_spaces() -> None:
    header = "P1 family=Protein kinases src=here"
    assert header_field(header, "family") == "Protein kinases"
    assert header_field(header, "src") == "here"
    assert header_field(header, "cluster") == ""


def test_fasta_is_read_from_gzip_too(tmp_path: Path) -> None:
    text = ">a x=1\nMK\nVL\n>b\nAA\n"
    (tmp_path / "a.fasta").write_text(text)
    (tmp_path / "a.fasta.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.fasta", "a.fasta.gz"):
        assert list(read_fasta(tmp_path / name)) == [("a x=1", "MKVL"), ("b", "AA")]


def relatives(rng: np.random.Generator, n: int, length: int = 120, changed: int = 10) -> list[str]:
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    parent = rng.choice(letters, length)
    family = []
    for _ in range(n):
        child = parent.copy()
        child[rng.choice(length, changed, replace=False)] = rng.choice(letters, changed)
        family.append("".join(child))
    return family


def test_relatives_are_linked_and_strangers_are_not() -> None:
    rng = np.random.default_rng(0)
    proteins = [encode(s) for _ in range(3) for s in relatives(rng, 4)]
    labels = link_relatives(proteins)
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_marked_words_find_relatives() -> None:
    rng = np.random.default_rng(0)
    one, other = relatives(rng, 2), relatives(rng, 1)
    table = mark_kmers([kmer_codes(encode(one[0]), 5)])
    assert share_marked(kmer_codes(encode(one[1]), 5), table) > 0.3
    assert share_marked(kmer_codes(encode(other[0]), 5), table) < 0.1
    assert share_marked(kmer_codes(encode("MK"), 5), table) == 0.0


def test_clusters_are_kept_whole_up_to_the_budget() -> None:
    records = [(f"p{i} cluster=c{i % 10}", "A" * 10) for i in range(100)]
    drawn = draw_clusters(records, 500, np.random.default_rng(0))
    clusters = {header_field(header, "cluster") for header, _ in drawn}
    assert len(clusters) == 5
    assert len(drawn) == 50
    others = draw_clusters(records, 300, np.random.default_rng(0), skip=500)
    assert len(others) == 30
    assert clusters.isdisjoint(header_field(header, "cluster") for header, _ in others)


def test_held_out_family_members_are_no_relatives_of_those_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = [relatives(rng, 5) for _ in range(10)]
    sequences = [s for group in groups for s in group]
    path = tmp_path / "families.fasta"
    path.write_text("".join(f">p{i} family=Some family\n{s}\n" for i, s in enumerate(sequences)))
    kept, held_out = split_families(path, {sequences[0]}, 0.2, rng)
    out = {s for _, s in held_out}
    inside = {s for cluster in kept["Some family"] for _, s in cluster}
    assert len(out) == 10
    assert sequences[0] not in inside | out
    assert all(out.isdisjoint(group) or inside.isdisjoint(group) for group in groups)


def test_families_weigh_a_power_of_their_size() -> None:
    families = {"large": [[("h", "MKV")] * 100], "small": [[("h", "MKV")] * 2, [("h", "AAA")] * 2]}
    for power, large, small in ((0.5, 10.0, 2.0), (1.0, 100.0, 4.0)):
        pool = build_pool(weigh_families(families, power))
        assert pool.weights[0] == pytest.approx(large)
        assert pool.weights[1:].sum() == pytest.approx(small)
