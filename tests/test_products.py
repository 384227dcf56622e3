"""The tiled matrix product, on whole numbers, where it is exact."""

import numpy as np
import pytest

from seqmodels import simd
from seqmodels.jit import kernel
from seqmodels.products import add_outer, add_product, aligned, pack, pack_transposed, padded, panels_for

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["single", "double"])


def plain(function):
    """The Python of a kernel."""
    return getattr(function, "py_func", function)


@kernel
def product(n, K, a, a_row, panels, out, out_row):
    add_product(n, K, a, a_row, panels, out, out_row)


def of_small_numbers(rng, shape, dtype):
    """Whole numbers, whose products and sums are exact in any order."""
    return rng.integers(-8, 9, shape).astype(dtype)


def packed(matrix):
    panels = panels_for(*matrix.shape, matrix.dtype)
    pack(matrix, np.arange(matrix.shape[1]), len(matrix), panels)
    return panels


@each_dtype
@pytest.mark.parametrize("K", [1, 2, 3, 8, 37])
def test_panels_hold_columns_one_block_below_the_other(rng, dtype, K):
    width = simd.panel_width(dtype)
    for J in (1, width - 1, width, width + 1, 3 * width - 2):
        matrix = of_small_numbers(rng, (K, J), dtype) + dtype(0.5)  # no zeros
        whole = np.zeros((K, padded(J, width)), dtype)
        whole[:, :J] = matrix
        expected = np.concatenate(np.split(whole, whole.shape[1] // width, axis=1))
        panels = packed(matrix)
        assert panels.dtype == dtype
        np.testing.assert_array_equal(panels, expected)
        for transposed in (np.ascontiguousarray(matrix.T), matrix.T):
            panels = panels_for(K, J, dtype)
            pack_transposed(transposed, np.arange(K), panels)
            np.testing.assert_array_equal(panels, expected)


@each_dtype
@pytest.mark.parametrize("n", [*range(1, 18), 40])
def test_the_product_is_added_to_the_rows_given_and_to_no_others(rng, dtype, n):
    width = simd.panel_width(dtype)
    for K, J in ((1, 1), (2, width), (3, width + 1), (8, 2 * width), (17, 3 * width - 1)):
        a, b = of_small_numbers(rng, (n + 3, K + 2), dtype), of_small_numbers(rng, (K, J), dtype)
        before = of_small_numbers(rng, (n + 3, padded(J, width) + 2), dtype)
        expected = before.copy()
        expected[1:-2, 1 : J + 1] += a[2:-1, :K] @ b
        for function in (product, plain(product)) if n < 11 else (product,):
            out = before.copy()
            function(n, K, a, 2, packed(b), out[:, 1:-1], 1)
            np.testing.assert_array_equal(out, expected)


@each_dtype
def test_the_product_of_any_numbers_is_right_to_rounding(rng, dtype):
    a, b = rng.normal(size=(29, 200)).astype(dtype), rng.normal(size=(200, 70)).astype(dtype)
    out = aligned((29, padded(70, simd.panel_width(dtype))), dtype)
    for n in (29, 1):
        out[:] = 0
        product(n, 200, a, 0, packed(b), out, 0)
        exact = a[:n].astype(np.longdouble) @ b.astype(np.longdouble)
        bound = 200 * np.finfo(dtype).eps * (abs(a[:n]).astype(float) @ abs(b).astype(float))
        assert (abs(out[:n, :70] - exact) <= bound).all()
        assert not out[:, 70:].any()
        assert not out[n:].any()


@each_dtype
def test_aligned_arrays_are_zeros_that_begin_with_a_cache_line(dtype):
    for shape in ((3, 5), (1, 1), (64, 17), (0, 4), (2, 3, 4)):
        arrays = [aligned(shape, dtype) for _ in range(10)]
        for array in arrays:
            assert (array.shape, array.dtype) == (shape, dtype)
            assert array.ctypes.data % 64 == 0 or array.size == 0
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert not array.any()
            array[:] = np.nan  # whoever shares memory is found
    assert [padded(n, 8) for n in (0, 1, 7, 8, 9)] == [0, 8, 8, 8, 16]


@each_dtype
def test_columns_are_packed_in_any_order_and_left_out(rng, dtype):
    width = simd.panel_width(dtype)
    matrix = rng.normal(size=(3, 4 * width)).astype(dtype)
    orders = {
        "one after the other": np.arange(width, 3 * width),
        "shuffled": rng.permutation(4 * width),
        "with gaps": np.where(rng.random(2 * width) < 0.3, -1, rng.integers(0, 4 * width, 2 * width)),
        "beginning with a gap": np.arange(-1, width - 1),
        "a panel that is not full": np.arange(width + 1),
    }
    for columns in orders.values():
        panels = panels_for(3, len(columns), dtype)
        pack(matrix, columns, 3, panels)
        expected = np.zeros((3, padded(len(columns), width)), dtype)
        expected[:, : len(columns)] = np.where(columns >= 0, matrix[:, columns], 0)
        np.testing.assert_array_equal(panels, np.concatenate(np.split(expected, len(panels) // 3, axis=1)))


# -------------------------------------------------------------------- sums of outer products


@kernel
def outer(n, K, a, places, a_row, b, b_row, out, first, end):
    add_outer(n, K, a, places, a_row, b, b_row, out, first, end)


@each_dtype
@pytest.mark.parametrize("n", [0, 1, 7, 40])
def test_outer_products_are_added_to_the_columns_given(rng, dtype, n):
    width = simd.panel_width(dtype)
    for K, J, first, end in ((8, width, 0, width), (24, 3 * width, width, 3 * width), (16, 2 * width, 0, 0)):
        a, b = of_small_numbers(rng, (n + 5, K), dtype), of_small_numbers(rng, (n + 3, J), dtype)
        places = rng.integers(0, n + 5, n + 2)
        before = of_small_numbers(rng, (K, J), dtype)
        expected = before.copy()
        expected[:, first:end] += a[places[2:]].T @ b[1 : n + 1, first:end]
        for function in (outer, plain(outer)):
            out = before.copy()
            function(n, K, a, places, 2, b, 1, out, first, end)
            np.testing.assert_array_equal(out, expected)
