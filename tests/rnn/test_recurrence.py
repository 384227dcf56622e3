"""The loop over time, driven directly with small steps whose answers are plain."""

import pathlib
import zlib

import numpy as np
import pytest

from seqmodels.jit import kernel
from seqmodels.rnn.cells.base import RecurrentWeights
from seqmodels.rnn.recurrence import add_product, pointwise, relu, sigmoid, tanh, unroll

SIZES = np.array([3, 2, 2, 1])  # three sequences of 4, 3 and 1 steps
ROWS = [np.array(rows) for rows in ([0, 3, 5, 7], [1, 4, 6], [2])]  # of each sequence
M = 8

# the disk cache knows the sources of the package, but not this one
VERSION = zlib.crc32(pathlib.Path(__file__).read_bytes())


def leaky_sum(inputs, recurrent, before, memory):
    """h = 0.5 h_before + input + product, and a memory that counts steps."""
    return inputs[0] + recurrent[0] + 0.5 * before, memory + 1.0, (before,)


def leaky_sum_derivative(d_hidden, d_memory, saved, before, memory_before, hidden):
    return (d_hidden,), (d_hidden,), 0.5 * d_hidden, d_memory


def leaky_kernels():
    return unroll(*pointwise(leaky_sum, leaky_sum_derivative, 1, 1, True), key=f"leaky sum, test {VERSION}")


def arrays(rng, H=2):
    start, memory_start = rng.normal(size=(3, H)), np.zeros((3, H))
    recurrent = rng.normal(size=(H, H))
    weights = RecurrentWeights(recurrent, np.ascontiguousarray(recurrent.T))
    inputs = rng.normal(size=(M, H))
    return inputs, SIZES, start, memory_start, weights, np.empty((M, H)), np.empty((M, H)), np.empty((M, H))


def test_each_sequence_runs_on_its_own_rows(rng):
    inputs, _, start, _, weights, hidden, memory, saved = passed = arrays(rng)
    forward, _ = leaky_kernels()
    forward(*passed)
    for n, rows in enumerate(ROWS):
        h = start[n]
        for t, row in enumerate(rows):
            np.testing.assert_array_equal(saved[row], h)
            h = inputs[row] + h @ weights.recurrent + 0.5 * h
            np.testing.assert_allclose(hidden[row], h, rtol=1e-14)
            np.testing.assert_array_equal(memory[row], t + 1)


def test_gradients_run_back_along_each_sequence(rng):
    _, _, _, _, weights, *_ = passed = arrays(rng)
    forward, backward = leaky_kernels()
    forward(*passed)
    d_above = rng.normal(size=(M, 2))
    d_hidden, d_inputs, d_recurrent = d_above.copy(), np.empty((M, 2)), np.empty((M, 2))
    backward(d_hidden, *passed[1:], d_inputs, d_recurrent)
    onward = (weights.recurrent + 0.5 * np.eye(2)).T
    for rows in ROWS:
        d = np.zeros(2)
        for row in rows[::-1]:
            d = d_above[row] + d @ onward
            np.testing.assert_allclose(d_inputs[row], d, rtol=1e-13)
            np.testing.assert_allclose(d_hidden[row], d, rtol=1e-13)
    np.testing.assert_array_equal(d_inputs, d_recurrent)


def test_gradients_run_back_along_the_memory():
    def equations(inputs, recurrent, before, memory):
        new = memory * inputs[0]
        return new, new, ()

    def derivative(d_hidden, d_memory, saved, before, memory_before, hidden):
        d = d_hidden + d_memory
        return (d * memory_before,), (0 * d,), 0 * d, d * (hidden / memory_before)

    forward, backward = unroll(*pointwise(equations, derivative, 1, 0, True), key=f"running product, test {VERSION}")
    inputs = np.array([2.0, 3.0, 5.0, 7.0])[:, None]
    sizes, nothing = np.ones(4, dtype=np.int64), np.zeros((1, 1))
    hidden, memory, saved = np.empty((4, 1)), np.empty((4, 1)), np.empty((4, 0))
    passed = sizes, nothing, np.array([[11.0]]), RecurrentWeights(nothing, nothing), hidden, memory, saved
    forward(inputs, *passed)
    np.testing.assert_array_equal(hidden[:, 0], 11 * np.cumprod(inputs[:, 0]))
    d_inputs, d_hidden = np.empty((4, 1)), np.array([0.0, 0.0, 0.0, 1.0])[:, None]
    backward(d_hidden, *passed, d_inputs, np.empty((4, 1)))
    np.testing.assert_allclose(d_inputs, 11 * 2 * 3 * 5 * 7 / inputs)


# -------------------------------------------------------------------- products and activations


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 2), (2, 5, 3), (2, 7, 1), (3, 0, 2), (0, 3, 2)])
def test_add_product_adds_the_product(shape, rng):
    n, K, J = shape
    a, b, out = rng.normal(size=(n, K)), rng.normal(size=(K, J)), rng.normal(size=(n, J))
    expected = out + a @ b
    kernel(add_product)(a, b, out)
    np.testing.assert_allclose(out, expected, rtol=1e-13)


def applied(function, x):
    @kernel(key=f"{function.__name__} of each, test {VERSION}")
    def of_each(x, out):
        for i in range(len(x)):
            out[i] = function(x[i])

    out = np.empty_like(x)
    of_each(x, out)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_are_accurate_everywhere_and_never_overflow(dtype):
    magnitudes = np.concatenate([[0], np.logspace(-30, 30, 61), np.linspace(0.01, 20, 300), [np.inf]])
    x = np.concatenate([-magnitudes[::-1], magnitudes]).astype(dtype)
    exact = x.astype(float)
    unit = np.finfo(dtype).eps
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(applied(sigmoid, x), 1 / (1 + np.exp(-exact)), rtol=4 * unit, atol=1e-37)
    np.testing.assert_allclose(applied(tanh, x), np.tanh(exact), rtol=4 * unit)
    finite = x[np.isfinite(x)]
    np.testing.assert_array_equal(applied(relu, finite), np.maximum(finite, 0))


@pytest.mark.parametrize("function", [sigmoid, tanh, relu])
def test_activations_pass_nan_on(function):
    assert np.isnan(applied(function, np.array([np.nan]))[0])
