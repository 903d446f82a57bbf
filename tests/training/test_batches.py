"""Rows, masks and the sampler."""

import numpy as np
import pytest

from training.batches import Sampler, mask, positions_within, token_dropout_scale
from training.corpus import Pool, build_pool
from training.network import CLS, EOS, FIRST_AMINO_ACID, MASK, PAD


@pytest.fixture
def pools() -> dict[str, Pool]:
    # one cluster of 500 near-copies (only A) beside 9 clusters of one protein (only L)
    crowd = [("crowd", "A" * 60, 1.0)] * 500
    few = [(f"c{i}", "L" * 60, 1.0) for i in range(9)]
    return {"general": build_pool(crowd + few), "families": build_pool([("f", "W" * 60, 1.0)])}


def test_clusters_are_drawn_not_proteins(pools: dict[str, Pool]) -> None:
    sampler = Sampler(pools, {"general": 1.0}, seed=0)
    rng = np.random.default_rng(0)
    from_crowd = np.mean([sampler.draw("general", rng)[0] == FIRST_AMINO_ACID + 1 for _ in range(2000)])
    assert 0.07 < from_crowd < 0.13  # 1 of 10 clusters, though 500 of 509 proteins


def test_heavier_clusters_are_drawn_more_often() -> None:
    pool = build_pool([("light", "A" * 30, 1.0), ("heavy", "L" * 30, 3.0)])
    sampler = Sampler({"p": pool}, {"p": 1.0}, seed=0)
    rng = np.random.default_rng(0)
    heavy = np.mean([sampler.draw("p", rng)[0] == FIRST_AMINO_ACID for _ in range(2000)])
    assert 0.71 < heavy < 0.79


def test_pools_get_their_shares(pools: dict[str, Pool]) -> None:
    sampler = Sampler(pools, {"general": 0.67, "families": 0.33}, seed=0)
    rows = [name for step in range(100) for name in sampler.pools_of_rows(step, 3)]
    assert len(rows) == 300
    assert abs(rows.count("families") - 99) <= 1


def test_a_batch_depends_only_on_seed_and_step(pools: dict[str, Pool]) -> None:
    shares = {"general": 0.5, "families": 0.5}
    one, same, other = (Sampler(pools, shares, seed).batch(7, 4, 128, 0.15) for seed in (1, 1, 2))
    assert np.array_equal(one.tokens, same.tokens)
    assert not np.array_equal(one.tokens, other.tokens)


def test_masking_is_that_of_esm2() -> None:
    tokens = np.random.default_rng(0).integers(4, 24, (100, 1000))
    tokens[:, 0], tokens[:, -1], tokens[:, -2] = CLS, PAD, EOS
    batch = mask(tokens, np.zeros_like(tokens), 0.15, np.random.default_rng(1))
    shown, n = batch.tokens.ravel()[batch.targets], len(batch.targets)
    assert abs(n / (100 * 997) - 0.15) < 0.005
    assert abs((shown == MASK).mean() - 0.8) < 0.02
    assert abs((shown == batch.labels).mean() - (0.1 + 0.1 / 20)) < 0.02  # a tenth as it is, and lucky swaps
    assert np.array_equal(batch.labels, tokens.ravel()[batch.targets])
    assert batch.labels.min() >= FIRST_AMINO_ACID  # never a special token
    untouched = np.ones(tokens.size, dtype=bool)
    untouched[batch.targets] = False
    assert np.array_equal(batch.tokens.ravel()[untouched], tokens.ravel()[untouched])


def test_token_dropout_is_counted_within_each_protein() -> None:
    shown = np.array([[CLS, MASK, 5, EOS, CLS, 6, 7, EOS]])
    documents = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])
    scale = token_dropout_scale(shown, documents)[0]
    assert scale[1] == 0
    assert scale[[0, 2, 3]] == pytest.approx(0.88 / 0.75)
    assert scale[4:] == pytest.approx(0.88)


def test_positions_start_again_with_each_protein() -> None:
    assert positions_within(np.array([[0, 0, 0, 1, 1, 2]])).tolist() == [[0, 1, 2, 0, 1, 0]]


def test_a_split_batch_keeps_every_target(pools: dict[str, Pool]) -> None:
    batch = Sampler(pools, {"general": 1.0}, seed=0).batch(0, 5, 128, 0.15)
    parts = batch.split(2)
    assert sum(len(part.targets) for part in parts) == len(batch.targets)
    assert np.array_equal(np.concatenate([part.tokens for part in parts]), batch.tokens)
    for part in parts:
        shown = part.tokens.ravel()[part.targets]
        assert ((shown == MASK) | (shown >= FIRST_AMINO_ACID)).all()


def test_a_crop_bears_no_special_token_where_it_was_cut() -> None:
    from training.batches import crop

    protein = np.full(100, 5, dtype=np.uint8)
    rng = np.random.default_rng(0)
    assert crop(protein, 200, rng).tolist() == [CLS, *[5] * 100, EOS]
    starts = {int(crop(protein, 50, rng)[0]) for _ in range(200)}
    assert starts == {CLS, 5}
