"""The model card in plain words, from the numbers of card.json."""

from typing import Any

HEAD = """---
license: mit
library_name: transformers
tags: [biology, protein-language-model, masked-lm]
---

# esmviz-mini

A small protein language model of the ESM-2 architecture, trained from scratch by the esmviz project, so that the app
works at first start and without a network. It shows what such a model looks like inside. **It is far too small, and has
seen far too few proteins, to draw conclusions about a protein from it**; for that choose ESM-2 or ESM C in the app.
"""

SOURCES = """
## What it was trained on

Proteins of UniProt and UniRef (CC BY 4.0), NCBI GenBank and RefSeq (public domain), CATH (CC BY 4.0), the wwPDB (CC0),
STRING (CC BY 4.0), DisProt (CC BY 4.0) and Ensembl (no restriction on use); `training/README.md` lists the sources one
by one. Most are bacterial. {families:.0%} of the tokens were homologues of the proteins in the app's example
(ABC transporters, protein kinases, small GTPases, cold shock proteins and so on), the large families drawn more often
than the small; {varied:.0%} came from the more varied part of the general
proteins and {general:.0%} from the rest. Clusters were drawn rather than sequences. Of each family, clusters of close
relatives were held out (single linkage, 20 % of the words of four residues shared, about 60 % identity), and so was
every general protein with more than a fifth of its words of five among theirs. The 58 proteins of the app's example
are not in the corpus letter for letter, but near relatives of them are: what the model knows of the example it knows
from these. The validation proteins were never trained on; the width of the model was chosen by them.
"""


def render(card: dict[str, Any]) -> str:
    parts = (HEAD, sizes(card), SOURCES.format(**shares_of_all(card["training"])), perplexities(card))
    return "".join((*parts, effects(card), similarity(card), contacts(card), LICENCE))


def runs(training: dict[str, Any]) -> list[dict[str, Any]]:
    """All runs that made the model, one on the weights of the other."""
    return [*training.get("runs_before", []), training]


def shares_of_all(training: dict[str, Any]) -> dict[str, float]:
    """Shares of the tokens over all runs."""
    n_residues = sum(run["residues_seen"] for run in runs(training))
    return {
        name: sum(run["shares_of_tokens"][name] * run["residues_seen"] for run in runs(training)) / n_residues
        for name in training["shares_of_tokens"]
    }


