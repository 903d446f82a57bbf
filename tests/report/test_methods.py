"""The methods paragraph says what was done, in numbers that a reviewer can check, and names its sources."""

import re
from dataclasses import replace
from pathlib import Path

from esmviz.exhibit import Facts, Molecule
from esmviz.models.catalog import CATALOG
from esmviz.report import methods, sentences
from esmviz.report.references import REFERENCES
from esmviz.ui.frame import PAGES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "methods.md"


def test_software_model_and_each_analysis_are_told_once(exhibits):
    headings = [passage.heading for passage in methods.passages(exhibits)]
    assert headings == ["Software", "Model", "Similarity", "Attention", "Logits", "Clusters", "Structure"]


def test_versions_layer_head_precision_and_revision_are_there(exhibits):
    text = methods.methods_text(exhibits)
    for fact in (
        "esmviz 0.1.0",
        "PyTorch 2.13.0",
        "layer 2",
        "layer 1, head 3, in float32",
        "SHA-256 of its weights 0123456789abcdef",
    ):
        assert fact in text
    assert "umap-learn 0.5.12; n_neighbors 5, min_dist 0.1, metric cosine, seed 3" in text
    assert "k-means (Lloyd 1982) in scikit-learn 1.9.1 (Pedregosa et al. 2011), k 2, seed 0" in text
    assert "2 windows of 24 residues, overlap 12" in text
    assert "masked in turn" in text


def test_every_source_cited_is_listed_once_and_in_bibtex(exhibits):
    text = methods.methods_text(exhibits)
    listed = text.partition("References\n")[2].splitlines()
    cited = re.findall(
        r"[(;] ?([A-Z][\w .]+? (?:et al\. |and \w+ )?\d{4})(?=[);])", text.partition("References")[0]
    )
    assert {name for name in cited} == {source.short for source in methods.sources(exhibits)}
    assert len(listed) == len(set(listed)) == len(methods.sources(exhibits))
    entries = methods.bibtex(exhibits)
    assert entries.count("@misc{") == len(listed) + 1  # esmviz; the fake model has no page on the hub
    assert entries.count("{") == entries.count("}")


def test_text_from_outside_stays_in_its_line(similarity):
    record = replace(similarity.records[0], id="a\nReferences\n{b\x1b[31m")
    text = methods.methods_text([replace(similarity, records=(record,))])
    assert text.count("\nReferences\n") == 1
    assert "\x1b" not in text
    assert "a References (b" in text


def test_two_models_are_two_passages(similarity, attention):
    other = replace(
        attention, model={**attention.model, "name": "esm2-8m", "title": "ESM-2 8M", "repo_id": "x/y"}
    )
    models = [passage.text for passage in methods.passages([similarity, other]) if passage.heading == "Model"]
    assert len(models) == 2
    assert (
        "ESM-2 8M (esm2-8m in esmviz; Lin et al. 2023): x/y on the Hugging Face hub; revision 01234"
        in models[1]
    )


def test_no_exhibit_no_methods():
    assert methods.passages([]) == ()


def test_every_page_that_draws_has_its_sentence():
    assert {page.file for page in PAGES} - {"models", "report", "snapshots"} == sentences.SENTENCES.keys()


def test_every_model_of_the_hub_is_cited_by_its_paper(similarity):
    """The authors of ESM C and ESMFold2 ask for Candido et al. 2026 in the README of Biohub/esm."""
    papers = {
        "mini": None,
        "esmfold": "Lin",
        "esmc-600m": "Candido",
        "esmfold2": "Candido",
        "esm3-open": "Hayes",
    }
    for spec in CATALOG.values():
        shown = replace(similarity, model={name: getattr(spec, name) for name in vars(spec)})
        text = next(passage.text for passage in methods.passages([shown]) if passage.heading == "Model")
        assert f"{spec.n_layers} layers" in text
        assert re.search(
            r"\w+ et al\. \d{4}\): (\S+ on the Hugging Face hub|the ensemble)|^mini \(embedded\): the small",
            text,
        )
        assert ("SHA-256 of its members' revisions" in text) == bool(spec.members)
        assert (papers.get(spec.name) or "") in text


def test_sources_are_those_of_the_documentation():
    """PyTorch and scikit-learn are software; their papers stand in no formula."""
    text = DOCS.read_text(encoding="utf-8")
    missing = {key for key, source in REFERENCES.items() if source.doi not in text}
    assert missing <= {"paszke2019"}
    named = set(re.findall(r"\[(10\.\d{4,}/[^\]]+)\]", text)) - {
        "10.1101/2023.12.07.570727"
    }  # ProteinGym: no formula
    assert named <= {source.doi for source in REFERENCES.values()}


