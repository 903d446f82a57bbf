"""What each page computes, in the words of a methods section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from esmviz.exhibit import Exhibit, Facts, Molecule
from esmviz.report.references import cite

Told = Mapping[str, Any]  # the facts of a picture

ENTROPY = f"Entropy is that of the softmax over the 20 amino acids, in bits {cite('shannon1948')}."
APC = (
    "The maps were symmetrised and corrected by the average product of row and column sums "
    f"{cite('dunn2008')}."
)
NUMBERS = {
    "distance": f"the mean distance in residues, weighted by attention {cite('vig2019')}",
    "entropy": f"the mean entropy of a row in bits, start and end token counted {cite('clark2019')}",
    "separated": "the share of attention on residues at least 6 apart",
    "long_range": "the share of attention on residues at least 24 apart",
    "start": f"the share of attention on the start token {cite('clark2019')}",
    "end": f"the share of attention on the end token {cite('clark2019')}",
}


def _home(_: Exhibit, __: Told) -> str:
    return f"The model read the protein once, unmasked. {ENTROPY}"


def _similarity(exhibit: Exhibit, told: Told) -> str:
    between = "within the protein" if len(exhibit.records) < 2 else "between the two proteins"
    text = f"Similarity {between} is the cosine of the vectors of two residues {cite('rives2021')}"
    if told.get("mean residue subtracted"):
        return f"{text}, after subtracting the mean residue vector of each protein {cite('mu2018')}."
    return f"{text}, without centring."


def _attention(exhibit: Exhibit, told: Told) -> str:
    kind = exhibit.pictures[0].name
    if kind == "attention-grid":
        return (
            f"Attention {cite('vig2021')} of every head of every layer was averaged over blocks of residues, and heads "
            f"were ranked by {NUMBERS['distance']}."
        )
    if kind == "attention-heads":
        name = next(iter(exhibit.pictures[0].arrays), "")
        over = "" if name == "distance" else ", averaged over the residues as queries"
        return f"Each head is described by {NUMBERS.get(name, name)}{over}."
    return _attention_map(told)


def _attention_map(told: Told) -> str:
    shown, correction = told.get("shown"), told.get("correction")
    if shown == "contacts":
        return (
            "Contact probabilities (C-beta within 8 Å) come from the checkpoint's own logistic regression on the "
            f"symmetrised and APC-corrected attention of all heads {cite('rao2021', 'dunn2008')}."
        )
    summary = _summary(told)
    if shown == "rollout":
        return (
            f"Attention {summary} is the product of the layers' maps, each averaged over heads and mixed half and half "
            f"with the identity for the residual connection {cite('abnar2020')}."
        )
    what = "from one head" if shown == "one head" else f"as {summary}"
    text = f"Attention {cite('vig2021')} was read {what}; rows are queries and columns keys."
    if correction == "symmetric":
        return f"{text} The map was symmetrised, (a + aᵀ) / 2."
    return f"{text} {APC}" if correction == "apc" else text


def _summary(told: Told) -> str:
    """The page's own words for which layers and heads were put together; they lead its note."""
    return str(told.get("note", "")).partition(" · ")[0]


def _logits(exhibit: Exhibit, told: Told) -> str:
    masked, whole = (
        told.get("scheme") == "masked marginals",
        "its window" if told.get("windows") else "the protein",
    )
    read = (
        f"Each position was masked in turn and predicted from the rest of {whole} (masked marginals)"
        if masked
        else "The model read the protein once, unmasked (wild-type marginals)"
    )
    how = {
        "mutations": "A substitution's score is log p(mutant) − log p(wild type) at its position, in nats; negative is "
        "less likely than the wild type.",
        "probabilities": "Probabilities are the softmax over the 20 amino acids, at temperature 1.",
        "entropy": ENTROPY,
        "wild type": "The wild type is rated by its log-probability among the 20 amino acids, and by its rank.",
    }[exhibit.pictures[0].name]
    perplexity = (
        f" Pseudo-perplexity is exp(−mean log p) of the masked residues {cite('salazar2020')}."
        if masked
        else ""
    )
    return f"{read} {cite('meier2021')}. {how}{perplexity}"


