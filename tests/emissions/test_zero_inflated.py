import numpy as np
import pytest

from seqmodels import Independent, Sequences
from seqmodels.emissions import (
    Bernoulli,
    Categorical,
    Gaussian,
    Poisson,
    PoissonParameters,
    ZeroInflated,
    ZeroInflatedParameters,
)


@pytest.mark.parametrize("emission", [None, "poisson", Gaussian(), Categorical(), Bernoulli()], ids=str)
def test_only_counts_are_inflated(emission):
    with pytest.raises(TypeError, match=r"ZeroInflated\(emission=.*a family of counts such as Poisson\(\) is"):
        Independent(ZeroInflated(emission)).fit([[1.0, 0.0]])


def test_the_pseudo_count_is_checked():
    with pytest.raises(ValueError, match="pseudo_count is -1; numbers from 0 are accepted"):
        Independent(ZeroInflated(Poisson(), -1)).fit([[1.0, 0.0]])


def test_one_step_of_em_by_hand():
    """Each zero is shared between those put in and those of the family, in each state and column by itself."""
    old = ZeroInflatedParameters(np.array([[0.3], [0.6]]), PoissonParameters(np.array([[2.0], [0.5]])))
    values, visits = np.array([[0.0], [3.0], [np.nan], [1.0]]), np.array([[2, 1], [1, 0.5], [5, 5], [0.0, 4]])
    emission = ZeroInflated(Poisson())
    own = emission.maximize(emission.sufficient_statistics(values, visits, old), old)
    for k in range(2):
        z, rate, (zero, three, _, one) = old.zeros[k, 0], old.counts.rates[k, 0], visits[:, k]
        share = z / (z + (1 - z) * np.exp(-rate))
        assert own.zeros[k, 0] == pytest.approx(share * zero / (zero + three + one))
        assert own.counts.rates[k, 0] == pytest.approx((3 * three + one) / ((1 - share) * zero + three + one))


def test_columns_have_probabilities_of_their_own(rng):
    n = 20_000
    counts = rng.poisson([4.0, 1.5], (n, 2)) * (rng.random((n, 2)) > [0.1, 0.5])
    parameters = ZeroInflated(Poisson()).fit_marginal(Sequences.wrap([counts]))
    np.testing.assert_allclose(parameters.zeros, [0.1, 0.5], atol=0.02)
    np.testing.assert_allclose(parameters.counts.rates, [4.0, 1.5], atol=0.05)


def test_counts_without_zeros_are_those_of_the_family(rng):
    counts = [rng.poisson(6.0, 100) + 1]
    model = Independent(ZeroInflated(Poisson(), 1e-9)).fit(counts)
    assert model.emission_.zeros[0] < 1e-9
    assert model.score(counts) == pytest.approx(Independent(Poisson()).fit(counts).score(counts))


def test_zeros_alone_have_a_finite_density():
    model = Independent(ZeroInflated(Poisson())).fit([[0, 0, 0, 0]])
    assert 0 < model.emission_.counts.rates[0]
    assert np.isfinite(model.score([[0, 5]]))
    out = np.empty((1, 2))
    value = model.family_.value_and_gradient(np.array([[5.0]]), np.zeros((1, 2)), model.emission_, out)
    assert np.isfinite(value).all() and np.isfinite(out).all()


def test_given_parameters_may_be_dicts():
    given = {"zeros": [[0.5]], "counts": {"rates": [[2.0]]}}
    parameters = ZeroInflated(Poisson()).parameters_from(given)
    assert parameters.counts == PoissonParameters(np.array([[2.0]]))
    with pytest.raises(ValueError, match=r"emission holds 1\.5; probabilities are accepted"):
        ZeroInflated(Poisson()).parameters_from(given | {"zeros": [[1.5]]})
    with pytest.raises(ValueError, match=r"emission holds -2\.0; rates from 0 are accepted"):
        ZeroInflated(Poisson()).parameters_from(given | {"counts": {"rates": [[-2.0]]}})


def test_the_mode_is_zero_where_that_is_more_probable():
    parameters = ZeroInflatedParameters(np.array([0.1, 0.3]), PoissonParameters(np.array([5.5, 5.5])))
    np.testing.assert_array_equal(ZeroInflated(Poisson()).mode(parameters), [5.0, 0.0])
