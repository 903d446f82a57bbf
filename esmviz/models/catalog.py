"""The models offered by name. A new model of a known family is one line here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models.pins import REVISIONS
from esmviz.models.weights import count, read_config, read_json, tensor_shapes
from esmviz.types import ModelSpec, Output

ASSETS = Path(__file__).resolve().parent.parent / "assets"
MINI_FOLDER = ASSETS / "mini"

CORE: frozenset[Output] = frozenset({"logits", "hidden_states", "attentions"})
WITH_CONTACTS: frozenset[Output] = CORE | {"contacts"}
Shape = tuple[int, int, int]  # layers, heads, width


def _mini(folder: Path = MINI_FOLDER) -> ModelSpec:
    """The embedded model: its sizes and what it can do are written beside its weights, in config and card."""
    try:
        config, n_parameters = read_config(folder), count(tensor_shapes(folder))
    except (
        CorruptCheckpointError
    ):  # said when somebody asks for the model, not when the catalogue is imported
        config, n_parameters = {}, 4_813_906
    card = read_json(folder / "card.json") if (folder / "card.json").is_file() else {}
    card_path = folder / "MODEL_CARD.md"
    return ModelSpec(
        name="mini",
        family="esm",
        repo_id="",
        revision=None,
        n_layers=config.get("num_hidden_layers", 6),
        n_heads=config.get("num_attention_heads", 8),
        d_model=config.get("hidden_size", 256),
        n_parameters=n_parameters,
        max_residues=None,
        licence=card.get("licence", "MIT"),
        provides=WITH_CONTACTS if card.get("contacts") is True else CORE,
        title="mini (embedded)",
        note=_mini_note(card),
        trained_residues=card.get("trained_residues"),
        predicts_effects=card.get("predicts_effects") is True,
        card=_without_front_matter(card_path.read_text(encoding="utf-8")) if card_path.is_file() else "",
    )


def _without_front_matter(card: str) -> str:
    """A model card without the hub's lines between dashes.

    >>> _without_front_matter("---\\nlicense: mit\\n---\\n\\n# Card")
    '# Card'
    """
    return card.split("\n---\n", 1)[-1].strip() if card.startswith("---\n") else card


def _mini_note(card: dict[str, Any]) -> str:
    """What it is, and the measured figures of its card."""
    note = "Comes with esmviz: small, for a first look. Use a larger model for conclusions."
    if "perplexity" not in card:
        return note
    runs = [*card["training"].get("runs_before", []), card["training"]]
    seen = sum(run["residues_seen"] for run in runs)
    of_families = sum(run["residues_seen"] * run["shares_of_tokens"]["families"] for run in runs) / seen
    general, families = card["perplexity"]["general"], card["perplexity"]["families_held_out"]
    return (
        f"{note} Trained by esmviz on {seen / 1e6:.0f} million residues, {of_families:.0%} of them relatives of the "
        f"example's families. Perplexity {general['model']:.1f} on other proteins (amino-acid frequencies alone: "
        f"{general['amino_acid_frequencies']:.1f}), {families['model']:.1f} on relatives left out of training."
    )


def _hub(
    name: str, repo_id: str, shape: Shape, n_parameters: int, spearman: float | None, note: str
) -> ModelSpec:
    is_esmc = name.startswith("esmc")
    return ModelSpec(
        name=name,
        family="esmc" if is_esmc else "esm",
        repo_id=repo_id,
        revision=REVISIONS.get(repo_id),
        n_layers=shape[0],
        n_heads=shape[1],
        d_model=shape[2],
        n_parameters=n_parameters,
        max_residues=None,
        licence="MIT",
        provides=CORE if is_esmc else WITH_CONTACTS,
        title=("ESM C " if is_esmc else "ESM-2 ") + name.partition("-")[2].upper(),
        url=f"https://huggingface.co/{repo_id}",
        note=note,
        trained_residues=2046 if is_esmc else 1022,
        published_spearman=spearman,
    )


def _elder(
    name: str, repo_id: str, title: str, n_parameters: int, provides: frozenset[Output], note: str
) -> ModelSpec:
    """ESM-1b or a member of ESM-1v: they learned a vector for each position, 1022 and no more."""
    return ModelSpec(
        name=name,
        family="esm",
        repo_id=repo_id,
        revision=REVISIONS.get(repo_id),
        n_layers=33,
        n_heads=20,
        d_model=1280,
        n_parameters=n_parameters,
        max_residues=1022,
        licence="MIT",
        provides=provides,
        title=title,
        url=f"https://huggingface.co/{repo_id}",
        note=note,
        trained_residues=1022,
    )


def _esm1v() -> tuple[ModelSpec, ...]:
    """The ensemble, and its five members: no norm before their blocks, no trained contact regression.

    ProteinGym's "ESM-1v (single)" is the first (its config.json says so); the mean over its 217 assays is taken by
    protein, then by kind of assay, as that of all models here.
    """
    members = tuple(
        _elder(
            f"esm1v-{number}",
            f"facebook/esm1v_t33_650M_UR90S_{number}",
            f"ESM-1v {number}",
            652_356_534,
            CORE,
            "One of the five; made to predict the effects of mutations.",
        )
        for number in range(1, 6)
    )
    members = (replace(members[0], published_spearman=0.374), *members[1:])
    ensemble = replace(
        members[0],
        name="esm1v",
        repo_id="",
        n_parameters=sum(member.n_parameters for member in members),
        provides=frozenset({"logits"}),
        title="ESM-1v ensemble",
        url="https://github.com/facebookresearch/esm/tree/main/examples/variant-prediction",
        note="What its five members expect on average; they take turns where memory is too small for all.",
        published_spearman=0.407,
        members=tuple(member.name for member in members),
    )
    return ensemble, *members


def _esm3_open() -> ModelSpec:
    repo_id = "biohub/esm3-sm-open-v1"
    return ModelSpec(
        name="esm3-open",
        family="esm3",
        repo_id=repo_id,
        revision=REVISIONS[repo_id],
        n_layers=48,
        n_heads=24,
        d_model=1536,
        n_parameters=1_401_735_748,
        max_residues=None,
        licence="MIT",
        provides=CORE,
        title="ESM3 open",
        url=f"https://huggingface.co/{repo_id}",
        # No published_spearman: ProteinGym's compute_fitness_esm3.py reads a structure of each protein (--pdb_dir).
        note="Needs the esm package. Here it is given the sequence alone; the Spearman of 0.466 that ProteinGym lists "
        "was measured with structures as input.",
        trained_residues=2046,  # a context of 2048 tokens (Biohub/esm#289)
    )


def _folding(
    name: str, title: str, repo_id: str, shape: Shape, d_pair: int, n_parameters: int, note: str
) -> ModelSpec:
    return ModelSpec(
        name=name,
        family=name,
        repo_id=repo_id,
        revision=REVISIONS.get(repo_id),
        n_layers=shape[0],
        n_heads=shape[1],
        d_model=shape[2],
        n_parameters=n_parameters,
        max_residues=None,
        licence="MIT",
        provides=frozenset({"structure"}),
        title=title,
        url=f"https://huggingface.co/{repo_id}",
        note=f"{note} Its memory grows with the square of the length.",
        d_pair=d_pair,
    )


_MODELS = (
    _mini(),
    _hub(
        "esm2-8m",
        "facebook/esm2_t6_8M_UR50D",
        (6, 20, 320),
        7_512_474,
        0.226,
        "Runs anywhere; for a first look.",
    ),
    _hub(
        "esm2-35m",
        "facebook/esm2_t12_35M_UR50D",
        (12, 20, 480),
        33_501_394,
        0.321,
        "Light enough for any laptop.",
    ),
    _hub(
        "esm2-150m",
        "facebook/esm2_t30_150M_UR50D",
        (30, 20, 640),
        148_140_154,
        0.387,
        "Well within a laptop's memory.",
    ),
    _hub(
        "esm2-650m",
        "facebook/esm2_t33_650M_UR50D",
        (33, 20, 1280),
        651_043_254,
        0.414,
        "The ESM-2 to trust for mutations.",
    ),
    _hub(
        "esm2-3b",
        "facebook/esm2_t36_3B_UR50D",
        (36, 40, 2560),
        2_839_005_634,
        0.406,
        "Needs a GPU or much patience.",
    ),
    _hub(
        "esm2-15b",
        "facebook/esm2_t48_15B_UR50D",
        (48, 40, 5120),
        15_129_100_194,
        0.400,
        "Needs a very large GPU.",
    ),
    replace(
        _elder(
            "esm1b",
            "facebook/esm1b_t33_650M_UR50S",
            "ESM-1b",
            652_359_094,
            WITH_CONTACTS,
            "The elder of ESM-2 650M, for comparison with work that used it.",
        ),
        published_spearman=0.394,
    ),
    *_esm1v(),
    _hub(
        "esmc-300m",
        "biohub/ESMC-300M",
        (30, 15, 960),
        332_997_184,
        0.406,
        "Near ESM-2 650M at half the size.",
    ),
    _hub("esmc-600m", "biohub/ESMC-600M", (36, 18, 1152), 575_036_992, 0.405, "Deeper and wider than 300M."),
    _hub("esmc-6b", "biohub/ESMC-6B", (80, 40, 2560), 6_352_005_184, None, "Needs a large GPU."),
    _esm3_open(),
    _folding(
        "esmfold",
        "ESMFold",
        "facebook/esmfold_v1",
        (36, 40, 2560),
        128,
        3_525_038_915,
        "Folds a protein: ESM-2 3B and a folding trunk of 48 blocks.",
    ),
    _folding(
        "esmfold2",
        "ESMFold2",
        "biohub/ESMFold2",
        (80, 40, 2560),
        256,
        6_542_131_805,
        "Folds a protein: ESM C 6B, a folding trunk, coordinates by diffusion.",
    ),
)

CATALOG: dict[str, ModelSpec] = {spec.name: spec for spec in _MODELS}
