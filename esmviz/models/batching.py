"""Which proteins share a row, and what happens when a row does not fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from esmviz.errors import OutOfMemoryError

T = TypeVar("T")
R = TypeVar("R")

# Tokens of one row. On a CPU larger rows leave the caches and are slower; a GPU needs them to be busy.
PACK_TOKENS = {"cpu": 1536, "cuda": 32768}
SHORTAGE = ("out of memory", "can't allocate memory", "not enough memory")  # of a GPU, on Linux, on Windows


def packs(lengths: Sequence[int], max_tokens: int) -> Iterator[range]:
    """Cut a list of proteins into rows of neighbours, each of at most ``max_tokens`` or of one protein.

    Order is kept, so results stream out as they came in: there is no padding that sorting would save.

    Examples
    --------
    >>> list(packs([50, 40, 200, 10], 100))
    [range(0, 2), range(2, 3), range(3, 4)]
    """
    start, total = 0, 0
    for index, length in enumerate(lengths):
        if index > start and total + length > max_tokens:
            yield range(start, index)
            start, total = index, 0
        total += length
    if lengths:
        yield range(start, len(lengths))


def first_alone(others: Iterable[range]) -> Iterator[range]:
    """A row of one before the rows of the others: somebody waits for the first result, and for all in the end.

    Examples
    --------
    >>> list(first_alone([range(0, 4), range(4, 6)]))
    [range(0, 1), range(1, 5), range(5, 7)]
    """
    yield range(1)
    yield from (range(row.start + 1, row.stop + 1) for row in others)


def halving(
    items: Sequence[T], compute: Callable[[Sequence[T]], list[R]], what: Callable[[T], str]
) -> list[R]:
    """Compute a batch; when it does not fit in memory, compute its halves.

    Raises
    ------
    OutOfMemoryError
        When one item alone does not fit; ``what`` names it.
    """
    try:
        return compute(items)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        shortage = str(error).splitlines()[0] if str(error) else "out of memory"
    _free_cached_memory()
    if len(items) == 1:
        raise OutOfMemoryError(
            f"{what(items[0])} alone does not fit in memory ({shortage}).",
            "Use a smaller model or a shorter protein, ask for fewer maps, or lower ESMVIZ_WINDOW_ABOVE, so that it "
            "is read in windows.",
        )
    middle = len(items) // 2
    return halving(items[:middle], compute, what) + halving(items[middle:], compute, what)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory; on a CPU, torch says so only in the text of its error."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in SHORTAGE)


def _free_cached_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
