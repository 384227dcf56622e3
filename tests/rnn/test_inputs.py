import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.forms import MISSING
from seqmodels.rnn.inputs import DenseInput, SymbolInput, input_for

# -------------------------------------------------------------------- symbols


def test_a_symbol_picks_its_row_and_others_have_rows_of_their_own():
    layer = SymbolInput(3)
    assert layer.width == 6  # three symbols, unknown, missing, start
    np.testing.assert_array_equal(layer.encode(np.array([[2], [0], [3], [MISSING]])), [2, 0, 3, 4])
    np.testing.assert_array_equal(layer.start(2), [5, 5])


@pytest.mark.parametrize("n_symbols", [1, 4, 5, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_gathering_is_the_product_with_one_hot_vectors_and_so_is_its_gradient(n_symbols, bias, rng):
    """Also of an alphabet larger than the data."""
    layer = SymbolInput(n_symbols)
    codes = np.append(rng.integers(layer.width, size=7), layer.width - 1)  # 8 rows, as many as for 5 symbols
    one_hot = np.eye(layer.width)[codes]
    weights, d_projected = rng.normal(size=(layer.width, 6)), rng.normal(size=(8, 6))
    b = rng.normal(size=6) if bias else None
    table, rows = layer.project(codes, weights, b)
    assert len(table) <= 8
    np.testing.assert_array_equal(table[rows], one_hot @ weights + (b if bias else 0.0))
    gradient = np.full_like(weights, np.nan)
    layer.gradient(codes, d_projected, gradient)
    np.testing.assert_allclose(gradient, one_hot.T @ d_projected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    "layer", [SymbolInput(2), SymbolInput(9), DenseInput(np.zeros(1), np.ones(1), True, "float64")]
)
@pytest.mark.parametrize("bias", [np.ones(2), None])
def test_weights_are_read_only_where_they_are_read(layer, bias):
    weights = np.ones((layer.width, 2))
    weights.flags.writeable = False
    encoded = np.array([1, 1, 3]) if isinstance(layer, SymbolInput) else np.ones((3, 3))
    table, rows = layer.project(encoded, weights, bias)
    assert table[rows].shape == (3, 2)


# -------------------------------------------------------------------- numbers


def test_numbers_are_standardised_by_the_training_data(rng):
    X = [rng.normal([1000, -3], [100, 0.1], (length, 2)) for length in (20, 30)]
    layer = input_for(Sequences.wrap(X), "float64")
    encoded = layer.encode(np.concatenate(X))
    assert encoded.shape == (50, layer.width) == (50, 3)
    np.testing.assert_allclose(encoded[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(encoded[:, :2].std(axis=0), 1)
    np.testing.assert_array_equal(encoded[:, 2], 0)
    np.testing.assert_array_equal(layer.start(2), [[0, 0, 1], [0, 0, 1]])


def test_a_missing_entry_is_zero_and_raises_a_flag():
    X = [np.array([[1.0, 5.0], [np.nan, 7.0], [3.0, np.nan]])]
    layer = input_for(Sequences.wrap(X), "float64")
    assert layer.width == 2 + 2 + 1
    expected = [[-1, -1, 0, 0, 0], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0]]
    np.testing.assert_allclose(layer.encode(X[0]), expected)
    np.testing.assert_allclose(layer.start(1), [[0, 0, 0, 0, 1]])


def test_without_gaps_in_training_there_are_no_flags():
    layer = input_for(Sequences.wrap([np.array([1.0, 3.0])]), "float64")
    assert layer.width == 2
    np.testing.assert_allclose(layer.encode(np.array([[3.0], [np.nan]])), [[1, 0], [0, 0]])


def test_zeros_and_ones_are_left_as_they_are():
    X = np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 0.0]])
    encoded = input_for(Sequences.wrap([X]), "float64").encode(X)
    np.testing.assert_array_equal(encoded[:, :2], [[0, 1], [1, 1], [0, 0]])


def test_columns_without_variance_or_without_observations_do_no_harm():
    X = np.array([[5.0, np.nan, 1.0], [5.0, np.nan, 2.0]])
    layer = input_for(Sequences.wrap([X]), "float64")
    encoded = layer.encode(np.array([[5.0, np.nan, 1.0], [7.0, 3.0, np.nan]]))
    np.testing.assert_array_equal(encoded[:, :3], [[0, 0, -1], [2, 3, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_outliers_stay_finite(dtype):
    layer = input_for(Sequences.wrap([[1.0, 3.0]]), dtype)
    np.testing.assert_allclose(layer.encode(np.array([[1e300], [-1e300], [9.0]]))[:, 0], [1e6, -1e6, 7])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_dense_inputs_is_one_product(dtype, rng):
    X = rng.poisson(3, (6, 2))
    layer = input_for(Sequences.wrap([X]), dtype)
    encoded = layer.encode(X)
    assert encoded.dtype == layer.start(1).dtype == dtype
    weights, d_projected = rng.normal(size=(3, 4)).astype(dtype), rng.normal(size=(6, 4)).astype(dtype)
    for bias in (None, rng.normal(size=4).astype(dtype)):
        table, rows = layer.project(encoded, weights, bias)
        assert table.dtype == dtype
        np.testing.assert_allclose(table[rows], encoded @ weights + (0 if bias is None else bias), rtol=1e-6)
    gradient = np.full((3, 4), np.nan, dtype)
    layer.gradient(encoded, d_projected, gradient)
    np.testing.assert_allclose(gradient, encoded.T @ d_projected, rtol=1e-5)


def test_the_data_choose_the_layer():
    assert isinstance(input_for(Sequences.wrap(["abc"]), "float32"), SymbolInput)
    assert isinstance(input_for(Sequences.wrap([[0.5, 1.5]]), "float32"), DenseInput)
