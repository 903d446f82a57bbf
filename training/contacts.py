"""Long-range contacts from attention: the best head, and a sparse logistic regression on all (Rao et al. 2021)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.chains import CONTACT_DISTANCE, LONG_RANGE, Chain
from training.reference import attentions

Floats = NDArray[np.float64]
L1_STRENGTH = 0.15  # as in the paper; scikit-learn takes the inverse
NEAREST_FITTED = 6  # pairs closer than this along the chain teach nothing about folding


def features(model: Any, chain: Chain) -> Floats:
    """(heads of all layers, L, L): symmetrised, average product corrected (Dunn et al. 2008), as in EsmContactHead."""
    maps = attentions(model, chain.sequence).astype(np.float64)
    maps = maps + maps.transpose(0, 2, 1)
    expected = maps.sum(1, keepdims=True) * maps.sum(2, keepdims=True) / maps.sum((1, 2), keepdims=True)
    result: Floats = maps - expected
    return result


def pairs(chain: Chain, apart: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """i, j and whether they touch, of all pairs at least so far apart whose places are known."""
    i, j = np.triu_indices(len(chain.sequence), k=apart)
    known = ~np.isnan(chain.distances[i, j])
    i, j = i[known], j[known]
    return i, j, chain.distances[i, j] < CONTACT_DISTANCE


def precision(scores: Floats, chain: Chain) -> float:
    """P@L: share of true contacts among the L best long-range pairs."""
    i, j, touches = pairs(chain, LONG_RANGE)
    best = np.argsort(-scores[i, j], kind="stable")[: len(chain.sequence)]
    return float(touches[best].mean())


def fit(chains: Sequence[Chain], maps: Sequence[Floats]) -> LogisticRegression:
    x, y = [], []
    for chain, feature in zip(chains, maps, strict=True):
        i, j, touches = pairs(chain, NEAREST_FITTED)
        x.append(feature[:, i, j].T)
        y.append(touches)
    model = LogisticRegression(
        l1_ratio=1.0, C=1 / L1_STRENGTH, solver="liblinear", random_state=0, max_iter=1000
    )
    return model.fit(np.concatenate(x), np.concatenate(y))


def predict(regression: LogisticRegression, feature: Floats) -> Floats:
    result: Floats = np.tensordot(regression.coef_[0], feature, axes=1) + regression.intercept_[0]
    return result


def nearest_first(chain: Chain) -> Floats:
    """The |i - j| prior: residues closer along the chain touch more often."""
    index = np.arange(len(chain.sequence), dtype=np.float64)
    return -np.abs(index[:, None] - index[None])


def learnt_prior(chains: Sequence[Chain], like: Chain, width: int = 8) -> Floats:
    """The other |i - j| prior: how often pairs so far apart touch in the other families, in bins."""
    seen, touching = np.zeros(200), np.zeros(200)
    for chain in chains:
        i, j, touches = pairs(chain, LONG_RANGE)
        np.add.at(seen, (j - i) // width, 1)
        np.add.at(touching, (j - i) // width, touches)
    rate = (touching + 0.02) / (seen + 1.0)
    apart = -nearest_first(like)
    result: Floats = rate[(apart // width).astype(int)] - 1e-6 * apart
    return result


def evaluate_contacts(model: Any, chains: Sequence[Chain]) -> tuple[dict[str, Any], LogisticRegression]:
    """P@L by family left out, and the regression fitted on all."""
    maps = [features(model, chain) for chain in chains]
    families = sorted({chain.family for chain in chains})
    by_family = {}
    heads = np.zeros((len(families), len(maps[0])))
    for row, family in enumerate(families):
        inside = [k for k, chain in enumerate(chains) if chain.family == family]
        outside = [k for k in range(len(chains)) if k not in inside]
        regression = fit([chains[k] for k in outside], [maps[k] for k in outside])
        others = [chains[k] for k in outside]
        heads[row] = np.mean([[precision(head, chains[k]) for head in maps[k]] for k in inside], axis=0)
        by_family[family] = {
            "regression": mean_precision([(predict(regression, maps[k]), chains[k]) for k in inside]),
            "nearest_first": mean_precision([(nearest_first(chains[k]), chains[k]) for k in inside]),
            "learnt_prior": mean_precision([(learnt_prior(others, chains[k]), chains[k]) for k in inside]),
            "contacts_among_pairs": float(np.mean([pairs(chains[k], LONG_RANGE)[2].mean() for k in inside])),
        }
    best = int(heads.mean(axis=0).argmax())
    n_heads = model.config.num_attention_heads
    best_head = {
        "layer": best // n_heads + 1,
        "head": best % n_heads + 1,
        "precision": float(heads[:, best].mean()),
    }
    best_head["by_family"] = dict(zip(families, heads[:, best].tolist(), strict=True))
    return {"by_family": by_family, "best_head": best_head}, fit(chains, maps)


def mean_precision(predictions: Sequence[tuple[Floats, Chain]]) -> float:
    return float(np.mean([precision(scores, chain) for scores, chain in predictions]))


def beats_prior(by_family: dict[str, dict[str, float]]) -> bool:
    """Better than the stronger of the two priors on every family that was left out."""
    return all(r["regression"] > max(r["nearest_first"], r["learnt_prior"]) for r in by_family.values())
