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


def test_each_symbol_is_read_one_step_later():
    layer = SymbolInput(3)
    values = np.array([2, 0, MISSING, 1, 3, 7, 1])[:, None]  # the last code of a symbol but one is the unknown one
    encoded = layer.read(values, np.array([0, 4, 5, 7]))
    np.testing.assert_array_equal(encoded, [5, 2, 0, 4, 5, 5, 3])
    np.testing.assert_array_equal(encoded[[1, 2, 3]], layer.encode(values[:3]))


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
def test_each_vector_is_read_one_step_later(dtype, rng):
    X = rng.poisson(3, (6, 2))
    layer = input_for(Sequences.wrap([X]), dtype)
    encoded = layer.encode(X)
    assert encoded.dtype == layer.start(1).dtype == dtype
    read = layer.read(X, np.array([0, 4, 6]))
    np.testing.assert_array_equal(read[[0, 4]], layer.start(2))
    np.testing.assert_array_equal(read[[1, 2, 3, 5]], encoded[[0, 1, 2, 4]])


def test_the_data_choose_the_layer():
    assert isinstance(input_for(Sequences.wrap(["abc"]), "float32"), SymbolInput)
    assert isinstance(input_for(Sequences.wrap([[0.5, 1.5]]), "float32"), DenseInput)
