"""What users of other recurrent libraries complain about, as far as cells are concerned.

Wishes bear the numbers of the project's list.
"""

import functools
import pathlib
import zlib

import numpy as np
import pytest
import reference
from sklearn.base import clone

from seqmodels.emissions import Categorical, Gaussian
from seqmodels.rnn import (
    GRU,
    LSTM,
    RNN,
    Cell,
    CoupledLSTM,
    Elman,
    LayerNormLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
)
from seqmodels.rnn.pointwise import pointwise
from seqmodels.rnn.recurrence import unroll
from seqmodels.simd import sigmoid, tanh

from .cases import KINDS, network_with_random_weights, sequences_for
from .test_gradients import assert_gradient_is_right
from .variants import VARIANTS, interpreted

GATED = [LSTM(2), CoupledLSTM(2), PeepholeLSTM(2), ProjectedLSTM(2, 1), LayerNormLSTM(2)]

# -------------------------------------------------------------------- 1: small networks on a processor


@pytest.mark.compiled
def test_wish_01_an_update_of_a_small_network_takes_microseconds(rng):
    """16 units, one sequence of 50 (pytorch #94457, #81634, #4703); `comparisons/speed_rnn.py` has the figures."""
    X = [rng.integers(0, 4, 50).tolist() for _ in range(20)]
    options = {"batch_size": 1, "max_epochs": 20, "validation_fraction": 0, "random_state": 0}
    seconds = [record["seconds"] for record in RNN(LSTM(16), Categorical(), **options).fit(X).history_]
    assert np.diff(seconds).min() / len(X) < 5e-4


# -------------------------------------------------------------------- 2: the cell menu is frozen

VERSION = zlib.crc32(pathlib.Path(__file__).read_bytes())  # the disk cache knows the package's sources, not this one


def minimal_gated(inputs, recurrent, before, memory, weights):
    f, n = sigmoid(inputs[0]), tanh(inputs[1])
    return before + f * (n - before), memory, (f, n), ()


def minimal_gated_derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    f, n = gates
    d_n = d_hidden * f
    d = d_hidden * (n - before) * (f - f * f), d_n - d_n * n * n
    return d, d, d_hidden - d_n, d_memory


@functools.cache
def minimal_kernels():
    return unroll(*pointwise(minimal_gated, minimal_gated_derivative, 2), key=f"minimal gated, test {VERSION}")


class MinimalGatedUnit(Cell):
    n_gates = 2

    def __init__(self, n_hidden=64, bias=True, init="uniform"):
        self.n_hidden, self.bias, self.init = n_hidden, bias, init

    def kernels(self):
        return minimal_kernels()


@interpreted
@pytest.mark.parametrize("cell", [MinimalGatedUnit(3), [MinimalGatedUnit(2), GRU(3)]], ids=str)
def test_wish_02_a_cell_of_ones_own_is_ten_lines(cell):
    """Equations and derivative, and it has ragged batches, layers and gradients (pytorch #9572, #1173, #6760)."""
    X = sequences_for(Gaussian())
    assert_gradient_is_right(network_with_random_weights(cell, Gaussian(), X), X)


@interpreted
@pytest.mark.parametrize("cell", [MinimalGatedUnit(5), *(kind(5) for kind in KINDS)], ids=str)
def test_wish_02_what_is_recalled_can_be_dropped(cell):
    """By every cell, one of one's own too (pytorch #2166)."""
    model, X = RNN(cell, Gaussian(), recurrent_dropout=0.4), sequences_for(Gaussian())
    found = model.check_gradients(X, 5, random_state=1)  # from 0, layer norm starts where a memory's units are alike
    assert max(each.error for each in found.values()) < 1e-7


def test_wish_02_every_option_can_be_searched():
    for cell in [*(own.cell for own in VARIANTS.values()), Elman(2, "relu"), GRU(2, "before")]:
        copy = clone(cell)
        assert repr(copy) == repr(cell) and copy.get_params() == cell.get_params()
        cell.check()
    model = RNN(LSTM(3)).set_params(cell__input_activation="relu", cell__without="input_gate")
    assert (model.cell.input_activation, model.cell.without) == ("relu", "input_gate")


# -------------------------------------------------------------------- 3: peepholes


