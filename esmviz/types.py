"""The nouns of esmviz: frozen values that hold numbers and say what they are.

Axes: ``N`` proteins, ``L`` residues of one protein (special tokens already gone), ``n`` requested layers, ``H`` heads,
``D`` model width, ``A`` the 20 amino acids in ``AMINO_ACIDS`` order. Arrays are float32. Indices count from 0, apart from
a layer, which is a name: 0 is the input embedding, ``i`` is the output of block ``i``, and layer ``n_layers`` is after the
final norm. Attention of block ``i`` is layer ``i``, so attention layers run from 1 to ``n_layers``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from esmviz.arrays import FloatArray as FloatArray
from esmviz.arrays import IntArray as IntArray
from esmviz.fold import Structure as Structure

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"  # the order of every axis A, in files too
AMBIGUOUS = "BZXUO"  # letters the models know but that name no single standard amino acid

Output = Literal["logits", "hidden_states", "attentions", "contacts", "structure", "predictions"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Windows = tuple[tuple[int, int], ...]  # 0-based and half-open, of one length; () is a protein in one piece
Pooling = Literal["mean", "max", "bos"]


@dataclass(frozen=True)
class ProteinRecord:
    """One protein: an id, upper-case residues of ``AMINO_ACIDS`` or ``AMBIGUOUS``, and what its header said."""

    id: str
    sequence: str
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __len__(self) -> int:
        return len(self.sequence)


# As config.json of transformers names them: softmax, a sigmoid for each class, the raw number.
Problem = Literal["single_label_classification", "multi_label_classification", "regression"]


@dataclass(frozen=True)
class Predictor:
    """What a classifier or a regression on top of a model predicts, for each protein or each of its residues.

    ``classes`` are K different names from the checkpoint's config: text from outside. ``is_assumed`` says that
    ``problem`` follows from their number alone, as the config does not name it.
    """

    unit: Literal["proteins", "residues"]
    problem: Problem
    classes: tuple[str, ...]
    is_assumed: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and can do, as data: pages ask ``provides`` and the sizes, never the name.

    ``max_residues`` is the longest protein the model takes (``None``: no hard limit) and ``trained_residues`` the
    longest it saw in training. ``published_spearman`` is the ProteinGym zero-shot mean over 217 assays.
    ``predicts_effects`` is False where a model is known not to rank mutations better than BLOSUM62. ``card`` is the
    model card, Markdown, of a model that ships with esmviz. ``predictor`` is what its predictions mean, where it
    provides some. ``members`` are the models of an ensemble, by name; it has no weights of its own. ``host`` names
    the server that computes it, to which sequences are sent (empty: this machine). ``poolings`` are the ways it gives
    one vector a protein, and ``layer_range`` the lowest and highest layer whose hidden states it gives (``None``: all).
    """

    name: str
    family: str
    repo_id: str
    revision: str | None
    n_layers: int
    n_heads: int
    d_model: int
    n_parameters: int
    max_residues: int | None
    licence: str
    provides: frozenset[Output]
    title: str = ""
    url: str = ""
    note: str = ""
    trained_residues: int | None = None
    published_spearman: float | None = None
    predicts_effects: bool = True
    card: str = ""
    predictor: Predictor | None = None
    members: tuple[str, ...] = ()
    host: str = ""
    poolings: tuple[Pooling, ...] = get_args(Pooling)
    layer_range: tuple[int, int] | None = None
    d_pair: int = 0  # width of the pair states of a model that folds: its memory grows with their square

    @property
    def layers(self) -> range:
        """Names of the layers whose hidden states can be had."""
        first, last = self.layer_range or (0, self.n_layers)
        return range(first, last + 1)


# Probes say what is kept of the attention while the model runs, layer by layer; nothing ever holds all layers.
# They are values, so that a request can be a cache key; `models/probes.py` has the torch code behind each.


@dataclass(frozen=True)
class KeepHeads:
    """Attention of some heads (0-based) of one layer (1-based): (len(heads), L, L), rows are queries."""

    layer: int
    heads: tuple[int, ...]

    @property
    def key(self) -> str:
        return f"heads-{self.layer}-{'-'.join(map(str, self.heads))}"


@dataclass(frozen=True)
class OverHeads:
    """Mean or maximum over all heads of layers ``first`` to ``last`` (1-based, inclusive): (L, L)."""

    first: int
    last: int
    how: Literal["mean", "max"] = "mean"

    @property
    def key(self) -> str:
        return f"{self.how}-{self.first}-{self.last}"


