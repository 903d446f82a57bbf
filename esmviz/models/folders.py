"""What a checkpoint says about itself, read without torch: family, sizes, what it provides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models.faults import MOST_LETTERS, brief
from esmviz.models.predictors import PREDICTORS, predictor
from esmviz.models.weights import HINT, Shapes, count, holds_esm3, read_config, read_json, tensor_shapes
from esmviz.types import ModelSpec, Output, Predictor

# Architecture of a masked language model of each family, and the tensor that holds its input embedding.
ARCHITECTURES = {"esm": "EsmForMaskedLM", "esmc": "EsmcForMaskedLM"}
EMBEDDINGS = {"esm": "esm.embeddings.word_embeddings.weight", "esmc": "esmc.embed_tokens.weight"}
BLOCKS = {"esm": "esm.encoder.layer.", "esmc": "esmc.layers."}
WIDTHS = {"esm": 33, "esmc": 64}
# Models that fold by family: architecture, and the family of the language model inside, whose tensors have its names.
FOLDING = {"esmfold": ("EsmForProteinFolding", "esm"), "esmfold2": ("EsmFold2Model", "esmc")}
# What settings and shapes of another kind than they should be make of the steps below.
UNFIT = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
# No logits, for want of a head; no contacts, as their regression was fitted to the attention before fine-tuning.
PREDICTOR_PROVIDES: frozenset[Output] = frozenset({"hidden_states", "attentions", "predictions"})


def describe(folder: Path, name: str) -> ModelSpec:
    """The spec of a visitor's own checkpoint, from its config, its tensors and its ``card.json`` if it has one.

    ``folder`` is a Hugging Face folder, a file of fair-esm or ESM C, or a folder that holds one.

    Raises
    ------
    CorruptCheckpointError
        When the folder is no checkpoint of a known family, is truncated, or its config and tensors disagree.
    """
    try:
        return _described(folder, name)
    except UNFIT as error:
        raise CorruptCheckpointError(
            f"{folder.name} holds what no checkpoint has ({brief(error)}).", HINT
        ) from None


def _described(folder: Path, name: str) -> ModelSpec:
    if holds_esm3(folder):
        from esmviz.models import esm3_checkpoint

        return esm3_checkpoint.describe(folder, name)
    config = read_config(folder)
    if (folding := _folding_family(config)) is not None:
        return _described_fold(folder, name, folding, config)
    family = _family(folder, config)
    shapes = tensor_shapes(folder)
    n_layers, d_model = _sizes(folder, family, config, shapes)
    card = _card(folder)
    is_absolute = family == "esm" and config.get("position_embedding_type", "absolute") == "absolute"
    predicts = predictor(folder, family, config, shapes)
    return ModelSpec(
        name=name,
        family=family,
        repo_id="",
        revision=None,
        n_layers=n_layers,
        n_heads=_n_heads(folder, config.get("num_attention_heads", 12 if family == "esm" else 40), d_model),
        d_model=d_model,
        n_parameters=count(shapes),
        max_residues=int(config.get("max_position_embeddings", 1026)) - 4 if is_absolute else None,
        licence=card.get("licence", ""),
        provides=_provides(family, config, shapes, card) if predicts is None else PREDICTOR_PROVIDES,
        title=name,
        note="A checkpoint of your own.",
        trained_residues=card.get("trained_residues"),
        predicts_effects=card.get("predicts_effects", True) is True,
        predictor=predicts,
    )


def _card(folder: Path) -> dict[str, Any]:
    """What ``card.json`` says, where there is one."""
    path = folder / "card.json"
    card = read_json(path) if path.is_file() else {}
    licence, trained = card.get("licence", ""), card.get("trained_residues")
    if not isinstance(licence, str) or len(licence) > MOST_LETTERS:
        raise CorruptCheckpointError(f"{folder.name}/card.json has a licence that is no short text.")
    if trained is not None and not (type(trained) is int and trained > 0):
        raise CorruptCheckpointError(f"{folder.name}/card.json: trained_residues is no number of residues.")
    return card


def _n_heads(folder: Path, said: object, d_model: int) -> int:
    if type(said) is not int or said < 1 or d_model % said:
        raise CorruptCheckpointError(f"{folder.name}: {brief(said)} heads do not share a width of {d_model}.")
    return said


def _described_fold(folder: Path, name: str, family: str, config: dict[str, Any]) -> ModelSpec:
    """The spec of a model that folds: layers, heads and width are those of its language model."""
    language, shapes = FOLDING[family][1], tensor_shapes(folder)
    of_language = config if family == "esmfold" else config["esmc_config"]
    n_layers, d_model = _sizes(folder, language, of_language, shapes)
    trunk = (config.get("esmfold_config") or {}).get("trunk") or {}
    d_pair = trunk.get("pairwise_state_dim", 128) if family == "esmfold" else config["pairwise_hidden_size"]
    return ModelSpec(
        name=name,
        family=family,
        repo_id="",
        revision=None,
        n_layers=n_layers,
        n_heads=_n_heads(folder, of_language["num_attention_heads"], d_model),
        d_model=d_model,
        n_parameters=count(shapes),
        max_residues=None,
        licence="",
        provides=frozenset({"structure"}),
        title=name,
        note="A checkpoint of your own.",
        d_pair=int(d_pair),
    )


def _folding_family(config: dict[str, Any]) -> str | None:
    """Family of a model that folds, None of another."""
    is_esmfold = config.get("model_type") == "esm" and config.get("is_folding_model")
    return "esmfold" if is_esmfold else "esmfold2" if config.get("model_type") == "esmfold2" else None


def _family(folder: Path, config: dict[str, Any]) -> str:
    family = str(config.get("model_type"))
    named = config.get("architectures") or [ARCHITECTURES.get(family)]
    known = {ARCHITECTURES.get(family)} | {
        name for (its, _), (name, _) in PREDICTORS.items() if its == family
    }
    if family not in ARCHITECTURES or known.isdisjoint(named):
        folding = (name for name, _ in FOLDING.values())
        loaded = [*ARCHITECTURES.values(), *(name for name, _ in PREDICTORS.values()), *folding]
        raise CorruptCheckpointError(
            f"{folder.name} is {brief(', '.join(map(str, named)))} of type {brief(family)}, which esmviz cannot load.",
            f"It loads {', '.join(loaded)}.",
        )
    return family


def architecture(family: str, predicts: Predictor | None) -> str:
    """Name of the class of transformers that holds such a checkpoint."""
    if family in FOLDING:
        return FOLDING[family][0]
    return ARCHITECTURES[family] if predicts is None else PREDICTORS[family, predicts.unit][0]


def _sizes(folder: Path, family: str, config: dict[str, Any], shapes: Shapes) -> tuple[int, int]:
    """Layers and width: the tensors know them best, since a config of another layout silently takes defaults."""
    prefix = BLOCKS[family]
    numbers = (name[len(prefix) :].partition(".")[0] for name in shapes if name.startswith(prefix))
    blocks = {
        number for number in numbers if number.isdigit()
    }  # save_pretrained writes a tensor for layer "*"
    embedding = shapes.get(EMBEDDINGS[family], ())
    if not blocks or len(embedding) != 2 or embedding[0] != WIDTHS[family]:
        raise CorruptCheckpointError(f"{folder.name} holds tensors of another layout than {family}.", HINT)
    for key, value in (("num_hidden_layers", len(blocks)), ("hidden_size", embedding[1])):
        if config.get(key, value) != value:
            raise CorruptCheckpointError(
                f"{folder.name}: config.json says {key} {brief(config[key])}, the tensors {value}.", HINT
            )
    return len(blocks), embedding[1]


def _provides(family: str, config: dict[str, Any], shapes: Shapes, card: dict[str, Any]) -> frozenset[Output]:
    provides: set[Output] = {"logits", "hidden_states", "attentions"}
    is_trained = family == "esm" and card.get("contacts", True) is True and has_trained_contacts(config)
    if is_trained and "esm.contact_head.regression.weight" in shapes:
        provides.add("contacts")
    return frozenset(provides)


def has_trained_contacts(config: dict[str, Any]) -> bool:
    """False for ESM-1v, known by absolute positions without a norm before the blocks: its folders carry a contact
    head of random numbers.
    """
    is_absolute = config.get("position_embedding_type", "absolute") == "absolute"
    return not is_absolute or config.get("emb_layer_norm_before") is True
