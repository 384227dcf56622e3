"""Beliefs of hidden chains: a state that is all but impossible for a while is not lost."""

import numpy as np
import pytest

from seqmodels import HMM
from seqmodels.base import SequenceModel
from seqmodels.emissions import Categorical, Gaussian
from seqmodels.hmm import SemiMarkovHMM
from seqmodels.hmm.beliefs import moved
from seqmodels.hmm.logarithms import logarithms_of

APART = Gaussian.Parameters([[0.0], [40.0]], [[1.0], [1.0]])
SERIES = [
    np.array([40.0, *np.zeros(20), 40.0, 40.0, *np.full(30, 40.0)]),  # the second state comes back from exp(-16000)
    np.array([40.0, 0.0, np.nan, 0.0, 40.0]),
    np.array([20.0]),
]


def model_of(kind):
    if kind == "identity":
        return HMM.from_parameters([0.5, 0.5], np.eye(2), APART, Gaussian())
    if kind == "tiny transitions":
        return HMM.from_parameters([0.5, 0.5], [[1.0, 1e-250], [1e-300, 1.0]], APART, Gaussian())
    if kind == "left to right":
        return HMM.from_parameters([0.9, 0.1], [[1 - 1e-6, 1e-6], [0.0, 1.0]], APART, Gaussian())
    lasting = np.zeros((2, 30))
    lasting[:, [14, 29]] = 0.5  # a state lasts 15 or 30 steps
    return SemiMarkovHMM.from_parameters(
        [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], {"probabilities": lasting}, APART, Gaussian(), Categorical()
    )


every_kind = pytest.mark.parametrize("kind", ["identity", "tiny transitions", "left to right", "semi-Markov"])


@every_kind
def test_streams_equal_log_likelihoods_and_filters(kind):
    model = model_of(kind)
    for x, terms, filters in zip(SERIES, model.log_likelihoods(SERIES), model.filter(SERIES), strict=True):
        stream = model.stream()
        found = []
        for value, own in zip(x, filters, strict=True):
            found.append(stream.update(value))
            np.testing.assert_allclose(stream.filter, own, rtol=1e-9, atol=1e-300)
        np.testing.assert_allclose(found, terms, rtol=1e-11, atol=1e-9)


@every_kind
def test_the_generic_recursion_loses_nothing_either(kind):
    model = model_of(kind)
    data = model._known(SERIES)
    np.testing.assert_allclose(SequenceModel._terms(model, data), model._terms(data), rtol=1e-11, atol=1e-9)
    beliefs = SequenceModel._beliefs_after(model, data)
    np.testing.assert_allclose(model._beliefs_after(data), beliefs, rtol=1e-11, atol=1e-9)
    assert np.isfinite(beliefs.reshape(3, 2, -1).max(axis=2)).all()


@every_kind
def test_what_is_expected_after_a_sequence_is_its_next_term(kind):
    model, x = model_of(kind), SERIES[0]
    terms = model.log_likelihoods([x])[0]
    for t in (1, 5, 20, 21, 40):
        assert model.predict_next([x[:t]]).log_density([x[t]])[0] == pytest.approx(terms[t], rel=1e-11, abs=1e-9)
        ahead = model.forecast([x[: t - 1]], 2)[1] if t > 1 else model.forecast([[np.nan]], 1)[0]
        gap = np.array([*x[: t - 1], np.nan, x[t]]) if t > 1 else np.array([np.nan, 40.0])
        expected = model.log_likelihoods([gap])[0][-1]
        assert ahead.log_density([gap[-1]])[0] == pytest.approx(expected, rel=1e-11, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_step_equals_sums_of_logarithms(seed):
    generator = np.random.default_rng(seed)
    K = int(generator.integers(1, 5))
    transition = generator.dirichlet(np.ones(K), K) * generator.choice([0.0, 1.0, 1e-120, 1e-305], (K, K))
    log_states = generator.choice([1.0, 300.0, 1000.0], (6, K)) * -generator.random((6, K))
    log_states[generator.random((6, K)) < 0.2] = -np.inf
    expected = [
        [np.logaddexp.reduce([own[i] + logarithms_of(transition)[i, j] for i in range(K)]) for j in range(K)]
        for own in log_states
    ]
    np.testing.assert_allclose(moved(log_states, transition), expected, rtol=1e-12, atol=1e-12)
