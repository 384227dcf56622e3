"""Short vectors: compiled they do what their Python says, and the activations are as exact as they claim."""

import types

import numba
import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features

from seqmodels import simd
from seqmodels.jit import inline, kernel
from seqmodels.simd import (
    entry,
    exp,
    largest,
    load,
    load_panel,
    maximum,
    minimum,
    number,
    power_of_two,
    sigmoid,
    splat,
    store,
    tanh,
    total,
    where_positive,
)

DTYPES = [np.float32, np.float64]
LENGTHS = [4, 8, 16, 32]
NUMBER, COUNT = 0.1, 3  # the first is another number in single precision

each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["single", "double"])
each_length = pytest.mark.parametrize("length", LENGTHS)


def plain(function):
    """The Python of a kernel."""
    return getattr(function, "py_func", function)


# -------------------------------------------------------------------- every function, on every kind of vector


def operations(x, y, whole, number, count):
    """Vectors of one kind: compiled, the tuple could not be looped over if one of them were of another."""
    return (
        x + y, x - y, x * y, x / y, -x,
        x + number, number + x, x - number, number - x, x * number, number * x, x / number, number / x,
        x + count, count - x, 2 * x, x / 2, 1.0 - x,
        maximum(x, y), maximum(x, number), maximum(number, x),
        minimum(x, y), minimum(x, number), minimum(number, x),
        where_positive(x, y), where_positive(number, y),
        power_of_two(whole),
    )  # fmt: skip


def in_numpy(x, y, whole, number, count):
    number, count = x.dtype.type(number), x.dtype.type(count)
    positive = [a if b > 0 else 0 for a, b in zip(y, x, strict=True)]
    return [
        np.add(x, y), np.subtract(x, y), np.multiply(x, y), np.divide(x, y), np.negative(x),
        x + number, x + number, x - number, number - x, x * number, x * number, x / number, number / x,
        x + count, count - x, x + x, x / x.dtype.type(2), x.dtype.type(1) - x,
        np.where(x > y, x, y), np.where(x > number, x, number), np.where(x > number, x, number),
        np.where(x < y, x, y), np.where(x < number, x, number), np.where(x < number, x, number),
        np.array(positive), y,
        [2.0 ** int(n) for n in whole],
    ]  # fmt: skip


compiled_operations = inline(operations)


def kernel_of_all(length):
    @kernel(key=f"all of {length}")
    def all_of_them(vectors, number, count, rows, numbers):
        """Rows 0, 1 and 2 of `vectors` are x, y and whole numbers."""
        x, y, whole = load(vectors, 0, 3, length), load(vectors, 1, 3, length), load(vectors, 2, 3, length)
        row = 0
        for vector in compiled_operations(x, y, whole, number, count):
            store(rows, row, 1, vector)
            row += 1
        store(rows, row, 1, splat(vectors[0, 3], length))
        numbers[0], numbers[1] = total(x), largest(x)

    return all_of_them


def vectors_of(rng, dtype, length):
    """x, y and whole numbers from the fourth column on, among entries that must not matter."""
    vectors = np.full((3, length + 5), np.nan, dtype)
    vectors[:2, 3 : 3 + length] = rng.normal(size=(2, length))
    vectors[2, 3 : 3 + length] = rng.integers(*((-126, 128) if dtype == np.float32 else (-1022, 1024)), length)
    return vectors


@each_dtype
@each_length
def test_every_function_agrees_with_its_python_and_with_numpy(rng, dtype, length):
    vectors = vectors_of(rng, dtype, length)
    x, y, whole = vectors[:, 3 : 3 + length]
    expected = [*in_numpy(x, y, whole, NUMBER, COUNT), np.full(length, x[0])]
    run = kernel_of_all(length)
    for function in (run, plain(run)):
        rows, numbers = np.full((len(expected), length + 2), -7.0, dtype), np.empty(2, dtype)
        function(vectors, NUMBER, COUNT, rows, numbers)
        np.testing.assert_array_equal(rows[:, 1:-1], np.array(expected, dtype))
        assert (rows[:, [0, -1]] == -7.0).all()  # nothing is stored beside
        np.testing.assert_allclose(numbers[0], x.astype(float).sum(), atol=length * np.finfo(dtype).eps * abs(x).sum())
        assert numbers[1] == max(x)


