"""Faults of hmmlearn 0.3.3 in emissions and their M-steps, by their numbers, and wishes of its users."""

import numpy as np
import pytest

from seqmodels import HMM
from seqmodels.emissions import Categorical, Gaussian, Mixture, Poisson, PoissonParameters
from seqmodels.emissions.covariance import VARIANCE_FLOOR

COVARIANCES = ("diagonal", "full", "spherical", "tied")
each_covariance = pytest.mark.parametrize("covariance", COVARIANCES)


def assert_never_falls(model):
    values = np.array([record["objective"] for record in model.history_])
    assert np.isfinite(values).all()
    assert np.diff(values).min() > -1e-10 * np.abs(values).max()


def two_states(rng, n=300, apart=6.0):
    states = np.cumsum(rng.random(n) < 0.1) % 2
    return states, rng.normal(apart * states[:, None], [[1.0, 0.5]], (n, 2))


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


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
def test_fault_08_mixtures_use_no_random_numbers_but_their_own():
    """With fewer points than components in a state, too."""
    X = [np.array([[0.0], [0.1], [0.2], [50.0], [0.05], [0.15]])]
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    models = [HMM(2, Mixture(Gaussian(), 3), max_iter=3, random_state=7).fit(X) for _ in range(2)]
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for a, b in zip(models[0].emission_.components, models[1].emission_.components, strict=True):
        np.testing.assert_array_equal(a, b)


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


def test_fault_11_weights_of_mixtures_are_counted_in_every_state(rng):
    X = [rng.normal(size=(200, 1))]
    model = HMM(3, Mixture(Gaussian(), 4), max_iter=1, random_state=0).fit(X)
    weights, others = 3 * (4 - 1), 3 * 4 * 2
    assert model.n_parameters_ == 2 + 6 + weights + others


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


@each_covariance
def test_fault_14_parameters_of_one_model_can_be_given_to_another(covariance, rng):
    _, X = two_states(rng)
    one = HMM(2, Gaussian(covariance), random_state=0).fit([X])
    other = HMM(2, Gaussian(covariance), max_iter=0, random_state=1).fit([X[:50]])
    other.emission_ = one.emission_
    other.initial_, other.transition_ = one.initial_, one.transition_
    np.testing.assert_array_equal(other.log_likelihood([X]), one.log_likelihood([X]))
    again = HMM(2, Gaussian(covariance), init={"emission": one.emission_}, max_iter=0, random_state=0).fit([X])
    np.testing.assert_array_equal(again.emission_.covariances, one.emission_.covariances)
