"""The loop over time, driven directly with small steps whose answers are plain."""

import pathlib
import zlib

import numpy as np
import pytest

from seqmodels.rnn import Cell
from seqmodels.rnn.packing import Batch
from seqmodels.rnn.pointwise import pointwise
from seqmodels.rnn.recurrence import unroll
from seqmodels.rnn.units import UNITS

from .stacks import Driven

OFFSETS = np.array([0, 4, 7, 8])  # three sequences of 4, 3 and 1 steps
ROWS = [np.array(rows) for rows in ([0, 3, 5, 7], [1, 4, 6], [2])]  # of each sequence
M, H = 8, UNITS

# the disk cache knows the sources of the package, but not this one
VERSION = zlib.crc32(pathlib.Path(__file__).read_bytes())


def leaky_sum(inputs, recurrent, before, memory, weights):
    """h = 0.5 h_before + input + product, and a memory that counts steps."""
    return inputs[0] + recurrent[0] + 0.5 * before, (memory[0] + 1.0,), (inputs[0],), (before,)


def leaky_sum_derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    return (d_hidden,), (d_hidden,), 0.5 * d_hidden, d_memory


class Leaky(Cell):
    n_saved = n_memories = 1

    def __init__(self, n_hidden=H, bias=False):
        self.n_hidden, self.bias = n_hidden, bias

    def kernels(self):
        return unroll(*pointwise(leaky_sum, leaky_sum_derivative, 1, 1, n_memories=1), key=f"leaky, test {VERSION}")


def running_product(inputs, recurrent, before, memory, weights):
    new = memory[0] * inputs[0]
    return new, (new,), (inputs[0],), ()


def running_product_derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    d = d_hidden + d_memory[0]
    return (d * memory_before[0],), (0 * d,), 0 * d, (d * gates[0],)


class Product(Leaky):
    n_saved, additive = 0, False

    def kernels(self):
        steps = pointwise(running_product, running_product_derivative, 1, n_memories=1, additive=False)
        return unroll(*steps, key=f"running product, test {VERSION}")


@pytest.fixture(params=["float32", "float64"])
def leaky(request, rng):
    """The leaky sum with random weights, a batch, its inputs and a start."""
    dtype = request.param
    recurrent = rng.normal(size=(H, H), scale=H**-0.5).astype(dtype)
    inputs, start = (rng.normal(size=(n, H)).astype(dtype) for n in (M, 3))
    driven = Driven([Leaky()], {(0, "input"): np.eye(H, dtype=dtype), (0, "recurrent"): recurrent})
    return driven, Batch.of(OFFSETS, np.arange(3)), inputs, np.concatenate([start, np.zeros_like(start)], axis=1)


def assert_close(own, expected):
    np.testing.assert_allclose(own, expected, rtol=0, atol=20 * np.finfo(own.dtype).eps * np.abs(expected).max())


def test_each_sequence_runs_on_its_own_rows(leaky):
    driven, batch, inputs, start = leaky
    ((hidden, memory),) = driven.forward(inputs, batch.sizes, start)
    (layer,), recurrent = driven.arrays, driven.weights[0, "recurrent"]
    for n, own_rows in enumerate(ROWS):
        h = start[n, :H]
        for t, row in enumerate(own_rows):
            np.testing.assert_array_equal(layer.tape.saved[row], h)
            assert_close(layer.tape.gates[row, :H], inputs[row] + h @ recurrent)
            assert_close(hidden[row], inputs[row] + h @ recurrent + 0.5 * h)
            np.testing.assert_array_equal(memory[row], t + 1)
            h = hidden[row]
    np.testing.assert_array_equal(layer.tape.hidden[:3], start[:, :H])


def test_gradients_run_back_along_each_sequence(leaky, rng):
    driven, batch, inputs, start = leaky
    ((hidden, _),) = driven.forward(inputs, batch.sizes, start)
    d_above, recurrent = rng.normal(size=(M, H)).astype(inputs.dtype), driven.weights[0, "recurrent"]
    d_inputs, gradient = driven.backward(d_above, batch)
    onward, expected = (recurrent + 0.5 * np.eye(H)).T, np.zeros((H, H))
    for n, own_rows in enumerate(ROWS):
        d = np.zeros(H)
        for t in range(len(own_rows) - 1, -1, -1):
            row = own_rows[t]
            d = d_above[row] + d @ onward
            assert_close(d_inputs[row], d)
            expected += np.outer(hidden[own_rows[t - 1]] if t > 0 else start[n, :H], d)
        assert_close(driven.arrays[0].tape.d_later[n, :H], 0.5 * d)  # of the start, without what came by the product
    assert_close(gradient[0, "recurrent"], expected.astype(inputs.dtype))


def test_gradients_run_back_along_the_memory():
    driven = Driven([Product()], {(0, "input"): np.eye(H), (0, "recurrent"): np.zeros((H, H))})
    batch, scales = Batch.of(np.array([0, 4]), np.zeros(1, dtype=np.int64)), np.arange(1.0, H + 1)
    inputs = np.array([2.0, 3.0, 5.0, 7.0])[:, None] * scales
    start = np.concatenate([np.zeros(H), 11 * scales])[None]
    ((hidden, _),) = driven.forward(inputs, batch.sizes, start)
    np.testing.assert_array_equal(hidden, 11 * scales * np.cumprod(inputs, axis=0))
    d_hidden = np.array([0.0, 0.0, 0.0, 1.0])[:, None] * np.ones(H)
    d_inputs, gradient = driven.backward(d_hidden, batch)
    np.testing.assert_allclose(d_inputs, 11 * 2 * 3 * 5 * 7 * scales**5 / inputs)
    assert not gradient[0, "recurrent"].any()
    np.testing.assert_allclose(driven.arrays[0].tape.d_memory, [2 * 3 * 5 * 7 * scales**4])  # of the one to start from
