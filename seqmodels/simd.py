"""Short vectors that read like algebra, and the activations built on them.

A vector is a short piece of a row. Compiled, it lives in registers, + - * / work on it directly, and
``x * y + z`` is one instruction; its length is logical, and the compiler splits it into what the processor
has. With compilation off it is a numpy array, and every function here does what its Python says. Indices are
not checked: kernels work on padded arrays.
"""

import operator

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils, config, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, overload, register_model

from .jit import inline

__all__ = [
    "PANEL_BYTES", "entry", "exp", "largest", "load", "load_panel", "maximum", "minimum", "number", "panel_width",
    "sigmoid", "splat", "store", "tanh", "total", "where_positive",
]  # fmt: skip


def _has_wide_registers():
    """Whether registers of 64 bytes may be used; follows the settings that Numba compiles by."""
    if config.CPU_FEATURES is not None:
        return "+avx512f" in config.CPU_FEATURES
    return config.CPU_NAME in (None, "host") and bool(get_host_cpu_features().get("avx512f", False))


PANEL_BYTES = 128 if _has_wide_registers() else 32
"""Width of a panel of the matrix product: the one width that follows the processor. Times eight rows, it gives 16
or 8 registers of sums, enough to hide the latency of multiplying and adding, and few enough to have."""


def panel_width(dtype):
    """Columns of a panel."""
    return PANEL_BYTES // np.dtype(dtype).itemsize


# -------------------------------------------------------------------- what kernels call, in plain Python


def load(array, i, j, length, width=None):
    """``array[i, j : j + length]`` as a vector; `length` is a constant, and rows are contiguous.

    The number of columns may be said: where `width` is a constant too, addresses are simpler, and faster found.
    """
    return array[i, j : j + length].copy()


def load_panel(array, i, j):
    """``array[i, j : ...]``, as many columns as a panel of the matrix product has."""
    return load(array, i, j, panel_width(array.dtype))


def number(array, i, j, width):
    """``array[i, j]``, an array of `width` columns; as all here, without a look at whether it is negative."""
    return array[i, j]


def entry(vector, i):
    """The entry at i."""
    return vector[i]


def store(array, i, j, vector, width=None):
    """``array[i, j : j + length] = vector``; `width` as in :func:`load`."""
    array[i, j : j + len(vector)] = vector


def splat(number, length):
    """A vector of equal numbers; `length` is a constant."""
    return np.full(length, number)


def total(vector):
    """The sum of the entries, in no particular order."""
    return vector.sum()


def largest(vector):
    """The largest entry; NaN may be passed over."""
    return vector.max()


def maximum(a, b):
    """The larger entries of two vectors, or of a vector and a number; NaN in `a` stays."""
    return np.maximum(a, b)


def minimum(a, b):
    """The smaller entries of two vectors, or of a vector and a number; NaN in `a` stays."""
    return np.minimum(a, b)


def where_positive(condition, a):
    """`a` where `condition` is above zero, else 0."""
    return np.where(condition > 0, a, np.zeros_like(a))


def power_of_two(n):
    """``2 ** n`` of whole numbers, as long as it is a normal number."""
    with np.errstate(invalid="ignore"):  # NaN has any power
        return np.ldexp(np.ones_like(n), n.astype(np.int32))


# -------------------------------------------------------------------- and compiled


class VectorType(types.Type):
    """`length` numbers of one type."""

    def __init__(self, dtype, length):
        self.dtype, self.length = dtype, length
        super().__init__(name=f"Vector({dtype}, {length})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        number = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(number, kind.length))


def _define(function, type_of, build, *signatures):
    """Compile calls of `function`: `type_of` gives the type of the result (None: not for these arguments)."""

    class Template(AbstractTemplate):
        prefer_literal = True

        def generic(self, args, kws):
            result = type_of(*args)
            return result and signature(result, *args)

    infer_global(function)(Template)
    for arguments in signatures:
        lower_builtin(function, *arguments)(build)


def _vector_of(*kinds):
    """The one kind of vector among vectors and numbers, or None."""
    vectors = {kind for kind in kinds if isinstance(kind, VectorType)}
    fits = len(vectors) == 1 and all(isinstance(kind, VectorType | types.Number) for kind in kinds)
    return vectors.pop() if fits else None


def _number_of(kind):
    return kind.dtype if isinstance(kind, VectorType) else None


def _spread(context, builder, value, kind, vector):
    """A number as a vector of equal numbers; a vector as it is."""
    if kind == vector:
        return value
    empty = ir.Constant(context.get_value_type(vector), ir.Undefined)
    first = builder.insert_element(empty, context.cast(builder, value, kind, vector.dtype), ir.IntType(32)(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), vector.length), None))