def sizes(card: dict[str, Any]) -> str:
    shape, training = card["shape"], card["training"]
    corpus = training["corpus"]
    total = {key: sum(run[key] for run in runs(training)) for key in ("steps", "residues_seen", "minutes")}
    n_runs = len(runs(training))
    in_runs = f" in {n_runs} runs, each on the weights of the one before" if n_runs > 1 else ""
    last = " (those of the last run)" if n_runs > 1 else ""
    n_proteins = sum(corpus[name]["proteins"] for name in training["shares_of_tokens"])
    width = f"width {shape['d_model']} ({shape['d_hidden']:,} in the feed-forward layers)"
    heads = f"{shape['n_heads']} heads of {shape['d_model'] // shape['n_heads']}"
    return f"""
- {card["n_parameters"]:,} parameters: {shape["n_layers"]} layers, {width}, {heads};
  {card["megabytes"]:.1f} MB in {card["dtype"]}
- {total["steps"]:,} steps{in_runs}, {total["residues_seen"] / 1e6:.1f} million residues seen, drawn from
  {n_proteins:,} proteins{last}; {total["minutes"]:.0f} minutes on two CPU cores
- plain `transformers.EsmForMaskedLM`, vocabulary of ESM-2, crops of up to 512 residues in training
- figures below: `python -m training.evaluate`, through plain transformers in float32
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def verdict(is_better: bool, yes: str, no: str) -> str:
    return f"\n{yes if is_better else f'**{no}**'}\n"


def perplexities(card: dict[str, Any]) -> str:
    """General proteins and held-out relatives beside three baselines."""
    measured = card["perplexity"]
    families = measured["families_held_out"]
    rows = {"validation proteins": measured["general"], "held-out family members": families}
    rows |= {f"– {name}": values for name, values in families["by_family"].items()}
    keys = ("model", "amino_acid_frequencies", "own_composition", "blosum62_neighbours")
    cells = [[name, str(v["proteins"]), *(f"{v[key]:.2f}" for key in keys)] for name, v in rows.items()]
    general = measured["general"]
    return (
        "\n## Perplexity\n\n15 % of the residues hidden by `<mask>` alone, whole proteins, one per validation cluster, "
        "seed 0, softmax over the\n20 amino acids. 20 would be guessing, 1 certainty.\n"
        + table(
            ["proteins", "n", "this model", "amino-acid frequencies", "own composition", "BLOSUM62"], cells
        )
        + "\n*Own composition* counts the visible residues of the protein itself; *BLOSUM62* takes the substitutes it "
        "expects of the\nnearest visible residue on each side.\n"
        + verdict(
            general["model"] < min(general[key] for key in keys[1:]),
            f"On general proteins it is better than every baseline, by {general['own_composition'] - general['model']:.2f} "
            "over the protein's own composition: it knows a little.",
            "On general proteins it does not beat every baseline.",
        )
        + worse_than_baselines(families["by_family"], keys[1:])
    )


def worse_than_baselines(by_family: dict[str, Any], baselines: tuple[str, ...]) -> str:
    """The families that a baseline predicts as well or better."""
    beaten = [
        name for name, values in by_family.items() if values["model"] >= min(values[key] for key in baselines)
    ]
    if not beaten:
        return ""
    return (
        f"\n**On held-out members of these families it does not beat every baseline: {', '.join(beaten)}.** Few members of "
        "small\nfamilies were held out, and the others were seen often.\n"
    )


def effects(card: dict[str, Any]) -> str:
    """Zero-shot correlations beside BLOSUM62, assay by assay."""
    keys = ("wild_type_marginals", "masked_marginals", "blosum62")
    assays = card["mutations"]
    rows = [[name, f"{a['variants']:,}", *(f"{a[key]:.3f}" for key in keys)] for name, a in assays.items()]
    above = [name for name, a in assays.items() if max(a[key] for key in keys[:2]) > a["blosum62"]]
    below = [name for name in assays if name not in above]
    return (
        "\n## Effects of mutations\n\nSpearman correlation with measured variants (ProteinGym, MIT), zero-shot.\n"
        + table(["assay", "variants", "wild-type marginals", "masked marginals", "BLOSUM62"], rows)
        + (f"\nAbove BLOSUM62 on {', '.join(above)}.\n" if above else "")
        + (f"\n**Not above BLOSUM62 on {', '.join(below)}.**\n" if below else "")
        + verdict(
            card["predicts_effects"],
            "Two assays are few.",
            "It does not beat BLOSUM62 on every assay: do not take its scores for the effects of mutations. "
            "TEM-1 (BLAT_ECOLX) is one of the families that it was trained on, most proteins are not.",
        )
    )


def similarity(card: dict[str, Any]) -> str:
    rows, sentences = [], []
    for name, r in card["neighbours"].items():
        best = max(range(len(r["model_by_layer"])), key=lambda layer: r["model_by_layer"][layer])
        last = r["model_by_layer"][-1]
        numbers = (last, r["model_by_layer"][best], r["untrained_by_layer"][-1], max(r["untrained_by_layer"]))
        numbers = (*numbers, r["composition"], r["words_of_two"])
        what = f"{name.replace('_', ' ')} ({r['groups']} groups, {r['proteins']:,} proteins)"
        rows.append([what, *(f"{x:.3f}" for x in numbers)])
        strongest = max(r["composition"], r["words_of_two"], max(r["untrained_by_layer"]))
        better = "better than" if last > strongest else "**not better than**"
        sentences.append(
            f"On {name.replace('_', ' ')} the last layer is {better} the strongest baseline ({strongest:.3f})."
        )
    return (
        "\n## Neighbours\n\nShare of proteins whose nearest other protein (cosine of mean-pooled vectors) is of the same "
        "group.\n"
        + table(
            [
                "set",
                "last layer",
                "best layer",
                "untrained, last",
                "untrained, best",
                "composition",
                "words of two",
            ],
            rows,
        )
        + "\n*Untrained* is a model of the same shape with random weights. The best layer was picked with these labels. "
        "Many of these "
        "proteins, but no label, were in\nthe corpus.\n\n" + " ".join(sentences) + "\n"
    )


def contacts(card: dict[str, Any]) -> str:
    measured = card["contact_precision"]
    best = measured["best_head"]
    keys = ("regression", "nearest_first", "learnt_prior", "contacts_among_pairs")
    rows = [
        [name, f"{best['by_family'][name]:.3f}", *(f"{r[key]:.3f}" for key in keys)]
        for name, r in measured["by_family"].items()
    ]
    return (
        "\n## Contacts\n\nP@L of long-range contacts (24 or more residues apart, beta carbons within 8 Å) over six "
        "chains of five families. The\nregression (L1 logistic, on symmetrised and corrected attention of all heads) "
        "never saw the family it is tested on; the\nbest head (layer "
        f"{best['layer']}, head {best['head']}) was picked on these very chains.\n"
        + table(
            ["family left out", "best head", "regression", "nearest pairs first", "learnt prior", "chance"],
            rows,
        )
        + verdict(
            card["contacts"],
            "The regression beats both |i−j| priors on every family left out, so contacts are offered.",
            "The regression does not beat the |i−j| priors on every family left out: contacts are not offered.",
        )
    )


LICENCE = """
## Licence

MIT, as the project. The sequences are facts with accessions; see the sources above.
"""
