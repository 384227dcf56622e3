"""Faults of hmmlearn 0.3.3 in emissions and their M-steps, by their numbers, and wishes of its users."""

import numpy as np
import pytest

from seqmodels import HMM
from seqmodels.emissions import Categorical, Gaussian, Poisson, PoissonParameters
from seqmodels.emissions.covariance import VARIANCE_FLOOR

from .cases import assert_never_falls

COVARIANCES = ("diagonal", "full", "spherical", "tied")
each_covariance = pytest.mark.parametrize("covariance", COVARIANCES)


def test_fault_01_spherical_variances_are_each_states_own(rng):
    states = rng.integers(3, size=1200)
    X = rng.normal(200.0 * states[:, None], np.array([25.0, 1.0, 0.5])[states, None], (1200, 2))
    model = HMM(3, Gaussian("spherical"), random_state=0).fit([X])
    assert model.emission_.covariances.shape == (3,)
    order = np.argsort(model.emission_.means[:, 0])
    np.testing.assert_allclose(model.emission_.covariances[order], [625, 1, 0.25], rtol=0.15)
    samples, paths = model.sample(20, 100, return_states=True, random_state=0)
    drawn, path = np.concatenate(samples), np.concatenate(paths)
    for k in range(3):
        spread = (drawn[path == k] - model.emission_.means[k]).var()
        assert spread == pytest.approx(model.emission_.covariances[k], rel=0.2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "emission",
    [
        Gaussian(),
        *(Gaussian(c, mean_weight=1.0, covariance_prior=0.01, covariance_weight=2.0) for c in COVARIANCES),
        Poisson(2.0, 3.0),
        Categorical(5.0),
    ],
    ids=str,
)
def test_fault_09_what_is_monitored_is_what_em_climbs(emission, seed):
    rng = np.random.default_rng(seed)
    if emission.symbolic:
        X = [rng.integers(4, size=20).tolist() for _ in range(3)]
    elif isinstance(emission, Poisson):
        X = [rng.poisson(3, (20, 2)) for _ in range(3)]
    else:
        X = [rng.normal(rng.integers(3, size=(20, 1)), 0.05, (20, 2)) for _ in range(3)]
        X[0][3, 1] = np.nan
    model = HMM(3, emission, max_iter=20, tol=0, random_state=seed).fit(X)
    assert_never_falls(model)
    last = model.history_[-1]["objective"] - model.log_likelihood(X).sum()
    assert last == pytest.approx(model.family_.log_prior(model.emission_), rel=1e-9, abs=1e-9)


@each_covariance
def test_fault_10_and_wish_16_a_floor_acts_at_every_m_step_and_says_so_once(covariance, rng):
    """A state stands for one value all through EM, and its variance never falls below the floor."""
    X = [np.concatenate([np.full((10, 2), 5.0), rng.normal(0, 1, (10, 2)) * (covariance != "tied")])]
    smallest = []

    def look(model, record):
        shape = model.family_._shape
        smallest.append(shape.variances(model.emission_.covariances, 2).min())

    with pytest.warns(UserWarning, match="a variance fell to its floor") as caught:
        HMM(2, Gaussian(covariance), max_iter=8, tol=0, random_state=0, callbacks=[look]).fit(X)
    assert len(caught) == 1
    assert len(smallest) == 9
    assert min(smallest) >= VARIANCE_FLOOR * X[0].var(axis=0).min() * (1 - 1e-9)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@each_covariance
def test_wish_12_covariances_stay_positive_definite(covariance, rng):
    """Collinear columns, more states than there is data for, entries missing (hmmlearn #2, #263, #285, #569)."""
    x = rng.normal(size=(60, 1))
    X = np.hstack([x, 2 * x, x + 1e-9 * rng.normal(size=(60, 1))])
    X[rng.random(X.shape) < 0.1] = np.nan
    model = HMM(6, Gaussian(covariance), max_iter=15, tol=0, random_state=0).fit([X])
    assert_never_falls(model)
    matrices = model.family_._shape.full(model.emission_.covariances, 3)
    assert np.linalg.eigvalsh(matrices).min() > 0
    assert np.isfinite(model.score([X]))


def test_fault_13_gaps_are_taken_and_what_is_no_count_is_refused(rng):
    X = rng.poisson(3, (30, 2)) * 1.0
    X[4, 0] = X[7] = np.nan
    assert np.isfinite(HMM(2, Poisson(), max_iter=3, random_state=0).fit([X]).score([X]))
    X[9, 1] = 2.5
    with pytest.raises(ValueError, match=r"X\[0\], position 9, column 1 is 2.5; counts"):
        HMM(2, Poisson()).fit([X])


def test_fault_13_a_prior_on_rates_meets_the_mass_of_each_state(rng):
    """Every state by itself: its own counts, and those of the prior."""
    values, visits = rng.poisson(4, (12, 1)) * 1.0, rng.random((12, 3)) * [[1, 5, 0.1]]
    emission = Poisson(2.0, 3.0)
    old = PoissonParameters(np.ones((3, 1)))
    rates = emission.maximize(emission.sufficient_statistics(values, visits, old), old).rates[:, 0]
    np.testing.assert_allclose(rates, (visits.T @ values[:, 0] + 3 * 2) / (visits.sum(axis=0) + 3))