def _clusters(exhibit: Exhibit, told: Told) -> str:
    versions = exhibit.versions
    vector = (
        "the hidden start token's vector"
        if told["pooling"] == "bos"
        else f"the {told['pooling']} of its residues"
    )
    if told["map"] == "umap":
        given = ", ".join(
            f"{name} {told[name]}" for name in ("n_neighbors", "min_dist", "metric", "seed") if name in told
        )
        mapped = f"UMAP {cite('mcinnes2018')} (umap-learn {versions['umap-learn']}; {given})"
    else:
        mapped = f"principal component analysis {cite('pearson1901')}"
    learn = f"scikit-learn {versions['scikit-learn']} {cite('pedregosa2011')}"
    if told["groups"] == "hdbscan":
        grouped = (
            f"HDBSCAN {cite('campello2013')} in {learn}, smallest group {told['groups min_cluster_size']}"
        )
    else:
        grouped = f"k-means {cite('lloyd1982')} in {learn}, k {told['groups k']}, seed {told['groups seed']}"
    n_in_windows = len(told.get("windows") or ())
    windows = f"{n_in_windows} of them were read in overlapping windows. " if n_in_windows else ""
    return (
        f"Each protein is one vector, {vector}. {windows}The map was made by {mapped}. Groups were found in the original "
        f"vectors, scaled to length 1, by {grouped}.{_agreement(exhibit)}"
    )


def _agreement(exhibit: Exhibit) -> str:
    names = [name for piece in exhibit.pieces if isinstance(piece, Facts) for name in piece.values]
    if not any("adjusted Rand index" in name for name in names):
        return ""
    return (
        f" Agreement with a label is the adjusted Rand index {cite('hubert1985')}; each protein that is noise counts as a "
        "group of its own."
    )


def _predictions(_: Exhibit, told: Told) -> str:
    problem = told.get("problem")
    if problem == "regression":
        return "The values are the outputs of the checkpoint's regression head, unchanged."
    link = "the logistic function of each of the classifier's outputs"
    if problem == "single_label_classification":
        link = f"the softmax of the classifier's outputs {cite('bridle1990')}"
    return f"Class probabilities are {link}; they were not calibrated {cite('guo2017')}."


def _structure(exhibit: Exhibit, _: Told) -> str:
    if any(picture.name == "plddt" for picture in exhibit.pictures):
        return (
            "The fold is the model's own prediction. pLDDT (0 to 100) is its confidence in a residue's surroundings, and "
            f"the predicted aligned error is in Å {cite('jumper2021')}."
        )
    # What was drawn, and not what the control says: where no chain is the protein, there are no numbers to draw.
    drawn = next(
        (piece.painting["title"] for piece in exhibit.pieces if isinstance(piece, Molecule)), "chain"
    )
    model, precision = exhibit.model.get("name", ""), exhibit.settings.get("precision", "")
    numbers = next(
        (f" {told} It is of {model}, in {precision}." for name, told in PAINTS if name in drawn), ""
    )
    return (
        f"An uploaded structure, read by Biotite {cite('kunzmann2018')}, is coloured by {drawn}.{numbers} A chain is the "
        "protein where it is a stretch of it, or where a global alignment with BLOSUM62, gaps 11 and 1, makes at least "
        f"half of the shorter one agree {cite('needleman1970', 'henikoff1992')}."
    )


PAINTS = (
    ("entropy", f"The model read the protein once, unmasked. {ENTROPY}"),
    (
        "attention received",
        "It is the mean attention of all residues to one, over all heads of all layers, in multiples of an even share "
        f"{cite('vig2021')}.",
    ),
)

SENTENCES: dict[str, Callable[[Exhibit, Told], str]] = {
    "home": _home,
    "similarity": _similarity,
    "attention": _attention,
    "logits": _logits,
    "clusters": _clusters,
    "predictions": _predictions,
    "structure": _structure,
}
