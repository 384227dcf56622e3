"""What the founding documents say about hidden Markov models, networks, their losses and gradients, row by row.

The documents name the weights of the simple network differently from section to section. Here U reads the input,
W the state before, and V gives the output, as in their worked example:

    s_t = f(U x_t + W s_(t-1)),   o_t = g(V s_t)
"""

import itertools
import math

import numpy as np
import pytest
from rnn.stacks import Driven

from seqmodels import HMM, RNN, Independent
from seqmodels.baselines import MarkovChain
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Poisson
from seqmodels.rnn import GRU, LSTM, SGD, Elman
from seqmodels.rnn.packing import Batch


def logistic(x):
    return 1 / (1 + np.exp(-x))


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def network(cell, emission, X, scale=0.8):
    """A network all of whose weights are random."""
    model = RNN(cell, emission, dtype="float64", max_epochs=0, validation_fraction=0).fit(X)
    model._weights = np.random.default_rng(5).normal(scale=scale, size=model.n_parameters_)
    return model


def one_hot_inputs(codes, width):
    """Columns x_1 ... x_T: the start, then each symbol but the last."""
    return np.eye(width)[[width - 1, *codes[:-1]]]


def gradient_of_summed_loss(model, X):
    """Gradients of E = sum_t E_t by (layer, name)."""
    reading = model._network.weighted(model._known(X))
    _, mass, gradient = model._network.loss_and_gradient(model._weights, reading, np.arange(len(X)))
    return model._network.named(mass * gradient)


# -------------------------------------------------------------------- A: Markov chains and hidden ones

INITIAL = np.array([0.6, 0.4])
TRANSITION = np.array([[0.9, 0.1], [0.3, 0.7]])
EMISSION = np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7]])


def hidden_markov_model(emission=EMISSION):
    return HMM.from_parameters(INITIAL, TRANSITION, {"probabilities": emission}, Categorical(), alphabet="abc")


def test_A1_the_next_state_depends_on_the_current_one_only():
    identified = hidden_markov_model(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))  # a state says its name
    for past in ("a", "ca", "acca", "aaaa"):
        np.testing.assert_allclose(identified.predict_next([past]).probabilities()[0, [0, 2]], TRANSITION[0])


def test_A2_A3_both_chains_are_random_and_two_matrices_say_how():
    """p(x) = sum over z of p(z_1) p(x_1|z_1) prod p(z_t|z_(t-1)) p(x_t|z_t): observations meet through states only."""
    model = hidden_markov_model()
    assert model.transition_.shape == (2, 2)
    assert model.emission_.probabilities.shape == (2, 3)
    for x in itertools.product(range(3), repeat=4):
        total = 0.0
        for z in itertools.product(range(2), repeat=4):
            p = INITIAL[z[0]] * EMISSION[z[0], x[0]]
            for t in range(1, 4):
                p *= TRANSITION[z[t - 1], z[t]] * EMISSION[z[t], x[t]]
            total += p
        text = "".join("abc"[code] for code in x)
        assert model.log_likelihood([text])[0] == pytest.approx(math.log(total), rel=1e-12)


def test_A5_all_models_share_out_one_unit_of_probability():
    """Hence their log-likelihoods of the same sequences can be compared."""
    X = ["abcab", "cab", "bca"]
    unknown_too = ["".join(symbols) for symbols in itertools.product("abc?", repeat=3)]
    for model in (
        Independent().fit(X),
        MarkovChain(2).fit(X),
        HMM(2, Categorical(0.5), random_state=0, max_iter=3).fit(X),
        network(LSTM(3), None, X),
    ):
        assert np.exp(model.log_likelihood(unknown_too)).sum() == pytest.approx(1), model


# -------------------------------------------------------------------- B: the simple network


