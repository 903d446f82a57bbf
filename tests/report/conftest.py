"""Exhibits as the pages leave them, with figures of the real views on small random numbers."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from esmviz import views
from esmviz.drawing_text import COLUMNS
from esmviz.exhibit import Exhibit, Facts, Molecule, Picture, Table
from esmviz.labels import provenance_facts
from esmviz.models.fake import SPEC
from esmviz.types import Projection, ProteinRecord, Provenance

HOSTILE = '<img src="http://tracker.example/x.png" onerror=alert(1)></script><script>alert(2)</script>$x^2$'
VERSIONS = {"esmviz": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "scikit-learn": "1.9.1"}
VERSIONS |= {"umap-learn": "0.5.12", "transformers": "5.23.0", "plotly": "7.1.0"}
SEQUENCE = "MKVLAWGHACDEFGHIKLMNPQRSTVWYMKVLAWGH"
READING = (
    "A bright cell ([Brandes](https://doi.org/10.1/x)) means **much**.",
    "Rives et al. 2021.",
    "10.1073/pnas.2016239118",
)

_HEAD = ["data_drawing", "loop_", *(f"_atom_site.{column}" for column in COLUMNS.split())]
MMCIF = "\n".join(
    [
        *_HEAD,
        *(f"ATOM {n} C CA ALA c0 {n + n // 4} {3.8 * n:.2f} {n % 2}.00 0.00 {n - 1}" for n in range(1, 6)),
        "",
    ]
)

random = np.random.default_rng(0)


def provenance(**changes):
    return replace(Provenance("fake", "0123456789abcdef", "float32"), **changes)


def picture(name, figure, made, arrays, columns=None, **facts):
    told = {"esmviz": "0.1.0", "protein": "P1", **provenance_facts(made), **facts}
    file_name = f"{name}-P1-fake"
    return Picture(
        name, f"{name} in words", figure.to_json(), made, told, READING, file_name, columns or {}, arrays
    )


def exhibit(page, *pieces, records, source="Example", widgets=None, **model):
    return Exhibit(
        page=page,
        title=f"What of {page}?",
        created="2026-11-21T17:00:00+00:00",
        source=source,
        records=tuple(records),
        model=asdict(replace(SPEC, **model)),
        settings={"protein": records[0].id, "model": "fake", "widgets": widgets or {}},
        versions=VERSIONS,
        pieces=pieces,
    )


@pytest.fixture
def hostile():
    """A header that would fetch, run and typeset, if it could."""
    return HOSTILE


@pytest.fixture(params=["P1", HOSTILE], ids=["plain", "hostile"])
def record(request):
    return ProteinRecord(request.param, SEQUENCE, description=request.param, labels={"family": request.param})


@pytest.fixture
def similarity(record):
    values = random.uniform(-1, 1, (len(SEQUENCE),) * 2).astype(np.float32)
    made = provenance(layer=2)
    figure = views.similarity_heatmap(values, record, record, made, centered=True)
    pairs = {"residue": ["M1", "K2"], "with": ["H8", "A9"], "cosine": [0.9, 0.8]}
    drawn = picture(
        "similarity",
        figure,
        made,
        {"similarity": values},
        {"residue": list(SEQUENCE), "value": values[:, 0]},
        **{"compared with": record.id, "mean residue subtracted": True, "note": ""},
    )
    table = Table("Most similar pairs", pairs)
    return exhibit("similarity", drawn, Facts({"Residues": "36"}), table, records=[record])


@pytest.fixture
def attention(record):
    values = random.uniform(0, 1, (len(SEQUENCE),) * 2).astype(np.float32)
    made = provenance(layer=1, head=2, windows=((0, 24), (12, 36)))
    figure = views.attention_map(values, record, made, kind="apc")
    told = {
        "shown": "one head",
        "correction": "apc",
        "note": "10% of the attention goes to the start and end tokens",
    }
    return exhibit(
        "attention", picture("attention", figure, made, {"attention": values}, **told), records=[record]
    )


@pytest.fixture
def logits(record):
    values = random.normal(size=(len(SEQUENCE), 20)).astype(np.float32)
    figure = views.mutation_heatmap(values, record, provenance(), scheme="masked marginals")
    drawn = picture("mutations", figure, provenance(), {"scores": values}, scheme="masked marginals")
    return exhibit("logits", drawn, records=[record])


@pytest.fixture
def clusters(record):
    records = [record, *(ProteinRecord(f"Q{n}", SEQUENCE[n:]) for n in range(1, 6))]
    ids = tuple(one.id for one in records)
    points = Projection(
        ids, random.normal(size=(6, 2)).astype(np.float32), "umap", {"n_neighbors": 5, "seed": 3}
    )
    groups = ["a", "b", "a", "b", "", record.id]
    figure = views.projection_scatter(points, records, provenance(layer=2), color_by="family", groups=groups)
    drawn = picture(
        "clusters",
        figure,
        provenance(layer=2),
        {"ids": list(ids), "coordinates": points.coords},
        {"id": list(ids)},
        **{
            "pooling": "mean",
            "map": "umap",
            "n_neighbors": 5,
            "min_dist": 0.1,
            "metric": "cosine",
            "seed": 3,
        },
        **{"groups": "kmeans", "groups k": 2, "groups seed": 0},
    )
    table = Table("Proteins", {"id": list(ids), "cluster": [0, 1, 0, 1, -1, 0]}, note=record.id)
    return exhibit("clusters", drawn, table, records=records, source=record.id)


@pytest.fixture
def structure(record):
    painting = {"title": "chain", "colours": ["#0072B2"] * 5, "words": [f"{record.id} {n}" for n in range(5)]}
    painting["legend"] = [[f"chain {record.id}", "#0072B2"]]
    molecule = Molecule(record.id, f"{record.id}, coloured by chain", MMCIF, painting)
    return exhibit("structure", molecule, records=[record], widgets={"paint": "chain"})


@pytest.fixture
def exhibits(similarity, attention, logits, clusters, structure):
    return (similarity, attention, logits, clusters, structure)
