"""Classifiers and regressions that people trained on top of a model, read from config and tensor shapes. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from esmviz.errors import CorruptCheckpointError
from esmviz.models.faults import brief
from esmviz.types import Predictor, Problem

Unit = Literal["proteins", "residues"]

# Architecture of a predictor by family and unit, and the tensor (K, D) from which its classes are counted.
PREDICTORS: dict[tuple[str, Unit], tuple[str, str]] = {
    ("esm", "proteins"): ("EsmForSequenceClassification", "classifier.out_proj.weight"),
    ("esm", "residues"): ("EsmForTokenClassification", "classifier.weight"),
    ("esmc", "proteins"): ("EsmcForSequenceClassification", "classifier.out_proj.weight"),
    ("esmc", "residues"): ("EsmcForTokenClassification", "score.weight"),
}
HINT = "The config and the weights come from one save_pretrained: copy them again, together."
MOST_NAME = 200  # letters of a class
PROBLEMS: tuple[Problem, ...] = ("single_label_classification", "multi_label_classification", "regression")


def predictor(
    folder: Path, family: str, config: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> Predictor | None:
    """What a checkpoint predicts; None for a masked language model.

    As transformers has it, a config without names has two classes, and one class without a problem type is a
    regression. Several are taken for one label each: what its losses do with whole numbers for labels.

    Raises
    ------
    CorruptCheckpointError
        When the config names other classes than the tensors hold, or a problem that transformers does not know.
    """
    for (its_family, unit), (architecture, tensor) in PREDICTORS.items():
        if its_family == family and architecture in (config.get("architectures") or ()):
            names = config.get("id2label") or {}
            n_classes = len(names) or config.get("num_labels") or 2
            _check(folder, architecture, tensor, shapes.get(tensor), n_classes)
            classes = _classes(folder, names or {n: f"LABEL_{n}" for n in range(n_classes)})
            problem = _problem(folder, config, len(classes))
            return Predictor(unit, problem, classes, is_assumed=not config.get("problem_type"))
    return None


def _check(
    folder: Path, architecture: str, tensor: str, shape: tuple[int, ...] | None, n_classes: int
) -> None:
    if not shape:
        raise CorruptCheckpointError(f"{folder.name} is {architecture} and lacks {tensor}.", HINT)
    if shape[0] != n_classes:
        raise CorruptCheckpointError(
            f"{folder.name}/config.json has {brief(n_classes)} classes, {tensor} has {brief(shape[0])}.", HINT
        )


def _problem(folder: Path, config: dict[str, Any], n_classes: int) -> Problem:
    named = config.get("problem_type") or PROBLEMS[2 if n_classes == 1 else 0]
    if named not in PROBLEMS:
        raise CorruptCheckpointError(
            f"{folder.name}/config.json has the problem_type {brief(repr(named))}.",
            f"There are {', '.join(PROBLEMS)}.",
        )
    if named == PROBLEMS[0] and n_classes == 1:  # transformers refuses it, too: its probability is always 1
        raise CorruptCheckpointError(
            f"{folder.name}/config.json has the problem_type {named!r} and one class.",
            "One class is a regression, or stands for yes and no as multi_label_classification.",
        )
    problem: Problem = named
    return problem


def _classes(folder: Path, names: dict[Any, Any]) -> tuple[str, ...]:
    """Names of the classes in the order of the tensor's rows; a second one of the same name gets a number."""
    by_index = {int(index): str(name) for index, name in names.items()}
    if any(len(name) > MOST_NAME for name in by_index.values()):
        raise CorruptCheckpointError(
            f"{folder.name}/config.json has a class whose name has more than {MOST_NAME} letters.", HINT
        )
    if sorted(by_index) != list(range(len(names))):
        raise CorruptCheckpointError(
            f"{folder.name}/config.json does not name the classes 0, 1, 2 and so on in id2label.", HINT
        )
    found: dict[str, None] = {}
    for index in range(len(by_index)):
        name, n = by_index[index], 1
        while name in found:
            n += 1
            name = f"{by_index[index]}~{n}"
        found[name] = None
    return tuple(found)