@each_dtype
def test_the_python_keeps_the_precision(rng, dtype):
    x, y, whole = vectors_of(rng, dtype, 8)[:, 3:11]
    results = [*operations(x, y, whole, NUMBER, COUNT), exp(x), sigmoid(x), tanh(x), total(x), largest(x)]
    results += [load(x[None], 0, 0, 8), splat(x[0], 8)]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


@each_dtype
@each_length
def test_the_sum_takes_every_entry_once(dtype, length):
    run = kernel_of_all(length)
    vectors, rows, numbers = np.ones((3, length + 5), dtype), np.empty((40, length + 2), dtype), np.empty(2, dtype)
    one_bit_each = length <= np.finfo(dtype).nmant
    vectors[0, 3 : 3 + length] = 2.0 ** np.arange(length) if one_bit_each else 1 + np.arange(length) ** 2
    run(vectors, NUMBER, COUNT, rows, numbers)
    assert numbers[0] == vectors[0, 3 : 3 + length].sum()
    for place in range(length):
        vectors[0] = -5.0
        vectors[0, 3 + place] = -4.0
        run(vectors, NUMBER, COUNT, rows, numbers)
        assert numbers[1] == -4.0


@kernel
def powers(n, out):
    for i in range(len(n)):
        store(out, i, 0, power_of_two(load(n, i, 0, 8)))