@pytest.mark.parametrize(("activation", "f"), [
    ("tanh", np.tanh), ("relu", lambda s: np.maximum(s, 0)), ("sigmoid", logistic),
])  # fmt: skip
@pytest.mark.parametrize("bias", [True, False])
def test_B1_B2_B3_B4_B12_states_and_outputs(activation, f, bias):
    """s_t = U x_t + W h_(t-1) (+ b), h_t = f(s_t), o_t = softmax(V h_t + c): "V tanh(s_t)" where f is tanh."""
    X = [[0, 2, 1, 1, 0, 2]]
    model = network(Elman(4, activation, bias=bias), Categorical(), X)
    weights = model.weights_
    U, W, V, c = (weights[name] for name in ("weight_ih_l0", "weight_hh_l0", "weight_out", "bias_out"))
    assert ("bias_l0" in weights) == bias
    b = weights.get("bias_l0", 0.0)
    h, expected = np.zeros(4), []
    for x_t, symbol in zip(one_hot_inputs(X[0], 6), X[0], strict=True):
        h = f(U @ x_t + W @ h + b)
        o = softmax(V @ h + c + np.log(model.marginal_.probabilities))
        expected.append(math.log(o[symbol]))
    np.testing.assert_allclose(model.log_likelihoods(X)[0], expected, rtol=1e-12)


def test_B5_output_functions_belong_to_the_family():
    """Softmax for symbols, sigmoid for zeros and ones, identity for real numbers, exponential for counts."""
    past = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    for emission, g in (
        (Bernoulli(), lambda z, m: logistic(z + np.log(m.probabilities / (1 - m.probabilities)))),
        (Gaussian(), lambda z, m: m.means + np.sqrt(m.covariances) * z[:2]),
        (Poisson(), lambda z, m: m.rates * np.exp(z)),
    ):
        model = network(Elman(3), emission, [past])
        h = model._network.stack.split_state(model._beliefs_after(model._known([past])))[0][0, :3]
        z = model.weights_["weight_out"] @ h + model.weights_["bias_out"]
        np.testing.assert_allclose(model.predict_next([past]).mean()[0], g(z, model.marginal_), rtol=1e-12)


def test_B6_the_first_state_is_zero_and_weights_start_at_random():
    X = [[0, 1, 2]]
    model = network(Elman(3), Categorical(), X)
    first = model.log_likelihoods(X)[0][0]
    last = model.log_likelihoods(X)[0][2]
    model._weights = model._weights.copy()
    model._network.named(model._weights)[0, "recurrent"][...] = 0  # multiplies the zero state only, at first
    assert model.log_likelihoods(X)[0][0] == first
    assert model.log_likelihoods(X)[0][2] != last
    start = RNN(Elman(9), max_epochs=0, random_state=0).fit(X).weights_
    for name in ("weight_ih_l0", "weight_hh_l0"):
        assert len(np.unique(start[name])) == start[name].size
        assert np.abs(start[name]).max() <= 1 / 3
    assert not start["weight_out"].any()  # so that a new network is the Independent model


def test_B7_a_one_hot_input_is_the_look_up_of_a_column():
    """A symbol moves the state as the product of its one-hot vector does."""
    model = network(Elman(4, bias=False), Categorical(), [[3, 0, 1, 2, 4]])
    codes, U = np.array([3, 0, 2, 3]), model.weights_["weight_ih_l0"]
    nothing = np.zeros((4, model._network.stack.n_state))
    states = model._network.next_state(model._ready, nothing, codes[:, None])
    np.testing.assert_allclose(states[:, :4], np.tanh(np.eye(U.shape[1])[codes] @ U.T), rtol=1e-14)


def test_B9_five_words_are_five_layers_that_share_their_weights():
    """The gradient of shared weights is the sum of those of five separate copies."""
    X, H = [[2, 0, 1, 1, 2]], 2
    model = network(Elman(H, bias=False), Categorical(), X)
    U, W, V, c = (model.weights_[name] for name in ("weight_ih_l0", "weight_hh_l0", "weight_out", "bias_out"))
    offset, inputs = c + np.log(model.marginal_.probabilities), one_hot_inputs(X[0], 6)

    def unrolled_loss(copies):
        h, loss = np.zeros(H), 0.0
        for W_t, x_t, symbol in zip(copies, inputs, X[0], strict=True):
            h = np.tanh(U @ x_t + W_t @ h)
            loss -= math.log(softmax(V @ h + offset)[symbol])
        return loss

    of_copies, step = np.zeros((5, H, H)), 1e-6
    for t, i, j in np.ndindex(5, H, H):
        copies = np.repeat(W[None], 5, axis=0)
        copies[t, i, j] += step
        up = unrolled_loss(copies)
        copies[t, i, j] -= 2 * step
        of_copies[t, i, j] = (up - unrolled_loss(copies)) / (2 * step)
    assert not of_copies[0].any()
    assert all(of_copies[t].any() for t in range(1, 5))
    shared = gradient_of_summed_loss(model, X)[0, "recurrent"].T
    np.testing.assert_allclose(shared, of_copies.sum(axis=0), rtol=1e-7, atol=1e-9)


