import math

import numpy as np
import pytest
from sklearn.base import clone

from seqmodels.rnn import SGD, Adagrad, Adam, AdamW, RMSProp
from seqmodels.rnn.optimizers import Optimizer, clip

OPTIMIZERS = [SGD(), SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True), RMSProp(), Adagrad(), Adam(), AdamW()]


def descend(optimizer, weights, gradients):
    weights = np.array(weights)
    state = optimizer.begin(weights)
    for gradient in gradients:
        optimizer.update(weights, np.array(gradient, dtype=weights.dtype), state)
    return weights


def test_sgd_takes_steps_down_the_gradient():
    weights = descend(SGD(0.1), [1.0, -2.0], [[2.0, 3.0], [-1.0, 0.5]])
    np.testing.assert_allclose(weights, [1 - 0.1 * (2 - 1), -2 - 0.1 * (3 + 0.5)], rtol=1e-15)


def test_adam_equals_its_published_algorithm(rng):
    """Kingma and Ba (2015), algorithm 1, one weight at a time."""
    alpha, beta1, beta2, epsilon = 0.01, 0.8, 0.95, 1e-3
    weights, gradients = rng.normal(size=3), rng.normal(size=(7, 3))
    expected = []
    for weight, own in zip(weights, gradients.T, strict=True):
        m = v = 0.0
        for t, g in enumerate(own, start=1):
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            weight -= alpha * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + epsilon)
        expected.append(weight)
    np.testing.assert_allclose(descend(Adam(alpha, beta1, beta2, epsilon), weights, gradients), expected, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_makes_part_of_the_last_step_again(nesterov, rng):
    rate, mu = 0.1, 0.8
    weights, gradients, expected = rng.normal(size=3), rng.normal(size=(6, 3)), []
    for weight, own in zip(weights, gradients.T, strict=True):
        v = 0.0
        for g in own:
            v = mu * v + g
            weight -= rate * (g + mu * v if nesterov else v)
        expected.append(weight)
    np.testing.assert_allclose(descend(SGD(rate, mu, nesterov), weights, gradients), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("optimizer", "keep", "add"), [(RMSProp(0.01, 0.9, 1e-3), 0.9, 0.1), (Adagrad(0.01, 1e-3), 1.0, 1.0)], ids=str
)
def test_steps_are_in_units_of_the_root_of_squares(optimizer, keep, add, rng):
    weights, gradients, expected = rng.normal(size=3), rng.normal(size=(6, 3)), []
    for weight, own in zip(weights, gradients.T, strict=True):
        squares = 0.0
        for g in own:
            squares = keep * squares + add * g**2
            weight -= 0.01 * g / (math.sqrt(squares) + 1e-3)
        expected.append(weight)
    np.testing.assert_allclose(descend(optimizer, weights, gradients), expected, rtol=1e-12)


def test_adamw_shrinks_weights_beside_the_steps_of_adam(rng):
    weights, gradients = rng.normal(size=4), rng.normal(size=(5, 4))
    shrunk, state = weights.copy(), Adam(0.02).begin(weights)
    for gradient in gradients:
        shrunk *= 1 - 0.02 * 0.3
        Adam(0.02).update(shrunk, gradient, state)
    np.testing.assert_allclose(descend(AdamW(0.02, weight_decay=0.3), weights, gradients), shrunk, rtol=1e-13)
    np.testing.assert_array_equal(
        descend(AdamW(weight_decay=0), weights, gradients), descend(Adam(), weights, gradients)
    )


def test_the_first_step_of_adam_has_the_size_of_the_learning_rate():
    weights = descend(Adam(0.5), [0.0, 0.0, 0.0], [[1e-3, -1e3, 0.0]])
    np.testing.assert_allclose(weights, [-0.5, 0.5, 0], rtol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_updates_are_in_place_keep_single_precision_and_share_nothing(optimizer, rng):
    gradient = rng.normal(size=4).astype(np.float32)
    kept = gradient.copy()
    results = []
    for _ in range(2):
        weights = np.ones(4, np.float32)
        alias = weights
        state = optimizer.begin(weights)
        optimizer.update(weights, gradient, state)
        assert alias is weights and weights.dtype == np.float32
        results.append(weights)
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(gradient, kept)
    assert clone(optimizer).get_params() == optimizer.get_params()


# -------------------------------------------------------------------- clipping


def test_clipping_by_norm_keeps_the_direction():
    gradient = np.array([3.0, -4.0])
    clip(gradient, by_norm=1.0)
    np.testing.assert_allclose(gradient, [0.6, -0.8])
    clip(gradient, by_norm=2.0)  # within the limit
    np.testing.assert_allclose(gradient, [0.6, -0.8])


def test_clipping_by_value_limits_each_entry():
    gradient = np.array([3.0, -4.0, 0.1])
    clip(gradient, by_value=0.5)
    np.testing.assert_array_equal(gradient, [0.5, -0.5, 0.1])


def test_both_limits_hold_entries_first():
    gradient = np.array([3.0, 4.0])
    clip(gradient, by_norm=1.0, by_value=3.0)
    np.testing.assert_allclose(gradient, np.array([1, 1]) / math.sqrt(2))


def test_no_limit_changes_nothing():
    gradient = np.array([1e9, -1e9])
    clip(gradient)
    np.testing.assert_array_equal(gradient, [1e9, -1e9])


def test_an_exploding_gradient_in_single_precision_is_clipped_and_not_lost():
    gradient = np.array([3e30, -4e30], dtype=np.float32)  # its squares overflow
    clip(gradient, by_norm=1.0)
    np.testing.assert_allclose(gradient, [0.6, -0.8], rtol=1e-6)
    assert gradient.dtype == np.float32


# -------------------------------------------------------------------- hyperparameters


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (SGD(0), "learning_rate is 0; positive numbers"),
        (SGD(float("nan")), "learning_rate is nan; positive numbers"),
        (Adam(-1e-3), "learning_rate is -0.001; positive numbers"),
        (Adam(beta1=1), r"beta1 is 1; numbers in \[0, 1\)"),
        (Adam(beta2=-0.1), r"beta2 is -0.1; numbers in \[0, 1\)"),
        (Adam(epsilon=0), "epsilon is 0; positive numbers"),
        (SGD(momentum=1.0), r"momentum is 1.0; numbers in \[0, 1\)"),
        (SGD(nesterov=True), "nesterov is True and momentum is 0; a momentum above 0"),
        (RMSProp(decay=1), r"decay is 1; numbers in \[0, 1\)"),
        (RMSProp(epsilon=0), "epsilon is 0; positive numbers"),
        (Adagrad(epsilon=-1.0), "epsilon is -1.0; positive numbers"),
        (AdamW(0.1, weight_decay=10), "weight_decay is 10; numbers from 0 to below 1 / learning_rate"),
    ],
)
def test_hyperparameters_are_checked(optimizer, message):
    with pytest.raises(ValueError, match=message):
        optimizer.check()


def test_an_optimizer_without_an_update_says_so():
    class Lazy(Optimizer):
        learning_rate = 1.0

    with pytest.raises(TypeError, match="Lazy does not define update"):
        descend(Lazy(), [1.0], [[1.0]])