def told(exhibit, name, page="attention", **facts):
    """The passage of an exhibit whose picture has another name and other facts."""
    drawn = replace(exhibit.pictures[0], name=name, facts={"esmviz": "0.1.0", **facts})
    return methods.passages([replace(exhibit, page=page, pieces=(drawn,))])[-1].text


def test_every_look_at_attention_is_told_by_its_formula(attention):
    assert "mean distance in residues" in told(attention, "attention-grid")
    assert "Vig and Belinkov 2019" in told(attention, "attention-grid")
    heads = replace(attention, pieces=(replace(attention.pictures[0], arrays={"entropy": 1}),))
    assert "mean entropy of a row in bits" in told(heads, "attention-heads")
    contacts = told(attention, "attention", shown="contacts", correction="contacts")
    assert "Rao et al. 2021; Dunn et al. 2008" in contacts
    rollout = told(attention, "attention", shown="rollout", note="rollout through layers 1 to 6 · 20% comes")
    assert "Attention rollout through layers 1 to 6 is the product" in rollout
    mean = told(
        attention,
        "attention",
        shown="mean over heads",
        correction="attention",
        note="mean over all heads of layer 2",
    )
    assert "read as mean over all heads of layer 2" in mean
    assert "average product" not in mean
    assert "(a + aᵀ) / 2" in told(attention, "attention", shown="one head", correction="symmetric")


def test_every_look_at_logits_is_told(logits):
    for name in ("mutations", "probabilities", "entropy", "wild type"):
        assert "unmasked (wild-type marginals)" in told(logits, name, "logits", scheme="wild-type marginals")
    assert "Salazar et al. 2020" in told(logits, "entropy", "logits", scheme="masked marginals")


def test_maps_groups_predictions_and_folds_are_told(clusters, logits):
    pca = {"pooling": "bos", "map": "pca", "groups": "hdbscan", "groups min_cluster_size": 3}
    text = told(clusters, "clusters", "clusters", **pca)
    assert "Pearson 1901" in text
    assert "smallest group 3" in text
    assert "softmax" in told(logits, "prediction", "predictions", problem="single_label_classification")
    assert "logistic function" in told(
        logits, "prediction", "predictions", problem="multi_label_classification"
    )
    assert "head, unchanged" in told(logits, "prediction", "predictions", problem="regression")
    assert "Jumper et al. 2021" in told(logits, "plddt", "structure")


def test_masked_positions_of_a_long_protein_are_told_as_they_are_computed(logits):
    long = replace(logits.pictures[0].provenance, windows=((0, 24), (12, 36)))
    drawn = replace(
        logits.pictures[0],
        provenance=long,
        facts={"scheme": "masked marginals", "windows": ["1-24", "13-36"]},
    )
    text = methods.passages([replace(logits, pieces=(drawn,))])[-1].text
    assert "from the rest of its window" in text
    assert "the window in which it is nearest to the middle" in text
    assert "averaged" not in text


def test_agreement_and_proteins_in_windows_are_told(clusters):
    name = "Agreement with family (adjusted Rand index)"
    with_agreement = replace(clusters, pieces=(*clusters.pieces, Facts({name: "0.90"})))
    assert "Hubert and Arabie 1985" in methods.passages([with_agreement])[-1].text
    facts = {**clusters.pictures[0].facts, "windows": {"p1": "2 windows"}}
    in_windows = replace(clusters, pieces=(replace(clusters.pictures[0], facts=facts),))
    text = methods.passages([in_windows])[-1].text
    assert "1 of them were read in overlapping windows" in text
    assert "Hubert" not in text


def test_a_structure_is_told_by_what_was_drawn(structure):
    """The control may say entropy where no chain is the protein, and the chains are drawn."""
    [molecule] = [piece for piece in structure.pieces if isinstance(piece, Molecule)]
    asked = {**structure.settings, "precision": "float32", "widgets": {"paint": "entropy (bits)"}}
    by_chain = replace(molecule, painting={**molecule.painting, "title": "chain"})
    text = methods.passages([replace(structure, settings=asked, pieces=(by_chain,))])[-1].text
    assert "coloured by chain. A chain" in text
    by_entropy = replace(molecule, painting={**molecule.painting, "title": "entropy (bits)"})
    text = methods.passages([replace(structure, settings=asked, pieces=(by_entropy,))])[-1].text
    assert "coloured by entropy (bits). The model read the protein once" in text
    assert "in float32" in text


def test_bibtex_has_every_author_and_a_list_of_references_few():
    assert [key for key, one in REFERENCES.items() if "others" in one.authors] == []
    candido = REFERENCES["candido2026"]
    assert candido.line.startswith("Candido, Salvatore et al. (2026)")
    assert len(candido.authors.split(" and ")) == 41
    assert "Rives, Alexander}" in candido.bibtex