# -------------------------------------------------------------------- C: losses


@pytest.fixture
def raw_outputs(rng):
    return rng.normal(size=(4, 3))


UNIFORM = Categorical.Parameters(np.full(3, 1 / 3))


def test_C1_C5_cross_entropy_needs_the_true_class_only_and_its_residual_is_o_minus_y(raw_outputs):
    codes, d_raw = np.array([2, 0, 1, 2]), np.empty((4, 3))
    log_probabilities = Categorical().value_and_gradient(codes[:, None], raw_outputs, UNIFORM, d_raw)
    for z, code, log_p, d in zip(raw_outputs, codes, log_probabilities, d_raw, strict=True):
        y, o = np.eye(3)[code], softmax(z)
        assert -log_p == pytest.approx(-y @ np.log(o)) == pytest.approx(-math.log(o[code]))
        np.testing.assert_allclose(-d, o - y, rtol=1e-12)


def test_C2_losses_sum_over_the_sentence_and_average_over_words():
    X = ["abca", "cb"]
    model = network(GRU(3), None, X)
    terms = model.log_likelihoods(X)
    np.testing.assert_allclose(model.log_likelihood(X), [terms[0].sum(), terms[1].sum()], rtol=1e-14)
    assert model.score(X) == pytest.approx(np.concatenate(terms).mean(), rel=1e-14)


