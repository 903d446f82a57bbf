"""Numbers out of a server's reply: what has another shape or is not finite goes no further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from esmviz.errors import ProteinRefusedError, ServiceError
from esmviz.types import AMINO_ACIDS, FloatArray, ProteinRecord

ABOUT_PROTEINS = frozenset({400, 413, 422})  # refusals that are of what was sent


def numbers(
    value: Any, shape: tuple[int | None, ...], what: str, *, is_batch_of_one: bool = False
) -> FloatArray:
    """An array of a shape, in which None stands for any length; axes of a batch of one may stand before it.

    Raises
    ------
    ServiceError
        For anything else: missing, ragged, another shape, not finite.

    Examples
    --------
    >>> numbers([[1, 2], [3, 4]], (None, 2), "logits").dtype
    dtype('float32')
    """
    if value is None:
        raise ServiceError(f"the server's reply has no {what}.")
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
            array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):  # the last for a whole number of hundreds of digits
        raise ServiceError(f"{what} in the server's reply are no array of numbers.") from None
    while is_batch_of_one and array.ndim > len(shape) and array.shape[0] == 1:
        array = array[0]
    fits = array.ndim == len(shape)
    if not fits or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise ServiceError(
            f"{what} in the server's reply are {' x '.join(map(str, array.shape))}, not {wanted}."
        )
    if not np.isfinite(array).all():
        raise ServiceError(f"{what} in the server's reply are not all finite numbers.")
    return array


def by_amino_acid(logits: FloatArray, letters: Sequence[Any]) -> FloatArray:
    """Columns (L, V) in the order of ``letters`` as (L, A) in that of ``AMINO_ACIDS``.

    Raises
    ------
    ServiceError
        Where the letters are not as many as columns, or one amino acid is not there exactly once.
    """
    if len(letters) != logits.shape[1] or any(letters.count(letter) != 1 for letter in AMINO_ACIDS):
        raise ServiceError("the server's reply does not say which amino acid each column of the logits is.")
    return logits[:, [letters.index(letter) for letter in AMINO_ACIDS]]


@contextmanager
def naming(who: str) -> Iterator[None]:
    """Begin what goes wrong with the name of the protein, or of the model, that it went wrong with."""
    try:
        yield
    except ServiceError as error:
        raise type(error)(f"{who}: {error.message}", error.hint, status=error.status) from None


@contextmanager
def blaming(record: ProteinRecord) -> Iterator[None]:
    """``naming`` of a request that held one protein: a refusal of what it held is one of that protein."""
    try:
        with naming(record.id):
            yield
    except ServiceError as error:
        if error.status in ABOUT_PROTEINS:
            raise ProteinRefusedError(error.message, error.hint, status=error.status) from None
        raise
