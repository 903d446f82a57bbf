"""A methods paragraph to paste: what was computed, with which model and parameters, after whose formulas. Plain text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esmviz.exhibit import Exhibit
from esmviz.labels import head_label, windows_label
from esmviz.report.references import REFERENCES, Reference, bibtex_entry, cite, cited_in
from esmviz.report.sentences import SENTENCES
from esmviz.types import ProteinRecord, Provenance

# What to cite for a model of the catalogue, by the beginning of its name; the first that fits.
_PAPERS = {
    "esm2-": "lin2023",
    "esm1b": "rives2021",
    "esm1v": "meier2021",
    "esmc-": "candido2026",
    "esm3": "hayes2025",
    "esmfold2": "candido2026",
    "esmfold": "lin2023",
}
_HEADINGS = {"home": "Entropy"}  # where the page's name says nothing of what was computed


@dataclass(frozen=True)
class Passage:
    """A few sentences under a heading; text from outside is in one line, without control characters."""

    heading: str
    text: str


def passages(exhibits: Sequence[Exhibit]) -> tuple[Passage, ...]:
    """Software, models, and one passage for each exhibit."""
    if not exhibits:
        return ()
    first = [Passage("Software", _software(exhibits))]
    first += [Passage("Model", _model(model, revision)) for model, revision in _models(exhibits)]
    return (*first, *(_passage(exhibit) for exhibit in exhibits))


def sources(exhibits: Sequence[Exhibit]) -> tuple[Reference, ...]:
    """All that the passages cite."""
    return cited_in(" ".join(passage.text for passage in passages(exhibits)))


def methods_text(exhibits: Sequence[Exhibit]) -> str:
    """The passages and the list of sources, to paste into a manuscript."""
    parts = [f"{passage.heading}. {passage.text}" for passage in passages(exhibits)]
    lines = [reference.line for reference in sources(exhibits)]
    return "\n\n".join([*parts, "References\n" + "\n".join(lines)]) + "\n"


def bibtex(exhibits: Sequence[Exhibit]) -> str:
    """esmviz itself, models that have a page but no paper, and all that the passages cite."""
    versions = {exhibit.versions["esmviz"] for exhibit in exhibits}
    own = bibtex_entry(
        "esmviz",
        author="{esmviz developers}",
        title="{esmviz: an open workbench for looking inside protein language models}",
        howpublished="Software",
        note=f"Version {', '.join(sorted(versions))}",
    )
    models = [_model_entry(model, revision) for model, revision in _models(exhibits) if model["repo_id"]]
    return "\n".join([own, *models, *(source.bibtex for source in sources(exhibits))])


def _model_entry(model: Mapping[str, Any], revision: str) -> str:
    """A model by its address on the hub: an exact revision is more than a paper."""
    return bibtex_entry(
        _key(model["name"]),
        title=f"{{{one_line(model['title'] or model['name'])}}}",
        howpublished=f"Hugging Face hub, {one_line(model['repo_id'])}",
        note=f"Revision {revision}" if revision else "",
    )


def _key(name: str) -> str:
    return "model-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def one_line(text: object, most: int = 200) -> str:
    """Text from outside in one line, without control characters or braces that would break BibTeX.

    >>> one_line("a{\\nb}")
    'a( b)'
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in str(text))
    shown = " ".join(shown.replace("{", "(").replace("}", ")").split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _software(exhibits: Sequence[Exhibit]) -> str:
    versions = _versions(exhibits)
    return (
        f"Analyses were made with esmviz {versions['esmviz']} on PyTorch {versions['torch']} {cite('paszke2019')} and "
        f"NumPy {versions['numpy']}. Start and end tokens were removed from every output. Residues, layers and heads "
        "count from 1; layer 0 is the input embedding, and the last layer is after the final norm."
    )


def _versions(exhibits: Iterable[Exhibit]) -> dict[str, str]:
    """Of each package; all of them where exhibits were made with several."""
    found: dict[str, dict[str, None]] = {}
    for exhibit in exhibits:
        for name, version in exhibit.versions.items():
            found.setdefault(name, {})[version] = None
    return {name: " and ".join(versions) for name, versions in found.items()}


def _models(exhibits: Iterable[Exhibit]) -> list[tuple[Mapping[str, Any], str]]:
    """Each model once, with the revision that computed; of one that computed nothing, as the catalogue pins it."""
    models: dict[str, Mapping[str, Any]] = {}
    revisions: dict[str, dict[str, None]] = {}
    for exhibit in exhibits:
        models.setdefault(exhibit.model["name"], exhibit.model)
        found = revisions.setdefault(exhibit.model["name"], {})
        found |= {p.provenance.revision: None for p in exhibit.pictures if p.provenance is not None}
    return [
        (model, one_line(" and ".join(revisions[name]) or model["revision"] or ""))
        for name, model in models.items()
    ]


def _model(model: Mapping[str, Any], revision: str) -> str:
    title, name = one_line(model["title"] or model["name"]), one_line(model["name"])
    paper = next((REFERENCES[key].short for start, key in _PAPERS.items() if name.startswith(start)), None)
    named = None if title.startswith(name) else f"{name} in esmviz"
    aside = "; ".join(filter(None, [named, paper]))
    sizes = (
        f"{model['n_parameters'] / 1e6:,.1f} million parameters, {model['n_layers']} layers, {model['n_heads']} heads, "
        f"width {model['d_model']}"
    )
    origin = one_line(model["repo_id"] and f"{model['repo_id']} on the Hugging Face hub")
    if model["host"]:
        origin = f"computed by {one_line(model['host'])}"
    elif name == "mini":
        origin = "the small model that comes with esmviz"
    pinned = "revision" if model["repo_id"] or model["host"] else "SHA-256 of its weights"
    if members := model.get("members"):
        origin = f"the ensemble of {one_line(', '.join(members))}"
        pinned = "SHA-256 of its members' revisions"
    facts = [
        origin,
        revision and f"{pinned} {revision}",
        sizes,
        model["licence"] and f"licence {one_line(model['licence'])}",
    ]
    return f"{title}{f' ({aside})' if aside else ''}: {'; '.join(filter(None, facts))}."


def _passage(exhibit: Exhibit) -> Passage:
    provenance = next((p.provenance for p in exhibit.pictures if p.provenance is not None), None)
    facts: Mapping[str, Any] = next((p.facts for p in exhibit.pictures if p.facts), {})
    sentence = SENTENCES[exhibit.page](exhibit, facts)
    told = [
        f"{subject(exhibit.records, exhibit.source)}{_where(provenance)}.",
        sentence,
        _windows(provenance, facts.get("scheme") == "masked marginals"),
    ]
    return Passage(_HEADINGS.get(exhibit.page, exhibit.page.capitalize()), " ".join(filter(None, told)))


def subject(records: Collection[ProteinRecord], source: str) -> str:
    """Proteins in words.

    >>> subject([ProteinRecord("P1", "MKV")], "Example")
    'P1 (3 residues)'
    """
    n = len(records)
    if n > 2:
        n_residues = sum(map(len, records))
        return f"{n:,} proteins of the set {one_line(source, 80)} ({n_residues:,} residues)"
    names = [f"{one_line(record.id, 80)} ({len(record):,} residues)" for record in records]
    return " and ".join(names) or f"the set {one_line(source, 80)}"


def _where(provenance: Provenance | None) -> str:
    """Model, layer, head and precision of what was computed."""
    if provenance is None:
        return ""
    parts = [one_line(provenance.model)]
    if provenance.layer is not None:
        parts.append(f"layer {provenance.layer}")
    if provenance.head is not None:
        parts.append(f"head {head_label(provenance.head)}")
    return f", {', '.join(parts)}, in {one_line(provenance.precision)}"


def _windows(provenance: Provenance | None, is_masked: bool) -> str:
    if provenance is None or not provenance.windows:
        return ""
    if is_masked:
        return (
            f"The protein was read in {windows_label(provenance.windows)}; each position was masked in the window in which "
            "it is nearest to the middle."
        )
    return (
        f"The protein was read in {windows_label(provenance.windows)}; values of several windows were averaged with "
        f"weights that fall off towards a window's edges {cite('brandes2023')}."
    )