def test_C4_sigmoid_outputs_with_binary_cross_entropy_have_the_same_residual(raw_outputs):
    """The worked example has this residual. It is that of y log o + (1 - y) log(1 - o), not of y log o alone."""
    y, d_raw = np.array([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]), np.empty((4, 3))
    even = Bernoulli.Parameters(np.full(3, 0.5))
    log_probabilities = Bernoulli().value_and_gradient(y, raw_outputs, even, d_raw)
    o = logistic(raw_outputs)
    np.testing.assert_allclose(log_probabilities, (y * np.log(o) + (1 - y) * np.log(1 - o)).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(-d_raw, o - y, rtol=1e-12)


# -------------------------------------------------------------------- D: backpropagation through time


def run_simple_network(U, W, x):
    """States (T, H) of one sequence of inputs (T, I) without biases, and a function for the way back."""
    batch = Batch.of(np.array([0, len(x)]), np.array([0]))
    network = Driven([Elman(len(W), bias=False)], {(0, "input"): U.T, (0, "recurrent"): W.T})
    (layer,) = network.forward(x @ U.T, batch.sizes)

    def back(d_states):
        """From dE/ds (T, H) through the outputs: the deltas, dE/dU and dE/dW."""
        deltas, gradient = network.backward(d_states, batch)
        return deltas, deltas.T @ x, gradient[0, "recurrent"].T

    return layer.hidden, back


def test_D1_the_gradient_of_V_needs_the_present_step_only():
    """dE/dV = sum_k (o_k - y_k) outer h_k."""
    X = [[0, 2, 1, 1, 0]]
    model = network(Elman(3), Categorical(), X)
    weights, h = model.weights_, np.zeros(3)
    expected = np.zeros_like(weights["weight_out"])
    for x_t, symbol in zip(one_hot_inputs(X[0], 6), X[0], strict=True):
        h = np.tanh(weights["weight_ih_l0"] @ x_t + weights["weight_hh_l0"] @ h + weights["bias_l0"])
        z = weights["weight_out"] @ h + weights["bias_out"] + np.log(model.marginal_.probabilities)
        expected += np.outer(softmax(z) - np.eye(4)[symbol], h)
    np.testing.assert_allclose(gradient_of_summed_loss(model, X)["output", "weight"].T, expected, rtol=1e-11)


def test_D2_the_gradients_of_U_and_W_sum_over_all_earlier_steps(rng):
    """dE_t/dU = sum_k dE_t/dh_t dh_t/dh_k dh_k/ds_k outer x_k; for W, h_(k-1) in the place of x_k."""
    U, W, x = rng.normal(size=(3, 2)), rng.normal(size=(3, 3)), rng.normal(size=(5, 2))
    h, back = run_simple_network(U, W, x)
    before = np.concatenate([np.zeros((1, 3)), h[:-1]])
    slopes = [np.diag(1 - h_t**2) for h_t in h]  # dh_t/ds_t
    for t in range(5):
        dE_dh = rng.normal(size=3)
        expected_U, expected_W, onward = np.zeros((3, 2)), np.zeros((3, 3)), np.eye(3)
        for k in range(t, -1, -1):  # onward is dh_t/dh_k
            d = dE_dh @ onward @ slopes[k]
            expected_U += np.outer(d, x[k])
            expected_W += np.outer(d, before[k])
            onward = onward @ slopes[k] @ W
        d_states = np.zeros((5, 3))
        d_states[t] = dE_dh
        _, dE_dU, dE_dW = back(d_states)
        np.testing.assert_allclose(dE_dU, expected_U, rtol=1e-12)
        np.testing.assert_allclose(dE_dW, expected_W, rtol=1e-12, atol=1e-15)


def test_D3_the_worked_example():
    """One input, one unit, one output, steps 0 to 3, and the loss of step 3 alone."""
    U, W, V = 0.7, -1.3, 0.9
    x_0, x_1, x_2, x_3 = 0.5, -1.0, 0.8, 0.3
    y_3 = 1.0

    s_0 = math.tanh(U * x_0)  # s_(-1) = 0
    s_1 = math.tanh(U * x_1 + W * s_0)
    s_2 = math.tanh(U * x_2 + W * s_1)
    s_3 = math.tanh(U * x_3 + W * s_2)
    o_3 = 1 / (1 + math.exp(-V * s_3))

    d_3 = (o_3 - y_3) * V * (1 - s_3**2)
    d_2 = d_3 * W * (1 - s_2**2)
    d_1 = d_2 * W * (1 - s_1**2)
    d_0 = d_1 * W * (1 - s_0**2)
    dE_dV = (o_3 - y_3) * s_3
    dE_dU = d_3 * x_3 + d_2 * x_2 + d_1 * x_1 + d_0 * x_0
    dE_dW = d_3 * s_2 + d_2 * s_1 + d_1 * s_0 + d_0 * 0

    x = np.array([[x_0], [x_1], [x_2], [x_3]])
    states, back = run_simple_network(np.array([[U]]), np.array([[W]]), x)
    np.testing.assert_allclose(states[:, 0], [s_0, s_1, s_2, s_3], rtol=1e-14)

    raw, d_raw = states * V, np.empty((4, 1))
    y = np.array([[np.nan], [np.nan], [np.nan], [y_3]])  # only step 3 is seen, so only its loss counts
    log_probabilities = Bernoulli().value_and_gradient(y, raw, Bernoulli.Parameters(np.array([0.5])), d_raw)
    np.testing.assert_allclose(log_probabilities, [0, 0, 0, math.log(o_3)], rtol=1e-14)
    np.testing.assert_allclose(-d_raw.T @ states, [[dE_dV]], rtol=1e-13)

    deltas, own_dE_dU, own_dE_dW = back(-d_raw * V)
    np.testing.assert_allclose(deltas[:, 0], [d_0, d_1, d_2, d_3], rtol=1e-13)
    np.testing.assert_allclose(own_dE_dU, [[dE_dU]], rtol=1e-13)
    np.testing.assert_allclose(own_dE_dW, [[dE_dW]], rtol=1e-13)

    def loss(U, W, V):
        s = 0.0
        for x_t in (x_0, x_1, x_2, x_3):
            s = math.tanh(U * x_t + W * s)
        return -math.log(1 / (1 + math.exp(-V * s)))

    step = 1e-6
    assert dE_dU == pytest.approx((loss(U + step, W, V) - loss(U - step, W, V)) / (2 * step), rel=1e-8)
    assert dE_dW == pytest.approx((loss(U, W + step, V) - loss(U, W - step, V)) / (2 * step), rel=1e-8)
    assert dE_dV == pytest.approx((loss(U, W, V + step) - loss(U, W, V - step)) / (2 * step), rel=1e-8)


def test_D4_deltas_come_from_the_output_and_from_the_step_after(rng):
    """delta_t = (V' delta_t^o + W' delta_(t+1)) * f'(s_t); dE/dW = sum delta_t outer h_(t-1), dE/dU = ... x_t."""
    U, W, V = rng.normal(size=(3, 2)), rng.normal(size=(3, 3)), rng.normal(size=(4, 3))
    x, delta_o = rng.normal(size=(6, 2)), rng.normal(size=(6, 4))
    h, back = run_simple_network(U, W, x)
    deltas, ahead = np.empty((6, 3)), np.zeros(3)
    for t in range(5, -1, -1):
        ahead = deltas[t] = (V.T @ delta_o[t] + W.T @ ahead) * (1 - h[t] ** 2)
    own_deltas, dE_dU, dE_dW = back(delta_o @ V)
    np.testing.assert_allclose(own_deltas, deltas, rtol=1e-12)
    np.testing.assert_allclose(dE_dU, sum(np.outer(deltas[t], x[t]) for t in range(6)), rtol=1e-12)
    np.testing.assert_allclose(dE_dW, sum(np.outer(deltas[t], h[t - 1]) for t in range(1, 6)), rtol=1e-12)


def test_D5_a_weight_is_shared_by_the_steps_and_its_gradients_are_summed(rng):
    """dE_3/dW = dE_3/dW^3 + dE_3/dW^2 + dE_3/dW^1, where every step has a copy of W of its own."""
    U, W, x, d_state = rng.normal(size=(2, 2)), rng.normal(size=(2, 2)), rng.normal(size=(4, 2)), rng.normal(size=2)
    _, back = run_simple_network(U, W, x)

    def loss(copies):
        h = np.zeros(2)
        for x_t, own in zip(x, copies, strict=True):
            h = np.tanh(U @ x_t + own @ h)
        return d_state @ h

    by_copy, step = np.zeros((4, 2, 2)), 1e-6
    for place in np.ndindex(4, 2, 2):
        up, down = (np.array([W] * 4) for _ in range(2))
        up[place] += step
        down[place] -= step
        by_copy[place] = (loss(up) - loss(down)) / (2 * step)
    deltas, _, dE_dW = back(np.array([[0, 0], [0, 0], [0, 0], d_state]))
    np.testing.assert_allclose(dE_dW, by_copy.sum(axis=0), rtol=1e-7)
    assert not by_copy[0].any()  # there is no state before the first step
    for t in range(1, 4):
        np.testing.assert_allclose(np.outer(deltas[t], run_simple_network(U, W, x)[0][t - 1]), by_copy[t], atol=1e-8)


def test_D7_going_back_a_few_steps_only(rng):
    """Windows of three steps: deltas are added up within a window, and the state before it is a given number."""
    X = [[0, 2, 1, 1, 0, 2, 2, 1]]
    model = network(Elman(3), Categorical(), X)
    weights, h = model.weights_, np.zeros(3)
    U, W, V = (weights[name] for name in ("weight_ih_l0", "weight_hh_l0", "weight_out"))
    x, weighted = one_hot_inputs(X[0], 6), model._network.weighted(model._known(X), None, 3)
    for first, window in zip((0, 3, 6), model._network.windows(weighted, np.array([0])), strict=True):
        states, residuals = [h], []
        for t in range(first, min(first + 3, 8)):
            h = np.tanh(U @ x[t] + W @ h + weights["bias_l0"])
            states.append(h)
            z = V @ h + weights["bias_out"] + np.log(model.marginal_.probabilities)
            residuals.append(softmax(z) - np.eye(4)[X[0][t]])
        expected, delta = np.zeros((3, 3)), np.zeros(3)
        for k in range(len(residuals), 0, -1):
            delta = (V.T @ residuals[k - 1] + W.T @ delta) * (1 - states[k] ** 2)
            expected += np.outer(delta, states[k - 1])
        _, mass, gradient = model._network.loss_and_gradient(
            model._weights, weighted, window.which, state=window.state
        )  # fmt: skip
        own = mass * model._network.named(gradient)[0, "recurrent"].T
        np.testing.assert_allclose(own, expected, rtol=1e-11)


def test_D8_errors_flow_back_in_time_and_down_the_layers(rng):
    """delta_t of the lower layer = (U_2' delta_t of the upper one + W_1' delta_(t+1)) * f'."""
    U_1, W_1, U_2, W_2 = (rng.normal(size=shape) for shape in ((3, 2), (3, 3), (4, 3), (4, 4)))
    x, above = rng.normal(size=(5, 2)), rng.normal(size=(5, 4))
    batch = Batch.of(np.array([0, 5]), np.array([0]))
    stack = Driven(
        [Elman(3, bias=False), Elman(4, bias=False)],
        {(0, "input"): U_1.T, (0, "recurrent"): W_1.T, (1, "input"): U_2.T, (1, "recurrent"): W_2.T},
    )
    lower, upper = stack.forward(x @ U_1.T, batch.sizes)
    own, gradient = stack.backward(above, batch)
    deltas, time_1, time_2 = np.empty((5, 3)), np.zeros(3), np.zeros(4)
    d_U_2 = np.zeros((4, 3))
    for t in range(4, -1, -1):
        time_2 = (above[t] + W_2.T @ time_2) * (1 - upper.hidden[t] ** 2)
        time_1 = deltas[t] = (U_2.T @ time_2 + W_1.T @ time_1) * (1 - lower.hidden[t] ** 2)
        d_U_2 += np.outer(time_2, lower.hidden[t])
    np.testing.assert_allclose(own, deltas, rtol=1e-12)
    np.testing.assert_allclose(gradient[1, "input"].T, d_U_2, rtol=1e-12)


def test_D9_gradient_descent_moves_weights_against_the_gradient():
    """w <- w - eta dL/dw, L the mean over the words of the batch."""
    X, eta = [[0, 1, 1, 0, 1], [1, 0]], 0.3
    options = {"validation_fraction": 0, "clip_norm": None, "dtype": "float64", "random_state": 0}
    start, after_two, after_three = (
        RNN(Elman(2), optimizer=SGD(eta), max_epochs=epochs, **options).fit(X) for epochs in (0, 2, 3)
    )
    assert start.score(X) < after_two.score(X) < after_three.score(X)
    gradient = gradient_of_summed_loss(after_two, X)
    for (layer, name), moved in after_three._network.named(after_three._weights).items():
        before = after_two._network.named(after_two._weights)[layer, name]
        np.testing.assert_allclose(moved, before - eta * gradient[layer, name] / 7, rtol=1e-9, atol=1e-15)


# -------------------------------------------------------------------- E and K: clipping, and what goes wrong elsewhere


def one_update(start_epochs=0, **options):
    """The weights before and after an update on all of X, in one vector each."""
    X = [[0, 1, 1, 0, 1], [1, 0], [1, 1, 1]]
    options = {"validation_fraction": 0, "dtype": "float64", "random_state": 0, "clip_norm": None} | options
    return [
        RNN(LSTM(2), optimizer=SGD(1.0), max_epochs=epochs, **options).fit(X)
        for epochs in (start_epochs, start_epochs + 1)
    ]


def test_E4_gradients_are_clipped_by_value():
    """To [-c, c], entry by entry; those within stay as they are."""
    free, (before, after) = one_update(1), one_update(1, clip_value=0.01)
    before_free, after_free = free
    np.testing.assert_array_equal(one_update(0, clip_value=1e9)[1]._weights, before_free._weights)
    moved = after._weights - before._weights
    assert np.abs(moved).max() == pytest.approx(0.01, rel=1e-12)
    gradient = gradient_of_summed_loss(before, [[0, 1, 1, 0, 1], [1, 0], [1, 1, 1]])
    for key, own in before._network.named(moved).items():
        np.testing.assert_allclose(own, -np.clip(gradient[key] / 10, -0.01, 0.01), rtol=1e-9, atol=1e-15)
    assert np.abs(after_free._weights - before_free._weights).max() > 0.01


def test_K_clipping_by_norm_acts_on_what_backpropagation_has_found():
    """music_test.py clips zeros, before the way back. Here an update is as long as the limit, in the same direction."""
    before, after = one_update(clip_norm=0.02)
    _, free = one_update()
    moved, unclipped = after._weights - before._weights, free._weights - before._weights
    assert np.linalg.norm(moved) == pytest.approx(0.02, rel=1e-12)
    np.testing.assert_allclose(moved / 0.02, unclipped / np.linalg.norm(unclipped), rtol=1e-9, atol=1e-15)


def test_K_all_weights_are_trained():
    """rnn.py trains W alone; lstm.py gives the input and the output gate the forget gate's biases."""
    start = one_update()[0].weights_
    trained = one_update(2)[1].weights_
    moved = {name: trained[name] - start[name] for name in start}
    assert all(array.any(axis=0).any() for array in moved.values())
    gates = moved["bias_l0"].reshape(4, 2)
    assert all(gates[gate].all() for gate in range(4))
    for one, other in itertools.combinations(range(4), 2):
        assert not np.allclose(gates[one], gates[other])


def test_K_the_softmax_of_large_numbers():
    """It is taken relative to the largest."""
    model = network(Elman(2), Categorical(), [[0, 1, 2]])
    model._network.named(model._weights)["output", "bias"][:] = [1e4, 1e4 - 1, -1e4, 0]
    terms = model.log_likelihoods([[0, 1, 2]])[0]
    assert np.isfinite(terms).all()
    assert terms[2] == pytest.approx(-2e4, rel=1e-3)


# -------------------------------------------------------------------- F and G: gated cells


def run_cell(cell, projected, weights, state):
    (layer,) = Driven([cell], weights).forward(projected, np.ones(len(projected), dtype=int), state)
    return layer


def test_F1_F2_F3_F4_F5_long_short_term_memory(rng):
    """Three inputs (x_t, h_(t-1), C_(t-1)), four interacting layers, two outputs (h_t, C_t)."""
    H, x = 3, rng.normal(size=(4, 2))
    W_f, W_i, W_C, W_o = (rng.normal(size=(H, H + 2)) for _ in range(4))  # of [h_(t-1), x_t]
    b_f, b_i, b_C, b_o = rng.normal(size=(4, H))
    h, C = state = rng.normal(size=(2, H))

    stacked = np.concatenate([W_i, W_f, W_C, W_o])  # gates in PyTorch's order
    weights = {(0, "recurrent"): stacked[:, :H].T.copy()}
    projected = x @ stacked[:, H:].T + np.concatenate([b_i, b_f, b_C, b_o])
    own_h, own_C = run_cell(LSTM(H), projected, weights, state.reshape(1, -1).copy())

    for t in range(4):
        joined = np.concatenate([h, x[t]])
        f = logistic(W_f @ joined + b_f)
        i = logistic(W_i @ joined + b_i)
        candidate = np.tanh(W_C @ joined + b_C)
        C = f * C + i * candidate
        o = logistic(W_o @ joined + b_o)
        h = o * np.tanh(C)
        np.testing.assert_allclose(own_C[t], C, rtol=1e-12)
        np.testing.assert_allclose(own_h[t], h, rtol=1e-12)


def test_G3_gated_recurrent_unit_without_biases(rng):
    """z interpolates, r gates what the candidate sees: h = (1 - z) h_(t-1) + z tanh(W [r * h_(t-1), x_t])."""
    H, x = 3, rng.normal(size=(4, 2))
    W_z, W_r, W = (rng.normal(size=(H, H + 2)) for _ in range(3))  # of [h_(t-1), x_t]
    h = rng.normal(size=H)

    stacked = np.concatenate([W_r, W_z, W])
    weights = {(0, "recurrent"): stacked[:, :H].T.copy()}
    cell = GRU(H, reset="before", bias=False)
    own_h, _ = run_cell(cell, x @ stacked[:, H:].T, weights, h[None].copy())

    for t in range(4):
        z = logistic(W_z @ np.concatenate([h, x[t]]))
        r = logistic(W_r @ np.concatenate([h, x[t]]))
        candidate = np.tanh(W @ np.concatenate([r * h, x[t]]))
        h = (1 - z) * h + z * candidate
        np.testing.assert_allclose(own_h[t], h, rtol=1e-12)
