"""What a file of ``torch.save`` holds, read without torch and without calling anything that it names.

Such a file is a pickle and the tensors' bytes. The catalogue needs names and shapes of every checkpoint in a folder, and
importing torch to list them takes seconds; so the pickle's opcodes are followed here, and a tensor becomes an array of its
shape that takes no memory. What is called is a branch of ``_call``, never an object that the file chose.
"""

from __future__ import annotations

import argparse
import io
import pickletools
import re
import zipfile
from collections.abc import Callable
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from esmviz.errors import CorruptCheckpointError

MAX_PICKLE_BYTES = 2 * 2**20  # a checkpoint of 48 blocks has some 100 KiB
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of files from before torch 1.6, which are no zip archives

STORAGE = re.compile(r"torch(\.storage)? \w*Storage")
TENSOR = re.compile(r"torch\._utils _rebuild_tensor(_v2)?")
PARAMETER = "torch._utils _rebuild_parameter"
MAPPING = "collections OrderedDict"
SETTINGS = "argparse Namespace"

# What a file that is cut off, or of another kind, makes of the steps below.
BROKEN = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile),
    *(RuntimeError, MemoryError),  # a zip of another version or with a password; a length that got damaged
    ArithmeticError,  # a number beyond all
)

SKIPPED = {"PROTO", "FRAME", "STOP"}
LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
}
EMPTY: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}


class _Named(str):
    """A class or function that a pickle names: its module and name, nothing more."""


def outline(path: Path) -> Any:
    """The saved object: containers and plain values as they are, a tensor as an array of zeros of its shape.

    Raises
    ------
    CorruptCheckpointError
        When the file is truncated, no file of ``torch.save``, or holds anything else but tensors and settings.

    The result is shared: never change it.
    """
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)  # a page asks for the catalogue at every rerun
def _read(path: Path, _time: int, size: int) -> Any:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _outline(_pickle_in(archive), size)
        with path.open("rb") as file:
            start = io.BytesIO(file.read(MAX_PICKLE_BYTES))
        number, _version, _machine, content = (_outline(start, size) for _ in range(4))
        if number != MAGIC_NUMBER:
            raise ValueError("it begins with another number")
        return content
    except CorruptCheckpointError as error:
        raise CorruptCheckpointError(f"{path.name} {error.message}", error.hint) from None
    except BROKEN:
        raise CorruptCheckpointError(
            f"{path.name} is truncated or no file of torch.save.", "Copy it again."
        ) from None


def _pickle_in(archive: zipfile.ZipFile) -> bytes:
    [entry] = [entry for entry in archive.infolist() if re.fullmatch(r"[^/]+/data\.pkl", entry.filename)]
    if entry.file_size > MAX_PICKLE_BYTES:
        raise CorruptCheckpointError(f"has a description of {entry.file_size} bytes; no checkpoint has.")
    return archive.read(entry)


def _outline(pickled: bytes | IO[bytes], most: int) -> Any:
    """Follow one pickle to its end; no tensor has more numbers than ``most``."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks under each mark
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickled):
        name = opcode.name
        if name in SKIPPED:
            continue
        if name == "MARK":
            below.append(stack)
            stack = []
        elif name in MARKED:
            items, stack = stack, below.pop()
            MARKED[name](stack, items)
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in LITERALS:
            stack.append(argument)
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name in ("REDUCE", "NEWOBJ"):
            _call(stack, most)
        else:
            STEPS[name](stack)
    [result] = stack
    return result


def _named(name: str) -> _Named:
    if not (name in (PARAMETER, MAPPING, SETTINGS) or TENSOR.fullmatch(name) or STORAGE.fullmatch(name)):
        raise CorruptCheckpointError(
            f"holds {name.replace(' ', '.')}, which is neither a tensor nor a setting.",
            "Files that could run code are not loaded.",
        )
    return _Named(name)


def _call(stack: list[Any], most: int) -> None:
    """What a checkpoint may call: to make a tensor of a storage, a mapping, or settings."""
    arguments, name = stack.pop(), stack.pop()
    if not isinstance(name, _Named):
        raise ValueError("it calls what is no name")
    if TENSOR.fullmatch(name):
        stack.append(_array(arguments[2], most))
    elif name == PARAMETER:
        stack.append(arguments[0])
    elif name == MAPPING:
        stack.append(_mapping(*arguments))
    elif name == SETTINGS:
        stack.append(argparse.Namespace())
    else:
        raise ValueError(f"it calls {name}")


def _array(shape: Any, most: int) -> Any:
    """Zeros that take no memory. They are compared and copied by whoever reads them: hence the bound."""
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("a tensor has a shape that is none")
    if prod(shape) > most:
        raise CorruptCheckpointError("announces more numbers than it holds.", "Copy it again.")
    return np.broadcast_to(np.float32(0), tuple(shape))


def _mapping(pairs: Any = ()) -> dict[Any, Any]:
    """Pairs as a mapping. Its keys are plain: the hash of tuples within tuples can take for ever."""
    pairs = list(pairs)
    if not all(isinstance(key, str | int | float | None) for key, _ in pairs):
        raise ValueError("a name is no text")
    return dict(pairs)


def _build(stack: list[Any]) -> None:
    """Give settings their values. Of a mapping it is the versions of modules, which say nothing here."""
    state = stack.pop()
    if isinstance(stack[-1], argparse.Namespace):
        vars(stack[-1]).update(state)


def _storage(stack: list[Any]) -> None:
    """A storage is named by its place in the file; shapes are in the calls."""
    stack[-1] = None


def _last(n: int) -> Callable[[list[Any]], None]:
    def step(stack: list[Any]) -> None:
        stack[-n:] = [tuple(stack[-n:])]

    return step


def _append(stack: list[Any]) -> None:
    item = stack.pop()
    stack[-1].append(item)


def _set_item(stack: list[Any]) -> None:
    value, key = stack.pop(), stack.pop()
    _set_items(stack, [key, value])


def _set_items(stack: list[Any], items: list[Any]) -> None:
    stack[-1].update(_mapping(zip(items[::2], items[1::2], strict=True)))


def _stack_global(stack: list[Any]) -> None:
    name, module = stack.pop(), stack.pop()
    stack.append(_named(f"{module} {name}"))


STEPS: dict[str, Callable[[list[Any]], None]] = {
    "BUILD": _build,
    "BINPERSID": _storage,
    "TUPLE1": _last(1),
    "TUPLE2": _last(2),
    "TUPLE3": _last(3),
    "APPEND": _append,
    "SETITEM": _set_item,
    "STACK_GLOBAL": _stack_global,
}
MARKED: dict[str, Callable[[list[Any], list[Any]], None]] = {
    "TUPLE": lambda stack, items: stack.append(tuple(items)),
    "APPENDS": lambda stack, items: stack[-1].extend(items),
    "SETITEMS": _set_items,
}