def _on_vectors(build):
    """`build` of the IR builder and vectors, as Numba wants it."""

    def lower(context, builder, sig, args):
        vector = _vector_of(*sig.args)
        return build(builder, *[_spread(context, builder, a, k, vector) for a, k in zip(args, sig.args, strict=True)])

    return lower


def _total(builder, vector):
    """LLVM's sum of a vector, in any order."""
    kind = vector.type
    function = ir.FunctionType(kind.element, [kind.element, kind])
    name_of_type = f"v{kind.count}f{32 if kind.element == ir.FloatType() else 64}"
    function = cgutils.get_or_insert_function(builder.module, function, f"llvm.vector.reduce.fadd.{name_of_type}")
    return builder.call(function, [kind.element(0.0), vector], fastmath=("reassoc",))


def _largest(builder, vector):
    """Halves against each other; LLVM's own function goes entry by entry, for the sake of NaN."""
    while vector.type.count > 1:
        half = vector.type.count // 2
        empty, numbers = ir.Constant(vector.type, ir.Undefined), ir.VectorType(ir.IntType(32), half)
        low, high = (
            builder.shuffle_vector(vector, empty, ir.Constant(numbers, [first + i for i in range(half)]))
            for first in (0, half)
        )
        vector = _choose(">")(builder, low, high)
    return builder.extract_element(vector, ir.IntType(32)(0))


def _choose(order):
    """The greater or the smaller entries; compared in this way, one instruction, and NaN in `a` stays."""
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(order, b, a), b, a)


def _contracted(name):
    """An operation of the IR builder that may become one instruction with the next."""
    return lambda builder, a, b: getattr(builder, name)(a, b, flags=("contract",))


def _positive(builder, condition, a):
    nothing = ir.Constant(a.type, None)
    return builder.select(builder.fcmp_ordered(">", condition, nothing), a, nothing)


def _power(builder, n):
    """A large addend leaves n in the lowest bits of the sum, whence it is moved to the exponent."""
    bits, mantissa, bias = (32, 23, 127) if n.type.element == ir.FloatType() else (64, 52, 1023)
    whole = ir.VectorType(ir.IntType(bits), n.type.count)
    shifted = builder.fadd(n, ir.Constant(n.type, [1.5 * 2.0**mantissa] * n.type.count))
    exponent = builder.add(builder.bitcast(shifted, whole), ir.Constant(whole, [bias] * n.type.count))
    return builder.bitcast(builder.shl(exponent, ir.Constant(whole, [mantissa] * n.type.count)), n.type)


_ONE = [(VectorType,)]
_TWO = [(VectorType, VectorType), (VectorType, types.Number), (types.Number, VectorType)]
for _operator, _name in [
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
]:  # fmt: skip
    _define(_operator, _vector_of, _on_vectors(_contracted(_name)), *_TWO)
_define(operator.neg, _vector_of, _on_vectors(lambda builder, a: builder.fneg(a)), *_ONE)
_define(maximum, _vector_of, _on_vectors(_choose(">")), *_TWO)
_define(minimum, _vector_of, _on_vectors(_choose("<")), *_TWO)
_define(where_positive, _vector_of, _on_vectors(_positive), *_TWO)
_define(power_of_two, _vector_of, _on_vectors(_power), *_ONE)
_define(total, _number_of, _on_vectors(_total), *_ONE)
_define(largest, _number_of, _on_vectors(_largest), *_ONE)


def _vector(number, length):
    constant = isinstance(length, types.IntegerLiteral) and length.literal_value > 0
    return VectorType(number, length.literal_value) if constant and number in (types.float32, types.float64) else None