@dataclass(frozen=True)
class Thumbnails:
    """Block means of every head of every layer: (n_layers, H, s, s) with s = min(L, size)."""

    size: int = 48

    @property
    def key(self) -> str:
        return f"thumbnails-{self.size}"


@dataclass(frozen=True)
class ContactHead:
    """Contact probabilities of the checkpoint's own trained regression: (L, L), symmetric, 0 to 1."""

    @property
    def key(self) -> str:
        return "contacts"


@dataclass(frozen=True)
class Rollout:
    """Attention rollout (Abnar & Zuidema 2020) through layers ``first`` to ``last`` (1-based, inclusive): (L, L).

    Cell (i, j) is the share of residue i after layer ``last`` that came from residue j before layer ``first``, as
    ``analysis.flow.rollout`` has it. Start and end tokens take part on the way; their row and column are cut off
    at the end, so that rows sum to 1 minus what came from them.
    """

    first: int
    last: int

    @property
    def key(self) -> str:
        return f"rollout-{self.first}-{self.last}"


Statistic = Literal["distance", "entropy", "separated", "long_range", "start", "end"]
SEPARATION = {"separated": 6, "long_range": 24}  # least |i - j| in residues, as contacts are counted


@dataclass(frozen=True)
class HeadStatistic:
    """One number for every head of every layer, (n_layers, H); ``analysis.heads`` defines each by its name."""

    name: Statistic

    @property
    def key(self) -> str:
        return f"statistic-{self.name}"


Probe = KeepHeads | OverHeads | Thumbnails | ContactHead | Rollout | HeadStatistic


@dataclass(frozen=True)
class Request:
    """What to get out of one forward pass. Hashable, so that it can be part of a cache key.

    ``layers`` may be negative as in Python (-1 is the last); ``resolved`` makes them names.
    """

    logits: bool = False
    layers: tuple[int, ...] = ()
    pooling: Pooling | None = None
    keep_residues: bool = False
    probes: tuple[Probe, ...] = ()
    precision: Precision = "float32"
    predictions: bool = False
    structure: bool = False


@dataclass(frozen=True)
class ModelOutput:
    """What one protein gave. Arrays are float32, read-only, special tokens gone.

    ``logits`` (L, A) raw, ``hidden_states`` (n, L, D), ``pooled`` (n, D), ``probes`` by ``Probe.key``;
    ``precision`` is the one really used, ``windows`` is () when the protein ran in one piece. ``predictions`` are raw,
    before any softmax: (K,) of the protein or (L, K) of its residues, as ``ModelSpec.predictor`` says.
    """

    logits: FloatArray | None = None
    hidden_states: FloatArray | None = None
    pooled: FloatArray | None = None
    probes: Mapping[str, FloatArray] = field(default_factory=dict)
    precision: str = "float32"
    windows: Windows = ()
    predictions: FloatArray | None = None
    structure: Structure | None = None

    @property
    def n_bytes(self) -> int:
        values = [self.logits, self.hidden_states, self.pooled, self.predictions, self.structure]
        return sum(value.nbytes for value in [*values, *self.probes.values()] if value is not None)


@dataclass(frozen=True)
class Provenance:
    """Where a picture or a file comes from; goes into every caption and every file. ``head`` is 0-based."""

    model: str
    revision: str
    precision: str
    layer: int | None = None
    head: int | None = None
    windows: Windows = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class EmbeddingKey:
    """All that could change a vector; not the FASTA header, not the time."""

    model: str
    revision: str
    layer: int
    pooling: str
    precision: str
    windowing: str
    sequence: str

    def digest(self) -> str:
        """SHA-256 over all fields, as hexadecimal text."""
        return hashlib.sha256("\x1f".join(map(str, asdict(self).values())).encode()).hexdigest()


@dataclass(frozen=True)
class EmbeddingSet:
    """Vectors (N, D) of N proteins from one model, layer and pooling; only such vectors are comparable.

    With the pooling ``predictions`` they are the raw predictions (N, K) of the proteins. ``windows`` has an entry for each
    protein; without any, all ran in one piece.
    """

    ids: tuple[str, ...]
    vectors: FloatArray
    model: str
    revision: str
    layer: int
    pooling: str
    precision: str
    windows: tuple[Windows, ...] = ()


@dataclass(frozen=True)
class Projection:
    """Points (N, 2 or 3) on a map, with the method and parameters that made it."""

    ids: tuple[str, ...]
    coords: FloatArray
    method: str
    params: Mapping[str, Any]