@each_dtype
def test_all_normal_powers_of_two_are_exact(dtype):
    limits = np.finfo(dtype)
    n = np.arange(limits.minexp, limits.maxexp, dtype=dtype)
    n = np.resize(n, -(-len(n) // 8) * 8).reshape(-1, 8)
    expected = np.ldexp(dtype(1.0), n.astype(int))
    assert expected.max() == 2.0 ** (limits.maxexp - 1)
    assert expected.min() == limits.tiny
    for function in (powers, plain(powers)):
        out = np.empty_like(n)
        function(n, out)
        np.testing.assert_array_equal(out, expected)


@kernel
def compared(a, b, out):
    x, y = load(a, 0, 0, 4), load(b, 0, 0, 4)
    store(out, 0, 0, maximum(x, y))
    store(out, 1, 0, minimum(x, y))
    store(out, 2, 0, where_positive(x, y))
    store(out, 3, 0, where_positive(y, x))


@each_dtype
def test_comparisons_of_what_is_no_ordinary_number(dtype):
    a = np.array([[np.nan, np.inf, -np.inf, -0.0]], dtype)
    b = np.array([[1.0, 1.0, 1.0, np.nan]], dtype)
    for function in (compared, plain(compared)):
        out = np.empty((4, 4), dtype)
        function(a, b, out)
        np.testing.assert_array_equal(out[0, :3], [np.nan, np.inf, 1.0])
        np.testing.assert_array_equal(out[1, :3], [np.nan, 1.0, -np.inf])
        np.testing.assert_array_equal(out[2], [0.0, 1.0, 0.0, 0.0])  # neither NaN nor -0 is above zero
        np.testing.assert_array_equal(out[3], [np.nan, np.inf, -np.inf, 0.0])


@kernel
def product_and_sum(a, out):
    store(out, 0, 0, load(a, 0, 0, 8) * load(a, 1, 0, 8) + load(a, 2, 0, 8))


@pytest.mark.compiled
@pytest.mark.skipif(not get_host_cpu_features().get("fma", False), reason="this processor has no such instruction")
@each_dtype
def test_a_product_and_a_sum_are_rounded_once(dtype):
    eps = dtype(2.0 ** -(np.finfo(dtype).nmant // 2 + 2))
    a, out = np.empty((3, 8), dtype), np.empty((1, 8), dtype)
    a[:2], a[2] = 1 + eps, -(1 + 2 * eps)
    product_and_sum(a, out)
    np.testing.assert_array_equal(out, np.full((1, 8), eps**2))


def test_division_by_zero_follows_numpy():
    @kernel
    def ratio(a, out):
        store(out, 0, 0, 1.0 / load(a, 0, 0, 4))

    out = np.empty((1, 4))
    with np.errstate(divide="ignore"):
        ratio(np.array([[0.0, -0.0, 2.0, np.inf]]), out)
    np.testing.assert_array_equal(out, [[np.inf, -np.inf, 0.5, 0.0]])


# -------------------------------------------------------------------- where vectors come from


@kernel
def copy_of(a, i, j, out):
    store(out, j, i, load(a, i, j, 8))


@each_dtype
def test_parts_of_arrays_serve_as_well(rng, dtype):
    """Of rows, as long as each row is whole in memory."""
    whole = rng.normal(size=(9, 40)).astype(dtype)
    views = [whole, whole[:, 5:29], whole[::2], whole[::-1, 1:], np.lib.stride_tricks.as_strided(whole, (9, 24))]
    for view in [*views, np.stack([whole, -whole])[1]]:
        for function in (copy_of, plain(copy_of)):
            for i, j in ((2, 4), (np.int32(2), np.uint8(4))):
                out = np.zeros((9, 30), dtype)[:, 3:]
                function(view, i, j, out)
                np.testing.assert_array_equal(out[4, 2:10], view[2, 4:12])
                assert np.count_nonzero(out) == 8


def test_what_is_loaded_is_a_copy():
    @kernel
    def swap(a):
        x, y = load(a, 0, 0, 4), load(a, 1, 0, 4)
        store(a, 0, 0, y)
        store(a, 1, 0, x)

    a = np.arange(8.0).reshape(2, 4)
    swap(a)
    np.testing.assert_array_equal(a, [[4, 5, 6, 7], [0, 1, 2, 3]])


@kernel
def sums_of_panels(a, sums):
    sums[0], sums[1] = total(load_panel(a, 0, 0)), total(load_panel(a, 1, 2))


@each_dtype
def test_a_panel_has_the_width_that_is_said(dtype):
    width = simd.panel_width(dtype)
    assert width * np.dtype(dtype).itemsize == simd.PANEL_BYTES
    a, sums = np.zeros((2, width + 9), dtype), np.empty(2, dtype)
    a[0, :width], a[0, width:], a[1, 2 : 2 + width] = 1.0, 100.0, 2.0
    for function in (sums_of_panels, plain(sums_of_panels)):
        function(a, sums)
        np.testing.assert_array_equal(sums, [width, 2.0 * width])


@pytest.mark.parametrize(
    ("name", "features", "host", "wide"),
    [
        (None, None, True, True),
        ("host", None, True, True),
        (None, None, False, False),
        ("haswell", None, True, False),
        ("haswell", "+avx2,+fma", True, False),
        ("skylake-avx512", "+avx2,+avx512f", False, True),
        (None, "", True, False),
    ],
)
def test_the_width_follows_the_settings_of_the_compiler(monkeypatch, name, features, host, wide):
    monkeypatch.setattr(simd, "config", types.SimpleNamespace(CPU_NAME=name, CPU_FEATURES=features))
    monkeypatch.setattr(simd, "get_host_cpu_features", lambda: {"avx2": True, "avx512f": host})
    assert simd._has_wide_registers() is wide


# -------------------------------------------------------------------- activations

LOWEST = {np.float32: -87.3, np.float64: -708.3}
HIGHEST = {np.float32: 88.3, np.float64: 709.3}
TOLERANCE = {"exp": 2, "sigmoid": 4, "tanh": 4}  # units of the last place, as simd.py says


def kernel_of_activations(length):
    @kernel(key=f"activations of {length}")
    def activations(x, out):
        for j in range(0, x.shape[1], length):
            store(out, 0, j, exp(load(x, 0, j, length)))
            store(out, 1, j, sigmoid(load(x, 0, j, length)))
            store(out, 2, j, tanh(load(x, 0, j, length)))

    return activations


def both_ways(dtype, length=16):
    """The kernel, and plain Python, which is fast enough only on one long vector."""

    def compiled(x):
        padded = np.zeros((1, -(-len(x) // length) * length), dtype)
        padded[0, : len(x)] = x
        out = np.empty((3, padded.shape[1]), dtype)
        run(padded, out)
        return dict(zip(TOLERANCE, out[:, : len(x)], strict=True))

    def in_python(x):
        return {"exp": exp(x), "sigmoid": sigmoid(x), "tanh": tanh(x)}

    run = kernel_of_activations(length)
    return in_python, compiled if run is not plain(run) else in_python


def truth(x):
    """In the next better precision, of arguments kept within the range of `exp`."""
    better = np.float64 if x.dtype == np.float32 else np.longdouble
    if np.finfo(better).eps > 1e-3 * np.finfo(x.dtype).eps:
        pytest.skip("no better precision to compare with on this machine")
    x = x.astype(better)
    return {"exp": np.exp(x), "sigmoid": 1 / (1 + np.exp(-x)), "tanh": np.tanh(x)}


def dense(dtype):
    """Arguments over the whole range, near 0, where the polynomials change, and where numbers are subnormal."""
    rng = np.random.default_rng(0)
    limits = np.finfo(dtype)
    lowest, highest = LOWEST[dtype], HIGHEST[dtype]
    magnitudes = np.geomspace(limits.smallest_subnormal, -lowest, 20000, dtype=dtype)
    borders = ((np.arange(np.floor(lowest / np.log(2)), highest / np.log(2)) + 0.5) * np.log(2)).astype(dtype)
    x = [np.linspace(lowest, highest, 50000), np.linspace(-2, 2, 30000), rng.normal(size=20000), [0.0, -0.0]]
    x = np.concatenate([*x, magnitudes, -magnitudes, borders, np.nextafter(borders, dtype(0)), borders / 2])
    x = x.astype(dtype)
    return x[(x >= lowest) & (x <= highest)]


def units(found, expected, dtype):
    """Errors in units of the last place."""
    return np.abs(found - expected) / np.spacing(np.abs(expected).astype(dtype)).astype(expected.dtype)


@each_dtype
@each_length
def test_activations_are_right_to_the_last_places(dtype, length):
    x = dense(dtype)
    expected = truth(x)
    for activations in both_ways(dtype, length):
        for name, found in activations(x).items():
            assert found.dtype == dtype
            assert units(found, expected[name], dtype).max() <= TOLERANCE[name], name


@each_dtype
def test_activations_stay_within_their_bounds(dtype):
    x = np.concatenate([dense(dtype), np.linspace(-2000, 2000, 9999, dtype=dtype), [dtype(np.inf), dtype(-np.inf)]])
    for activations in both_ways(dtype):
        found = activations(x)
        assert (found["exp"] > 0).all()
        assert np.isfinite(found["exp"]).all()
        assert ((found["sigmoid"] >= 0) & (found["sigmoid"] <= 1)).all()
        assert (np.abs(found["tanh"]) <= 1).all()


@each_dtype
def test_far_arguments_count_as_the_ends_of_the_range(dtype):
    """Nothing overflows: exp ends at 2e38 (1e308) and at 1e-38 (1e-307), sigmoid at 0 and tanh at 1 to precision."""
    lowest, highest = dtype(LOWEST[dtype]), dtype(HIGHEST[dtype])
    far = np.array([highest, highest + 1, 1e4, 1e30, np.finfo(dtype).max, np.inf], dtype)
    for activations in both_ways(dtype):
        with np.errstate(over="ignore"):
            above, below = activations(far), activations(-far)
        assert (above["exp"] == above["exp"][0]).all()
        assert (below["exp"][1:] == activations(np.array([lowest]))["exp"]).all()
        assert above["exp"][0] > np.finfo(dtype).max / 2
        assert np.finfo(dtype).tiny < below["exp"][-1] < 1.4 * np.finfo(dtype).tiny
        assert (above["sigmoid"] == 1).all()
        assert (below["sigmoid"] < np.finfo(dtype).tiny).all()
        assert (above["tanh"] == 1).all()
        assert (below["tanh"] == -1).all()


@each_dtype
def test_activations_of_nothing_and_of_no_number(dtype):
    for activations in both_ways(dtype):
        at_zero = activations(np.array([0.0, -0.0], dtype))
        for name, value in {"exp": 1.0, "sigmoid": 0.5, "tanh": 0.0}.items():
            np.testing.assert_array_equal(at_zero[name], value)
        with np.errstate(invalid="ignore"):
            unknown = activations(np.array([np.nan, 1.0, -np.nan], dtype))
        for name in TOLERANCE:
            np.testing.assert_array_equal(np.isnan(unknown[name]), [True, False, True], err_msg=name)


# -------------------------------------------------------------------- what is refused


def of_two_lengths(a, d, n):
    return total(load(a, 0, 0, 8) + load(a, 0, 0, 4))


def of_two_precisions(a, d, n):
    return total(load(a, 0, 0, 8) * load(d, 0, 0, 8))


def largest_of_two_lengths(a, d, n):
    return total(maximum(load(a, 0, 0, 8), load(a, 0, 0, 4)))


def loaded_at_no_constant_length(a, d, n):
    return total(load(a, 0, 0, n))


def spread_to_no_constant_length(a, d, n):
    return total(splat(1.0, n))


def stored_in_less_precision(a, d, n):
    store(a, 0, 0, load(d, 0, 0, 8))


def stored_in_more_precision(a, d, n):
    store(d, 0, 0, load(a, 0, 0, 8))


def a_number_stored(a, d, n):
    store(a, 0, 0, 1.0)


def of_one_dimension(a, d, n):
    return total(load(a[0], 0, 0, 8))


def columns(a, d, n):
    return total(load(a.T, 0, 0, 8))


def whole_numbers(a, d, n):
    return total(load(a.astype(np.int32), 0, 0, 8))


def spread_whole_number(a, d, n):
    return total(splat(1, 8))


def of_no_length(a, d, n):
    return total(load(a, 0, 0, 0))


def stored_in_what_must_not_change(a, d, n):
    store(fixed, 0, 0, load(a, 0, 0, 8))


def between_columns(a, d, n):
    return total(load(a, 0, 0.5, 8))


def changed_in_place(a, d, n):
    x = load(a, 0, 0, 8)
    x += 1.0  # in plain Python this would change other names of x
    return total(x)


fixed = np.zeros((2, 8), np.float32)  # a kernel takes globals for constants


def of_an_array(a, d, n):
    return total(a)


REFUSED = [
    of_two_lengths, of_two_precisions, largest_of_two_lengths,
    loaded_at_no_constant_length, spread_to_no_constant_length,
    stored_in_less_precision, stored_in_more_precision, a_number_stored,
    stored_in_what_must_not_change, between_columns, of_one_dimension, columns, whole_numbers,
    spread_whole_number, of_no_length, changed_in_place, of_an_array,
]  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_wrong_uses_do_not_compile(function):
    a = np.zeros((64, 64), np.float32)
    with pytest.raises(numba.TypingError, match="No implementation"):
        kernel(function)(a, a.astype(float), 8)


# -------------------------------------------------------------------- addresses in arrays of a known width


@kernel
def by_width(array, out):
    """The second row, read and written by pieces and by numbers, each in the way that knows the width."""
    for j in range(0, 8, 4):
        store(out, 0, j, load(array, 1, j, 4, 8) + 0.0, 8)
    v = load(array, 1, 4, 4, 8)
    for i in range(4):
        out[1, i] = entry(v, i)
        out[1, 4 + i] = number(array, 1, i, 8)


@each_dtype
def test_pieces_and_numbers_of_arrays_whose_width_is_known(dtype):
    array = np.arange(24, dtype=dtype).reshape(3, 8)
    for function in (by_width, plain(by_width)):
        out = np.zeros((2, 8), dtype=dtype)
        function(array, out)
        np.testing.assert_array_equal(out, [array[1], [*array[1, 4:], *array[1, :4]]])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="numpy reads any array")
def test_only_arrays_that_are_contiguous_are_read_by_their_width():
    with pytest.raises(numba.core.errors.TypingError):
        by_width(np.zeros((3, 16))[:, ::2], np.zeros((2, 8)))