def _vector_in(array, i, j, length=None, width=None):
    """What stands at ``[i, j]`` of arrays of this type; nothing, unless these are rows of numbers that vectors hold."""
    layouts, indices = "AC" if width is None else "C", (i, j)
    if array.ndim != 2 or array.layout not in layouts or not all(isinstance(n, types.Integer) for n in indices):
        return None
    return _vector(array.dtype, types.literal(PANEL_BYTES * 8 // array.dtype.bitwidth) if length is None else length)


def _nothing_if_stored(array, i, j, vector, width=None):
    fits = isinstance(vector, VectorType) and array.mutable
    return types.none if fits and _vector_in(array, i, j, types.literal(vector.length), width) == vector else None


def _place(context, builder, sig, args, kind, width=None):
    """Where ``array[i, j]`` stands in memory; `width` is the number of the argument that tells the columns."""
    array = context.make_array(sig.args[0])(context, builder, args[0])
    i, j, *columns = [context.cast(builder, args[n], sig.args[n], types.intp) for n in (1, 2, width) if n is not None]
    if columns:
        place = builder.gep(array.data, [builder.add(builder.mul(i, columns[0]), j)])
    else:
        place = cgutils.get_item_pointer(context, builder, sig.args[0], array, [i, j], wraparound=False)
    return builder.bitcast(place, kind.as_pointer())


def _load(context, builder, sig, args):
    vector = context.get_value_type(sig.return_type)
    place = _place(context, builder, sig, args, vector, 4 if len(args) == 5 else None)
    return builder.load(place, align=sig.return_type.dtype.bitwidth // 8, typ=vector)


def _store(context, builder, sig, args):
    place = _place(context, builder, sig, args, args[3].type, 4 if len(args) == 5 else None)
    builder.store(args[3], place, align=sig.args[3].dtype.bitwidth // 8)
    return context.get_dummy_value()


def _number(context, builder, sig, args):
    kind = context.get_value_type(sig.return_type)
    return builder.load(_place(context, builder, sig, args, kind, 3), typ=kind)


_define(load, _vector_in, _load, (types.Array, types.Any, types.Any, types.Any))
_define(load, _vector_in, _load, (types.Array, types.Any, types.Any, types.Any, types.Any))
_define(number, lambda array, i, j, width: array.dtype, _number, (types.Array, types.Any, types.Any, types.Any))
_define(store, _nothing_if_stored, _store, (types.Array, types.Any, types.Any, VectorType, types.Any))
_define(load_panel, _vector_in, _load, (types.Array, types.Any, types.Any))
_define(store, _nothing_if_stored, _store, (types.Array, types.Any, types.Any, VectorType))
_define(
    entry,
    lambda vector, i: vector.dtype if isinstance(vector, VectorType) else None,
    lambda context, builder, sig, args: builder.extract_element(args[0], args[1]),
    (VectorType, types.Integer),
)
_define(
    splat,
    _vector,
    lambda context, builder, sig, args: _spread(context, builder, args[0], sig.args[0], sig.return_type),
    (types.Number, types.Any),
)


# -------------------------------------------------------------------- activations


def _activations(series, log2_high, log2_low, rounding, lowest, highest):
    """exp, sigmoid and tanh of vectors of one precision.

    ``e^x = 2^n (1 + rest)`` where n is the whole number next to x / log(2) and ``rest = e^r - 1`` is known to
    full relative precision, also near 0. `series` is ``(e^r - 1 - r) / r^2`` on ``|r| <= log(2) / 2``; adding
    and subtracting `rounding` leaves whole numbers; n times the first part of log(2) is exact; between
    `lowest` and `highest` the powers are normal numbers. NaN stays NaN.
    """
    series = inline(series)

    @inline
    def parts(x):
        x = minimum(maximum(x, lowest), highest)
        n = (x * 1.4426950408889634 + rounding) - rounding
        r = (x - n * log2_high) - n * log2_low
        return power_of_two(n), r + r * r * series(r)

    @inline
    def exp(x):
        power, rest = parts(x)
        return power + power * rest

    @inline
    def sigmoid(x):
        return 1.0 / (1.0 + exp(-x))

    @inline
    def tanh(x):
        power, rest = parts(x + x)
        e = power * rest + (power - 1.0)  # e^2x - 1
        return e / (e + 2.0)

    return exp, sigmoid, tanh


def _series_of_single(r):
    c = 0.0013926183587713495 * r + 0.0083631790527225774  # interpolated in Chebyshev's points, as are those below
    return ((c * r + 0.0416665546172046) * r + 0.16666576989698776) * r + 0.5


def _series_of_double(r):
    c = (2.0914686968086877e-09 * r + 2.5105217004720746e-08) * r + 2.7557273643110295e-07
    c = ((c * r + 2.7557255400206424e-06) * r + 2.4801587325547742e-05) * r + 0.00019841269874820626
    c = ((c * r + 0.0013888888888883748) * r + 0.0083333333333261351) * r + 0.041666666666666670
    return (c * r + 0.16666666666666671) * r + 0.5


_SINGLE = _activations(_series_of_single, 0.693115234375, 3.1946184945309417e-05, 1.5 * 2.0**23, -87.3, 88.3)
_DOUBLE = _activations(_series_of_double, 0.69314718036912382, 1.9082149292705878e-10, 1.5 * 2.0**52, -708.3, 709.3)


def _by_precision(name, single, double):
    """One function for vectors of both precisions."""

    def function(x):
        return (single if x.dtype == np.float32 else double)(x)

    @overload(function)
    def _(x):
        return (single if x.dtype == types.float32 else double) if isinstance(x, VectorType) else None

    function.__name__ = name
    return function


exp, sigmoid, tanh = (_by_precision(f.__name__, f, g) for f, g in zip(_SINGLE, _DOUBLE, strict=True))
# within 2, 4 and 4 units of the last place; exp of anything is between 1e-38 and 2e38 (2e-308 and 1e308)
