"""Every family as the output of one network: gradients through time, and inputs with gaps."""

import numpy as np
import pytest
from test_contract import EMISSIONS, data, symbolic

from seqmodels.base import SequenceModel
from seqmodels.rnn import LSTM

from .cases import network_with_random_weights
from .test_gradients import assert_gradient_is_right

FAMILIES = [name for name, emission in EMISSIONS.items() if emission.for_networks]
every_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.mark.parametrize("trained_on_gaps", [True, False])
@every_family
def test_gradients_equal_central_differences_and_gaps_cost_nothing(name, trained_on_gaps):
    """Where the training data have gaps these raise flags; elsewhere they are read as the mean, or as a symbol."""
    emission, X = EMISSIONS[name], data(name)
    model = network_with_random_weights(LSTM(2), emission, data(name, gaps=trained_on_gaps), seed=4)
    assert symbolic(name) or model._network.inputs.flags == trained_on_gaps
    if trained_on_gaps:
        assert_gradient_is_right(model, X)
    terms, sequences = model.log_likelihoods(X), model._known(X)
    for x, own in zip(X, terms, strict=True):
        missing = [value is None or bool(np.all(np.isnan(value))) for value in x]
        np.testing.assert_array_equal(own[missing], 0)
        assert np.isfinite(own).all()
    np.testing.assert_allclose(np.concatenate(terms), SequenceModel._terms(model, sequences), rtol=1e-9, atol=1e-10)


@every_family
def test_a_gap_at_the_end_changes_nothing(name):
    """Neither value, nor mass, nor gradient."""
    X, gap = data(name), None if symbolic(name) else np.full((1, 2), np.nan)
    model = network_with_random_weights(LSTM(2), EMISSIONS[name], X, seed=4)
    longer = [[*x, gap] if gap is None else np.concatenate([x, gap]) for x in X]
    found = []
    for sequences in map(model._known, (X, longer)):
        weighted = model._network.weighted(sequences)
        value, mass, gradient = model._network.loss_and_gradient(model._weights, weighted, np.arange(len(X)))
        found.append((value, mass, gradient.copy()))
    assert found[0][:2] == pytest.approx(found[1][:2], rel=1e-12)
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-9, atol=1e-12)