@pytest.mark.parametrize("peepholes", ["diagonal", pytest.param("full", marks=interpreted)])
def test_wish_03_peepholes_are_what_an_lstm_lacks(peepholes):
    """Without weight they change nothing, with some they do (pytorch #630, keras #1717)."""
    X = sequences_for(Gaussian())
    own = network_with_random_weights(PeepholeLSTM(2, peepholes), Gaussian(), X)
    plain = network_with_random_weights(LSTM(2), Gaussian(), X)
    weights, theirs = (model._network.named(model._weights) for model in (own, plain))
    for key, array in theirs.items():
        array[...] = weights[key]
    with_peepholes = own.log_likelihood(X)
    weights[0, "peephole"][...] = 0
    own._weights = own._weights.copy()
    np.testing.assert_allclose(own.log_likelihood(X), plain.log_likelihood(X), rtol=1e-13)
    assert (np.abs(with_peepholes - plain.log_likelihood(X)) > 1e-4).all()


# -------------------------------------------------------------------- 4: the forget gate's bias


@pytest.mark.parametrize(
    ("cell", "gate"),
    [*((cell, 0 if isinstance(cell, CoupledLSTM) else 1) for cell in GATED), (LSTM(2, without="input_gate"), 0)],
    ids=str,
)
def test_wish_04_the_forget_gate_starts_as_open_as_one_likes(cell, gate):
    """By a number, not by surgery on slices of a bias (pytorch #750, #20102)."""
    cell = clone(cell).set_params(forget_bias=3.0)
    weights = cell.initial_weights(1, np.random.default_rng(0))
    bias = weights.get("bias", weights.get("gate_bias"))
    np.testing.assert_array_equal(bias[2 * gate : 2 * gate + 2], 3.0)
    assert (np.abs(np.delete(bias, [2 * gate, 2 * gate + 1])) <= 1 / np.sqrt(2)).all()
    assert {name: array.shape for name, array in weights.items()} == cell.weight_shapes(1)


def test_wish_04_there_is_nothing_to_open_without_a_forget_gate():
    cell = LSTM(2, without="forget_gate", forget_bias=3.0)
    assert (np.abs(cell.initial_weights(1, np.random.default_rng(0))["bias"]) <= 1).all()


# -------------------------------------------------------------------- 5: redundant biases


@pytest.mark.parametrize("cell", [*GATED, Elman(2), GRU(2, "before"), GRU(2)], ids=str)
def test_wish_05_no_two_biases_are_added_up(cell):
    """A second one doubled the first one's steps (pytorch #36905, onnx #1127)."""
    biases = {name: shape for name, shape in cell.weight_shapes(1).items() if "bias" in name}
    own = {"candidate_bias": (2,)} if cell.get_params().get("reset") == "after" else {}
    if isinstance(cell, LayerNormLSTM):
        assert biases == {"gate_bias": (8,), "memory_bias": (2,)}  # of the gates, and of the memory that is read
    else:
        assert biases == {"bias": (cell.n_gates * 2,)} | own
    without = clone(cell).set_params(bias=False)
    for names in (without.weight_shapes(1), without.initial_weights(1, np.random.default_rng(0))):
        assert not any("bias" in name for name in names)


# -------------------------------------------------------------------- 6: the GRU of the paper


def test_wish_06_the_gru_of_the_paper_and_that_of_cudnn_are_both_there(rng):
    """From the same weights, each is its own plain twin (pytorch #8153, keras #3701)."""
    X, found = sequences_for(Gaussian()), []
    twins = {"after": reference.gru_step_reset_after, "before": reference.gru_step_reset_before}
    for reset, twin in twins.items():
        model = network_with_random_weights(GRU(2, reset), Gaussian(), X)
        network = model._network
        named = network.named(model._weights)
        for (_, name), array in named.items():
            array[...] = 0.1 if name == "candidate_bias" else np.arange(array.size).reshape(array.shape) % 7 / 7 - 0.4
        model._weights = model._weights.copy()
        x = np.array([[1010.0, -3.0], [990.0, -2.0]])
        inputs = np.concatenate([network.inputs.start(1), network.inputs.encode(x)]).tolist()
        W_ih, W_hh, b = (named[0, name].T.tolist() for name in ("input", "recurrent", "bias"))
        others = [named[0, "candidate_bias"].tolist()] if reset == "after" else []
        hidden, _ = reference.run_layer(twin, inputs, W_ih, W_hh, b, *others)
        (own,) = network.states_after(model._ready, model._known([x]))[:, :2]
        np.testing.assert_allclose(own, hidden[-1], rtol=1e-12)
        found.append(own)
    assert np.abs(found[0] - found[1]).max() > 1e-3
