"""What evaluate.py measures, on cases whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from training import blosum, contacts, mutations, neighbours, perplexity
from training.chains import Chain, read_chains
from training.corpus import LETTERS

FLAT = np.full(20, 0.05)
STRUCTURES = Path(__file__).parents[3] / "shared" / "data" / "structures"


def test_guessing_gives_twenty() -> None:
    assert perplexity.perplexity(["MKVLAG" * 10], perplexity.by_frequencies(FLAT)) == pytest.approx(20)


def test_fifteen_percent_are_hidden_and_the_same_for_every_predictor() -> None:
    seen: list[list[int]] = [[], []]
    for trace in seen:

        def predict(sequence: str, hidden: np.ndarray, trace: list[int] = trace) -> np.ndarray:
            trace.extend(hidden.tolist())
            return np.log(np.tile(FLAT, (len(hidden), 1)))

        perplexity.perplexity(["A" * 100, "C" * 40], predict)
    assert len(seen[0]) == 15 + 6
    assert seen[0] == seen[1]


def test_own_composition_sees_only_what_is_visible() -> None:
    value = perplexity.perplexity(["A" * 200], perplexity.by_composition(FLAT))
    assert value == pytest.approx((170 + 50) / (170 + 50 * 0.05))


def test_blosum_expects_conservative_substitutes() -> None:
    conditional = blosum.conditional(FLAT)
    assert conditional.sum(axis=1) == pytest.approx(1)
    isoleucine = conditional[LETTERS.index("I")]
    assert isoleucine[LETTERS.index("V")] > isoleucine[LETTERS.index("D")]
    assert perplexity.perplexity(["WWWWWWWWWW"], perplexity.by_blosum(FLAT)) < 5


def test_mutations_are_undone_and_summed(tmp_path: Path) -> None:
    assert mutations.parse_mutant("A1P:D2N") == ((0, "A", "P"), (1, "D", "N"))
    rows = ["mutant,mutated_sequence,DMS_score", "A1P:D2N,PNK,0.1", "A1G,GDK,0.9", "K3R,ADR,2.0"]
    path = tmp_path / "assay.csv"
    path.write_text("\n".join(rows) + "\n")
    assay = mutations.read_assay(path)
    assert assay.wild_type == "ADK"
    table = np.zeros((3, 20))
    table[0, LETTERS.index("P")] = -5.0
    table[1, LETTERS.index("N")] = -1.0
    table[2, LETTERS.index("R")] = 3.0
    assert mutations.score(assay, table) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="residue 1 is C"):
        mutations.undo("CDK", ((0, "A", "P"),))


def test_neighbours_leave_the_protein_itself_out() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.05]], dtype=np.float32)
    assert neighbours.accuracy(vectors, ["a", "a", "b", "b", "b"], block=2) == pytest.approx(0.4)
    assert neighbours.composition(["AAAA", "LLAA"], 1)[1].max() == pytest.approx(0.5)


def ladder(n: int = 60) -> Chain:
    """A hairpin: residue i touches residue n - 1 - i."""
    i = np.arange(n)
    distances = np.where(i[:, None] + i[None] == n - 1, 5.0, 20.0).astype(np.float32)
    return Chain("hairpin", "A" * n, distances)


def test_precision_counts_long_range_contacts_only() -> None:
    chain = ladder()
    truth = (chain.distances < 8).astype(float)
    n_long = int(np.triu(truth, k=24).sum())
    assert contacts.precision(truth, chain) == pytest.approx(n_long / 60)
    assert contacts.precision(-truth, chain) == 0.0


def test_the_regression_finds_the_head_that_knows() -> None:
    chain = ladder()
    rng = np.random.default_rng(0)
    truth = (chain.distances < 8).astype(float)
    maps = np.stack([rng.random((60, 60)) * 0.1, truth + rng.random((60, 60)) * 0.1])
    regression = contacts.fit([chain], [maps])
    assert abs(regression.coef_[0, 1]) > 10 * abs(regression.coef_[0, 0])
    assert contacts.precision(contacts.predict(regression, maps), chain) == pytest.approx(18 / 60)


def test_contacts_are_offered_only_if_every_family_is_better_than_both_priors() -> None:
    good = {"regression": 0.3, "nearest_first": 0.2, "learnt_prior": 0.1}
    bad = {"regression": 0.15, "nearest_first": 0.1, "learnt_prior": 0.2}
    assert contacts.beats_prior({"one": good})
    assert not contacts.beats_prior({"one": good, "two": bad})


@pytest.mark.skipif(not STRUCTURES.exists(), reason="needs ../shared/data/structures")
def test_chains_are_read_with_their_modified_residues() -> None:
    chains = {(c.family, len(c.sequence)): c for c in read_chains(STRUCTURES)}
    assert set(chains) == {
        ("ubiquitin", 76), ("GFP", 228), ("crambin", 46), ("globin", 141), ("globin", 146), ("TEM-1", 263)
    }  # fmt: skip
    gfp = chains["GFP", 228]
    middle = gfp.sequence.index("TYGVQ")
    assert np.isnan(gfp.distances[middle]).all()
    assert not np.isnan(gfp.distances[middle + 1, middle + 5])
