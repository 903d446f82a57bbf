"""The loops of ``half_attention``: compiled by numba, with the vector instructions that matter written out.

Everything here works on bare addresses, which ``half_attention`` has checked. One file, since numba tells by the date of
a function's own file whether what it keeps on disk is stale.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial, wraps
from math import e, log2, sqrt
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from esmviz.models.half_attention import is_available

LANES = 16  # of a vector: float32, or pairs of bfloat16
ROWS = 8  # queries at a time; with two vectors of keys each, 16 of 32 registers hold their sums
AHEAD = 8  # tokens between what is read and what is fetched: they lie kilobytes apart
NOWHERE = np.float32(-3e38)  # the score of a key that is not there: its weight is 0


# --- vectors, for which numba has no words: code for LLVM, steps being in bytes -------------------------------------


class _BFloat(ir.types._BaseFloatType):
    """llvmlite lacks the type."""

    null = "0.0"

    def __str__(self) -> str:
        return "bfloat"


_BFloat._create_instance()
BYTE, SHORT, WORD, INDEX = (ir.IntType(bits) for bits in (8, 16, 32, 64))
FLOAT, BFLOAT = ir.FloatType(), _BFloat()
address = n_bytes = count = types.int64


def _emitted(*arguments: Any, result: Any = types.void) -> Callable[[Callable[..., Any]], Any]:
    """A function for the loops below out of one that writes its code; an argument of None is known when compiling."""

    def decorate(write: Callable[..., Any]) -> Any:
        @wraps(write)  # numba takes the names of arguments from there
        def typed(context, *given):
            signature = result(
                *(one if kind is None else kind for kind, one in zip(arguments, given, strict=True))
            )
            known = [one.literal_value for kind, one in zip(arguments, given, strict=True) if kind is None]

            def build(context, b, signature, values):
                return write(b, *values[: len(values) - len(known)], *known) or context.get_dummy_value()

            return signature, build

        return intrinsic(prefer_literal=True)(typed)

    return decorate


def _vector(kind: Any, n: int = LANES) -> Any:
    return ir.VectorType(kind, n)


def _call(b, name, result, *given, fastmath=()):
    signature = ir.FunctionType(result, [one.type for one in given])
    return b.call(cgutils.get_or_insert_function(b.module, signature, name), given, fastmath=fastmath)


def _place(b, base, offset, kind):
    return b.inttoptr(b.add(base, offset), kind.as_pointer())


def _load(b, base, offset, kind):
    return b.load(_place(b, base, offset, kind), align=2)


def _store(b, value, base, offset):
    b.store(value, _place(b, base, offset, value.type), align=2)


def _times(b, index, n):
    return b.mul(index, INDEX(n))


def _all(number, kind, n=LANES):
    return ir.Constant(_vector(kind, n), [number] * n)


def _everywhere(b, number, n=LANES):
    blank = ir.Constant(_vector(number.type, n), ir.Undefined)
    return b.shuffle_vector(b.insert_element(blank, number, WORD(0)), blank, _all(0, WORD, n))


def _variable(b, value):
    place = cgutils.alloca_once(b, value.type)
    b.store(value, place)
    return place


def _larger(b, x, y):
    return b.select(b.fcmp_ordered(">", x, y), x, y)


def _rounded(b, floats):
    """The nearest bfloat16, ties to even, as 16-bit words."""
    n = floats.type.count
    return b.bitcast(b.fptrunc(floats, _vector(BFLOAT, n)), _vector(SHORT, n))


# 2 ** x for |x| <= 0.5 within 4e-6 of it, a thousandth of what rounding to bfloat16 changes.
EXP2 = np.polynomial.Chebyshev.interpolate(np.exp2, 4, domain=[-0.5, 0.5]).convert(
    kind=np.polynomial.Polynomial
)
FMA = "llvm.fma.v16f32"


def _exp2(b, x):
    floats = _vector(FLOAT)
    whole = _call(b, "llvm.rint.v16f32", floats, x)
    rest, power = b.fsub(x, whole), _all(float(np.float32(EXP2.coef[-1])), FLOAT)
    for coefficient in EXP2.coef[-2::-1]:
        power = _call(b, FMA, floats, power, rest, _all(float(np.float32(coefficient)), FLOAT))
    unmasked, rounding = SHORT(-1), WORD(4)
    return _call(b, "llvm.x86.avx512.mask.scalef.ps.512", floats, power, whole, power, unmasked, rounding)


@_emitted(address, n_bytes, address, n_bytes, address, address, n_bytes, count, None)
def _multiply(b, rows, row_step, panels, panel_step, first, out, out_step, n, n_panels):
    """Of ``ROWS`` rows and each panel of 16 columns, ``first`` and the sum over n pairs of numbers of their products."""
    halves = _vector(BFLOAT, 2 * LANES)
    begin = [_load(b, first, INDEX(4 * LANES * j), _vector(FLOAT)) for j in range(n_panels)]
    sums = [[_variable(b, each) for each in begin] for _ in range(ROWS)]
    with cgutils.for_range(b, n) as loop:
        there = _times(b, loop.index, 4 * LANES)
        columns = [
            _load(b, panels, b.add(there, _times(b, panel_step, j)), _vector(WORD)) for j in range(n_panels)
        ]
        for r, own in enumerate(sums):
            pair = _load(b, rows, b.add(_times(b, row_step, r), _times(b, loop.index, 4)), WORD)
            for column, total in zip(columns, own, strict=True):
                both = [b.bitcast(each, halves) for each in (_everywhere(b, pair), column)]
                name = "llvm.x86.avx512bf16.dpbf16ps.512"
                b.store(_call(b, name, _vector(FLOAT), b.load(total), *both), total)
    for r, own in enumerate(sums):
        for j, total in enumerate(own):
            _store(b, b.load(total), out, b.add(_times(b, out_step, r), INDEX(4 * LANES * j)))


@_emitted(address, address, count, types.float32, result=types.float32)
def _soften(b, scores, weights, n, scale):
    """Of n x 32 scores, 2 to the power of scale x (score - largest) as bfloat16; gives their sum."""

    def two(index):
        there = _times(b, index, 8 * LANES)
        return [_load(b, scores, b.add(there, INDEX(4 * LANES * half)), _vector(FLOAT)) for half in (0, 1)]

    tops = [_variable(b, _all(float(NOWHERE), FLOAT)) for _ in range(2)]
    with cgutils.for_range(b, n) as loop:
        for top, some in zip(tops, two(loop.index), strict=True):
            b.store(_larger(b, some, b.load(top)), top)
    top = _call(
        b, "llvm.vector.reduce.fmax.v16f32", FLOAT, _larger(b, *map(b.load, tops)), fastmath=("nnan",)
    )
    shift, scales = _everywhere(b, b.fneg(b.fmul(top, scale))), _everywhere(b, scale)
    totals = [_variable(b, _all(0.0, FLOAT)) for _ in range(2)]
    with cgutils.for_range(b, n) as loop:
        powers = [_exp2(b, _call(b, FMA, _vector(FLOAT), some, scales, shift)) for some in two(loop.index)]
        for power, total in zip(powers, totals, strict=True):
            b.store(b.fadd(b.load(total), power), total)
        both = b.shuffle_vector(*powers, ir.Constant(_vector(WORD, 2 * LANES), list(range(2 * LANES))))
        _store(b, _rounded(b, both), weights, _times(b, loop.index, 4 * LANES))
    total = b.fadd(*map(b.load, totals))
    return _call(b, "llvm.vector.reduce.fadd.v16f32", FLOAT, FLOAT(0.0), total, fastmath=("reassoc",))


@_emitted(address, address, address, address, count)
def _turn(b, pairs, cosines, sines, out, n):
    """Pairs (x, y) to (x cos - y sin, x sin + y cos)."""
    floats, words = _vector(FLOAT, 4), _vector(WORD, 4)
    with cgutils.for_range(b, b.udiv(n, INDEX(4))) as loop:
        there = _times(b, loop.index, 16)
        pair, cos, sin = (
            _load(b, base, there, kind) for base, kind in ((pairs, words), (cosines, floats), (sines, floats))
        )
        x = b.bitcast(b.shl(pair, _all(16, WORD, 4)), floats)
        y = b.bitcast(b.and_(pair, _all(0xFFFF0000, WORD, 4)), floats)
        low = _rounded(b, b.fsub(b.fmul(x, cos), b.fmul(y, sin)))
        high = _rounded(b, b.fadd(b.fmul(x, sin), b.fmul(y, cos)))
        _store(b, _paired(b, low, high), out, there)


def _paired(b, low, high):
    words = _vector(WORD, low.type.count)
    return b.or_(b.zext(low, words), b.shl(b.zext(high, words), _all(16, WORD, low.type.count)))


@_emitted(address, address, address, count)
def _join(b, even, odd, out, n):
    """Two rows of n numbers to n pairs."""
    with cgutils.for_range(b, b.udiv(n, INDEX(8))) as loop:
        both = [_load(b, row, _times(b, loop.index, 16), _vector(SHORT, 8)) for row in (even, odd)]
        _store(b, _paired(b, *both), out, _times(b, loop.index, 32))


@_emitted(address, count, address)
def _transpose(b, rows, n, out):
    """16 rows of n pairs to n rows of 16."""
    with cgutils.for_range(b, n) as loop:
        for row in range(LANES):
            pair = _load(b, rows, _times(b, b.add(_times(b, n, row), loop.index), 4), WORD)
            _store(b, pair, out, b.add(_times(b, loop.index, 4 * LANES), INDEX(4 * row)))


@_emitted(address, types.float32, address, count)
def _write(b, sums, factor, out, n):
    """Numbers times a factor, rounded."""
    factors = _everywhere(b, factor, 8)
    with cgutils.for_range(b, b.udiv(n, INDEX(8))) as loop:
        product = b.fmul(_load(b, sums, _times(b, loop.index, 32), _vector(FLOAT, 8)), factors)
        _store(b, _rounded(b, product), out, _times(b, loop.index, 16))


@_emitted(address, count)
def _fetch(b, base, n):
    """Have n bytes brought near; of no consequence where there is no such memory."""
    with cgutils.for_range(b, b.udiv(b.add(n, INDEX(63)), INDEX(64))) as loop:
        line = _place(b, base, _times(b, loop.index, 64), BYTE)
        to_read, nearest, data = WORD(0), WORD(3), WORD(1)
        _call(b, "llvm.prefetch.p0", ir.VoidType(), line, to_read, nearest, data)


# --- the loops -------------------------------------------------------------------------------------------------------


class Room(NamedTuple):
    """What one protein after the other is computed in: ``ROWS`` rows, and where their sums begin."""

    scores: Any
    weights: Any
    sums: Any
    factors: Any
    absence: Any  # 0 for a key, NOWHERE beyond the last
    nothing: Any


@njit
def _pair_values(value, step, length, d, values, nothing):
    """Values of two tokens side by side, 16 columns at a time."""
    n_pairs = -(-length // LANES) * LANES // 2
    for column in range(0, d, LANES):
        n = min(LANES, d - column)
        for pair in range(n_pairs):
            even = value + 2 * pair * step + 2 * column if 2 * pair < length else nothing
            odd = even + step if 2 * pair + 1 < length else nothing
            _fetch(even + AHEAD * step, 2 * n)
            _fetch(odd + AHEAD * step, 2 * n)
            _join(even, odd, values + 4 * (column * n_pairs + LANES * pair), n)


@njit
def _attend_head(queries, keys, values, length, d, room, out, step):
    """Softmax of the products of queries and keys, times the values, ``ROWS`` queries at a time."""
    scale, n_pairs = np.float32(log2(e) / sqrt(d)), -(-length // LANES) * LANES // 2
    n_blocks = -(-length // (2 * LANES))
    weights = room.weights.ctypes.data
    for t in range(0, length, ROWS):
        _multiply_all(queries + 2 * d * t, 2 * d, keys, d // 2, length, room.absence, room.scores)
        for row in range(min(ROWS, length - t)):
            score, weight = room.scores[row].ctypes.data, room.weights[row].ctypes.data
            room.factors[row] = np.float32(1) / _soften(score, weight, n_blocks, scale)
        _multiply_all(weights, room.weights.strides[0], values, n_pairs, d, room.nothing, room.sums)
        for row in range(min(ROWS, length - t)):
            _write(room.sums[row].ctypes.data, room.factors[row], out + (t + row) * step, d)


@njit
def _multiply_all(rows, row_step, panels, n, n_columns, first, out):
    """Products of ``ROWS`` rows and all columns, two panels of 16 at a time."""
    panel_step, n_panels = 4 * LANES * n, -(-n_columns // LANES)
    for panel in range(0, n_panels, 2):
        there, column = panels + panel * panel_step, 4 * LANES * panel
        begin, result = first.ctypes.data + column, out.ctypes.data + column
        if panel + 1 < n_panels:
            _multiply(rows, row_step, there, panel_step, begin, result, out.strides[0], n, 2)
        else:
            _multiply(rows, row_step, there, panel_step, begin, result, out.strides[0], n, 1)


def _compiled(function):
    """Compiled by the import, since its types are given; once on a machine where numba finds a folder to keep it in. Left
    as it is where the processor lacks the instructions: LLVM would end the process, of whoever only looks at the module,
    too.
    """
    if not is_available():
        return function
    numbers, number = types.int64[::1], types.int64
    compiled = partial(njit, types.void(numbers, numbers, numbers, number, number, number), nogil=True)
    try:
        return compiled(cache=True)(function)
    except (RuntimeError, OSError) as error:
        logging.getLogger(__name__).warning("compiled anew at each start (NUMBA_CACHE_DIR helps): %s", error)
        return compiled()(function)


@_compiled
def attend(places, steps, lengths, first, end, d):
    """Attention of each protein of a row to itself, by heads ``first`` to ``end`` of width d.

    ``places`` are the addresses of queries, keys, values, outputs, cosines and sines of the turns, ``steps`` the bytes
    from token to token of the first four. Packed keys are (panels of 16 keys, d / 2, 16) pairs of numbers of a head,
    packed values (panels of 16 columns, tokens / 2, 16) pairs of tokens.
    """
    longest = -(-lengths.max() // (2 * LANES)) * 2 * LANES
    room = Room(
        np.empty((ROWS, longest), np.float32),
        np.empty((ROWS, longest), np.uint16),
        np.empty((ROWS, d + LANES), np.float32),
        np.empty(ROWS, np.float32),
        np.empty(longest, np.float32),
        np.zeros(d + LANES, np.float32),
    )
    packed = np.zeros((4, (longest + LANES) * (d + LANES)), np.uint16)
    rows, queries = packed[0].ctypes.data, packed[1].ctypes.data
    keys, values = packed[2].ctypes.data, packed[3].ctypes.data
    start = 0
    for length in lengths:
        room.scores[:, length:], room.absence[:length], room.absence[length:] = NOWHERE, 0, NOWHERE
        for head in range(first, end):
            at = 2 * d * head
            query, key = places[0] + start * steps[0] + at, places[1] + start * steps[1] + at
            value, out = places[2] + start * steps[2] + at, places[3] + start * steps[3] + at
            for t in range(length):
                cosine, sine = places[4] + 2 * d * (start + t), places[5] + 2 * d * (start + t)
                _fetch(query + (t + AHEAD) * steps[0], 2 * d)
                _fetch(key + (t + AHEAD) * steps[1], 2 * d)
                _turn(query + t * steps[0], cosine, sine, queries + 2 * d * t, d // 2)
                _turn(key + t * steps[1], cosine, sine, rows + 2 * d * t, d // 2)
            packed[0, length * d : (length + LANES) * d] = 0
            for t in range(0, length, LANES):
                _transpose(rows + 2 * d * t, d // 2, keys + 2 * d * t)
            _pair_values(value, steps[2], length, d, values, room.nothing.ctypes.data)
            _attend_head(queries, keys, values, length, d, room, out, steps[3])
        start += length
